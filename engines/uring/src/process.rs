//! Processes that carry nodes, as their parent sees them: signals, and an end that no parent outlives.

use std::io;
use std::process::Child;

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

    #[test]
    fn a_child_is_told_until_it_has_ended() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
        for told in [Signal::Stop, Signal::Continue, Signal::Terminate] {
            assert!(signal(&mut child, told).expect("allowed"), "{told:?}");
        }
        assert!(!child.wait().expect("it ends").success());
        assert!(!signal(&mut child, Signal::Terminate).expect("nobody is asked"));
    }
}
