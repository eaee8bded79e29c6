//! The barest durable writer: one ring, pre-written files, one registered block.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use io_uring::types::Fixed;
use io_uring::{IoUring, opcode};
use node::{Block, FileName};

use super::WRITE_BYTES;
use crate::config::RingConfig;
use crate::disk::file::{Directory, probe_direct};
use crate::disk::ring;
use crate::error::Error;
use crate::sys;

const SEGMENT_BYTES: u64 = 4 << 20;

/// Files written round and round; removed when dropped.
pub(super) struct RawFiles {
    /// `Err` says why there is none.
    ring: Result<IoUring, String>,
    block: Block,
    files: Vec<(File, FileName)>,
    next: Vec<u64>,
    in_kernel: usize,
    directory: Directory,
}

impl RawFiles {
    pub(super) fn create(directory: &Path, count: usize) -> Result<RawFiles, Error> {
        let direct = probe_direct(directory).is_ok();
        let directory = Directory { path: directory.to_path_buf(), direct };
        let mut raw = RawFiles {
            ring: Err(String::new()),
            block: Block::zeroed(WRITE_BYTES),
            files: Vec::new(),
            next: vec![0; count],
            in_kernel: 0,
            directory,
        };
        for index in 0..count {
            let name = FileName::new(format!("floor-{}-{index}", std::process::id()));
            let made = raw.directory.create(&name, SEGMENT_BYTES);
            raw.files.push((made.map_err(|error| Error::io("create a file in", directory_of(&raw), error))?, name));
        }
        raw.ring = raw.make_ring();
        Ok(raw)
    }

    fn make_ring(&self) -> Result<IoUring, String> {
        let config = RingConfig::default();
        ring::probe(&config)?;
        let (ring, _) = ring::build(&config).map_err(|error| error.to_string())?;
        let fds: Vec<i32> = self.files.iter().map(|(file, _)| file.as_raw_fd()).collect();
        ring.submitter().register_files(&fds).map_err(|error| error.to_string())?;
        let part = libc::iovec { iov_base: self.block.as_ptr().cast_mut().cast(), iov_len: self.block.len() };
        // SAFETY: the block lives, unmoved on the heap and never written, until `drop` has waited for every write.
        unsafe { ring.submitter().register_buffers(&[part]) }.map_err(|error| error.to_string())?;
        Ok(ring)
    }

    pub(super) fn method(&self) -> &'static str {
        if self.ring.is_ok() { "io_uring" } else { "pwritev2" }
    }

    pub(super) fn buffered(&self) -> bool {
        !self.directory.direct
    }

    pub(super) fn require_ring(&self) -> Result<(), Error> {
        self.ring.as_ref().map(drop).map_err(|reason| Error::RingRefused { reason: reason.clone() })
    }

    /// One durable write of the first file, waited for.
    pub(super) fn write_and_wait(&mut self, directory: &Path) -> Result<(), Error> {
        if self.ring.is_ok() {
            self.submit(0, 0, directory)?;
            self.wait(directory).map(drop)
        } else {
            let offset = self.next_offset(0);
            let written = sys::write_all_at(&self.files[0].0, &self.block, offset, true);
            written.map_err(|error| Error::io("write in", directory, error))
        }
    }

    /// Queues one durable write; it reaches the kernel with the next wait.
    pub(super) fn submit(&mut self, file: usize, tag: u64, directory: &Path) -> Result<(), Error> {
        let offset = self.next_offset(file);
        let write = opcode::WriteFixed::new(Fixed(file as u32), self.block.as_ptr(), WRITE_BYTES as u32, 0);
        let entry = write.offset(offset).rw_flags(libc::RWF_DSYNC).build().user_data(tag);
        let ring = self.ring.as_mut().expect("the caller has asked for the ring");
        loop {
            // SAFETY: the block is registered and outlives the write; see `make_ring`.
            if unsafe { ring.submission().push(&entry) }.is_ok() {
                self.in_kernel += 1;
                return Ok(());
            }
            ring.submit().map_err(|error| Error::io("submit a write in", directory, error))?;
        }
    }

    /// The tags of at least one write that is done.
    pub(super) fn wait(&mut self, directory: &Path) -> Result<Vec<u64>, Error> {
        let ring = self.ring.as_mut().expect("the caller has asked for the ring");
        let mut done = Vec::new();
        while done.is_empty() {
            let waited = ring.submit_and_wait(1);
            if let Err(error) = waited
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                return Err(Error::io("wait for a write in", directory, error));
            }
            for entry in ring.completion() {
                self.in_kernel -= 1;
                if entry.result() != WRITE_BYTES as i32 {
                    let errno = if entry.result() < 0 { -entry.result() } else { libc::EIO };
                    let error = std::io::Error::from_raw_os_error(errno);
                    return Err(Error::io("write in", directory, error));
                }
                done.push(entry.user_data());
            }
        }
        Ok(done)
    }

    fn next_offset(&mut self, file: usize) -> u64 {
        let offset = self.next[file];
        self.next[file] = (offset + WRITE_BYTES as u64) % SEGMENT_BYTES;
        offset
    }
}

impl Drop for RawFiles {
    fn drop(&mut self) {
        if let Ok(ring) = &mut self.ring {
            while self.in_kernel > 0 {
                // Whatever the answer is, the kernel no longer reads the block after it.
                let _ = ring.submit_and_wait(1);
                self.in_kernel -= ring.completion().count();
            }
        }
        for (_, name) in &self.files {
            // A file left behind is named for what it is.
            let _ = self.directory.remove(name);
        }
    }
}

fn directory_of(raw: &RawFiles) -> &Path {
    &raw.directory.path
}
