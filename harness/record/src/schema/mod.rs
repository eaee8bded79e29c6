//! The rows of every file in a run directory.
//!
//! Field order is column order; the unit stands last in a name; `None` is written as an empty cell and means *not
//! measured*. Seconds (`t_*_s`) count from the start of the run, as given by `start_utc` in `run.json`; every file
//! and `latency.hlog` share that clock.

mod events;
mod faults;
mod io;
mod latency;
mod summary;

pub use events::Event;
pub use faults::{Fault, Recovery};
pub use io::{Io, Resource, Site};
pub use latency::{HistogramCell, Interval, Percentile, Phase};
pub use summary::{Metrics, Spread, Summary};
