//! Files in and out: an input is mapped, or fetched if it is a URL, or unpacked if it is gzip (told by its first bytes, not
//! by its name) within a limit; an output appears whole or not at all.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Place, Result};
use crate::location::{path_of, shown, url_of};
use crate::net;

/// The bytes of an input file, with the name that messages use.
#[derive(Debug)]
pub struct Source {
    /// The file as the user named it; a URL without what must not be printed.
    pub path: PathBuf,
    data: Data,
}

/// What [`Source::piece`] reads at once: it fits the second-level cache of any processor, with what is made of it.
const PIECE: usize = 128 << 10;

#[derive(Debug)]
enum Data {
    /// And the file that is mapped.
    Mapped(
        memmap2::Mmap,
        #[cfg_attr(not(unix), expect(dead_code, reason = "read at a place on Unix only"))] std::fs::File,
    ),
    Owned(Vec<u8>),
}

impl Source {
    /// Opens `path`, a file or a URL; gzip is unpacked.
    ///
    /// # Errors
    /// [`Error::Input`] when the file cannot be read, is empty, or is not the gzip it claims to be;
    /// [`Error::Resource`] when it unpacks to more than the memory that is available; of a URL those of [`net::get`].
    pub fn open(path: &Path) -> Result<Self> {
        match url_of(path) {
            Some(url) => Self { path: shown(url).into(), data: Data::Owned(net::get(url)?) }.unpacked(),
            None => Self { path: path.to_path_buf(), data: Self::read(path)? }.unpacked(),
        }
    }

    fn read(path: &Path) -> Result<Data> {
        let file = std::fs::File::open(path).map_err(|e| Error::io(path, "read", &e))?;
        let meta = file.metadata().map_err(|e| Error::io(path, "read", &e))?;
        if meta.is_dir() {
            return Err(Error::input(path, "is a directory; name a file in it"));
        }
        if meta.is_file() && meta.len() > 0 {
            // SAFETY: the map is private to this process and read-only. A file that another process truncates while it
            // is mapped would raise SIGBUS; like every tool that maps its input, hetero asks its users not to.
            let map = unsafe { memmap2::Mmap::map(&file) }.map_err(|e| Error::io(path, "read", &e))?;
            return Ok(Data::Mapped(map, file));
        }
        // Pipes and devices: read them whole, as far as memory goes.
        let mut bytes = Vec::new();
        let limit = memory_limit();
        let n = file.take(limit).read_to_end(&mut bytes).map_err(|e| Error::io(path, "read", &e))?;
        if n as u64 == limit {
            return Err(Error::memory(&path.display().to_string(), limit));
        }
        Ok(Data::Owned(bytes))
    }

    /// Itself, or what it holds when it is gzip.
    fn unpacked(self) -> Result<Self> {
        if self.bytes().is_empty() {
            return Err(Error::input(self.path, "the file is empty"));
        }
        if self.bytes().starts_with(&[0x1f, 0x8b]) {
            let unpacked = gunzip(&self.path, self.bytes())?;
            return Ok(Self { path: self.path, data: Data::Owned(unpacked) });
        }
        Ok(self)
    }

    /// A source from memory, for tests and fuzzing.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), data: Data::Owned(bytes) }
    }

    /// The (unpacked) bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.data {
            Data::Mapped(map, _) => map,
            Data::Owned(bytes) => bytes,
        }
    }

    /// The first 128 KiB of `range`, or all when they are fewer, for readers that go through a file once: those of
    /// a mapped file are read into `buffer`. What is read so stays in the caches and maps no pages: on two threads 203 MB
    /// took 6 ms, where the pages of the map took 11; and the process does not grow by the file.
    ///
    /// # Errors
    /// [`Error::Input`] or [`Error::Resource`] when the file cannot be read, or became shorter.
    pub fn piece<'a>(&'a self, range: std::ops::Range<usize>, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        let length = range.len().min(PIECE);
        #[cfg(unix)]
        if let Data::Mapped(_, file) = &self.data {
            use std::os::unix::fs::FileExt;
            buffer.resize(length, 0);
            file.read_exact_at(buffer, range.start as u64).map_err(|e| Error::io(&self.path, "read", &e))?;
            return Ok(buffer);
        }
        #[cfg(not(unix))]
        let _ = buffer;
        Ok(&self.bytes()[range.start..range.start + length])
    }

    /// The file name's ending in lower case, without `.gz`: `vtu`.
    #[must_use]
    pub fn extension(&self) -> String {
        extension(&self.path)
    }

    /// An input error at `place`.
    pub fn error(&self, place: Place, why: impl Into<String>) -> Error {
        Error::input_at(&self.path, place, why)
    }
}

