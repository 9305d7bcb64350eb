//! A profile for people, and as one JSON document.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::style::{Cell, Grid, Paint, Style, wrap};
use crate::machine::profile::{BackendProfile, HostFacts, KernelProfile, Profile, Rate};
use crate::units;

/// What a profile counts for here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It was measured just now.
    Measured,
    /// It is this machine's and this version's.
    Ours,
    /// It is not, and why.
    Stale(String),
    /// There is none.
    None,
}

/// What `hetero calibrate` prints.
#[derive(Debug)]
pub struct Shown {
    /// The profile; `None` when there is none that can be read.
    pub profile: Option<Profile>,
    /// What it counts for.
    pub state: State,
    /// Where it is kept; `None` when it is kept nowhere.
    pub path: Option<PathBuf>,
    /// Seconds that measuring it took, when that was now.
    pub seconds: Option<f64>,
    /// What could not be measured: a line each.
    pub notes: Vec<String>,
}

/// One JSON document: the profile itself, and beside its fields a `calibration` {file, state, why, seconds, notes}.
/// Without a profile only that.
#[must_use]
pub fn json(shown: &Shown) -> String {
    let (state, why) = match &shown.state {
        State::Measured => ("measured", None),
        State::Ours => ("stored", None),
        State::Stale(why) => ("stale", Some(why)),
        State::None => ("none", None),
    };
    let mut document = serde_json::to_value(&shown.profile).ok().filter(Value::is_object).unwrap_or_else(|| json!({}));
    document["calibration"] = json!({
        "file": shown.path.as_ref().map(|path| path.display().to_string()),
        "state": state, "why": why, "seconds": shown.seconds, "notes": shown.notes,
    });
    format!("{document:#}\n")
}

/// The same for people: the host, the backends, and the rate of each kernel.
#[must_use]
pub fn text(shown: &Shown, style: Style) -> String {
    let mut out = String::new();
    let file = shown.path.as_ref().map_or("nowhere (HETERO_CACHE is empty)".into(), |path| path.display().to_string());
    if let Some(profile) = &shown.profile {
        let key = &profile.key;
        let what = format!("{}, {} threads, {} (hetero {})", key.cpu, key.threads, key.simd, key.version);
        wrap(&mut out, "profile of  ", &style.clean(&what));
    }
    let kept = match (&shown.state, shown.seconds) {
        (State::None, _) => format!("no profile in {file}; hetero calibrate makes one"),
        (State::Stale(why), _) => format!("{file}: not used here: {why}; hetero calibrate replaces it"),
        (_, Some(seconds)) => format!("{file}, measured in {}", units::seconds(seconds)),
        (_, None) => file,
    };
    wrap(&mut out, "kept in     ", &style.clean(&kept));
    if let Some(profile) = &shown.profile {
        host(&mut out, &profile.host, style);
        out.push('\n');
        backends(&mut out, &profile.backends, style);
        out.push('\n');
        kernels(&mut out, &profile.backends, style);
    }
    if !shown.notes.is_empty() {
        out.push('\n');
    }
    for note in &shown.notes {
        wrap(&mut out, "note: ", &style.clean(note));
    }
    out
}

fn host(out: &mut String, host: &HostFacts, style: Style) {
    let rate = |value: f64, unit: &str| joined(&units::si(value), unit);
    let mut line = |name: &str, text: String| {
        if !text.is_empty() {
            wrap(out, &format!("{name:12}"), &style.clean(&text));
        }
    };
    let reads: Vec<String> = host
        .read
        .iter()
        .map(|at| format!("{} {}", units::bytes(at.bytes as u64), rate(at.per_second, "B/s")))
        .collect();
    line("read", reads.join(", "));
    let known = [
        ("triad", host.triad, "B/s"),
        ("f64", host.flops_f64, "FLOP/s"),
        ("f32", host.flops_f32, "FLOP/s"),
        ("integer", host.int_ops, "op/s"),
        ("files", host.file_read, "B/s"),
    ];
    let known: Vec<String> =
        known.iter().filter_map(|(name, value, unit)| Some(format!("{name} {}", rate((*value)?, unit)))).collect();
    line("reaches", known.join(", "));
    line("pool", host.pool_wake.map_or(String::new(), |wake| format!("wakes in {}", units::seconds(wake))));
}

/// A number with its prefix and its unit: `24.0 GB/s`.
fn joined(number: &str, unit: &str) -> String {
    let gap = if number.ends_with(|c: char| c.is_ascii_digit()) { " " } else { "" };
    format!("{number}{gap}{unit}")
}

fn backends(out: &mut String, backends: &[BackendProfile], style: Style) {
    let mut grid = Grid::new(style, &["backend", "-open", "-launch", "-to device", "-from device"]);
    let seconds = |value: Option<f64>| value.map_or(String::new(), units::seconds);
    let fastest = |rates: &[Rate]| {
        let best = rates.iter().map(|rate| rate.per_second).fold(0.0, f64::max);
        if best > 0.0 { joined(&units::si(best), "B/s") } else { String::new() }
    };
    for backend in backends {
        let device = match &backend.adapter {
            None if backend.threads == 1 => "1 thread".into(),
            None => format!("{} threads", backend.threads),
            Some(adapter) if adapter.software => format!("{} (software adapter, not a GPU)", adapter.name),
            Some(adapter) => adapter.name.clone(),
        };
        grid.row(vec![
            backend.id.as_str().into(),
            seconds(backend.open.value()).into(),
            seconds(backend.launch.value()).into(),
            fastest(&backend.upload).into(),
            fastest(&backend.download).into(),
        ]);
        grid.note(&device, Paint::Plain);
        if let Some(reach) = &backend.reach {
            let known = [
                ("read", reach.read, "B/s"),
                ("triad", reach.triad, "B/s"),
                ("f64", reach.flops_f64, "FLOP/s"),
                ("f32", reach.flops_f32, "FLOP/s"),
                ("integer", reach.int_ops, "op/s"),
            ];
            let known: Vec<String> = known
                .iter()
                .filter_map(|(name, value, unit)| Some(format!("{name} {}", joined(&units::si((*value)?), unit))))
                .collect();
            grid.note(&known.join(", "), Paint::Plain);
        }
    }
    grid.write(out);
}

