//! The runtime's clock: nanoseconds since its start, the same for all its threads.

use std::time::Instant;

use node::Nanos;

/// A monotonic clock that started at zero. Copies agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Nanos {
        Nanos(self.start.elapsed().as_nanos() as u64)
    }
}
