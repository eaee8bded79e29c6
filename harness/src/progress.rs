//! What a person sees while a run goes: one line that is rewritten on a terminal, a line a phase elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::printed::{err, errln};

/// Progress on standard error; standard output is for results.
#[derive(Debug)]
pub struct Progress {
    label: String,
    is_terminal: bool,
    is_quiet: bool,
    open_line: bool,
    last_said: String,
    redrawn: Option<Instant>,
}

/// A line is redrawn at most four times a second.
const REDRAW_EVERY: Duration = Duration::from_millis(250);

impl Progress {
    /// Progress for a person, or none when `is_quiet`.
    pub fn new(is_quiet: bool) -> Progress {
        let is_terminal = std::io::stderr().is_terminal();
        Progress {
            label: String::new(),
            is_terminal,
            is_quiet,
            open_line: false,
            last_said: String::new(),
            redrawn: None,
        }
    }

    /// Names what is being done, e.g. `decoupled 2/2`.
    pub fn label(&mut self, label: impl Into<String>) {
        self.label = label.into();
        self.last_said.clear();
    }

    /// A step without a known length.
    pub fn say(&mut self, what: &str) {
        self.line(what, what.to_owned());
    }

    /// A step with a known length, and a rate when there is one.
    pub fn show(&mut self, what: &str, done: Duration, of: Duration, rate_per_s: Option<f64>) {
        let rate = rate_per_s.map_or(String::new(), |rate| format!("  {rate:>8.0} txn/s"));
        let text = format!("{what} {:.1}/{:.1} s{rate}", done.as_secs_f64().min(of.as_secs_f64()), of.as_secs_f64());
        self.line(what, text);
    }

    /// Counts toward a total.
    pub fn count(&mut self, what: &str, done: u64, total: u64) {
        self.line(what, format!("{what} {done}/{total}"));
    }

    /// Takes the line away, so that other output can stand in its place.
    pub fn clear(&mut self) {
        if self.open_line {
            err!("\r\x1b[2K");
            self.open_line = false;
            self.redrawn = None;
        }
    }

    /// Ends the line, so that other output starts on its own.
    pub fn done(&mut self) {
        if self.open_line {
            errln!();
            self.open_line = false;
        }
    }

    fn line(&mut self, what: &str, text: String) {
        if self.is_quiet {
            return;
        }
        let is_news = self.last_said != what;
        if self.is_terminal {
            // A new step shows at once.
            if !is_news && self.redrawn.is_some_and(|at| at.elapsed() < REDRAW_EVERY) {
                return;
            }
            self.redrawn = Some(Instant::now());
            self.last_said = what.to_owned();
            err!("\r\x1b[2K{}: {text}", self.label);
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stderr().flush();
            self.open_line = true;
        } else if is_news {
            errln!("{}: {what}", self.label);
            self.last_said = what.to_owned();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done();
    }
}
