//! From names on the command line to input files: patterns, folders and lists of them.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::formats::source::extension;
use crate::location::{is_object, shown, url_of};
use crate::net;

/// The most inputs of one batch: a pattern that finds more is a mistake, and the list itself takes memory.
pub const MOST: usize = 1_000_000;

/// What the names of an option stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// The inputs, in the order of the names; what one name found is in natural order (`case2` before `case10`).
    pub inputs: Vec<PathBuf>,
    /// Whether a name was a pattern or a folder: whoever writes one means several, however many there are today.
    pub found: bool,
}

/// What `names` stand for. A name is, in this order: a URL (`?` belongs to it); of an object store it may be a folder, which ends
/// in `/`, or a pattern, which has a `*`, and stands for the objects that a folder or pattern of files would; a file that exists,
/// even if its name has the characters of a pattern; a folder, which stands for the files in it that end in one
/// of `endings` (lower case, gzipped or not; hidden files and folders below it left out); a pattern of `*`, `?`, `[a-z]`
/// and `**` (any folders), which stands for the files that match; or a file that is not there, for the reader to say so.
///
/// # Errors
/// [`Error::Input`] for a pattern or a folder without a file, a folder that cannot be read; [`Error::Usage`] for a broken
/// pattern or one that finds more than [`MOST`].
pub fn expand(names: &[PathBuf], endings: &[&str]) -> Result<Expanded> {
    let mut all = Expanded { inputs: Vec::new(), found: false };
    for name in names {
        let mut files = if let Some(url) = url_of(name) {
            objects(url, endings)?
        } else if name.is_dir() {
            Some(folder(name, endings)?)
        } else if name.exists() {
            None
        } else {
            match name.to_str() {
                Some(text) if text.contains(['*', '?', '[']) => Some(pattern(name, text)?),
                _ => None,
            }
        };
        match &mut files {
            // What was named twice by hand was meant twice.
            None => all.inputs.push(name.clone()),
            Some(files) => {
                files.sort_by(|a, b| natural(a, b));
                let known: std::collections::HashSet<PathBuf> = all.inputs.iter().cloned().collect();
                all.inputs.extend(files.drain(..).filter(|file| !known.contains(file)));
                all.found = true;
            }
        }
        if all.inputs.len() > MOST {
            return Err(Error::Usage(format!("{} inputs and more are too many for one batch", MOST)));
        }
    }
    Ok(all)
}

/// The objects that `url` stands for, if it is a folder or a pattern in an object store.
fn objects(url: &str, endings: &[&str]) -> Result<Option<Vec<PathBuf>>> {
    let Some(star) = url.find('*').or_else(|| url.ends_with('/').then_some(url.len())).filter(|_| is_object(url))
    else {
        return Ok(None);
    };
    // A store lists what lies below a folder.
    let below = &url[..=url[..star].rfind('/').expect("a URL has slashes")];
    let mut files = net::list(below)?;
    let none = if star == url.len() {
        files.retain(|file| endings.contains(&extension(Path::new(file)).as_str()));
        let endings: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
        format!("nothing below this prefix ends in {}", endings.join(", "))
    } else {
        let broken = |e: glob::PatternError| Error::Usage(format!("{}: not a pattern of names: {}", shown(url), e.msg));
        let wanted = glob::Pattern::new(url).map_err(broken)?;
        let options = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
        files.retain(|file| wanted.matches_with(file, options));
        "no object matches this pattern".to_string()
    };
    if files.is_empty() {
        return Err(Error::input(url, none));
    }
    Ok(Some(files.into_iter().map(PathBuf::from).collect()))
}

fn folder(path: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let refused = |e: std::io::Error| Error::io(path, "read", &e);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let file = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && endings.contains(&extension(&file).as_str()) && !file.is_dir() {
            files.push(file);
        }
        if files.len() > MOST {
            break;
        }
    }
    if files.is_empty() {
        let endings: Vec<String> = endings.iter().map(|ending| format!(".{ending}")).collect();
        let inside = path.join("**").join("*");
        let why = format!(
            "no file in this folder ends in {}; a pattern such as '{}' looks further",
            endings.join(", "),
            inside.display()
        );
        return Err(Error::input(path, why));
    }
    Ok(files)
}

