//! Setting a thread up, on the thread itself: a ring belongs to the thread that made it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use node::{Member, NodeId, Rng};

use super::{Host, Routes, Thread, Work};
use crate::clock::Clock;
use crate::config::Config;
use crate::disk::executor::{Executor, PoolDisk};
use crate::disk::file::Directory;
use crate::disk::pool::Pool;
use crate::disk::ring::RingDisk;
use crate::disk::{Disks, Service};
use crate::error::Error;
use crate::inbox::Closing;
use crate::journal::Journal;
use crate::link::Links;
use crate::report::{Halt, ThreadReport};
use crate::sys;

/// A node to be seated on a thread, with its directory if it has a disk.
pub(crate) struct Seat {
    pub(crate) member: Member,
    pub(crate) directory: Option<Directory>,
}

/// Everything a thread needs to begin.
pub(crate) struct Plan {
    pub(crate) index: usize,
    pub(crate) seats: Vec<Seat>,
    pub(crate) config: Config,
    pub(crate) on_ring: bool,
    pub(crate) clock: Clock,
    pub(crate) routes: Arc<Routes>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) halts: Sender<Halt>,
    pub(crate) journal: Option<Arc<Journal>>,
}

/// How a thread says that it is ready, and is told to begin.
pub(crate) struct Gate {
    pub(crate) report: Receiver<Result<ThreadReport, Error>>,
    pub(crate) go: Sender<()>,
    /// Names the thread in an error.
    pub(crate) first_node: NodeId,
}

impl Plan {
    pub(crate) fn spawn(self) -> std::io::Result<(JoinHandle<()>, Gate)> {
        let first_node = self.seats[0].member.id;
        let (report_in, report) = channel();
        let (go, may_go) = channel();
        let closing = Closing(Arc::clone(&self.routes.inboxes[self.index]));
        let thread = std::thread::Builder::new().name(format!("sextant-{}", self.index)).spawn(move || {
            let _closing = closing;
            self.run(&report_in, &may_go);
        })?;
        Ok((thread, Gate { report, go, first_node }))
    }

    fn run(self, report: &Sender<Result<ThreadReport, Error>>, may_go: &Receiver<()>) {
        match self.prepare() {
            Ok((thread, about)) => {
                if report.send(Ok(about)).is_ok() && may_go.recv().is_ok() {
                    thread.run();
                }
            }
            // The launcher waits for this report.
            Err(error) => drop(report.send(Err(error))),
        }
    }

    fn prepare(self) -> Result<(Thread, ThreadReport), Error> {
        let timer_slack_min = sys::set_timer_slack_min();
        let inbox = Arc::clone(&self.routes.inboxes[self.index]);
        let (executor, ring) = if self.on_ring {
            let made = RingDisk::new(&self.config.ring, Arc::clone(&inbox));
            let (disk, report) = made.map_err(|source| Error::System { what: "make an io_uring", source })?;
            (Executor::Ring(Box::new(disk)), Some(report))
        } else {
            let disk = PoolDisk { pool: Arc::clone(&self.pool), inbox: Arc::clone(&inbox) };
            (Executor::Pool(disk), None)
        };
        let mut disks = Disks::new(executor, self.pool, inbox);
        let frames_to = self.config.journal.map(|journal| journal.frames_to).unwrap_or_default();
        let seed = Rng::new(self.config.seed);
        let mut hosts = Vec::new();
        for Seat { member, directory } in self.seats {
            let service = Service::new(self.config.disk_delay, seed.fork("disk", u64::from(member.id.0)));
            let path = directory.as_ref().map(|directory| directory.path.clone()).unwrap_or_default();
            let disk = directory.map(|directory| (member.id, directory, service));
            disks.add(disk).map_err(|error| Error::io("open", path, error))?;
            let journal_frames = frames_to.contains(&member.id);
            hosts.push(Host::new(member, journal_frames));
        }
        if let Some(journal) = &self.journal {
            disks.record_into(Arc::clone(journal));
        }
        let about = ThreadReport { nodes: hosts.iter().map(|host| host.member.id).collect(), ring, timer_slack_min };
        let links =
            Links::new(self.config.links, self.routes.zone.clone(), self.routes.is_remote.clone(), self.config.seed);
        let thread = Thread {
            index: self.index,
            clock: self.clock,
            routes: self.routes,
            hosts,
            disks,
            links,
            halts: self.halts,
            journal: self.journal,
            batch_events: self.config.batch_events,
            batch_operations: self.config.batch_operations,
            work: Work::default(),
        };
        Ok((thread, about))
    }
}