/// The ending of `path` in lower case, without `.gz`; of a URL that of its path, whatever its query says.
#[must_use]
pub fn extension(path: &Path) -> String {
    let path = url_of(path).map_or(path, |url| Path::new(path_of(url)));
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map_or(String::new(), |(_, ending)| ending.to_string())
}

/// What one input may take: half of what is available, since its arrays will stand beside its bytes.
pub(crate) fn memory_limit() -> u64 {
    crate::memory::available().unwrap_or(8 << 30) / 2
}

fn gunzip(path: &Path, packed: &[u8]) -> Result<Vec<u8>> {
    let limit = memory_limit();
    let mut bytes = Vec::new();
    let n = flate2::bufread::MultiGzDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::input(path, format!("broken gzip data: {e}")))?;
    if n as u64 == limit {
        return Err(Error::memory(&format!("unpacking {}", path.display()), limit));
    }
    if bytes.is_empty() {
        return Err(Error::input(path, "the file is empty (gzip of nothing)"));
    }
    Ok(bytes)
}

/// Temporary files of writes that are under way, for [`remove_unfinished`].
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes what unfinished writes left beside their targets. Called when a signal ends the process without unwinding.
pub fn remove_unfinished() {
    let paths = UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner);
    for path in paths.iter() {
        let _ = std::fs::remove_file(path);
    }
}

/// Writes `path` through a temporary file beside it, which takes its name only when `write` succeeded. A link is followed;
/// a pipe, a terminal or another device is written to as it is.
///
/// # Errors
/// What `write` returns; [`Error::Resource`] when the disk refuses.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let refused = |e: &std::io::Error| Error::io(path, "write", e);
    let target = match std::fs::metadata(path) {
        Ok(known) if known.is_file() => std::fs::canonicalize(path).map_err(|e| refused(&e))?,
        Ok(known) if !known.is_dir() => {
            let device = std::fs::OpenOptions::new().write(true).open(path).map_err(|e| refused(&e))?;
            let mut device = std::io::BufWriter::with_capacity(128 << 10, device);
            write(&mut device)?;
            return device.flush().map_err(|e| refused(&e));
        }
        _ => path.to_path_buf(),
    };
    let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hetero-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is private by default; an output should be as readable as the user's umask says.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder).map_err(|e| refused(&e))?;
    let unfinished = file.path().to_path_buf();
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).push(unfinished.clone());
    // Small writes are gathered, large ones go to the system as they are.
    let mut file = std::io::BufWriter::with_capacity(128 << 10, file);
    let written = write(&mut file).and_then(|()| {
        let file = file.into_inner().map_err(|e| refused(e.error()))?;
        file.persist(&target).map_err(|e| refused(&e.error))?;
        Ok(())
    });
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != unfinished);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_told_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plain.txt");
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(b"hello").unwrap();
        std::fs::write(&path, packer.finish().unwrap()).unwrap();
        assert_eq!(Source::open(&path).unwrap().bytes(), b"hello");
        std::fs::write(&path, [0x1f, 0x8b, 9, 9]).unwrap();
        assert_eq!(Source::open(&path).unwrap_err().exit_code(), 3);
        std::fs::write(&path, []).unwrap();
        assert_eq!(Source::open(&path).unwrap_err().exit_code(), 3);
        assert_eq!(Source::open(&folder.path().join("none")).unwrap_err().exit_code(), 3);
        assert_eq!(Source::open(folder.path()).unwrap_err().exit_code(), 3);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        let error = write_whole(&path, |w| {
            w.write_all(b"half").unwrap();
            Err(Error::Internal("stop".into()))
        });
        assert!(error.is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        write_whole(&path, |w| w.write_all(b"whole").map_err(|e| Error::io(&path, "write", &e))).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn endings_ignore_case_and_gz() {
        assert_eq!(extension(Path::new("a/B.VTU.gz")), "vtu");
        assert_eq!(extension(Path::new("a")), "");
        assert_eq!(extension(Path::new("https://host/dir.x/a.Vtu.gz?name=b.csv#c.npy")), "vtu");
        assert_eq!(
            extension(Path::new("https://host.org")),
            "org",
            "no file has this name; it is no ending that is read"
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_pipes_written_to() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let [file, link, pipe] = ["file", "link", "pipe"].map(|name| folder.path().join(name));
        let write =
            |path: &Path| write_whole(path, |out| out.write_all(b"new").map_err(|e| Error::io(path, "write", &e)));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"new");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let name = std::ffi::CString::new(pipe.as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: a path that ends in a zero byte.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        write(&pipe).unwrap();
        assert_eq!(reader.join().unwrap(), b"new");
        assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }
}