/// A link below `folder` that leads to one of the folders that it lies in. Looks into `left` folders at most.
fn link_upwards(folder: &Path, above: &mut Vec<PathBuf>, left: &mut usize) -> Option<PathBuf> {
    let real = std::fs::canonicalize(folder).ok()?;
    if above.contains(&real) {
        return Some(folder.to_path_buf());
    }
    *left = left.checked_sub(1)?;
    above.push(real);
    let visible = |entry: &std::fs::DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
    let inside = std::fs::read_dir(folder).ok().into_iter().flatten().flatten().filter(visible);
    let found = inside.filter(|entry| entry.path().is_dir()).find_map(|entry| link_upwards(&entry.path(), above, left));
    above.pop();
    found
}

fn pattern(name: &Path, text: &str) -> Result<Vec<PathBuf>> {
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let paths = glob::glob_with(text, options).map_err(|e| {
        Error::Usage(format!("{text}: not a pattern of file names: {} (character {})", e.msg, e.pos + 1))
    })?;
    if text.contains("**") {
        let fixed: PathBuf = name
            .components()
            .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
            .collect();
        let folder = if fixed.as_os_str().is_empty() { Path::new(".") } else { &fixed };
        if let Some(link) = link_upwards(folder, &mut Vec::new(), &mut { MOST }) {
            return Err(Error::input(link, "is a link to a folder above it: '**' would go round in it without end"));
        }
    }
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|e| Error::io(e.path(), "read", e.error()))?;
        if !path.is_dir() {
            files.push(path);
        }
        if files.len() > MOST {
            break;
        }
    }
    if files.is_empty() {
        return Err(Error::input(name, "no file matches this pattern"));
    }
    Ok(files)
}

