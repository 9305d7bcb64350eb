//! From a command line to cases: which inputs there are, and what each of them reads and writes.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::expand::expand;
use super::pattern::{Names, fixed_folder, has_placeholder};
use crate::cli::Again;
use crate::error::{Error, Result};
use crate::formats::source::extension;
use crate::location::shown_path;
use crate::units::plural;
use crate::workloads::{CaseInput, Within, Workload};

/// Names of the command line that a report repeats.
const NAMED: usize = 3;

/// What `hetero run` is asked to do.
#[derive(Debug)]
pub enum Plan {
    /// One job, as these options say.
    One(ArgMatches),
    /// A batch.
    Cases(Batch),
}

/// The cases of a batch.
#[derive(Debug)]
pub struct Batch {
    /// What the user named.
    pub source: String,
    /// One for each input.
    pub cases: Vec<Case>,
}

/// One input of a batch, with what belongs to it.
#[derive(Debug)]
pub struct Case {
    /// Its number, from 1.
    pub number: usize,
    /// The input.
    pub input: PathBuf,
    /// Where `--output` goes.
    pub output: Option<PathBuf>,
    /// Every file that it reads.
    pub reads: Vec<PathBuf>,
    /// Every file that it writes.
    pub writes: Vec<PathBuf>,
    /// What distinguishes its options from those of the other cases.
    pub values: Vec<(&'static str, Vec<OsString>)>,
}

impl Plan {
    /// Works out what `args`, the options of `hetero run` for `workload`, ask for. It is a batch when the input option was
    /// given several files, a folder or a pattern (a pattern that finds one file makes a batch of one), when `--output` has
    /// a placeholder, or with `--skip-existing`. Nothing is read or written, folders are listed.
    ///
    /// # Errors
    /// [`Error::Input`] when a pattern or folder holds no file; [`Error::Usage`] for placeholders that there are not, for an
    /// output whose ending the workload does not write, and when two cases would write the same file or an input would be
    /// written over.
    pub fn of(workload: &dyn Workload, args: &ArgMatches) -> Result<Self> {
        let plan = Self::any(workload, args)?;
        match &plan {
            Self::One(args) => {
                writable(workload, args, crate::workloads::output(args).as_deref())?;
                spared(workload, args)?;
            }
            Self::Cases(batch) => {
                batch.cases.iter().try_for_each(|case| writable(workload, args, case.output.as_deref()))?;
            }
        }
        Ok(plan)
    }

