//! `hetero list`: every workload with its kernels and options, every backend. Walks the registries.

use clap::Arg;
use serde_json::{Value, json};

use super::style::{Cell, Grid, Paint, Style, wrap};
use crate::backend::BackendEntry;
use crate::workloads::{KernelInfo, Workload};

/// The list as text.
#[must_use]
pub fn text(workloads: &[&dyn Workload], backends: &[BackendEntry], style: Style) -> String {
    let mut out = String::new();
    let width = backends.iter().map(|entry| entry.name.len()).max().unwrap_or(0).max("backends".len());
    for (i, entry) in backends.iter().enumerate() {
        let head = if i == 0 { "backends" } else { "" };
        let number = if entry.numbered { format!(" ({}:1 is the second one)", entry.name) } else { String::new() };
        let first = format!("{head:width$}  {:6} ", entry.name);
        wrap(&mut out, &first, &style.clean(&format!("{}{number}", entry.about)));
    }
    for workload in workloads {
        out.push('\n');
        out.push_str(&style.paint(workload.name(), Paint::Head));
        let mut about = String::new();
        wrap(&mut about, "", &style.clean(workload.about()));
        out.push_str(": ");
        out.push_str(&about);
        kernels(&mut out, workload.kernels(), style);
        options(&mut out, &workload.args(), style);
    }
    out
}

fn kernels(out: &mut String, kernels: &[KernelInfo], style: Style) {
    if kernels.is_empty() {
        return;
    }
    let mut grid = Grid::new(style, &["  kernel", "item", "precisions", "runs on"]);
    for kernel in kernels {
        let backends = match kernel.cpu_only {
            None => Cell::from("seq, cpu, gpu"),
            Some(_) => Cell::painted("seq, cpu", Paint::Warn),
        };
        grid.row(vec![format!("  {}", kernel.name).into(), kernel.item.into(), kernel.precisions.into(), backends]);
    }
    grid.write(out);
    // What holds for all is said once.
    let shared = kernels[0].cpu_only.filter(|why| kernels.iter().all(|kernel| kernel.cpu_only == Some(why)));
    for kernel in kernels {
        let own = kernel.cpu_only.filter(|_| shared.is_none()).map(|why| format!("; not on a GPU: {why}"));
        let about = format!("{}{}", kernel.about, own.unwrap_or_default());
        wrap(out, &format!("    {}: ", kernel.name), &style.clean(&about));
    }
    if let Some(why) = shared {
        wrap(out, "    not on a GPU: ", &style.clean(why));
    }
}

/// What an option looks like on the command line: `--samples <N>`.
fn usage(arg: &Arg) -> String {
    let mut text = match (arg.get_long(), arg.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => String::new(),
    };
    if arg.get_action().takes_values() {
        let names = arg.get_value_names().map_or_else(
            || vec![arg.get_id().as_str().to_uppercase()],
            |names| names.iter().map(ToString::to_string).collect(),
        );
        for name in names {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(&format!("<{name}>"));
        }
    }
    text
}

fn default(arg: &Arg) -> Option<String> {
    let values: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    (arg.get_action().takes_values() && !values.is_empty()).then(|| values.join(" "))
}

fn choices(arg: &Arg) -> Vec<String> {
    if !arg.get_action().takes_values() {
        return Vec::new();
    }
    let shown = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    shown.map(|value| value.get_name().to_string()).collect()
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}

fn options(out: &mut String, args: &[Arg], style: Style) {
    let shown: Vec<&Arg> = args.iter().filter(|arg| !arg.is_hide_set()).collect();
    let width = shown.iter().map(|arg| usage(arg).len()).max().unwrap_or(0).min(34);
    for arg in shown {
        let mut text = help(arg);
        let choices = choices(arg);
        if !choices.is_empty() {
            text.push_str(&format!(" [{}]", choices.join(", ")));
        }
        if let Some(default) = default(arg) {
            text.push_str(&format!(" (default {default})"));
        }
        wrap(out, &format!("  {:width$}  ", usage(arg)), &style.clean(&text));
    }
}

