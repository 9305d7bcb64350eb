//! `*INCLUDE` and `INPUT=`: one deck out of the files that it names, which still knows where each line came from.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::formats::source::{Source, memory_limit};
use crate::location::{is_url, shown, url_of};

use super::deck::{Deck, Keyword};
use super::origins::Origins;

/// How many files one deck may take in, so that files that name each other twice end soon.
const MAX_FILES: usize = 1000;

/// The keywords whose data lines `INPUT=` may keep elsewhere.
const WITH_INPUT: [&str; 4] = ["NODE", "ELEMENT", "NSET", "ELSET"];

/// The deck with the files that it names in their places; `None` when it names none. Names are looked for beside the deck,
/// where CalculiX runs, then beside the file that names them.
///
/// # Errors
/// [`Error::Input`] with the line that names it: a file that cannot be read, that includes itself, more than 1000 of them;
/// [`Error::Resource`] when they need too much memory.
pub(super) fn joined(source: &Source) -> Result<Option<(Source, Origins)>> {
    let mut join = Join { root: source, bytes: Vec::new(), origins: Origins::default(), open: Vec::new(), files: 0 };
    join.file(source)?;
    if join.files == 0 {
        return Ok(None);
    }
    Ok(Some((Source::from_bytes(&source.path, join.bytes), join.origins)))
}

struct Join<'s> {
    root: &'s Source,
    bytes: Vec<u8>,
    origins: Origins,
    /// The files that are being read, each named by the one before.
    open: Vec<PathBuf>,
    files: usize,
}

impl Join<'_> {
    /// Appends `file` with what it names. A file that names nothing is only looked through, unless it was named itself.
    fn file(&mut self, file: &Source) -> Result<()> {
        let bytes = file.bytes();
        let path = Rc::new(file.path.clone());
        let mut deck = Deck::new(file)?;
        let (mut copied, mut line) = (0, 1);
        for star in memchr::memchr_iter(b'*', bytes) {
            if !begins_line(bytes, star) || bytes.get(star + 1) == Some(&b'*') {
                continue;
            }
            deck.go_to(star);
            let Some(keyword) = deck.keyword()? else { break };
            let Some(name) = names_file(&keyword) else { continue };
            // The place of an INCLUDE line is taken; a line with INPUT= stays before what it names.
            let until = if keyword.name == "INCLUDE" { star } else { deck.offset() };
            let end = deck.offset();
            self.append(&path, line, &bytes[copied..until])?;
            let named = self.find(&deck, file, star, &name)?;
            self.open.push(named.path.clone());
            self.file(&named)?;
            self.open.pop();
            line += memchr::memchr_iter(b'\n', &bytes[copied..end]).count() as u64;
            copied = end;
        }
        if self.files > 0 {
            self.append(&path, line, &bytes[copied..])?;
        }
        Ok(())
    }

    fn append(&mut self, path: &Rc<PathBuf>, line: u64, bytes: &[u8]) -> Result<()> {
        if self.bytes.last().is_some_and(|last| *last != b'\n') {
            self.bytes.push(b'\n');
        }
        let limit = memory_limit();
        if (self.bytes.len() + bytes.len()) as u64 > limit {
            return Err(Error::memory(&format!("joining {} with the files it names", self.root.path.display()), limit));
        }
        self.origins.push(self.bytes.len(), path, line);
        self.bytes.extend_from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
        Ok(())
    }

    fn find(&mut self, deck: &Deck<'_>, file: &Source, at: usize, name: &str) -> Result<Source> {
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(deck.error_at(at, format!("more than {MAX_FILES} files are included")));
        }
        // Only what the user named is fetched, and nobody else's deck chooses files of this machine.
        if is_url(name) || url_of(&self.root.path).is_some() {
            let why = format!(
                "names {}, and no deck has files fetched, nor one from a URL files read; put both into a folder",
                shown(name)
            );
            return Err(deck.error_at(at, why));
        }
        let beside = |source: &Source| source.path.parent().unwrap_or(Path::new("")).join(name);
        let first = beside(self.root);
        let path = if first.exists() { first } else { beside(file) };
        if path == self.root.path || self.open.contains(&path) {
            return Err(deck.error_at(at, format!("{} includes itself", path.display())));
        }
        Source::open(&path).map_err(|error| match error {
            Error::Input { .. } => deck.error_at(at, format!("includes {name}, which cannot be read: {error}")),
            other => other,
        })
    }
}

/// Whether only blanks stand before byte `at` on its line.
fn begins_line(bytes: &[u8], at: usize) -> bool {
    let before = bytes[..at].iter().rev().find(|byte| !matches!(byte, b' ' | b'\t'));
    matches!(before, None | Some(b'\n' | 0xbf))
}

