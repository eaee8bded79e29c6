//! The io_uring executor of one thread.
//!
//! # Mechanism
//!
//! One ring, made by and for one thread (SINGLE_ISSUER), whose completions are gathered only when that thread asks
//! (DEFER_TASKRUN). Files sit in a registered table; small writes are copied into a registered slab, larger blocks
//! are handed to the kernel as they are. A durable write is one request with RWF_DSYNC, never a write linked to a
//! sync: a short write breaks such a link and can land after the sync. A multishot poll on the inbox's counter wakes
//! the thread when another one has mail for it.
//!
//! # Invariants
//!
//! - The memory of a request stays inside its slot, unmoved and untouched, from submission to completion.
//! - A request is answered once: a short transfer is continued, EINTR and EAGAIN are tried again.
//! - Dropping the ring first waits for every request in the kernel.
//!
//! # Caveats
//!
//! - Kernels before 6.1 lack DEFER_TASKRUN; a plain ring is used there, and the report says so.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use io_uring::types::{Fd, Fixed, FsyncFlags, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use node::Nanos;

use super::executor::{Action, Completion, Request};
use super::slab::Slab;
use crate::config::RingConfig;
use crate::inbox::Inbox;
use crate::mail::Mail;
use crate::report::RingReport;
use crate::slots::Slots;
use crate::sys;

const WAKE: u64 = u64::MAX;
const RETRIES_MAX: u32 = 1000;

/// A ring with its in-flight requests.
#[derive(Debug)]
pub(crate) struct RingDisk {
    ring: Ring,
    inbox: Arc<Inbox<Mail>>,
    requests: Slots<InFlight>,
    /// Requests not yet in the submission queue, oldest first.
    waiting: VecDeque<u64>,
    in_kernel: usize,
    in_kernel_max: usize,
    slab: Option<Slab>,
    slab_read_bytes_max: usize,
    free_files: Vec<u32>,
    wake_armed: bool,
    completed: Vec<(u64, i32)>,
}

struct Ring(IoUring);

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IoUring")
    }
}

#[derive(Debug)]
struct InFlight {
    request: Request,
    done_bytes: usize,
    slab_slot: Option<u32>,
    retries: u32,
}

impl RingDisk {
    /// A ring for the calling thread, with a report of what the kernel granted.
    pub(crate) fn new(config: &RingConfig, inbox: Arc<Inbox<Mail>>) -> io::Result<(RingDisk, RingReport)> {
        let (ring, deferred_taskrun) = build(config)?;
        let files = config.files_max;
        let registered_files = files > 0 && ring.submitter().register_files_sparse(files).is_ok();
        let slab = Slab::new(config.slab_slots, config.slab_slot_bytes);
        let slab = slab.filter(|slab| {
            // SAFETY: the slab's memory is owned by this `RingDisk`, which drops the ring before the slab and only
            // after every request has completed.
            unsafe { ring.submitter().register_buffers(&[slab.iovec()]) }.is_ok()
        });
        let report = RingReport {
            deferred_taskrun,
            registered_files: if registered_files { files } else { 0 },
            registered_buffer_bytes: slab.as_ref().map_or(0, Slab::len_bytes),
        };
        let room = ring.params().cq_entries() as usize - 1;
        let disk = RingDisk {
            in_kernel_max: config.in_kernel_max.map_or(room, |most| room.min(most.max(1) as usize)),
            ring: Ring(ring),
            inbox,
            requests: Slots::default(),
            waiting: VecDeque::new(),
            in_kernel: 0,
            slab,
            slab_read_bytes_max: config.slab_read_bytes_max,
            free_files: if registered_files { (0..files).rev().collect() } else { Vec::new() },
            wake_armed: false,
            completed: Vec::new(),
        };
        Ok((disk, report))
    }

    pub(crate) fn register(&mut self, file: &File) -> Option<u32> {
        let fixed = self.free_files.pop()?;
        if self.ring.0.submitter().register_files_update(fixed, &[file.as_raw_fd()]).is_ok() {
            return Some(fixed);
        }
        self.free_files.push(fixed);
        None
    }

    pub(crate) fn unregister(&mut self, fixed: u32) {
        // A place that could not be cleared is not used again: its file stays open until the ring goes.
        if self.ring.0.submitter().register_files_update(fixed, &[-1]).is_ok() {
            self.free_files.push(fixed);
        }
    }

    pub(crate) fn start(&mut self, request: Request) {
        let slab_slot = self.slab_slot_for(&request.action);
        let key = self.requests.insert(InFlight { request, done_bytes: 0, slab_slot, retries: 0 });
        self.waiting.push_back(key);
    }

