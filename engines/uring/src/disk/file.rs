//! Files and directories as the kernel has them, and the calls on them that may block for long.
//!
//! # Mechanism
//!
//! A file is made under a hidden name, reserved in one piece, written full of zeroes, synced, and only then renamed
//! to its own: later durable writes inside it move no metadata, and a killed process leaves no half-made file under
//! a node's name. Leftovers of the hidden kind are removed when the directory is next used.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use node::{Block, DiskError, FileName};

use crate::sys;

/// Prefix of files being made. No node can use it: a node's names never start with a dot.
const HIDDEN_PREFIX: &str = ".new-";
const ZEROES_BYTES: usize = 1 << 20;

/// An open file or directory.
#[derive(Debug)]
pub(crate) struct DiskFile {
    pub(crate) file: File,
    /// Its place among the ring's registered files.
    pub(crate) fixed: Option<u32>,
    growing: Mutex<()>,
}

impl DiskFile {
    pub(crate) fn new(file: File, fixed: Option<u32>) -> DiskFile {
        DiskFile { file, fixed, growing: Mutex::new(()) }
    }

    /// Appends durable zeroes up to `len_bytes`; returns the length the file has then. One growth of a file at a
    /// time: a second one must start where the first ended, not over bytes written since.
    pub(crate) fn extend(&self, len_bytes: u64) -> io::Result<u64> {
        let _alone = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let from = self.file.metadata()?.len();
        if from >= len_bytes {
            return Ok(from);
        }
        let grown = write_zeroes(&self.file, from, len_bytes).and_then(|()| self.file.sync_all());
        if let Err(error) = grown {
            // Best effort: the length in use stays what the node was told, whatever is left behind it.
            let _ = self.file.set_len(from);
            return Err(error);
        }
        Ok(len_bytes)
    }
}

/// A node's directory.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    /// Whether its files are opened with O_DIRECT.
    pub(crate) direct: bool,
}

impl Directory {
    /// Opens an existing file; returns it with its length.
    pub(crate) fn open(&self, name: &FileName) -> io::Result<(File, u64)> {
        let file = self.options().open(self.path.join(name.as_str()))?;
        let len_bytes = file.metadata()?.len();
        Ok((file, len_bytes))
    }

    /// Makes a file of durable zeroes, replacing any of that name.
    pub(crate) fn create(&self, name: &FileName, len_bytes: u64) -> io::Result<File> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let hidden = self.path.join(format!("{HIDDEN_PREFIX}{}-{count}", std::process::id()));
        let file = self.options().create_new(true).open(&hidden)?;
        let made = write_zeroes(&file, 0, len_bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&hidden, self.path.join(name.as_str())));
        if let Err(error) = made {
            // The name was never given away, so nobody misses the file.
            let _ = std::fs::remove_file(&hidden);
            return Err(error);
        }
        Ok(file)
    }

    /// Removes a name; one that does not exist is no error.
    pub(crate) fn remove(&self, name: &FileName) -> io::Result<()> {
        match std::fs::remove_file(self.path.join(name.as_str())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The nodes' files with their lengths, sorted by name.
    pub(crate) fn list(&self) -> io::Result<Vec<(FileName, u64)>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| FileName::is_valid(name)) else { continue };
            let about = entry.metadata()?;
            if about.is_file() {
                names.push((FileName::new(name), about.len()));
            }
        }
        names.sort();
        Ok(names)
    }

    /// Removes files whose making was cut short.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(HIDDEN_PREFIX) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn options(&self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(if self.direct { libc::O_DIRECT } else { 0 });
        options
    }
}

/// Whether files in `directory` can be used with O_DIRECT at sector granularity; `Err` says what refused it.
pub(crate) fn probe_direct(directory: &Path) -> Result<(), String> {
    let here = Directory { path: directory.to_path_buf(), direct: true };
    let path = directory.join(format!("{HIDDEN_PREFIX}probe-{}", std::process::id()));
    let try_it = || -> io::Result<()> {
        let file = here.options().create(true).truncate(true).open(&path)?;
        let sector = Block::zeroed(node::SECTOR_BYTES);
        sys::write_all_at(&file, &sector, 0, false)?;
        sys::write_all_at(&file, &sector, node::SECTOR_BYTES as u64, true)?;
        sys::read_all_at(&file, &mut sector.clone(), node::SECTOR_BYTES as u64)
    };
    let result = try_it().map_err(|error| error.to_string());
    // The probe file may not exist when opening was what failed.
    let _ = std::fs::remove_file(&path);
    result
}

/// The seam's error for a system error.
pub(crate) fn disk_error(error: &io::Error) -> DiskError {
    disk_error_of(error.raw_os_error().unwrap_or(libc::EIO))
}

/// The seam's error for an error number.
pub(crate) fn disk_error_of(errno: i32) -> DiskError {
    match errno {
        libc::ENOSPC | libc::EDQUOT => DiskError::NoSpace,
        libc::ENOENT => DiskError::NotFound,
        errno => DiskError::Io { errno },
    }
}

fn write_zeroes(file: &File, from: u64, to: u64) -> io::Result<()> {
    static ZEROES: OnceLock<Block> = OnceLock::new();
    let zeroes = ZEROES.get_or_init(|| Block::zeroed(ZEROES_BYTES));
    if from >= to {
        return Ok(());
    }
    match sys::reserve(file, from, to - from) {
        // Reserving only keeps the file in one piece; a file system without it still writes zeroes.
        Err(error) if error.raw_os_error() != Some(libc::EOPNOTSUPP) => return Err(error),
        _ => {}
    }
    let mut offset = from;
    while offset < to {
        let count = (to - offset).min(ZEROES_BYTES as u64);
        sys::write_all_at(file, &zeroes[..count as usize], offset, false)?;
        offset += count;
    }
    Ok(())
}
