//! A function of your own on every backend: Rust for the processors, WGSL for a device, a bound and a check.
//! `cargo run --release --example own_kernel`

use hetero::config::Layers;
use hetero::error::{Error, Result};
use hetero::exec::Control;
use hetero::job::ElementWise;
use hetero::measure::sampler::Rule;
use hetero::run::measure;
use hetero::units::{grouped, seconds};

fn main() -> Result<()> {
    // Damped waves: e^(-t) cos(w t) at three million points.
    let n = 3_000_000;
    let t: Vec<f64> = (0..n).map(|i| f64::from(i) * 1e-6).collect();
    let w: Vec<f64> = (0..n).map(|i| 1.0 + f64::from(i % 5)).collect();

    let wave = ElementWise::new("wave", [&t, &w], |[t, w]| (-t).exp() * (w * t).cos())?
        .flops(40.0)
        // The same in WGSL, whose exp is good to 3 + 2 t units in the last place (2^-23) and whose cos to 2^-11; both
        // inputs are rounded to f32, which shifts the angle by its size times 2^-23.
        .wgsl("return exp(-x0) * cos(x1 * x0);", |[t, w]| {
            (-t).exp() * (2f64.powi(-11) + (3.0 + 4.0 * t + 2.0 * (w * t).abs()) * 2f64.powi(-23))
        })
        // A check that shares no code with either: the wave lies within its envelope.
        .invariant("|wave| against e^-t", |[t, _], wave| wave.abs() * t.exp() / (1.0 + 1e-3));

    let (settings, control) = (Layers::default().config()?, Control::default());
    println!("{} points", grouped(n as u64));
    for backend in ["seq", "cpu", "gpu"] {
        match measure(&wave, backend, Rule::default(), &settings, &control) {
            Ok(run) => {
                let mut times: Vec<f64> = run.samples.phases.iter().map(hetero::backend::Phases::total).collect();
                times.sort_by(f64::total_cmp);
                let device =
                    run.facts.adapter.as_ref().map_or(String::new(), |adapter| format!(" on {}", adapter.name));
                println!(
                    "{backend}: {} in {}{device}, {} checked, off by at most {:.1e}: {}",
                    seconds(times[times.len() / 2]),
                    run.precision.name(),
                    grouped(run.verification.checked),
                    run.verification.max_abs,
                    run.verification.first_bad.as_deref().unwrap_or("right"),
                );
            }
            // A machine without a device has one backend less.
            Err(Error::Unavailable { why, .. }) => println!("{backend}: not here: {why}"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
