//! The command line. Workloads bring their own options; every other flag sets one knob of the configuration.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::config::{self, Layers, Origin};
use crate::error::Result;
use crate::workloads::WORKLOADS;

/// A flag that sets a knob.
struct Flag {
    name: &'static str,
    knob: &'static str,
    value: &'static str,
    help: &'static str,
}

/// Flags of `run` that take a value.
const FLAGS: &[Flag] = &[
    Flag {
        name: "backend",
        knob: "run.backend",
        value: "NAME[,NAME]",
        help: "What runs it: seq, cpu, gpu, gpu:N, all",
    },
    Flag {
        name: "baseline",
        knob: "run.baseline",
        value: "NAME[,NAME]",
        help: "Backends that speedups are measured against, or none",
    },
    Flag {
        name: "precision",
        knob: "run.precision",
        value: "WORD",
        help: "Arithmetic: f32, mixed, f64, or auto (f64 on the cpu, mixed on a gpu)",
    },
    Flag { name: "seed", knob: "run.seed", value: "N", help: "Seed of generated input and of the verified sample" },
    Flag { name: "runs", knob: "run.runs", value: "N", help: "Timed runs per backend; 0 fits them to the budget" },
    Flag { name: "budget", knob: "run.budget", value: "SECONDS", help: "Time for the timed runs of one backend" },
    Flag {
        name: "threads",
        knob: "cpu.threads",
        value: "N",
        help: "Worker threads of the cpu backend; 0 for all CPUs",
    },
    Flag { name: "pin", knob: "cpu.pin", value: "BOOL", help: "Pin each worker to one CPU: true or false" },
    Flag {
        name: "simd",
        knob: "cpu.simd",
        value: "LEVEL",
        help: "Highest instruction set: auto, avx512, avx2, baseline",
    },
    Flag { name: "adapter", knob: "gpu.adapter", value: "INDEX|NAME", help: "Adapter, as `hetero devices` lists them" },
    Flag {
        name: "max-device-memory",
        knob: "gpu.max_device_memory",
        value: "BYTES",
        help: "Device memory to use at most (512M, 2GiB); larger jobs stream through it",
    },
    Flag {
        name: "device-timeout",
        knob: "gpu.timeout",
        value: "SECONDS",
        help: "How long to wait for a device before it counts as lost",
    },
];

/// The whole command line.
#[must_use]
pub fn command() -> Command {
    let styles = Styles::styled().header(AnsiColor::Green.on_default()).literal(AnsiColor::Cyan.on_default());
    Command::new("hetero")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a numerical job on the CPU and on the GPU, checks the answers, and says which was faster")
        .after_help("hetero run stress            the reference job on generated data\nhetero compare stress        from which size on which backend is faster\nhetero devices               what can run here\nhetero run <workload> --help   the options of one workload")
        .styles(styles)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("config")
                .long("config")
                .global(true)
                .value_name("FILE")
                .value_parser(value_parser!(std::path::PathBuf))
                .help("Settings file instead of the user's own"),
        )
        .arg(
            Arg::new("verbose")
                .short('v')
                .long("verbose")
                .global(true)
                .action(ArgAction::Count)
                .help("Logs on stderr: -v what is decided, -vv every step (or HETERO_LOG)"),
        )
        .subcommand(run_command())
        .subcommand(compare_command())
        .subcommand(
            Command::new("devices")
                .about("What can run here: processors, memory, each adapter, and why one is missing")
                .arg(json_flag()),
        )
        .subcommand(
            Command::new("list").about("Workloads, their kernels, backends and options").arg(json_flag()),
        )
        .subcommand(
            Command::new("config").about("Every setting with its value and where it came from").arg(
                Arg::new("path")
                    .long("path")
                    .action(ArgAction::SetTrue)
                    .help("Print only where the user's settings file is looked for"),
            ),
        )
        .subcommand(
            Command::new("completions").about("Shell completions on stdout").arg(
                Arg::new("shell").required(true).value_parser(value_parser!(clap_complete::Shell)).help("The shell"),
            ),
        )
        .subcommand(
            Command::new("man").about("Man pages: the main one on stdout, or all of them into a folder").arg(
                Arg::new("folder")
                    .long("output")
                    .value_name("FOLDER")
                    .value_parser(value_parser!(std::path::PathBuf))
                    .help("Write hetero.1, hetero-run.1 ... here"),
            ),
        )
}

fn json_flag() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON document on stdout")
}

