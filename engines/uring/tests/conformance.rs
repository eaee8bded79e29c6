//! The disk contract, case by case, on the ring and on the thread pool, with O_DIRECT and through the page cache.

mod nodes;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use node::conformance::DiskUnderTest;
use node::{DiskOp, DiskResult, Effects, Event, NodeId, Token, Topology};
use nodes::{CLASS, acting, data_dir, member, next, number_frame, topology};
use tempfile::TempDir;
use uring::{Backend, Config, CrashImage, Cut, JournalConfig, Runtime, Survivors};

const NODE: NodeId = NodeId(0);

type Orders = Arc<Mutex<VecDeque<(Token, DiskOp)>>>;

/// The disk of one relaying node: what the suite submits waits in `orders` until a frame tells the node to fetch it.
struct RelayedDisk {
    runtime: Runtime,
    orders: Orders,
    answers: Receiver<(Token, DiskResult)>,
    config: Config,
    _dir: Arc<TempDir>,
}

fn relay(orders: Orders, answers: Sender<(Token, DiskResult)>) -> Topology {
    topology(vec![member(NODE.0, move |_| {
        let (orders, answers) = (Arc::clone(&orders), answers.clone());
        acting((), move |(), _, event, out: &mut Effects| match event {
            Event::Frame { .. } => {
                let (token, op) = orders.lock().expect("unpoisoned").pop_front().expect("one order a frame");
                out.disk(token, op, CLASS);
            }
            Event::Disk { token, result } => answers.send((token, result)).expect("the suite listens"),
            _ => {}
        })
    })])
}

impl RelayedDisk {
    fn start(config: Config, dir: Arc<TempDir>) -> RelayedDisk {
        let orders = Orders::default();
        let (answer, answers) = channel();
        let runtime = Runtime::start(relay(Arc::clone(&orders), answer), &config).expect("starts");
        RelayedDisk { runtime, orders, answers, config, _dir: dir }
    }

    fn fresh(backend: Backend, direct_io: bool) -> RelayedDisk {
        let dir = data_dir();
        let (answer, _) = channel();
        let data: PathBuf = dir.path().join("data");
        let mut config = Config::new(&relay(Orders::default(), answer), data);
        (config.backend, config.direct_io) = (backend, direct_io);
        RelayedDisk::start(config, Arc::new(dir))
    }
}

impl DiskUnderTest for RelayedDisk {
    fn submit(&mut self, token: Token, op: DiskOp) {
        self.orders.lock().expect("unpoisoned").push_back((token, op));
        self.runtime.deliver(NODE, NODE, &number_frame(0)).expect("known");
    }

    fn wait(&mut self) -> (Token, DiskResult) {
        next(&self.answers)
    }

    /// Where a journal is kept, a new directory holds what is durable by it, and nothing else.
    fn lose_power(self) -> Result<RelayedDisk, RelayedDisk> {
        let Some(journal) = self.runtime.journal().cloned() else { return Err(self) };
        let RelayedDisk { runtime, mut config, _dir, .. } = self;
        runtime.stop().expect("stops");
        let records = journal.records();
        let image = CrashImage::at(&journal.base(), &records, &Cut::together(records.len()), Survivors::None);
        let after = config.data_dirs[0].with_extension("after");
        image.write_node(NODE, &after.join("node-0")).expect("writes");
        config.data_dirs = vec![after];
        Ok(RelayedDisk::start(config, _dir))
    }

    fn reopen(self) -> RelayedDisk {
        let RelayedDisk { runtime, config, _dir, .. } = self;
        runtime.stop().expect("stops");
        RelayedDisk::start(config, _dir)
    }
}

mod ring_direct {
    node::disk_conformance!(|_: &str| super::RelayedDisk::fresh(super::Backend::Auto, true));
}

mod ring_buffered {
    node::disk_conformance!(|_: &str| super::RelayedDisk::fresh(super::Backend::Auto, false));
}

mod pool_direct {
    node::disk_conformance!(|_: &str| super::RelayedDisk::fresh(super::Backend::ThreadPool, true));
}

mod pool_buffered {
    node::disk_conformance!(|_: &str| super::RelayedDisk::fresh(super::Backend::ThreadPool, false));
}

/// With a journal, so that power can be lost: every case is about the record of what was durable, too.
mod ring_journaled {
    use super::{Arc, Backend, JournalConfig, RelayedDisk, Runtime};

    fn journaled() -> RelayedDisk {
        let RelayedDisk { runtime, mut config, _dir, .. } = RelayedDisk::fresh(Backend::Auto, true);
        Runtime::stop(runtime).expect("stops");
        config.journal = Some(JournalConfig::default());
        RelayedDisk::start(config, Arc::clone(&_dir))
    }

    node::disk_conformance!(|_: &str| journaled());
}

/// With a slab of three slots, and a ring so small that operations queue for it, the answers are the same.
mod ring_tight {
    use super::{Arc, Backend, RelayedDisk, Runtime};

    fn tight() -> RelayedDisk {
        let RelayedDisk { runtime, mut config, _dir, .. } = RelayedDisk::fresh(Backend::Auto, true);
        Runtime::stop(runtime).expect("stops");
        (config.ring.entries, config.ring.files_max) = (2, 2);
        (config.ring.slab_slots, config.ring.slab_read_bytes_max) = (3, 16 << 10);
        RelayedDisk::start(config, Arc::clone(&_dir))
    }

    node::disk_conformance!(|_: &str| tight());
}