/// What every kernel does a second at the largest job that was measured, in operations or bytes, whichever are more.
fn kernels(out: &mut String, backends: &[BackendProfile], style: Style) {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for kernel in backends.iter().flat_map(|backend| &backend.kernels) {
        let row = (kernel.name.as_str(), kernel.precision.as_str());
        if !rows.contains(&row) && !kernel.name.ends_with(" answer") {
            rows.push(row);
        }
    }
    // Where a kernel stands is where it was met first; its precisions stand together.
    let first: Vec<&str> = rows.iter().map(|row| row.0).collect();
    rows.sort_by_key(|row| first.iter().position(|name| name == &row.0));
    let headings: Vec<String> = backends.iter().map(|backend| format!("-{}", backend.id)).collect();
    let mut all = vec!["kernel", "precision"];
    all.extend(headings.iter().map(String::as_str));
    all.push("-compile");
    let mut grid = Grid::new(style, &all);
    for (name, precision) in rows {
        let of = |backend: &BackendProfile| -> Vec<KernelProfile> {
            backend
                .kernels
                .iter()
                .filter(|k| (k.name.as_str(), k.precision.as_str()) == (name, precision))
                .cloned()
                .collect()
        };
        let mut cells: Vec<Cell> = vec![name.into(), precision.into()];
        cells.extend(backends.iter().map(|backend| Cell::from(of(backend).first().and_then(rate).unwrap_or_default())));
        let compile = backends.iter().flat_map(of).filter_map(|kernel| kernel.compile.value()).fold(0.0, f64::max);
        cells.push(if compile > 0.0 { units::seconds(compile) } else { String::new() }.into());
        grid.row(cells);
    }
    grid.write(out);
}

/// Operations or bytes per second of the largest job; seconds where no work is declared.
fn rate(kernel: &KernelProfile) -> Option<String> {
    let (_, largest) = kernel.curve.range()?;
    let seconds = kernel.curve.at(largest, 0.0)?.total();
    Some(if largest > 0.0 { joined(&units::si(largest / seconds.max(1e-9)), "/s") } else { units::seconds(seconds) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::profile::{Key, Robust, Times};

    fn shown(state: State) -> Shown {
        let key = Key { version: "1.0".into(), cpu: "A CPU".into(), threads: 2, simd: "avx2".into() };
        let mut profile = Profile::new(key);
        profile.host.read =
            vec![Rate { bytes: 32768.0, per_second: 120e9 }, Rate { bytes: 134_217_728.0, per_second: 24e9 }];
        profile.host.triad = Some(36e9);
        profile.host.pool_wake = Some(5e-6);
        let cpu = profile.backend_mut("cpu", None, 2);
        (cpu.open, cpu.launch) = (Robust::of(2e-4), Robust::of(1e-6));
        cpu.kernel_mut("tet4", "f64", 0).curve.add(1e9, &Times { kernel: 0.05, ..Times::default() });
        cpu.kernel_mut("stress tet4 answer", "f64", 0).curve.add(1e9, &Times::default());
        Shown {
            profile: Some(profile),
            state,
            path: Some("/cache/p.json".into()),
            seconds: Some(1.5),
            notes: vec!["gpu: none".into()],
        }
    }

    #[test]
    fn the_text_tells_host_backends_kernels_and_what_is_missing() {
        let plain = Style { ascii: true, colour: false };
        assert_eq!(
            text(&shown(State::Measured), plain),
            "\
profile of  A CPU, 2 threads, avx2 (hetero 1.0)
kept in     /cache/p.json, measured in 1.50 s
read        32.0 KiB 120 GB/s, 128 MiB 24.0 GB/s
reaches     triad 36.0 GB/s
pool        wakes in 5.00 us

backend    open   launch  to device  from device
------------------------------------------------
cpu      200 us  1.00 us
    2 threads

kernel  precision       cpu  compile
------------------------------------
tet4    f64        20.0 G/s

note: gpu: none
"
        );
        let stale = text(&shown(State::Stale("the profile is of hetero 0.9, this is 1.0".into())), plain);
        assert!(stale.contains("not used here: the profile is of hetero 0.9"), "{stale}");
        let none = Shown { profile: None, seconds: None, notes: vec![], ..shown(State::None) };
        assert!(text(&none, plain).contains("no profile in /cache/p.json"));
    }

    #[test]
    fn the_document_is_the_profile_and_says_what_it_counts_for() {
        let of = |state| serde_json::from_str::<Value>(&json(&shown(state))).unwrap();
        let document = of(State::Ours);
        assert_eq!(
            (&document["schema"], &document["calibration"]["state"]),
            (&json!("hetero.profile/2"), &json!("stored"))
        );
        let back: Profile = serde_json::from_value(document).unwrap();
        assert_eq!(Some(back), shown(State::Ours).profile);
        let stale = of(State::Stale("old".into()));
        assert_eq!(stale["calibration"]["why"], "old");
        let none = Shown { profile: None, ..shown(State::None) };
        let none: Value = serde_json::from_str(&json(&none)).unwrap();
        assert_eq!((none["schema"].is_null(), &none["calibration"]["state"]), (true, &json!("none")));
    }
}
