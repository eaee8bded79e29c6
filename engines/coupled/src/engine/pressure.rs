//! How hard the flusher works.
//!
//! Two debts push it: log that cannot be freed because of old dirty pages, and cache that cannot be reused because it is
//! dirty. Below the log's low mark it rests. Between the marks it pauses after each batch so that its duty cycle rises
//! linearly with the debt. At a high mark, and when someone waits, it does not pause.

use node::Nanos;

use crate::config::FlushConfig;

/// The debts, as parts of the whole (0 to 1).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Debts {
    /// Log behind the oldest dirty page, of the ring.
    pub log: f64,
    /// Dirty pages, of the pool.
    pub dirty: f64,
    /// Whether a commit waits for log, or a read for a frame, or the owner asked to settle.
    pub waited_for: bool,
}

/// What the flusher does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing.
    Rest,
    /// A batch, this long after the last one, which took `took`.
    Flush {
        /// The pause.
        pause: Nanos,
    },
}

/// Decides. `took` is how long the last batch was under way.
pub fn choose(config: &FlushConfig, debts: &Debts, took: Nanos) -> Choice {
    let log = (debts.log - config.log_low) / (config.log_high - config.log_low);
    // Dirty pages alone are no debt while the cache holds the data: only from the high mark on does anyone wait.
    let duty = if debts.waited_for || debts.dirty >= config.dirty_high { 1.0 } else { log.min(1.0) };
    if duty <= 0.0 {
        return Choice::Rest;
    }
    Choice::Flush { pause: Nanos((took.0 as f64 * (1.0 - duty) / duty) as u64) }
}

#[cfg(test)]
mod tests {
    use contract::Schema;

    use super::*;
    use crate::Config;

    #[test]
    fn the_pause_shrinks_as_the_log_fills() {
        let config = FlushConfig { log_low: 0.25, log_high: 0.75, ..Config::new(Schema::default(), 0).flush };
        let at = |log| choose(&config, &Debts { log, ..Debts::default() }, Nanos(1000));
        assert_eq!(at(0.25), Choice::Rest);
        assert_eq!(at(0.5), Choice::Flush { pause: Nanos(1000) });
        assert_eq!(at(0.75), Choice::Flush { pause: Nanos(0) });
        assert_eq!(at(0.9), Choice::Flush { pause: Nanos(0) });
    }

    #[test]
    fn a_dirty_pool_or_someone_waiting_leaves_no_pause() {
        let config = Config::new(Schema::default(), 0).flush;
        let none = Choice::Flush { pause: Nanos(0) };
        assert_eq!(choose(&config, &Debts { dirty: config.dirty_high, ..Debts::default() }, Nanos(9)), none);
        assert_eq!(choose(&config, &Debts { waited_for: true, ..Debts::default() }, Nanos(9)), none);
        assert_eq!(choose(&config, &Debts { dirty: 0.1, ..Debts::default() }, Nanos(9)), Choice::Rest);
    }
}
