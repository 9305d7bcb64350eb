//! The command line. Workloads bring their own options; every other flag sets one knob of the configuration.

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::config::{self, Layers, Origin};
use crate::error::{Error, Result};
use crate::workloads::{WORKLOADS, Workload};

/// A flag that sets a knob.
struct Flag {
    name: &'static str,
    knob: &'static str,
    value: &'static str,
    help: &'static str,
}

impl Flag {
    fn arg(&self) -> Arg {
        Arg::new(self.name).long(self.name).value_name(self.value).help(self.help)
    }
}

/// Flags of `run` that take a value.
const FLAGS: &[Flag] = &[
    Flag {
        name: "backend",
        knob: "run.backend",
        value: "NAME[,NAME]",
        help: "What runs it: seq, cpu, gpu, gpu:N, hybrid, auto, all",
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
    Flag {
        name: "hybrid",
        knob: "run.hybrid",
        value: "LIST",
        help: "Who works together with --backend hybrid: auto, or backends with commas",
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
        .after_help("hetero run stress            the reference job on generated data\nhetero devices               what can run here\nhetero run <workload> --help   the options of one workload")
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
        .subcommand(explain_command())
        .subcommand(compare_command())
        .subcommand(
            Command::new("devices")
                .about("What can run here: processors, memory, each adapter, and why one is missing")
                .arg(json_flag()),
        )
        .subcommand(calibrate_command())
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

/// Flags of `run` that `calibrate` has too.
const CALIBRATE_FLAGS: [&str; 4] = ["threads", "pin", "adapter", "device-timeout"];

fn calibrate_command() -> Command {
    let flags = FLAGS.iter().filter(|flag| CALIBRATE_FLAGS.contains(&flag.name));
    let file = |name: &'static str| Arg::new(name).long(name).value_name("FILE");
    Command::new("calibrate")
        .about("Measures this machine and keeps what was found as its profile, which predictions stand on")
        .after_help(
            "Takes less than 20 s. What it measures replaces what was known of it; backends that are not here now, and \
             kernels that only runs have seen, are kept. The profile lies in the cache folder (HETERO_CACHE), one for each \
             kind of machine.",
        )
        .arg(Arg::new("show").long("show").action(ArgAction::SetTrue).help("Print what is kept and whether it counts here; measure nothing"))
        .arg(file("export").value_parser(value_parser!(std::path::PathBuf)).help("Write the profile to FILE as well, for `explain --profile` elsewhere"))
        .arg(
            Arg::new("seconds")
                .long("seconds")
                .value_name("N")
                .default_value("17")
                .value_parser(|text: &str| match text.parse() {
                    Ok(seconds) if (1.0..=3600.0).contains(&seconds) => Ok::<f64, String>(seconds),
                    _ => Err(format!("'{text}' is not between 1 and 3600 seconds")),
                })
                .help("Time to take; with more of it kernels are measured at larger sizes"),
        )
        .args(flags.map(Flag::arg))
        .arg(require_hardware())
        .arg(json_flag())
        .arg(Arg::new("ascii").long("ascii").action(ArgAction::SetTrue).help("Tables in plain ASCII"))
        .arg(Arg::new("quiet").short('q').long("quiet").action(ArgAction::SetTrue).help("No progress bar"))
        .arg(Arg::new("open").long("open").value_name("BACKEND").hide(true).help("Open this backend and print the seconds"))
}

fn require_hardware() -> Arg {
    Arg::new("require-hardware")
        .long("require-hardware")
        .action(ArgAction::SetTrue)
        .help("Refuse software adapters (exit 5)")
}

fn json_flag() -> Arg {
    Arg::new("json").long("json").action(ArgAction::SetTrue).help("One JSON document on stdout")
}

fn run_command() -> Command {
    let run =
        Command::new("run").about("Runs a job and reports time, phases, verification and speedup for each backend");
    for_each_workload(run, cases_args, |workload, command| {
        let skip = Arg::new("skip-existing")
            .long("skip-existing")
            .action(ArgAction::SetTrue)
            .requires("output")
            .help("Of several inputs leave out those whose output is there already");
        command
            .args(setting_flags(|_| true))
            .arg(require_hardware())
            .arg(
                Arg::new("regret")
                    .long("regret")
                    .action(ArgAction::SetTrue)
                    .help("Also run what auto did not choose, and say how much the choice cost"),
            )
            .next_help_heading("Output")
            .arg(
                file("output", "Write the result of the (first) backend asked for; the ending decides the format")
                    .short('o'),
            )
            .args(Some(skip).filter(|_| !workload.case_inputs().is_empty()))
            .arg(file("trace", "Write what every worker and queue did when, for Perfetto or chrome://tracing"))
            .args(form_flags())
    })
}

/// The options of a workload as `run` has them: those that name inputs take several.
fn cases_args(workload: &dyn Workload) -> Vec<Arg> {
    let inputs = workload.case_inputs();
    let several = |arg: Arg| match inputs.iter().find(|input| arg.get_id() == input.option) {
        Some(input) => {
            let more = if input.joined { "one job, or one each where --output has a {stem}" } else { "one case each" };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let help = format!("{help} [several files, a folder, or a pattern in quotes: {more}]");
            arg.num_args(1..).action(ArgAction::Append).help(help)
        }
        None => arg,
    };
    workload.args().into_iter().map(several).collect()
}

/// The command line of `hetero run <workload>` once more, with other values for some options.
pub struct Again {
    command: Command,
}

impl Again {
    /// For runs of `workload`.
    #[must_use]
    pub fn of(workload: &dyn Workload) -> Self {
        let run = run_command();
        let command = run.find_subcommand(workload.name()).expect("every workload has a subcommand").clone();
        Self { command: command.disable_help_flag(true) }
    }

    /// What `args` say, but with `values` for the options named there.
    ///
    /// # Errors
    /// [`Error::Usage`] when an option does not take its new value.
    pub fn with(&mut self, args: &ArgMatches, values: &[(&str, Vec<OsString>)]) -> Result<ArgMatches> {
        let mut line = vec![OsString::from("run")];
        for arg in self.command.get_arguments() {
            let id = arg.get_id().as_str();
            let long = arg.get_long().unwrap_or(id);
            let new = values.iter().find(|(option, _)| *option == id).map(|(_, values)| values.clone());
            let given = || args.value_source(id) == Some(ValueSource::CommandLine);
            let own = || args.get_raw(id).map(|raw| raw.map(ToOwned::to_owned).collect::<Vec<_>>());
            let Some(of_it) = new.or_else(|| if given() { own() } else { None }) else { continue };
            if arg.get_action().takes_values() {
                line.extend(of_it.into_iter().map(|value| {
                    let mut text = OsString::from(format!("--{long}="));
                    text.push(value);
                    text
                }));
            } else {
                line.push(format!("--{long}").into());
            }
        }
        self.command.try_get_matches_from_mut(line).map_err(|error| {
            let text = error.to_string();
            Error::Usage(text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string())
        })
    }
}

fn explain_command() -> Command {
    let explain =
        Command::new("explain").about("Which backend auto would choose for a job, and why, without running it");
    for_each_workload(
        explain,
        |workload| workload.args(),
        |_, command| {
            command
                .args(setting_flags(|name| !["backend", "baseline", "runs", "budget"].contains(&name)))
                .arg(require_hardware())
                .arg(file("profile", "For the machine of this profile (hetero calibrate --export) instead of this one"))
                .next_help_heading("Output")
                .arg(json_flag())
                .arg(Arg::new("ascii").long("ascii").action(ArgAction::SetTrue).help("Tables in plain ASCII"))
        },
    )
}

/// `command` with a subcommand for every workload, each with the workload's options in the form that `args` gives them and
/// with what `more` adds.
fn for_each_workload(
    command: Command,
    args: impl Fn(&dyn Workload) -> Vec<Arg>,
    more: impl Fn(&dyn Workload, Command) -> Command,
) -> Command {
    let command = command
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand_value_name("WORKLOAD")
        .subcommand_help_heading("Workloads");
    WORKLOADS.iter().fold(command, |command, workload| {
        let own = Command::new(workload.name()).about(workload.about()).args(args(*workload));
        command.subcommand(more(*workload, own.next_help_heading("Running")))
    })
}

fn compare_command() -> Command {
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
        .arg(require_hardware())
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

/// A flag that takes a file.
fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(std::path::PathBuf)).help(help)
}

/// The flags that set a knob, as far as they are `wanted`.
fn setting_flags(wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Arg> {
    FLAGS.iter().filter(move |flag| wanted(flag.name)).map(Flag::arg)
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
            // A file that somebody named must be there.
            let named = std::env::var_os("HETERO_CONFIG").is_some_and(|path| !path.is_empty());
            if let Some(path) = config::user_file().filter(|path| named || path.exists()) {
                layers.file(&path)?;
            }
        }
    }
    // What is not UTF-8 is no value of a setting, and its replacement says so in the message.
    layers.environment(
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))),
    )?;
    if let Some(own) = own {
        // A command has only those that mean something to it.
        for flag in FLAGS {
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
            ("regret", "run.regret", "true"),
        ] {
            if own.try_get_one::<bool>(flag).ok().flatten() == Some(&true) {
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