/// The list as one JSON document, `hetero.list/1`.
#[must_use]
pub fn json(workloads: &[&dyn Workload], backends: &[BackendEntry]) -> String {
    let kernel = |kernel: &KernelInfo| {
        let backends: &[&str] = if kernel.cpu_only.is_none() { &["seq", "cpu", "gpu"] } else { &["seq", "cpu"] };
        json!({
            "name": kernel.name, "item": kernel.item, "precisions": kernel.precisions, "backends": backends,
            "cpu_only": kernel.cpu_only, "about": kernel.about,
        })
    };
    let option =
        |arg: &Arg| json!({ "usage": usage(arg), "help": help(arg), "default": default(arg), "values": choices(arg) });
    let workload = |workload: &&dyn Workload| {
        let args = workload.args();
        let options: Vec<Value> = args.iter().filter(|arg| !arg.is_hide_set()).map(option).collect();
        json!({
            "name": workload.name(), "about": workload.about(),
            "kernels": workload.kernels().iter().map(kernel).collect::<Vec<_>>(), "options": options,
        })
    };
    let backend =
        |entry: &BackendEntry| json!({ "name": entry.name, "about": entry.about, "numbered": entry.numbered });
    let list = json!({
        "schema": "hetero.list/1",
        "backends": backends.iter().map(backend).collect::<Vec<_>>(),
        "workloads": workloads.iter().map(workload).collect::<Vec<_>>(),
    });
    format!("{list:#}\n")
}

#[cfg(test)]
mod tests {
    use clap::{ArgAction, ArgMatches};

    use super::*;
    use crate::backend::BACKENDS;
    use crate::error::Result;
    use crate::job::Job;
    use crate::workloads::Context;

    struct Waves;

    impl Workload for Waves {
        fn name(&self) -> &'static str {
            "waves"
        }
        fn about(&self) -> &'static str {
            "heights of waves on a line"
        }
        fn kernels(&self) -> &'static [KernelInfo] {
            &[
                KernelInfo {
                    name: "crest",
                    item: "point",
                    precisions: "f32, f64",
                    cpu_only: None,
                    about: "Height h = a sin(kx), within 4 roundings.",
                },
                KernelInfo {
                    name: "foam",
                    item: "bubble",
                    precisions: "integer",
                    cpu_only: Some("its lists have no fixed length."),
                    about: "Counts bubbles",
                },
            ]
        }
        fn args(&self) -> Vec<Arg> {
            vec![
                Arg::new("points").long("points").value_name("N").default_value("1e6").help("Number of points"),
                Arg::new("model").long("model").value_parser(["linear", "cubic"]).help("Which waves"),
                Arg::new("calm").long("calm").action(ArgAction::SetTrue).help("No waves at all"),
                Arg::new("secret").long("secret").hide(true),
            ]
        }
        fn prepare(&self, _: &ArgMatches, _: &Context) -> Result<Box<dyn Job>> {
            Err(crate::error::Error::Usage("not for running".into()))
        }
        fn sized(&self, _: u64, _: &Context) -> Result<Vec<(String, Box<dyn Job>)>> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn the_list_names_kernels_options_and_reasons() {
        insta::assert_snapshot!(text(&[&Waves], &BACKENDS[..1], Style { ascii: true, colour: false }), @r"
    backends  seq    one thread, plain f64 code: the reference that every other backend is checked
                     against

    waves: heights of waves on a line
      kernel  item    precisions  runs on
    -------------------------------------------
      crest   point   f32, f64    seq, cpu, gpu
      foam    bubble  integer     seq, cpu
        crest: Height h = a sin(kx), within 4 roundings.
        foam: Counts bubbles; not on a GPU: its lists have no fixed length.
      --points <N>     Number of points (default 1e6)
      --model <MODEL>  Which waves [linear, cubic]
      --calm           No waves at all
    ");
    }

    #[test]
    fn a_reason_that_all_kernels_share_is_told_once() {
        let guyan = crate::workloads::find("guyan").unwrap();
        assert!(guyan.kernels().len() > 1);
        let list = text(&[guyan], &[], Style { ascii: true, colour: false });
        assert_eq!(list.matches("not on a GPU: guyan stays on the CPU").count(), 1, "{list}");
    }

    #[test]
    fn the_json_list_has_the_same() {
        let list: Value = serde_json::from_str(&json(&[&Waves], BACKENDS)).unwrap();
        assert_eq!(list["schema"], "hetero.list/1");
        assert_eq!(list["backends"].as_array().unwrap().len(), BACKENDS.len());
        let waves = &list["workloads"][0];
        assert_eq!((&waves["name"], &waves["kernels"][0]["cpu_only"]), (&json!("waves"), &Value::Null));
        assert_eq!(waves["kernels"][1]["backends"], json!(["seq", "cpu"]));
        assert_eq!(waves["options"].as_array().unwrap().len(), 3, "hidden options stay hidden");
        assert_eq!(waves["options"][0]["usage"], "--points <N>");
        assert_eq!(waves["options"][0]["default"], "1e6");
        assert_eq!(waves["options"][1]["values"], json!(["linear", "cubic"]));
    }
}
