//! Processes that carry nodes, as their parent sees them: signals, and an end that no parent outlives.

use std::io;
use std::process::Child;
use std::time::Duration;

use crate::sys;

/// What a parent may tell a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Stand still, at once and wherever it is (SIGSTOP).
    Stop,
    /// Go on (SIGCONT).
    Continue,
    /// Come to an orderly end (SIGTERM).
    Terminate,
}

/// Sends a signal to a child. Returns whether it was still there.
///
/// # Errors
///
/// The system refuses.
pub fn signal(child: &mut Child, signal: Signal) -> io::Result<bool> {
    // A child that was waited for has given its number back, and somebody else may have it.
    if child.try_wait()?.is_some() {
        return Ok(false);
    }
    let number = match signal {
        Signal::Stop => libc::SIGSTOP,
        Signal::Continue => libc::SIGCONT,
        Signal::Terminate => libc::SIGTERM,
    };
    sys::send_signal(child.id(), number).map(|()| true)
}

/// Waits until one of `children` has ended, or has been waited for before, and at most so long. Returns whether one has.
///
/// # Errors
///
/// The system cannot tell, for want of descriptors, say.
pub fn await_end(children: &mut [&mut Child], patience: Duration) -> io::Result<bool> {
    let mut ends = Vec::with_capacity(children.len());
    for child in children {
        // A number that was given back may be somebody else's, as above.
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        ends.push(sys::process_end(child.id())?);
    }
    sys::poll_readable(&ends, patience)
}

/// Has the kernel kill this process when its parent ends, however it ends; the parent, strictly, is the thread that started it.
/// `parent` is who that is: if it has ended already, the answer is `false`.
///
/// # Errors
///
/// The system refuses.
pub fn end_with(parent: u32) -> io::Result<bool> {
    sys::set_parent_death_kills()?;
    Ok(std::os::unix::process::parent_id() == parent)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn cat() -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts")
    }

    #[test]
    fn the_end_of_any_child_ends_the_wait_for_all() {
        let (mut one, mut other) = (cat(), cat());
        assert!(!await_end(&mut [&mut one, &mut other], Duration::ZERO).expect("a poll"), "both are at work");
        drop(other.stdin.take());
        assert!(await_end(&mut [&mut one, &mut other], Duration::MAX).expect("a poll"), "one came to its end");
        assert!(other.wait().expect("it ended").success());
        assert!(await_end(&mut [&mut one, &mut other], Duration::MAX).expect("nothing to wait for"));
        assert!(!await_end(&mut [&mut one], Duration::ZERO).expect("a poll"), "the other one is still at work");
        one.kill().expect("it was at work");
        one.wait().expect("it ends");
    }

    #[test]
    fn a_child_is_told_until_it_has_ended() {
        let mut child = cat();
        for told in [Signal::Stop, Signal::Continue, Signal::Terminate] {
            assert!(signal(&mut child, told).expect("allowed"), "{told:?}");
        }
        assert!(!child.wait().expect("it ends").success());
        assert!(!signal(&mut child, Signal::Terminate).expect("nobody is asked"));
    }
}
