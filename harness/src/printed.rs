//! What is printed, on standard output for results and on standard error for everything else.
//!
//! A reader that closed the pipe, as `head` does, has read enough: the command goes on without a word, and its files and exit code
//! are what they would have been. The macros of the standard library panic there, which is why they are not used.

use std::fmt::Arguments;
use std::io::Write;

/// Prints results.
pub fn to_stdout(text: Arguments<'_>) {
    let _ = std::io::stdout().lock().write_fmt(text);
}

/// Prints what is said besides.
pub fn to_stderr(text: Arguments<'_>) {
    let _ = std::io::stderr().lock().write_fmt(text);
}

/// Prints results, as `print!` does.
macro_rules! out {
    ($($text:tt)*) => { $crate::printed::to_stdout(format_args!($($text)*)) };
}

/// Prints a line of results, as `println!` does.
macro_rules! outln {
    () => { $crate::printed::to_stdout(format_args!("\n")) };
    ($($text:tt)*) => { $crate::printed::to_stdout(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints what is said besides, as `eprint!` does.
macro_rules! err {
    ($($text:tt)*) => { $crate::printed::to_stderr(format_args!($($text)*)) };
}

/// Prints a line of what is said besides, as `eprintln!` does.
macro_rules! errln {
    () => { $crate::printed::to_stderr(format_args!("\n")) };
    ($($text:tt)*) => { $crate::printed::to_stderr(format_args!("{}\n", format_args!($($text)*))) };
}

pub(crate) use {err, errln, out, outln};
