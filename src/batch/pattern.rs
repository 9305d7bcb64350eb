//! Names with placeholders: what belongs to a case is named after its input.
//!
//! | placeholder | `cases/plate.vtu.gz`, the 7th of 200 |
//! |---|---|
//! | `{stem}` | `plate`: the name without its ending (and without `.gz`) |
//! | `{name}` | `plate.vtu.gz` |
//! | `{dir}` | `cases`; `.` for a file in the working directory |
//! | `{index}` | `007`: counted from 1, as wide as the last one |
//!
//! Of a URL the name is the last part of its path, the folder what comes before. Other text in braces is refused where
//! it looks like a mistyped placeholder (letters only), and kept where it does not.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::error::{Error, Result};
use crate::location::url_of;

/// The placeholders there are.
pub const PLACEHOLDERS: [&str; 4] = ["stem", "name", "dir", "index"];

/// What placeholders stand for in one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    stem: OsString,
    name: OsString,
    dir: OsString,
    index: OsString,
}

impl Names {
    /// The names of `input`, number `at` (from 0) of `count`.
    #[must_use]
    pub fn of(input: &Path, at: usize, count: usize) -> Self {
        let (dir, name) = if url_of(input).is_some() {
            let text = input.to_string_lossy();
            let text = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            let (dir, name) = text.rsplit_once('/').unwrap_or(("", text));
            (OsString::from(dir), OsString::from(name))
        } else {
            let dir = input.parent().map_or(OsStr::new(""), Path::as_os_str);
            (dir.to_os_string(), input.file_name().unwrap_or(input.as_os_str()).to_os_string())
        };
        let plain = Path::new(&name);
        let gz = plain.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let plain = if gz { Path::new(plain.file_stem().unwrap_or_default()) } else { plain };
        let stem = plain.file_stem().unwrap_or_default().to_os_string();
        let dir = if dir.is_empty() { ".".into() } else { dir };
        let width = count.max(1).to_string().len();
        Self { stem, name, dir, index: format!("{:0width$}", at + 1).into() }
    }

    fn get(&self, placeholder: &str) -> Option<&OsStr> {
        let all = [&self.stem, &self.name, &self.dir, &self.index];
        PLACEHOLDERS.iter().zip(all).find_map(|(name, value)| (*name == placeholder).then_some(value.as_os_str()))
    }

    /// `pattern` with every placeholder replaced; what replaces one is not looked at again.
    ///
    /// # Errors
    /// [`Error::Usage`] for letters in braces that are no placeholder.
    pub fn fill(&self, pattern: &OsStr) -> Result<OsString> {
        // A name that is no Unicode text has none.
        let Some(mut rest) = pattern.to_str() else { return Ok(pattern.to_os_string()) };
        let mut filled = OsString::new();
        while let Some((before, word, after)) = next(rest) {
            filled.push(before);
            match self.get(word) {
                Some(value) => filled.push(value),
                None => {
                    let there = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
                    let pattern = pattern.to_string_lossy();
                    return Err(Error::Usage(format!(
                        "{pattern}: there is no placeholder {{{word}}}; there are {there}"
                    )));
                }
            }
            rest = after;
        }
        filled.push(rest);
        Ok(filled)
    }
}

/// Whether `text` holds a placeholder.
#[must_use]
pub fn has_placeholder(text: &OsStr) -> bool {
    let mut rest = text.to_str().unwrap_or_default();
    while let Some((_, word, after)) = next(rest) {
        if PLACEHOLDERS.contains(&word) {
            return true;
        }
        rest = after;
    }
    false
}

/// The first letters in braces: what is before, the letters, what is after.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + text[from..].find('{')?;
        let word = &text[open + 1..];
        let length = word.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(word.len());
        if length > 0 && word[length..].starts_with('}') {
            return Some((&text[..open], &word[..length], &word[length + 1..]));
        }
        from = open + 1;
    }
}

/// The folder of `pattern` before its first placeholder: `out/new` of `out/new/{dir}/{stem}.vtu`.
#[must_use]
pub fn fixed_folder(pattern: &OsStr) -> &Path {
    let text = pattern.to_str().unwrap_or_default();
    let mut rest = text;
    let mut end = text.len();
    while let Some((before, word, after)) = next(rest) {
        if PLACEHOLDERS.contains(&word) {
            end = text.len() - rest.len() + before.len();
            break;
        }
        rest = after;
    }
    let fixed = &text[..end];
    // A folder that is named in part only is not fixed.
    Path::new(
        fixed
            .rsplit_once(std::path::is_separator)
            .map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder }),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(pattern: &str, input: &str, at: usize, count: usize) -> String {
        Names::of(Path::new(input), at, count).fill(OsStr::new(pattern)).unwrap().into_string().unwrap()
    }

    #[test]
    fn placeholders_are_what_the_table_says() {
        let all = "{stem}|{name}|{dir}|{index}";
        assert_eq!(filled(all, "cases/plate.vtu.gz", 6, 200), "plate|plate.vtu.gz|cases|007");
        assert_eq!(filled(all, "plate.vtu", 9, 10), "plate|plate.vtu|.|10");
        assert_eq!(filled(all, "/a.b/c.tar.GZ", 0, 1), "c|c.tar.GZ|/a.b|1");
        assert_eq!(filled(all, "s3://bucket/x/m.vtu?sig=a/b", 0, 1), "m|m.vtu|s3://bucket/x|1");
        assert_eq!(filled("{1}{}{ stem}{{stem}", "a/{name}.vtu", 0, 1), "{1}{}{ stem}{{name}");
    }

    #[test]
    fn mistyped_placeholders_are_refused() {
        let error = Names::of(Path::new("a"), 0, 1).fill(OsStr::new("{stm}.vtu")).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("{stm}") && error.to_string().contains("{stem}"), "{error}");
        assert!(!has_placeholder(OsStr::new("a{stm}{1}")) && has_placeholder(OsStr::new("{x}{dir}")));
    }

    #[test]
    fn the_fixed_folder_ends_before_the_first_placeholder() {
        for (pattern, folder) in [
            ("out/new/{dir}/{stem}.vtu", "out/new"),
            ("out/x{stem}.vtu", "out"),
            ("{stem}.vtu", ""),
            ("/{stem}", "/"),
            ("out/{1}/plain.vtu", "out/{1}"),
            ("a{x}/{stem}", "a{x}"),
        ] {
            assert_eq!(fixed_folder(OsStr::new(pattern)), Path::new(folder), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn text_without_braces_stays_and_none_panics(text in "[a-z/.{}]{0,20}", input in "[a-z/.:?]{0,12}") {
            let names = Names::of(Path::new(&input), 0, 3);
            let out = names.fill(OsStr::new(&text));
            if !text.contains('{') {
                prop_assert_eq!(out.unwrap(), OsString::from(&text));
            }
            let _ = (has_placeholder(OsStr::new(&text)), fixed_folder(OsStr::new(&text)));
        }

        #[test]
        fn different_numbers_give_different_names(a in 0usize..1000, b in 0usize..1000) {
            let name = |at| Names::of(Path::new("same"), at, 1000).fill(OsStr::new("{index}")).unwrap();
            prop_assert_eq!(name(a) == name(b), a == b);
        }
    }
}
