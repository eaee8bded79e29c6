//! How long operations take.

use node::{Delay, DiskOp, Nanos, Rng};

/// A disk's service times and size. All distributions are per operation, before the time its bytes take.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskModel {
    /// A read.
    pub read: Delay,
    /// A write into the device's cache.
    pub write: Delay,
    /// A write that is durable when it completes.
    pub durable_write: Delay,
    /// A sync of a file or of the directory.
    pub sync: Delay,
    /// Creating, opening, extending, removing, listing.
    pub metadata: Delay,
    /// Bytes a second of one operation; `None` is unlimited.
    pub bandwidth_bytes_per_s: Option<u64>,
    /// How many operations are served at once; the others queue. At least one.
    pub parallelism: usize,
    /// Each completion comes up to this much late, uniformly, so that completions change order.
    pub shuffle: Nanos,
    /// Whether a read sees a write in flight over the same sectors in part, sector by sector.
    pub torn_reads: bool,
    /// Beyond this, creations and extensions answer `NoSpace`; `None` is unlimited.
    pub capacity_bytes: Option<u64>,
}

impl DiskModel {
    /// A model of no device in particular, for finding faults: everything takes tens of microseconds and completes in
    /// any order.
    pub fn shuffled() -> DiskModel {
        let delay = |base, tail| Delay::Tailed { base: Nanos::from_micros(base), tail: Nanos::from_micros(tail) };
        DiskModel {
            read: delay(20, 20),
            write: delay(10, 20),
            durable_write: delay(40, 40),
            sync: delay(60, 60),
            metadata: delay(20, 20),
            bandwidth_bytes_per_s: None,
            parallelism: 16,
            shuffle: Nanos::from_micros(30),
            torn_reads: true,
            capacity_bytes: None,
        }
    }

    /// A disk that takes no time.
    pub fn instant() -> DiskModel {
        let zero = Delay::Constant(Nanos::ZERO);
        DiskModel {
            read: zero,
            write: zero,
            durable_write: zero,
            sync: zero,
            metadata: zero,
            bandwidth_bytes_per_s: None,
            parallelism: 1,
            shuffle: Nanos::ZERO,
            torn_reads: false,
            capacity_bytes: None,
        }
    }
}

/// The device's servers.
#[derive(Clone, Debug)]
pub(super) struct Service {
    free_at: Vec<Nanos>,
    /// Time of all servers spent serving.
    pub(super) busy: Nanos,
}

impl Service {
    pub(super) fn new(model: &DiskModel) -> Service {
        assert!(model.parallelism > 0, "a disk serves at least one operation at a time");
        Service { free_at: vec![Nanos::ZERO; model.parallelism], busy: Nanos::ZERO }
    }

    /// The time `op` occupies a server.
    pub(super) fn price(&self, model: &DiskModel, op: &DiskOp, rng: &mut Rng) -> Nanos {
        let (delay, bytes) = match op {
            DiskOp::Read { len_bytes, .. } => (&model.read, *len_bytes as u64),
            DiskOp::Write { data, durable: false, .. } => (&model.write, data.len() as u64),
            DiskOp::Write { data, durable: true, .. } => (&model.durable_write, data.len() as u64),
            DiskOp::Sync { .. } | DiskOp::SyncDir => (&model.sync, 0),
            DiskOp::Create { len_bytes, .. } => (&model.metadata, *len_bytes),
            DiskOp::Open { .. } | DiskOp::Extend { .. } | DiskOp::Remove { .. } | DiskOp::List => (&model.metadata, 0),
        };
        delay.draw(rng) + transfer(bytes, model.bandwidth_bytes_per_s)
    }

    /// Takes the server that is free first, from `now` or when it is free, for `cost`. Returns the end.
    pub(super) fn occupy(&mut self, now: Nanos, cost: Nanos) -> Nanos {
        let server = self.free_at.iter_mut().min().expect("at least one server");
        *server = now.max(*server) + cost;
        self.busy += cost;
        *server
    }

    pub(super) fn shuffle(&self, model: &DiskModel, rng: &mut Rng) -> Nanos {
        if model.shuffle == Nanos::ZERO { Nanos::ZERO } else { Nanos(rng.between(0, model.shuffle.0)) }
    }

    /// Forgets what was queued.
    pub(super) fn restart(&mut self) {
        self.free_at.fill(Nanos::ZERO);
    }
}

/// The time `bytes` take at `bytes_per_s`.
pub(crate) fn transfer(bytes: u64, bytes_per_s: Option<u64>) -> Nanos {
    match bytes_per_s {
        Some(rate) => Nanos((u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1))) as u64),
        None => Nanos::ZERO,
    }
}
