//! Ctrl-C and termination: noticed between intervals, so that what was measured is kept.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::{Exit, Failure};

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Listens for interrupts from now on. A second one ends the process at once.
pub fn listen() {
    let asked = ASKED.get_or_init(|| Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM] {
        // Without a handler the signal keeps its default: the process ends, and what was flushed is kept.
        let _ = flag::register_conditional_shutdown(signal, Exit::Interrupted as i32, Arc::clone(asked));
        let _ = flag::register(signal, Arc::clone(asked));
    }
}

/// Whether an interrupt came.
pub fn asked() -> bool {
    ASKED.get().is_some_and(|asked| asked.load(Ordering::Relaxed))
}

/// An error when an interrupt came.
pub fn check() -> Result<(), Failure> {
    if asked() {
        return Err(Failure { exit: Exit::Interrupted, message: "interrupted; what was measured is kept".to_owned() });
    }
    Ok(())
}
