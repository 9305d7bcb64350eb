//! `--output`: a folder with one file per URL and a manifest, or the manifest alone as `.csv` or `.json`.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::job::{File, State};
use crate::error::{Error, Result};
use crate::formats::source::{extension, write_whole};
use crate::net::{path_of, shown};

/// Characters of a file's name at most.
const LONGEST: usize = 120;

/// The manifest's name in a folder.
const MANIFEST: &str = "manifest.csv";

/// Whether `path` names a manifest and not a folder.
pub(super) fn is_manifest(path: &Path) -> bool {
    matches!(extension(path).as_str(), "csv" | "json") && !path.is_dir()
}

/// Refuses what can be neither before anything is fetched.
///
/// # Errors
/// [`Error::Usage`].
pub(super) fn check_output(path: &Path) -> Result<()> {
    if path.is_file() && !is_manifest(path) {
        let why = "is a file; fetch writes a folder, or a list of what it got as .csv or .json";
        return Err(Error::Usage(format!("{}: {why}", path.display())));
    }
    Ok(())
}

/// Writes what the last mode got.
pub(super) fn save(urls: &[String], state: &State, path: &Path) -> Result<()> {
    let files = state.rounds.last().map_or(&[][..], |round| &round.files);
    if is_manifest(path) {
        let text = if extension(path) == "csv" { csv(urls, files, &[]) } else { json_text(urls, files)? };
        return write(path, text.as_bytes());
    }
    std::fs::create_dir_all(path).map_err(|e| Error::io(path, "make the folder", &e))?;
    let names = names(urls);
    for (name, body) in names.iter().zip(&state.bodies) {
        if let Some(body) = body {
            write(&path.join(name), body)?;
        }
    }
    write(&path.join(MANIFEST), csv(urls, files, &names).as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, |file| file.write_all(bytes).map_err(|e| Error::io(path, "write", &e)))
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One row per URL; with `names` the file of each.
fn csv(urls: &[String], files: &[File], names: &[String]) -> String {
    let mut text = String::from("url,status,bytes,seconds,sha256,error");
    text.push_str(if names.is_empty() { "\n" } else { ",file\n" });
    for (i, (url, file)) in urls.iter().zip(files).enumerate() {
        let sha256 = file.sha256.as_ref().map(hex).unwrap_or_default();
        let why = file.failure.as_ref().map(|failure| failure.why.as_str()).unwrap_or_default();
        let (status, bytes, seconds) = (file.status, file.bytes, file.seconds);
        let _ = write!(text, "{},{status},{bytes},{seconds:.6},{sha256},{}", quoted(&shown(url)), quoted(why));
        if let Some(name) = names.get(i) {
            let _ = write!(text, ",{}", if file.sha256.is_some() { name } else { "" });
        }
        text.push('\n');
    }
    text
}

/// A field of a table: quoted where it must be.
fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.into(),
    }
}

fn json_text(urls: &[String], files: &[File]) -> Result<String> {
    let row = |(url, file): (&String, &File)| {
        json!({
            "url": shown(url),
            "status": file.status,
            "bytes": file.bytes,
            "seconds": file.seconds,
            "sha256": file.sha256.as_ref().map(hex),
            "error": file.failure.as_ref().map(|failure| &failure.why),
        })
    };
    let rows: Vec<_> = urls.iter().zip(files).map(row).collect();
    let text = serde_json::to_string_pretty(&rows).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(text + "\n")
}

/// A name for the file of each URL: the last part of its path, of harmless characters, each name once whatever the case.
fn names(urls: &[String]) -> Vec<String> {
    let mut taken: HashSet<String> = [MANIFEST.to_string()].into();
    let mut unique = |name: String| {
        let (stem, ending) = name.split_once('.').map_or((&name[..], ""), |(stem, _)| (stem, &name[stem.len()..]));
        let mut candidate = name.clone();
        let mut number = 2;
        while !taken.insert(candidate.to_ascii_lowercase()) {
            candidate = format!("{stem}-{number}{ending}");
            number += 1;
        }
        candidate
    };
    urls.iter().map(|url| unique(safe(url))).collect()
}

/// Names that Windows keeps for devices.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

fn safe(url: &str) -> String {
    let path = path_of(url);
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    // The host is no name for a file.
    let last = path.split_once('/').map_or("", |(_, path)| path).rsplit('/').next().unwrap_or("");
    let harmless = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let mut name: String = last.chars().take(LONGEST).map(harmless).collect();
    let stem = name.split('.').next().unwrap_or("").trim_end_matches(|c: char| c.is_ascii_digit()).to_ascii_lowercase();
    if DEVICES.contains(&stem.as_str()) || name.starts_with(['.', '-']) {
        name.insert(0, '_');
    }
    let name = name.trim_end_matches('.');
    if name.is_empty() { "index".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_harmless_and_each_is_there_once() {
        let urls = [
            "http://h/a/mesh.vtu.gz?x=/y",
            "http://g/MESH.vtu.gz",
            "http://h/mesh.vtu.gz",
            "http://h/",
            "http://h",
            "http://h/../../etc/passwd",
            "http://h/..",
            "http://h/.hidden",
            "http://h/a%2Fb c",
            "http://h/con.txt",
            "http://h/manifest.csv",
            "s3://bucket/dir/key.npy",
        ];
        let want = [
            "mesh.vtu.gz",
            "MESH-2.vtu.gz",
            "mesh-3.vtu.gz",
            "index",
            "index-2",
            "passwd",
            "_",
            "_.hidden",
            "a_2Fb_c",
            "_con.txt",
            "manifest-2.csv",
            "key.npy",
        ];
        assert_eq!(names(&urls.map(String::from)), want);
    }

    proptest! {
        #[test]
        fn any_urls_give_different_plain_names(paths in prop::collection::vec("[ -~]{0,40}", 0..20)) {
            let urls: Vec<String> = paths.iter().map(|path| format!("http://h/{path}")).collect();
            let names = names(&urls);
            let folded: HashSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
            prop_assert_eq!(folded.len(), names.len());
            for name in names {
                prop_assert!(!name.is_empty() && !name.contains(['/', '\\', ':', '\0']) && !name.starts_with('.'), "{}", name);
            }
        }
    }
}
