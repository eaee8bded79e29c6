//! What the process says when it ends: one table for all commands.

use std::fmt;
use std::process::ExitCode;

/// How a command ended. The numbers are part of the command line's contract; 64 and 74 are those of `sysexits.h`, 130 is
/// the shell's for an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was promised was kept.
    Ok = 0,
    /// An engine broke its promise: acknowledged data lost, a wrong value, a half-applied transaction.
    Violation = 1,
    /// A verdict could not be reached, or the figures that were measured may not be used.
    Unknown = 2,
    /// An engine that should have made progress did not.
    Liveness = 3,
    /// The same seed gave two different runs.
    Nondeterminism = 4,
    /// The command line, a configuration file or a suite makes no sense.
    Usage = 64,
    /// A file, directory or device could not be read or written.
    Io = 74,
    /// Ctrl-C or a termination signal; what was measured is kept.
    Interrupted = 130,
}

impl Exit {
    /// All of them, with what they mean, for `--help` and the README.
    pub const TABLE: [(Exit, &'static str); 8] = [
        (Exit::Ok, "ok"),
        (Exit::Violation, "violation: an engine broke its promise"),
        (Exit::Unknown, "unknown: no verdict could be reached, or the figures contradict themselves"),
        (Exit::Liveness, "liveness: no progress where progress was owed"),
        (Exit::Nondeterminism, "nondeterminism: one seed, two different runs"),
        (Exit::Usage, "usage: a flag, a configuration file or a suite makes no sense"),
        (Exit::Io, "I/O: a file, directory or device could not be read or written"),
        (Exit::Interrupted, "interrupted: what was measured is kept"),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command ended early, with the code that says so.
#[derive(Debug)]
pub struct Failure {
    /// The code.
    pub exit: Exit,
    /// What was wrong, where, and what to do.
    pub message: String,
}

impl Failure {
    /// The command line or a configuration makes no sense.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, message: message.into() }
    }

    /// A file, directory or device could not be read or written.
    pub fn io(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Io, message: message.into() }
    }

    /// No verdict could be reached.
    pub fn unknown(message: impl Into<String>) -> Failure {
        Failure { exit: Exit::Unknown, message: message.into() }
    }
}

impl From<String> for Failure {
    /// What the harness itself could not do.
    fn from(message: String) -> Failure {
        Failure::unknown(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