fn run_command() -> Command {
    let mut run = Command::new("run")
        .about("Runs a job and reports time, phases, verification and speedup for each backend")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand_value_name("WORKLOAD")
        .subcommand_help_heading("Workloads");
    for workload in WORKLOADS {
        run = run.subcommand(
            Command::new(workload.name())
                .about(workload.about())
                .args(workload.args())
                .next_help_heading("Running")
                .args(setting_flags(|_| true))
                .arg(require_hardware_flag())
                .next_help_heading("Output")
                .arg(
                    Arg::new("output")
                        .short('o')
                        .long("output")
                        .value_name("FILE")
                        .value_parser(value_parser!(std::path::PathBuf))
                        .help("Write the result of the (first) backend asked for; the ending decides the format"),
                )
                .args(form_flags()),
        );
    }
    run
}

/// The flags that set a knob, but for those that are not `wanted`.
fn setting_flags(wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Arg> {
    let flags = FLAGS.iter().filter(move |flag| wanted(flag.name));
    flags.map(|flag| Arg::new(flag.name).long(flag.name).value_name(flag.value).help(flag.help))
}

fn require_hardware_flag() -> Arg {
    Arg::new("require-hardware")
        .long("require-hardware")
        .action(ArgAction::SetTrue)
        .help("Refuse software adapters (exit 5)")
}

/// How a report looks.
fn form_flags() -> [Arg; 5] {
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    [
        json_flag().conflicts_with_all(["csv", "markdown"]),
        flag("csv", "The report as CSV").conflicts_with("markdown"),
        flag("markdown", "The report as Markdown"),
        flag("ascii", "Tables in plain ASCII"),
        flag("quiet", "No progress bar").short('q'),
    ]
}

fn compare_command() -> Command {
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(std::path::PathBuf)).help(help)
    };
    let workloads: Vec<_> = WORKLOADS.iter().map(|workload| workload.name()).collect();
    Command::new("compare")
        .about("Runs a workload at several sizes on several backends: from which size on is which one faster?")
        .arg(
            Arg::new("workload")
                .required(true)
                .value_name("WORKLOAD")
                .value_parser(workloads)
                .help("What runs, on generated data"),
        )
        .arg(
            Arg::new("sizes")
                .long("sizes")
                .value_name("A..B|A,B")
                .default_value("1e3..1e7")
                .help("Numbers of items: a range, two a decade, or a list"),
        )
        .arg(
            Arg::new("points")
                .long("points")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("Sizes of the range, each a fixed factor above the one before"),
        )
        .arg(Arg::new("backends").long("backends").value_name("NAME[,NAME]").help(
            "What runs it: seq, cpu, gpu, gpu:N; all there are by default. cpu, or else the first, is the baseline",
        ))
        .arg(Arg::new("variant").long("variant").value_name("NAME").help("Which of the workload's generated jobs"))
        .next_help_heading("Running")
        .args(setting_flags(|name| !["backend", "baseline"].contains(&name)))
        .arg(require_hardware_flag())
        .next_help_heading("Output")
        .arg(file("save", "Write the JSON form, for --against"))
        .arg(file("against", "Compare each row with the one in a saved comparison"))
        .arg(
            Arg::new("fail-if")
                .long("fail-if")
                .value_name("VERDICT")
                .value_parser(["slower"])
                .requires("against")
                .help("Exit 8 when a row became slower"),
        )
        .arg(file("html", "Write a page with charts: one file, no network"))
        .args(form_flags())
}

/// Puts all layers together: defaults, the user's file, the environment, the flags of `top` and of `own` (the
/// innermost subcommand).
///
/// # Errors
/// [`crate::error::Error::Usage`] for a setting that does not exist or does not fit.
pub fn settings(top: &ArgMatches, own: Option<&ArgMatches>) -> Result<Layers> {
    let mut layers = Layers::default();
    match top.get_one::<std::path::PathBuf>("config") {
        Some(path) => layers.file(path)?,
        None => {
            if let Some(path) = config::user_file().filter(|path| path.exists()) {
                layers.file(&path)?;
            }
        }
    }
    layers
        .environment(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))))?;
    if let Some(own) = own {
        for flag in FLAGS {
            // A subcommand has those that make sense for it.
            if let Ok(Some(text)) = own.try_get_one::<String>(flag.name) {
                layers.parse(flag.knob, text, Origin::Flag(flag.name.into()))?;
            }
        }
        for (flag, knob, value) in [
            ("require-hardware", "gpu.require_hardware", "true"),
            ("json", "report.format", "json"),
            ("csv", "report.format", "csv"),
            ("markdown", "report.format", "markdown"),
            ("ascii", "report.ascii", "true"),
            ("quiet", "report.progress", "false"),
        ] {
            if matches!(own.try_get_one::<bool>(flag), Ok(Some(true))) {
                layers.parse(knob, value, Origin::Flag(flag.into()))?;
            }
        }
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_sets_a_knob_that_exists() {
        let layers = Layers::default();
        for flag in FLAGS {
            assert!(layers.rows().any(|row| row.0 == flag.knob), "--{}", flag.name);
        }
    }
}
