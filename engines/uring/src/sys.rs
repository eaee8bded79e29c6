//! The few system calls the standard library does not offer, each behind a safe function.
//!
//! # Invariants
//!
//! - Nothing here keeps a pointer beyond the call it was given to.
//! - Every failing call is returned as [`io::Error`] with the kernel's number; none is retried except on EINTR.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::{Duration, Instant};

use node::Nanos;

/// Asks the kernel to fire this thread's timeouts at their time instead of up to 50 µs later. Returns whether it did.
pub(crate) fn set_timer_slack_min() -> bool {
    // SAFETY: PR_SET_TIMERSLACK takes one integer and touches no memory of ours.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1 as libc::c_ulong, 0, 0, 0) == 0 }
}

/// Sends signal `number` to the process `pid`.
pub(crate) fn send_signal(pid: u32, number: libc::c_int) -> io::Result<()> {
    // SAFETY: kill takes two integers and touches no memory of ours.
    let result = unsafe { libc::kill(pid as libc::pid_t, number) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel kill this process when the thread that started it ends.
pub(crate) fn set_parent_death_kills() -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes one integer and touches no memory of ours.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong, 0, 0, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A descriptor that can be read from once the child `pid`, which was not waited for yet, has ended.
pub(crate) fn process_end(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: `fd` was just returned to us and is owned by nothing else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Sleeps until one of `descriptors` can be read from, and at most so long. Returns whether one can.
pub(crate) fn poll_readable(descriptors: &[OwnedFd], patience: Duration) -> io::Result<bool> {
    let interest = |fd: &OwnedFd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut polled: Vec<libc::pollfd> = descriptors.iter().map(interest).collect();
    let give_up = Instant::now().checked_add(patience);
    loop {
        let left = give_up.map(|give_up| give_up.saturating_duration_since(Instant::now()));
        let time = left.map(|left| libc::timespec {
            tv_sec: left.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(left.subsec_nanos() as i32),
        });
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: `polled` and the timespec behind `time` live until the call returns; the mask may be null.
        let ready = unsafe { libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, time, std::ptr::null()) };
        match ready {
            0.. => return Ok(ready > 0),
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return Err(io::Error::last_os_error()),
        }
    }
}

/// CPU time the calling thread has used, in user and kernel mode.
pub(crate) fn thread_cpu() -> Nanos {
    cpu_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// CPU time every thread of the process has used, the kernel's own workers for its rings included.
pub(crate) fn process_cpu() -> Nanos {
    cpu_clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn cpu_clock(clock: libc::clockid_t) -> Nanos {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a live timespec the call fills; the clock ids are constants the kernel knows.
    let result = unsafe { libc::clock_gettime(clock, &mut time) };
    if result != 0 {
        return Nanos::ZERO;
    }
    Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// A counter one thread sleeps on and others raise.
#[derive(Debug)]
pub(crate) struct EventFd {
    fd: OwnedFd,
}

impl EventFd {
    pub(crate) fn new() -> io::Result<EventFd> {
        // SAFETY: eventfd takes two integers; a non-negative result is a descriptor nobody else owns.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just returned to us and is owned by nothing else.
        Ok(EventFd { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Wakes whoever sleeps on the counter.
    pub(crate) fn notify(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the pointer and length describe `one`, which outlives the call. A full counter (EAGAIN) has a
        // wakeup pending already, so the result carries no news.
        let _ = unsafe { libc::write(self.fd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Sets the counter back to zero.
    pub(crate) fn drain(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the pointer and length describe `count`, which outlives the call; an empty counter is EAGAIN.
        let _ = unsafe { libc::read(self.fd.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// Sleeps until the counter is raised, or for `timeout`. Returns whether it was the timeout.
    pub(crate) fn wait(&self, timeout: Option<Nanos>) -> bool {
        let mut poll = libc::pollfd { fd: self.fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let time = timeout.map(|t| libc::timespec {
            tv_sec: (t.0 / 1_000_000_000) as libc::time_t,
            tv_nsec: (t.0 % 1_000_000_000) as libc::c_long,
        });
        let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: `poll` and the timespec behind `time` live until the call returns; the mask may be null.
        unsafe { libc::ppoll(&mut poll, 1, time, std::ptr::null()) == 0 }
    }

    pub(crate) fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Takes a lock on `file` that ends with the process: alone, or together with others that share it. `Ok(false)` when another
/// holder is in the way.
pub(crate) fn try_lock(file: &File, shared: bool) -> io::Result<bool> {
    let kind = if shared { libc::LOCK_SH } else { libc::LOCK_EX };
    // SAFETY: flock takes a live descriptor and an integer.
    if unsafe { libc::flock(file.as_raw_fd(), kind | libc::LOCK_NB) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.kind() == io::ErrorKind::WouldBlock { Ok(false) } else { Err(error) }
}

/// The magic number of the file system `path` lies on.
pub(crate) fn file_system_magic(path: &Path) -> io::Result<u64> {
    let directory = File::open(path)?;
    let mut stat = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: the descriptor is live and `stat` has room for what the call fills.
    if unsafe { libc::fstatfs(directory.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed bytes are a valid statfs, and the call has filled it.
    Ok(unsafe { stat.assume_init() }.f_type as u64)
}

/// Reserves space for `len_bytes` of `file` at `from` in as few extents as the file system can, without changing the
/// file's length.
pub(crate) fn reserve(file: &File, from: u64, len_bytes: u64) -> io::Result<()> {
    let (from, len) = (from as libc::off_t, len_bytes as libc::off_t);
    // SAFETY: fallocate takes a live descriptor and integers.
    let result = unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, from, len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Writes all of `data` at `offset`; with `durable`, each part is durable when it is written (RWF_DSYNC).
pub(crate) fn write_all_at(file: &File, mut data: &[u8], mut offset: u64, durable: bool) -> io::Result<()> {
    let flags = if durable { libc::RWF_DSYNC } else { 0 };
    while !data.is_empty() {
        let part = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
        // SAFETY: the one iovec describes `data`, which is only read and outlives the call.
        let count = unsafe { libc::pwritev2(file.as_raw_fd(), &part, 1, offset as libc::off_t, flags) };
        let count = advance(count, data.len())?;
        data = &data[count..];
        offset += count as u64;
    }
    Ok(())
}

/// Fills `data` from `offset`. The file ending early is an error.
pub(crate) fn read_all_at(file: &File, mut data: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !data.is_empty() {
        let part = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
        // SAFETY: the one iovec describes `data`, borrowed exclusively until the call returns.
        let count = unsafe { libc::preadv2(file.as_raw_fd(), &part, 1, offset as libc::off_t, 0) };
        let count = advance(count, data.len())?;
        data = &mut data[count..];
        offset += count as u64;
    }
    Ok(())
}

/// How far one call came: whole sectors, so that the next one is aligned; zero bytes after EINTR.
fn advance(count: isize, wanted: usize) -> io::Result<usize> {
    if count < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(0) } else { Err(error) };
    }
    whole_sectors(count as usize, wanted).ok_or_else(|| io::Error::from_raw_os_error(libc::EIO))
}

/// The part of a transfer of `count` bytes that need not be repeated, `None` when it came to a stop.
pub(crate) fn whole_sectors(count: usize, wanted: usize) -> Option<usize> {
    if count == wanted {
        return Some(count);
    }
    let whole = count - count % node::SECTOR_BYTES;
    (whole > 0).then_some(whole)
}
