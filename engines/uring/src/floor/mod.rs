//! What the device and the kernel cost without any engine: the figures an engine's commit is held against.
//!
//! # Mechanism
//!
//! 4 KiB durable writes (RWF_DSYNC, registered buffer and files, O_DIRECT) into pre-written segments, one after the
//! other: alone on the measuring thread, and through another thread, as every client of an engine is. The second
//! floor is the decoupled commit without an engine: six files on this one device, a record written to all six, done
//! when the fourth write is.
//!
//! # Caveats
//!
//! - Six copies on one device share its flushes and its queue; six devices would be faster.
//! - Where io_uring is refused, the single write is measured with pwritev2 and there is no quorum floor.

mod raw;

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Instant;

use hdrhistogram::Histogram;
use node::Nanos;

use self::raw::RawFiles;
use crate::error::Error;

/// Bytes of one write.
pub const WRITE_BYTES: usize = 4096;
/// Copies of the quorum floor.
pub const COPIES: usize = 6;
/// Copies that make a record durable.
pub const WRITE_QUORUM: usize = 4;

/// Who waits for the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The thread that submitted it.
    SameThread,
    /// Another thread, which asks and is answered over channels.
    OtherThread,
}

/// A measured floor. Every sample is kept, down to two digits of its value.
#[derive(Clone, Debug)]
pub struct Floor {
    /// `io_uring`, or `pwritev2` where that is refused.
    pub method: &'static str,
    /// One sample for each write or record, in nanoseconds.
    pub latency_ns: Histogram<u64>,
    /// From the first submission to the last completion.
    pub elapsed: Nanos,
    /// Whether O_DIRECT was refused, so that writes went through the page cache.
    pub buffered: bool,
}

impl Floor {
    /// The latency not exceeded by this part of the samples.
    pub fn quantile(&self, quantile: f64) -> Nanos {
        Nanos(self.latency_ns.value_at_quantile(quantile))
    }

    /// Writes or records a second.
    pub fn per_s(&self) -> f64 {
        self.latency_ns.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Durable writes of one copy, one at a time, into a file made for it in `directory`.
///
/// # Errors
///
/// The directory cannot be used or a write fails.
pub fn durable_write(directory: &Path, samples: u64, via: Via) -> Result<Floor, Error> {
    let directory = directory.to_path_buf();
    match via {
        Via::SameThread => {
            let mut files = RawFiles::create(&directory, 1)?;
            let (method, buffered) = (files.method(), files.buffered());
            measure(method, buffered, samples, || files.write_and_wait(&directory))
        }
        Via::OtherThread => through_another_thread(&directory, samples),
    }
}

fn through_another_thread(directory: &Path, samples: u64) -> Result<Floor, Error> {
    let (ask, asked) = channel::<()>();
    let (answer, answered) = channel();
    let (about, known) = channel();
    let at = directory.to_path_buf();
    let worker = std::thread::spawn(move || -> Result<(), Error> {
        let mut files = RawFiles::create(&at, 1)?;
        // An asker that is gone closes its channel, which ends the loop.
        let _ = about.send((files.method(), files.buffered()));
        while asked.recv().is_ok() {
            files.write_and_wait(&at)?;
            let _ = answer.send(());
        }
        Ok(())
    });
    let floor = known.recv().map(|(method, buffered)| {
        measure(method, buffered, samples, || {
            // A worker that failed has dropped its ends; its own error is returned below.
            let _ = ask.send(());
            let _ = answered.recv();
            Ok(())
        })
    });
    drop(ask);
    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    floor.expect("a worker that did not fail has said how it works")
}

/// Records written durably to six files in `directory`, `depth` records at a time, each done at its fourth write.
///
/// # Errors
///
/// The directory cannot be used, io_uring is refused, or a write fails.
pub fn quorum(directory: &Path, depth: usize, records: u64) -> Result<Floor, Error> {
    let mut files = RawFiles::create(directory, COPIES)?;
    files.require_ring()?;
    let mut latency_ns = histogram();
    let mut under_way: Vec<(Instant, usize)> = Vec::new();
    let start = Instant::now();
    let submit = |files: &mut RawFiles, under_way: &mut Vec<(Instant, usize)>| {
        under_way.push((Instant::now(), 0));
        for copy in 0..COPIES {
            files.submit(copy, under_way.len() as u64 - 1, directory)?;
        }
        Ok::<(), Error>(())
    };
    for _ in 0..(depth as u64).min(records) {
        submit(&mut files, &mut under_way)?;
    }
    let mut elapsed = Nanos::ZERO;
    while latency_ns.len() < records {
        for record in files.wait(directory)? {
            let (since, done) = &mut under_way[record as usize];
            *done += 1;
            if *done != WRITE_QUORUM {
                continue;
            }
            latency_ns.saturating_record(since.elapsed().as_nanos() as u64);
            elapsed = Nanos(start.elapsed().as_nanos() as u64);
            if (under_way.len() as u64) < records {
                submit(&mut files, &mut under_way)?;
            }
        }
    }
    Ok(Floor { method: files.method(), latency_ns, elapsed, buffered: files.buffered() })
}

fn measure(
    method: &'static str,
    buffered: bool,
    samples: u64,
    mut one: impl FnMut() -> Result<(), Error>,
) -> Result<Floor, Error> {
    let mut latency_ns = histogram();
    let start = Instant::now();
    for _ in 0..samples {
        let since = Instant::now();
        one()?;
        latency_ns.saturating_record(since.elapsed().as_nanos() as u64);
    }
    Ok(Floor { method, latency_ns, elapsed: Nanos(start.elapsed().as_nanos() as u64), buffered })
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 2).expect("bounds are constant and valid")
}