    pub(crate) fn unsubmitted(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn flush(&mut self, done: &mut Vec<Completion>) {
        self.push_waiting();
        let submission = self.ring.0.submission();
        let enter = !submission.is_empty() || submission.taskrun() || submission.cq_overflow();
        drop(submission);
        if enter {
            // An error (EBUSY, EAGAIN, EINTR) leaves the entries queued for the next call.
            let _ = self.ring.0.submit();
        }
        self.reap(done);
    }

    pub(crate) fn wait(&mut self, timeout: Option<Nanos>, done: &mut Vec<Completion>) -> bool {
        self.push_waiting();
        let result = match timeout {
            None => self.ring.0.submit_and_wait(1),
            Some(Nanos(nanos)) => {
                let time = Timespec::new().sec(nanos / 1_000_000_000).nsec((nanos % 1_000_000_000) as u32);
                self.ring.0.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time))
            }
        };
        self.reap(done);
        // EBUSY, EAGAIN and EINTR leave the entries queued for the next call.
        result.is_err_and(|error| error.raw_os_error() == Some(libc::ETIME))
    }

    fn slab_slot_for(&mut self, action: &Action) -> Option<u32> {
        let slab = self.slab.as_mut()?;
        match action {
            Action::Write { data, .. } => slab.take_with(data),
            Action::Read { data, .. } if data.len() <= self.slab_read_bytes_max => slab.take(data.len()),
            _ => None,
        }
    }

    fn push_waiting(&mut self) {
        if !self.wake_armed {
            let poll = opcode::PollAdd::new(Fd(self.inbox.wake().as_raw_fd()), libc::POLLIN as u32);
            let entry = poll.multi(true).build().user_data(WAKE);
            // SAFETY: a poll refers to no memory, and the counter lives as long as the inbox this ring shares.
            self.wake_armed = unsafe { self.ring.0.submission().push(&entry) }.is_ok();
        }
        while self.in_kernel < self.in_kernel_max {
            let Some(&key) = self.waiting.front() else { break };
            let entry = self.entry(key);
            // SAFETY: the entry points into the request's own block or its slot of the slab; both stay in
            // `self.requests` and `self.slab` until the completion is reaped, and `drop` waits for it.
            if unsafe { self.ring.0.submission().push(&entry) }.is_err() {
                if self.ring.0.submit().is_err() {
                    break;
                }
                continue;
            }
            self.waiting.pop_front();
            self.in_kernel += 1;
        }
    }

    fn entry(&mut self, key: u64) -> squeue::Entry {
        let in_flight = self.requests.get_mut(key).expect("a waiting request is stored");
        let file = &in_flight.request.file;
        let (fd, fixed) = (file.file.as_raw_fd(), file.fixed);
        let entry = match &mut in_flight.request.action {
            Action::Sync => fsync(fd, fixed, FsyncFlags::DATASYNC),
            Action::SyncNames => fsync(fd, fixed, FsyncFlags::empty()),
            Action::Read { offset, data } => {
                let from = in_flight.done_bytes;
                let part = Part { fd, fixed, offset: *offset + from as u64, len: (data.len() - from) as u32, flags: 0 };
                match in_flight.slab_slot {
                    Some(slot) => part.read_slab(self.slab.as_ref().expect("the slot's slab").at(slot, from)),
                    None => part.read(data[from..].as_mut_ptr()),
                }
            }
            Action::Write { offset, data, durable } => {
                let from = in_flight.done_bytes;
                let flags = if *durable { libc::RWF_DSYNC } else { 0 };
                let part = Part { fd, fixed, offset: *offset + from as u64, len: (data.len() - from) as u32, flags };
                match in_flight.slab_slot {
                    Some(slot) => part.write_slab(self.slab.as_ref().expect("the slot's slab").at(slot, from)),
                    None => part.write(data[from..].as_ptr()),
                }
            }
        };
        entry.user_data(key)
    }

    fn reap(&mut self, done: &mut Vec<Completion>) {
        let mut completed = std::mem::take(&mut self.completed);
        for entry in self.ring.0.completion() {
            if entry.user_data() == WAKE {
                self.wake_armed &= cqueue::more(entry.flags());
            } else {
                completed.push((entry.user_data(), entry.result()));
            }
        }
        for (key, result) in completed.drain(..) {
            self.in_kernel -= 1;
            self.advance(key, result, done);
        }
        self.completed = completed;
    }

    fn advance(&mut self, key: u64, result: i32, done: &mut Vec<Completion>) {
        let in_flight = self.requests.get_mut(key).expect("the kernel answers what it was asked");
        let wanted = match &in_flight.request.action {
            Action::Read { data, .. } | Action::Write { data, .. } => data.len() - in_flight.done_bytes,
            Action::Sync | Action::SyncNames => 0,
        };
        let result = match result {
            count if count >= 0 && wanted == 0 => Ok(0),
            count if count >= 0 => sys::whole_sectors(count as usize, wanted).ok_or(libc::EIO),
            error if matches!(-error, libc::EINTR | libc::EAGAIN) && in_flight.retries < RETRIES_MAX => {
                in_flight.retries += 1;
                self.waiting.push_back(key);
                return;
            }
            error => Err(-error),
        };
        match result {
            Ok(count) if count < wanted => {
                in_flight.done_bytes += count;
                self.waiting.push_back(key);
            }
            Ok(_) => self.finish(key, Ok(()), done),
            Err(errno) => self.finish(key, Err(errno), done),
        }
    }

    fn finish(&mut self, key: u64, result: Result<(), i32>, done: &mut Vec<Completion>) {
        let in_flight = self.requests.remove(key).expect("the kernel answers what it was asked");
        let mut data = match in_flight.request.action {
            Action::Read { data, .. } => Some(data),
            _ => None,
        };
        if let (Some(slot), Some(slab)) = (in_flight.slab_slot, self.slab.as_mut()) {
            if let Some(data) = &mut data {
                slab.copy_out(slot, data);
            }
            slab.give_back(slot);
        }
        done.push(Completion { op: in_flight.request.op, result, data });
    }
}