/// The order in which people count: runs of digits by their value, everything else by its characters. Total: two
/// names that differ are never equal.
#[must_use]
pub fn natural(a: &Path, b: &Path) -> Ordering {
    let (x, y) = (a.to_string_lossy(), b.to_string_lossy());
    let (mut x, mut y) = (x.as_bytes(), y.as_bytes());
    while let (Some(p), Some(q)) = (x.first(), y.first()) {
        let order = if p.is_ascii_digit() && q.is_ascii_digit() {
            let (one, two) = (number(&mut x), number(&mut y));
            one.len().cmp(&two.len()).then_with(|| one.cmp(two))
        } else {
            (x, y) = (&x[1..], &y[1..]);
            p.cmp(q)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    // `a1` and `a01` have the same value: told apart by their characters.
    x.len().cmp(&y.len()).then_with(|| a.cmp(b))
}

/// Takes the digits at the front of `text`; without leading zeros.
fn number<'t>(text: &mut &'t [u8]) -> &'t [u8] {
    let end = text.iter().position(|c| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().position(|c| *c != b'0').unwrap_or(digits.len());
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A folder with empty files of these names.
    fn files(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        folder
    }

    /// What `name` in `folder` stands for, without the folder.
    fn of(folder: &tempfile::TempDir, names: &[&str]) -> Result<Vec<String>> {
        let names: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
        let found = expand(&names, &["vtu", "msh"])?;
        let short = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap_or(path).display().to_string();
        Ok(found.inputs.iter().map(short).collect())
    }

    #[test]
    fn patterns_folders_and_lists_are_found_in_the_order_people_count() {
        let folder = files(&["c10.vtu", "c2.vtu", "c1.VTU.gz", "notes.txt", ".hidden.vtu", "sub/c3.msh", "sub/x.vtu"]);
        assert_eq!(of(&folder, &["*.vtu"]).unwrap(), ["c2.vtu", "c10.vtu"]);
        assert_eq!(of(&folder, &["c?.*", "*"]).unwrap(), ["c1.VTU.gz", "c2.vtu", "c10.vtu", "notes.txt"]);
        assert_eq!(of(&folder, &["**/*.vtu"]).unwrap(), ["c2.vtu", "c10.vtu", "sub/x.vtu"]);
        assert_eq!(of(&folder, &["."]).unwrap(), ["./c1.VTU.gz", "./c2.vtu", "./c10.vtu"].map(|s| s[2..].to_string()));
        assert_eq!(of(&folder, &["sub", "c2.vtu", "c2.vtu"]).unwrap(), ["sub/c3.msh", "sub/x.vtu", "c2.vtu", "c2.vtu"]);
        assert_eq!(of(&folder, &["absent.vtu"]).unwrap(), ["absent.vtu"], "the reader says what is wrong with it");
    }

    #[test]
    fn a_file_whose_name_looks_like_a_pattern_is_taken_as_it_is() {
        let folder = files(&["a[1].vtu", "a1.vtu", "b*.vtu", "bc.vtu"]);
        assert_eq!(of(&folder, &["a[1].vtu"]).unwrap(), ["a[1].vtu"]);
        assert_eq!(of(&folder, &["b*.vtu"]).unwrap(), ["b*.vtu"]);
        assert_eq!(of(&folder, &["a[12].vtu"]).unwrap(), ["a1.vtu"]);
        let url = PathBuf::from("http://host/a?x=*");
        assert_eq!(expand(std::slice::from_ref(&url), &[]).unwrap(), Expanded { inputs: vec![url], found: false });
    }

    #[test]
    fn nothing_found_and_broken_patterns_are_told() {
        let folder = files(&["a.txt", "sub/b.vtu"]);
        for (name, code, word) in [
            ("*.vtu", 3, "no file matches"),
            (".", 3, "ends in .vtu, .msh"),
            ("su*", 3, "no file matches"),
            ("a***", 2, "not a pattern"),
            ("[a", 2, "not a pattern"),
        ] {
            let error = of(&folder, &[name]).unwrap_err();
            assert_eq!(error.exit_code(), code, "{name}: {error}");
            assert!(error.to_string().contains(word), "{name}: {error}");
        }
    }

    proptest! {
        #[test]
        fn the_natural_order_is_one(names in proptest::collection::vec("[a-c0-2./]{0,6}", 3)) {
            let [a, b, c] = [0, 1, 2].map(|i| Path::new(&names[i]));
            prop_assert_eq!(natural(a, b), natural(b, a).reverse());
            prop_assert_eq!(natural(a, b) == Ordering::Equal, a == b && names[0].len() == names[1].len());
            if natural(a, b).is_le() && natural(b, c).is_le() {
                prop_assert!(natural(a, c).is_le());
            }
        }

        #[test]
        fn numbers_are_in_order(a in 0u64..2000, b in 0u64..2000, zeros in 0usize..3) {
            let name = |n: u64, zeros| PathBuf::from(format!("case{}{n}.vtu", "0".repeat(zeros)));
            prop_assert_eq!(natural(&name(a, zeros), &name(b, zeros)), a.cmp(&b));
            if a != b {
                prop_assert_eq!(natural(&name(a, 0), &name(b, zeros)), a.cmp(&b));
            }
        }

        #[test]
        fn no_name_makes_it_panic(name in "\\PC{0,12}") {
            let folder = files(&["a.vtu"]);
            let _ = expand(&[folder.path().join(&name)], &["vtu"]);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_upwards_is_refused_before_it_is_followed_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("in");
        std::fs::create_dir_all(inside.join("deep")).unwrap();
        std::fs::write(inside.join("c1.npy"), b"x").unwrap();
        std::os::unix::fs::symlink(inside.join("c1.npy"), inside.join("deep").join("c2.npy")).unwrap();
        let pattern = inside.join("**").join("*.npy");
        let all = || expand(std::slice::from_ref(&pattern), &["npy"]);
        assert_eq!(all().unwrap().inputs.len(), 2, "a link to a file is a file");
        std::os::unix::fs::symlink(&inside, inside.join("deep").join("up")).unwrap();
        let error = all().map(|all| all.inputs).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains("up: is a link to a folder above it"), "{error}");
    }
}
