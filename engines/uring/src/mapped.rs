//! Files of any size as bytes in memory.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Deref;
use std::path::Path;

use memmap2::{Advice, Mmap, MmapOptions};

/// The bytes of a file, mapped: pages come when they are looked at and go when memory is short.
///
/// # Caveats
///
/// - For files that nobody changes meanwhile. One that is cut short while it is mapped ends the process (SIGBUS), as with every
///   program that maps files; bytes overwritten meanwhile may or may not be seen.
#[derive(Debug)]
pub struct MappedFile(Bytes);

#[derive(Debug)]
enum Bytes {
    Mapped(Mmap),
    /// What cannot be mapped, as a pipe, is read.
    Read(Vec<u8>),
}

impl MappedFile {
    /// Maps the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be opened or read.
    pub fn open(path: &Path) -> io::Result<MappedFile> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            return Ok(MappedFile(Bytes::Read(bytes)));
        }
        // SAFETY: the mapping is private and read-only, so nothing in this process changes it; that no other process changes
        // the file meanwhile is the caller's to see to, as the type's documentation says.
        let map = unsafe { MmapOptions::new().map_copy_read_only(&file) }?;
        // Only a hint: a kernel that does not take it reads as it likes.
        let _ = map.advise(Advice::Sequential);
        Ok(MappedFile(Bytes::Mapped(map)))
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Mapped(map) => map,
            Bytes::Read(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_bytes_an_empty_one_none_and_a_directory_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        for bytes in [&b""[..], b"one", &[7; 100_000]] {
            let path = dir.path().join("file");
            std::fs::write(&path, bytes).expect("written");
            assert_eq!(&*MappedFile::open(&path).expect("mapped"), bytes);
        }
        assert_eq!(&*MappedFile::open(Path::new("/dev/null")).expect("read"), b"");
        assert!(MappedFile::open(dir.path()).is_err());
        assert!(MappedFile::open(&dir.path().join("none")).is_err());
    }
}