    fn any(workload: &dyn Workload, args: &ArgMatches) -> Result<Self> {
        let given = |option: &str| args.value_source(option) == Some(ValueSource::CommandLine);
        let inputs = workload.case_inputs();
        let skipping = args.try_get_one::<bool>("skip-existing").ok().flatten() == Some(&true);
        let Some(input) = inputs.iter().find(|input| given(input.option)) else {
            if skipping {
                let options: Vec<String> = inputs.iter().map(|input| format!("--{}", input.option)).collect();
                return Err(Error::Usage(format!("--skip-existing is for the inputs of {}", options.join(" or "))));
            }
            return Ok(Self::One(args.clone()));
        };
        let within = input.within.map(|find| find(args)).transpose()?;
        let (names, within) = match within {
            None => (args.get_many::<PathBuf>(input.option).into_iter().flatten().cloned().collect(), None),
            Some(Some(within)) => (vec![within.name.clone()], Some(within)),
            Some(None) => return Ok(Self::One(args.clone())),
        };
        let expanded = expand(&names, &input.endings)?;
        let follow =
            |within: &Within| [&within.before, &within.after].iter().any(|text| has_placeholder(OsStr::new(text)));
        let placeholders = has(args, "output")
            || input.varying.iter().any(|option| has(args, option))
            || within.as_ref().is_some_and(follow);
        let several = expanded.found || names.len() > 1;
        let mut again = Again::of(workload);
        if !(placeholders || skipping || several && !input.joined) {
            return Ok(Self::One(match expanded.found {
                true => again.with(args, &[(input.option, os(&expanded.inputs))])?,
                false => args.clone(),
            }));
        }
        let count = expanded.inputs.len();
        let inputs = expanded.inputs.into_iter().enumerate();
        let mut case = |(at, path): (usize, PathBuf)| {
            let names = Names::of(&path, at, count);
            case(workload, args, (input, within.as_ref()), &mut again, path, &names)
                .map(|case| Case { number: at + 1, ..case })
        };
        let cases = inputs.map(&mut case).collect::<Result<Vec<_>>>()?;
        distinct(&cases)?;
        let mut source: Vec<String> = names.iter().take(NAMED).map(|name| shown_path(name)).collect();
        source.extend((names.len() > NAMED).then(|| format!("{} more", names.len() - NAMED)));
        let source = format!("{count} {}: {}", plural("input", count as u64), source.join(", "));
        Ok(Self::Cases(Batch { source, cases }))
    }
}

/// Refuses an output that `workload` does not write.
fn writable(workload: &dyn Workload, args: &ArgMatches, output: Option<&Path>) -> Result<()> {
    let (known, Some(output)) = (workload.endings(args), output) else { return Ok(()) };
    let ending = extension(output);
    let packed = output.extension().is_some_and(|last| last.eq_ignore_ascii_case("gz"));
    if known.is_empty() || known.contains(&ending.as_str()) && !packed {
        return Ok(());
    }
    let ending = if packed { format!("{ending}.gz") } else { ending };
    let known: Vec<String> = known.iter().map(|ending| format!(".{ending}")).collect();
    let (last, first) = known.split_last().expect("it is not empty");
    let known = if first.is_empty() { last.clone() } else { format!("{} and {last}", first.join(", ")) };
    let (name, output) = (workload.name(), shown_path(output));
    Err(Error::Usage(format!("{output}: {name} writes {known}, not '.{ending}'; change the ending of --output")))
}

/// Refuses to write a file twice, or over one that the run reads.
fn spared(workload: &dyn Workload, args: &ArgMatches) -> Result<()> {
    let mut reads: Vec<PathBuf> = Vec::new();
    for arg in workload.args().iter().filter(|arg| !workload.writes().contains(&arg.get_id().as_str())) {
        let files = args.try_get_many::<PathBuf>(arg.get_id().as_str()).ok().flatten();
        reads.extend(files.into_iter().flatten().cloned());
    }
    for find in workload.case_inputs().iter().filter_map(|input| input.within) {
        if let Some(within) = find(args)? {
            reads.push(within.name);
            reads.extend(within.beside.into_iter().map(PathBuf::from));
        }
    }
    let trace = args.try_get_one::<PathBuf>("trace").ok().flatten().cloned();
    let writes: Vec<PathBuf> = workload.written(args).iter().chain(&trace).map(|file| plain(file)).collect();
    if let Some((_, twice)) = writes.iter().enumerate().find(|(at, file)| writes[..*at].contains(file)) {
        return Err(Error::Usage(format!("two outputs would be written to {}", shown_path(twice))));
    }
    match reads.iter().find(|file| writes.contains(&plain(file))) {
        Some(file) => Err(Error::Usage(format!(
            "the output would be written over {}, which is an input; write it elsewhere",
            shown_path(file)
        ))),
        None => Ok(()),
    }
}

/// Whether `option` has a value with a placeholder.
fn has(args: &ArgMatches, option: &str) -> bool {
    raw(args, option).is_some_and(|value| has_placeholder(&value))
}

fn raw(args: &ArgMatches, option: &str) -> Option<OsString> {
    args.try_get_raw(option).ok().flatten()?.next().map(OsStr::to_os_string)
}

fn os(paths: &[PathBuf]) -> Vec<OsString> {
    paths.iter().map(|path| path.clone().into_os_string()).collect()
}

fn case(
    workload: &dyn Workload,
    args: &ArgMatches,
    (input, within): (&CaseInput, Option<&Within>),
    again: &mut Again,
    path: PathBuf,
    names: &Names,
) -> Result<Case> {
    let mut value = path.clone().into_os_string();
    if let Some(within) = within {
        value = names.fill(OsStr::new(&within.before))?;
        value.push(&path);
        value.push(names.fill(OsStr::new(&within.after))?);
    }
    let mut values = vec![(input.option, vec![value])];
    for option in input.varying.iter().copied().chain(["output"]) {
        if let Some(pattern) = raw(args, option) {
            values.push((option, vec![names.fill(&pattern)?]));
        }
    }
    let args = again.with(args, &values)?;
    let writes = workload.written(&args);
    // Of the options that vary, those that are written are no inputs.
    let read = |option: &str| option != "output" && !workload.writes().contains(&option);
    let varying = values.iter().skip(1).filter(|(option, _)| read(option)).flat_map(|(_, values)| values);
    let mut reads: Vec<PathBuf> = std::iter::once(path.clone()).chain(varying.map(PathBuf::from)).collect();
    for other in within.iter().flat_map(|within| &within.beside) {
        reads.push(names.fill(OsStr::new(other))?.into());
    }
    Ok(Case { number: 0, input: path, output: args.get_one("output").cloned(), reads, writes, values })
}

/// Refuses cases that would write over each other or over what is read.
fn distinct(cases: &[Case]) -> Result<()> {
    let name = |case: &Case| shown_path(&case.input);
    let mut writers: HashMap<PathBuf, &Case> = HashMap::new();
    for case in cases {
        for file in &case.writes {
            if let Some(other) = writers.insert(plain(file), case) {
                return Err(Error::Usage(format!(
                    "{} and {} would both write {}; put {{stem}}, {{name}}, {{dir}} or {{index}} into the output's name",
                    name(other),
                    name(case),
                    file.display()
                )));
            }
        }
    }
    for case in cases {
        if let Some((file, writer)) = case.reads.iter().find_map(|file| Some((file, writers.get(&plain(file))?))) {
            return Err(Error::Usage(format!(
                "the output of {} would be written over {}, which is an input; write it elsewhere",
                name(writer),
                file.display()
            )));
        }
    }
    Ok(())
}

/// `path` without what does not change where it leads, so that two ways to write a name count as one. Links are not
/// followed.
fn plain(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The folders of the outputs, made before anything is read: a mistyped path is to be told at once. Of the folder that the
/// name of `--output` begins with the parent must be there; what placeholders add below it is made as needed.
///
/// # Errors
/// [`Error::Usage`] when that parent is not there; [`Error::Resource`] when the system refuses a folder.
pub fn make_folders(pattern: &OsStr, cases: &[Case]) -> Result<()> {
    let fixed = fixed_folder(pattern);
    let parent = fixed.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent.filter(|parent| !parent.is_dir()) {
        return Err(Error::Usage(format!(
            "{}: there is no folder {} to make '{}' in",
            Path::new(pattern).display(),
            parent.display(),
            fixed.display()
        )));
    }
    let mut made: Option<&Path> = None;
    for folder in cases.iter().flat_map(|case| &case.writes).filter_map(|file| file.parent()) {
        if made != Some(folder) && !folder.as_os_str().is_empty() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, "make", &e))?;
            made = Some(folder);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workloads::WORKLOADS;

    #[test]
    fn what_workloads_declare_are_options_of_theirs() {
        let mut declared = 0;
        for workload in WORKLOADS {
            let args = workload.args();
            let has = |option: &str| args.iter().any(|arg| arg.get_id() == option && arg.get_action().takes_values());
            for input in workload.case_inputs() {
                let name = format!("{} --{}", workload.name(), input.option);
                assert!(has(input.option) && input.varying.iter().all(|option| has(option)), "{name}");
                assert!(!input.endings.is_empty() && !input.headlines.is_empty(), "{name}");
                declared += 1;
            }
        }
        assert!(declared >= 6);
    }

    #[test]
    fn an_ending_that_is_not_written_is_refused_before_anything_is_read() {
        for workload in WORKLOADS {
            let command = crate::cli::command();
            let run = |output: &str| {
                let line = ["hetero", "run", workload.name(), "--output", output];
                let args = command.clone().try_get_matches_from(line).unwrap();
                let (_, args) = args.subcommand_matches("run").unwrap().subcommand().unwrap();
                Plan::of(*workload, args).map(|_| workload.endings(args))
            };
            match run("x.docx") {
                // A folder, whatever its name.
                Ok(endings) => assert!(workload.name() == "fetch" && endings.is_empty(), "{}", workload.name()),
                Err(error) => {
                    let text = error.to_string();
                    assert!(error.exit_code() == 2 && text.contains("writes .") && text.contains("x.docx"), "{text}");
                    assert!(run("x.npy").is_ok() || run("x.csv").is_ok(), "{}", workload.name());
                }
            }
        }
    }

    #[test]
    fn a_run_writes_over_none_of_its_inputs_and_packs_nothing() {
        let run = |line: &str| {
            let words = ["hetero", "run"].into_iter().chain(line.split(' '));
            let args = crate::cli::command().try_get_matches_from(words).unwrap();
            let (name, args) = args.subcommand_matches("run").unwrap().subcommand().unwrap();
            Plan::of(crate::workloads::find(name).unwrap(), args).map(|_| ())
        };
        for line in [
            "stress --mesh x.vtu -o ./x.vtu",
            "stress --mesh x.vtu --displacement u.csv -o u.csv",
            "stress --mesh x.vtu --trace x.vtu",
            "guyan --stiffness k.mtx --masters m.csv -o r.npy --expand k.mtx",
            "eigen --batch a.npy -o a.npy",
            "map --expr x*2 --input x=a.npy -o a.npy",
        ] {
            let error = run(line).expect_err(line);
            assert!(error.exit_code() == 2 && error.to_string().contains("which is an input"), "{line}: {error}");
        }
        assert!(run("stress --mesh x.vtu -o y.vtu --trace t.json").is_ok());
        assert!(run("pi -o y.json --trace ./y.json").unwrap_err().to_string().contains("two outputs"));
        let error = run("stress --mesh x.vtu -o y.csv.gz").unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("not '.csv.gz'"), "{error}");
    }

    #[test]
    fn two_ways_to_write_a_name_are_one_output() {
        let case = |input: &str, writes: &str| Case {
            number: 1,
            input: input.into(),
            output: None,
            reads: vec![input.into()],
            writes: vec![writes.into()],
            values: Vec::new(),
        };
        assert!(distinct(&[case("a", "out/x"), case("b", "out/y")]).is_ok());
        let error = distinct(&[case("a", "out/x"), case("b", "./out//x")]).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().starts_with("a and b would both write"), "{error}");
        assert!(distinct(&[case("a", "b"), case("./b", "c")]).unwrap_err().to_string().contains("is an input"));
    }
}