/// The file that a keyword line names.
fn names_file(keyword: &Keyword) -> Option<String> {
    let may = keyword.name == "INCLUDE" || WITH_INPUT.contains(&keyword.name.as_str());
    keyword.get("INPUT").filter(|name| may && !name.is_empty()).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::super::read_inp;
    use super::*;
    use crate::formats::mesh::Mesh;

    const NODES: &str = "1,0,0,0\n2,1,0,0\n3,0,1,0\n4,0,0,1\n";

    /// Reads `deck` beside `files`.
    fn read(deck: &str, files: &[(&str, &str)]) -> std::result::Result<Mesh, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for (name, text) in files.iter().chain(&[("m.inp", deck)]) {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let folder = folder.path();
        let source = Source::open(&folder.join("m.inp")).unwrap();
        read_inp(&source).map_err(|error| error.to_string().replace(&format!("{}/", folder.display()), ""))
    }

    #[test]
    fn included_files_stand_in_their_places() {
        let files = [
            ("sub/nodes.inp", "*NODE, NSET=ALL\r\n1,0,0,0\r\n2,1,0,0\r\n3,0,1,0\r\n4,0,0,1"),
            ("sub/all.msh", "** comment\n*Include, input=beside.nam\n*ELEMENT, TYPE=C3D4, ELSET=E\n7,1,2,3,4"),
            ("sub/beside.nam", "*ELSET, ELSET=F\nE\n"),
        ];
        let deck = "*HEADING\n ** *INCLUDE, INPUT=no\n*INCLUDE,\nINPUT=sub/nodes.inp\n *include , Input = \"sub/all.msh\"\n\
                    *MATERIAL,NAME=M\n*ELASTIC\n2,.3\n*SOLID SECTION,ELSET=F,MATERIAL=M\n";
        let mesh = read(deck, &files).unwrap();
        assert_eq!((mesh.points.len(), mesh.cell_ids, mesh.cell_material), (4, Some(vec![7]), vec![0]));
    }

    #[test]
    fn data_lines_may_stand_in_a_file_of_their_own() {
        let deck = "*NODE, INPUT=n.csv, NSET=N\n*ELEMENT,TYPE=C3D4, INPUT=e.csv\n8,1,2,4,3\n";
        let mesh = read(deck, &[("n.csv", NODES), ("e.csv", "7,1,2,3,4\n")]).unwrap();
        assert_eq!((mesh.points.len(), mesh.cell_ids), (4, Some(vec![7, 8])));
    }

    #[test]
    fn a_message_names_the_file_and_its_line() {
        let deck = format!("*NODE\n{NODES}*INCLUDE,INPUT=e.inp\n*ELEMENT,TYPE=C3D4\n7,1,2,3,x\n");
        let element = "** one\n*ELEMENT,TYPE=C3D4\n5,1,2,3,4\n";
        let text = |more: &str| read(&deck, &[("e.inp", &format!("{element}{more}"))]).unwrap_err();
        assert_eq!(text(""), "m.inp:8: a node of an element is not a positive integer: `x`");
        assert_eq!(text("6,1,2,3,y"), "e.inp:4: a node of an element is not a positive integer: `y`");
        assert_eq!(text("*INCLUDE,INPUT=m.inp"), "e.inp:4: m.inp includes itself");
        assert_eq!(text("*INCLUDE,INPUT=e.inp"), "e.inp:4: e.inp includes itself");
        for url in ["http://127.0.0.1:1/e.inp", "s3://bucket/e.inp"] {
            let refused = text(&format!("*INCLUDE,INPUT={url}"));
            assert!(refused.contains("no deck has files fetched"), "{refused}");
        }
        let remote = Source::from_bytes("http://host/m.inp", b"*INCLUDE,INPUT=/etc/hostname\n".to_vec());
        let refused = joined(&remote).map(|_| ()).unwrap_err().to_string();
        assert!(refused.starts_with("http://host/m.inp:1: names /etc/hostname"), "{refused}");
        let missing = text("*INCLUDE,INPUT=none.inp");
        assert!(missing.starts_with("e.inp:4: includes none.inp, which cannot be read: "), "{missing}");
    }

    #[test]
    fn files_that_name_each_other_twice_end_soon() {
        let names: Vec<String> = (0..40).map(|i| format!("f{i}.inp")).collect();
        let texts: Vec<String> = (1..=40).map(|i| format!("*INCLUDE,INPUT=f{i}.inp\n").repeat(2)).collect();
        let files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
        let files = [&files[..], &[("f40.inp", "*NODE\n")]].concat();
        let message = read("*INCLUDE,INPUT=f0.inp\n", &files).unwrap_err();
        assert!(message.ends_with("more than 1000 files are included"), "{message}");
    }
}