impl Drop for RingDisk {
    fn drop(&mut self) {
        // The kernel may write into blocks and the slab until it has answered.
        let mut done = Vec::new();
        self.waiting.clear();
        while self.in_kernel > 0 {
            let _ = self.ring.0.submit_and_wait(1);
            self.reap(&mut done);
            self.waiting.clear();
        }
        // The kernel takes a closed ring apart in its own time; the files must not stay open, and their file system
        // busy, until then. A table that was never made is an error nobody needs.
        let _ = self.ring.0.submitter().unregister_files();
        let _ = self.ring.0.submitter().unregister_buffers();
    }
}

/// One transfer between a file and memory.
struct Part {
    fd: i32,
    fixed: Option<u32>,
    offset: u64,
    len: u32,
    flags: i32,
}

/// Builds the same entry for a registered file or a plain descriptor.
macro_rules! on_file {
    ($fd:expr, $fixed:expr, |$target:ident| $entry:expr) => {
        match $fixed {
            Some(place) => {
                let $target = Fixed(place);
                $entry
            }
            None => {
                let $target = Fd($fd);
                $entry
            }
        }
    };
}

impl Part {
    fn read(self, to: *mut u8) -> squeue::Entry {
        on_file!(self.fd, self.fixed, |file| opcode::Read::new(file, to, self.len).offset(self.offset).build())
    }

    fn read_slab(self, to: *mut u8) -> squeue::Entry {
        on_file!(self.fd, self.fixed, |file| opcode::ReadFixed::new(file, to, self.len, 0).offset(self.offset).build())
    }

    fn write(self, from: *const u8) -> squeue::Entry {
        on_file!(self.fd, self.fixed, |file| {
            opcode::Write::new(file, from, self.len).offset(self.offset).rw_flags(self.flags).build()
        })
    }

    fn write_slab(self, from: *const u8) -> squeue::Entry {
        on_file!(self.fd, self.fixed, |file| {
            opcode::WriteFixed::new(file, from, self.len, 0).offset(self.offset).rw_flags(self.flags).build()
        })
    }
}

fn fsync(fd: i32, fixed: Option<u32>, flags: FsyncFlags) -> squeue::Entry {
    on_file!(fd, fixed, |file| opcode::Fsync::new(file).flags(flags).build())
}

/// Whether the kernel gives this process a ring fit for use; `Err` says what was refused.
pub(crate) fn probe(config: &RingConfig) -> Result<(), String> {
    let (ring, _) = build(config).map_err(|error| format!("io_uring_setup: {error}"))?;
    let params = ring.params();
    if !params.is_feature_ext_arg() || !params.is_feature_nodrop() {
        return Err("the kernel's rings lack timed waits (Linux 5.11 or later is needed)".into());
    }
    let mut probe = io_uring::Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(|error| format!("io_uring probe: {error}"))?;
    let needed = [opcode::Read::CODE, opcode::Write::CODE, opcode::Fsync::CODE, opcode::PollAdd::CODE];
    if needed.iter().any(|&code| !probe.is_supported(code)) {
        return Err("the kernel's rings lack an operation that is needed".into());
    }
    Ok(())
}

/// The kind of ring every thread uses, and whether it defers its task work.
pub(crate) fn build(config: &RingConfig) -> io::Result<(IoUring, bool)> {
    let completions = config.entries.saturating_mul(4);
    let deferred = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(completions)
        .build(config.entries);
    match deferred {
        Ok(ring) => Ok((ring, true)),
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            Ok((IoUring::builder().setup_cqsize(completions).build(config.entries)?, false))
        }
        Err(error) => Err(error),
    }
}
