//! The `hetero` program: parses the command line, runs the command, turns an error into its line and exit code.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;

use clap::ArgMatches;
use hetero::backend::BACKENDS;
use hetero::batch::{self, plan::Plan};
use hetero::error::{Error, Result};
use hetero::exec::Control;
use hetero::workloads::{self, WORKLOADS};
use hetero::{calibrate, cli, config, net, report, run, signals, sweep};

/// Connections that are made without waiting for a larger table of files: forty times the usual bound.
#[cfg(feature = "net")]
const CONNECTIONS: usize = 4096;

fn main() -> ExitCode {
    #[cfg(feature = "gpu")]
    // SAFETY: the first thing that this process does; there is no other thread.
    unsafe {
        hetero::gpu::adapters::quiet_loader();
    }
    // Room for files costs nothing as long as there is one thread.
    #[cfg(feature = "net")]
    net::allow_open_files(CONNECTIONS);
    let matches = match cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    start_log(matches.get_count("verbose"));
    // A panic is a bug of ours, never an answer to an input: it ends in the exit code for bugs, with its message.
    let outcome = catch_unwind(AssertUnwindSafe(|| dispatch(&matches)))
        .unwrap_or_else(|_| Err(Error::Internal("a stage panicked; the message is above".into())));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be there to read it; the exit code says it too.
            let _ = writeln!(std::io::stderr(), "hetero: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<()> {
    match matches.subcommand().expect("clap requires a subcommand") {
        ("run", run_matches) => {
            let (name, own) = run_matches.subcommand().expect("clap requires a workload");
            let trace = own.contains_id("trace").then(std::time::Instant::now);
            let control = Arc::new(Control { trace, ..Control::default() });
            signals::watch(&control);
            let settings = settings(matches, own)?;
            let workload = workloads::find(name)?;
            let out = &mut std::io::stdout().lock();
            match Plan::of(workload, own)? {
                Plan::One(own) => run::command(name, &own, &settings, &control, out),
                Plan::Cases(cases) => batch::command(workload, own, &cases, &settings, &control, out),
            }
        }
        ("explain", explain_matches) => {
            let (name, own) = explain_matches.subcommand().expect("clap requires a workload");
            let control = Arc::new(Control::default());
            signals::watch(&control);
            let settings = settings(matches, own)?;
            print(&run::explain(name, own, &settings, &control)?)
        }
        ("calibrate", own) => {
            let settings = settings(matches, own)?;
            if let Some(id) = own.get_one::<String>("open") {
                let seconds = calibrate::open_once(id, &settings.backend_options())?;
                return print(&format!("{seconds:e}\n"));
            }
            let control = Arc::new(Control::default());
            signals::watch(&control);
            calibrate::command(own, &settings, &control, &mut std::io::stdout().lock())
        }
        ("compare", own) => {
            let control = Arc::new(Control::default());
            signals::watch(&control);
            let settings = settings(matches, own)?;
            sweep::command(own, &settings, &control, &mut std::io::stdout().lock())
        }
        ("devices", own) => {
            let settings = cli::settings(matches, None)?.config()?;
            print(&run::devices(&settings, own.get_flag("json")))
        }
        ("list", own) if own.get_flag("json") => print(&report::list::json(WORKLOADS, BACKENDS)),
        ("list", _) => {
            let settings = cli::settings(matches, None)?.config()?;
            print(&report::list::text(WORKLOADS, BACKENDS, run::style(settings.report.ascii)))
        }
        ("config", own) if own.get_flag("path") => {
            let path = config::user_file().map_or("none".into(), |path| path.display().to_string());
            print(&format!("{path}\n"))
        }
        ("config", _) => {
            let layers = cli::settings(matches, None)?;
            layers.config()?;
            let rows: Vec<_> =
                layers.rows().map(|(knob, value, origin)| (format!("{knob} = {value}"), origin.to_string())).collect();
            let width = rows.iter().map(|(row, _)| row.len()).max().unwrap_or(0);
            print(&rows.iter().map(|(row, origin)| format!("{row:width$}  # {origin}\n")).collect::<String>())
        }
        ("completions", own) => {
            let shell = *own.get_one::<clap_complete::Shell>("shell").expect("clap requires it");
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut cli::command(), "hetero", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        ("man", own) => match own.get_one::<std::path::PathBuf>("folder") {
            Some(folder) => {
                clap_mangen::generate_to(cli::command(), folder).map_err(|e| Error::io(folder, "write", &e))
            }
            None => {
                let mut page = Vec::new();
                clap_mangen::Man::new(cli::command())
                    .render(&mut page)
                    .map_err(|e| Error::Internal(format!("man page: {e}")))?;
                print(&String::from_utf8_lossy(&page))
            }
        },
        (name, _) => Err(Error::Internal(format!("no command '{name}'"))),
    }
}

/// The settings of a command, the network's bounds among them in force.
fn settings(matches: &ArgMatches, own: &ArgMatches) -> Result<config::Config> {
    let settings = cli::settings(matches, Some(own))?.config()?;
    net::configure((&settings.net).into());
    Ok(settings)
}

fn print(text: &str) -> Result<()> {
    report::emit(&mut std::io::stdout().lock(), text)
}

/// Logs on stderr when asked for: `-v`, `-vv`, or a filter in `HETERO_LOG`.
fn start_log(verbosity: u8) {
    use tracing_subscriber::EnvFilter;
    let filter = match (std::env::var("HETERO_LOG"), verbosity) {
        (Ok(filter), _) => EnvFilter::new(filter),
        (Err(_), 0) => return,
        (Err(_), 1) => EnvFilter::new("hetero=info,wgpu=warn"),
        (Err(_), 2) => EnvFilter::new("hetero=debug,wgpu=info"),
        (Err(_), _) => EnvFilter::new("trace"),
    };
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
