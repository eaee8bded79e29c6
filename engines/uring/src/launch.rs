//! Bringing a runtime up: check the configuration, take the directories, choose the backend, start the threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use node::{Member, NodeId, Rng, Topology, Zone};

use crate::clock::Clock;
use crate::config::{Backend, Config, Placement};
use crate::data_dir::DataDir;
use crate::disk::executor::{Executor, PoolDisk};
use crate::disk::file::Directory;
use crate::disk::pool::Pool;
use crate::disk::ring::{self, RingDisk};
use crate::disk::{Disks, Service};
use crate::error::Error;
use crate::inbox::{Closing, Inbox};
use crate::journal::Journal;
use crate::link::Links;
use crate::report::{BackendReport, Description, DiskReport, Halt, ThreadReport};
use crate::runtime::Runtime;
use crate::sys;
use crate::thread::{Host, Routes, Thread, Work};

pub(crate) fn launch(topology: Topology, config: &Config) -> Result<Runtime, Error> {
    check(&topology, config)?;
    let data_dirs = config.data_dirs.iter().map(|path| DataDir::lock(path)).collect::<Result<Vec<_>, _>>()?;
    let (backend, on_ring) = choose(config)?;
    let journal = config.journal.as_ref().map(|_| Arc::new(Journal::default()));
    let (mut directories, disks) = take_directories(&topology, config, &data_dirs, journal.as_deref())?;
    let routes = Arc::new(routes(&topology, &config.placement)?);
    let threads = if on_ring { config.file_threads } else { config.pool_threads };
    let pool = Pool::start(threads).map_err(|source| Error::System { what: "start a thread", source })?;
    let pool = Arc::new(pool);
    let (halts_in, halts) = channel();
    let mut members: BTreeMap<NodeId, Member> =
        topology.members.into_iter().map(|member| (member.id, member)).collect();
    let mut runtime = Runtime {
        routes: Arc::clone(&routes),
        clock: Clock::start(),
        threads: Vec::new(),
        halts,
        description: Description {
            backend,
            threads: Vec::new(),
            disks,
            links: config.links.name.clone(),
            notices: Vec::new(),
        },
        journal: journal.clone(),
        pool: Arc::clone(&pool),
        _data_dirs: data_dirs,
    };
    let mut started = Vec::new();
    let mut refused = None;
    for (index, nodes) in config.placement.threads.iter().enumerate() {
        let seats = nodes.iter().map(|id| {
            let member = members.remove(id).expect("every node is placed once");
            Seat { member, directory: directories.remove(id) }
        });
        let plan = Plan {
            index,
            seats: seats.collect(),
            config: config.clone(),
            on_ring,
            clock: runtime.clock,
            routes: Arc::clone(&routes),
            pool: Arc::clone(&pool),
            halts: halts_in.clone(),
            journal: journal.clone(),
        };
        match plan.spawn() {
            Ok((thread, gate)) => {
                runtime.threads.push(thread);
                started.push((nodes[0], gate));
            }
            Err(source) => {
                refused = Some(Error::System { what: "start a thread", source });
                break;
            }
        }
    }
    let mut reports = Vec::new();
    for (node, gate) in &started {
        match gate.report.recv().unwrap_or(Err(Error::ThreadEnded { node: *node })) {
            Ok(report) => reports.push(report),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if let Some(error) = refused {
        // Threads whose gate closes unopened end by themselves.
        drop(started);
        for thread in runtime.threads.drain(..) {
            // Its error is the one being returned, or came after it.
            let _ = thread.join();
        }
        return Err(error);
    }
    runtime.description.threads = reports;
    runtime.description.notices = notices(&runtime.description);
    for (_, gate) in started {
        // The thread is waiting for this; if it died, the owner's first order finds out.
        let _ = gate.go.send(());
    }
    Ok(runtime)
}

fn check(topology: &Topology, config: &Config) -> Result<(), Error> {
    let refuse = |reason: String| Err(Error::Config { reason });
    let mut placed: Vec<NodeId> = config.placement.threads.iter().flatten().copied().collect();
    placed.sort();
    let mut ids: Vec<NodeId> = topology.members.iter().map(|member| member.id).collect();
    ids.sort();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return refuse("two nodes of the topology have the same id".into());
    }
    if placed != ids || config.placement.threads.iter().any(Vec::is_empty) || ids.is_empty() {
        return refuse(format!(
            "the placement must name every node once and leave no thread empty: nodes {ids:?}, placed {placed:?}"
        ));
    }
    if config.data_dirs.is_empty() && topology.members.iter().any(|member| member.has_disk) {
        return refuse("nodes with disks need a data directory".into());
    }
    if let Some((node, disk)) = config.disk_of.iter().find(|(_, disk)| **disk >= config.data_dirs.len()) {
        return refuse(format!("{node:?} is on data directory {disk} of {}", config.data_dirs.len()));
    }
    if config.file_threads == 0 || config.pool_threads == 0 || config.batch_events == 0 || config.batch_operations == 0
    {
        return refuse("thread and batch counts must be at least one".into());
    }
    Ok(())
}

fn choose(config: &Config) -> Result<(BackendReport, bool), Error> {
    let ring = |reason: &str| (BackendReport { name: "io_uring", reason: reason.into() }, true);
    let pool = |reason: String| (BackendReport { name: "thread_pool", reason }, false);
    Ok(match (config.backend, config.backend != Backend::ThreadPool) {
        (Backend::ThreadPool, _) => pool("the configuration asks for it".into()),
        (demanded, _) => match ring::probe(&config.ring) {
            Ok(()) if demanded == Backend::Ring => ring("the configuration asks for it"),
            Ok(()) => ring("found usable by a probe"),
            Err(reason) if demanded == Backend::Ring => return Err(Error::RingRefused { reason }),
            Err(reason) => pool(format!("io_uring is not available: {reason}")),
        },
    })
}

type Directories = BTreeMap<NodeId, Directory>;

fn take_directories(
    topology: &Topology,
    config: &Config,
    data_dirs: &[DataDir],
    journal: Option<&Journal>,
) -> Result<(Directories, Vec<DiskReport>), Error> {
    let mut directories = BTreeMap::new();
    let mut reports = Vec::new();
    for member in topology.members.iter().filter(|member| member.has_disk) {
        let data_dir = &data_dirs[config.disk_of.get(&member.id).copied().unwrap_or(0)];
        let (directory, report) = data_dir.node_dir(member.id, &member.name, config.direct_io)?;
        if let Some(journal) = journal {
            let copied = journal.add_base(member.id, &directory.path);
            copied.map_err(|error| Error::io("copy", &directory.path, error))?;
        }
        directories.insert(member.id, directory);
        reports.push(report);
    }
    Ok((directories, reports))
}

fn routes(topology: &Topology, placement: &Placement) -> Result<Routes, Error> {
    let len = topology.members.iter().map(|member| member.id.0 as usize + 1).max().unwrap_or(0);
    let mut place = vec![None; len];
    for (thread, nodes) in placement.threads.iter().enumerate() {
        for (host, node) in nodes.iter().enumerate() {
            place[node.0 as usize] = Some((thread, host));
        }
    }
    let mut zone = vec![Zone::A; len];
    for member in &topology.members {
        zone[member.id.0 as usize] = member.zone;
    }
    let inbox = || Inbox::new().map(Arc::new).map_err(|source| Error::System { what: "make an eventfd", source });
    let inboxes = placement.threads.iter().map(|_| inbox()).collect::<Result<_, _>>()?;
    Ok(Routes { place, zone, inboxes })
}

fn notices(description: &Description) -> Vec<String> {
    let mut notices = Vec::new();
    if description.backend.name != "io_uring" {
        notices.push(format!("disk operations run on a thread pool: {}", description.backend.reason));
    }
    for disk in &description.disks {
        let place = disk.directory.display();
        if disk.in_memory {
            notices
                .push(format!("{place} is on {}, which keeps files in memory: nothing is durable", disk.file_system));
        }
        if let Some(reason) = &disk.buffered_because {
            notices.push(format!("files in {place} go through the page cache: {reason}"));
        }
    }
    for (index, thread) in description.threads.iter().enumerate() {
        if !thread.timer_slack_min {
            notices.push(format!("thread {index} has late timers: PR_SET_TIMERSLACK was refused"));
        }
        if thread.ring.is_some_and(|ring| !ring.deferred_taskrun) {
            notices.push(format!("thread {index} has a plain ring: the kernel lacks DEFER_TASKRUN"));
        }
    }
    notices
}

/// A node to be seated on a thread, with its directory if it has a disk.
struct Seat {
    member: Member,
    directory: Option<Directory>,
}

/// Everything a thread needs to begin.
struct Plan {
    index: usize,
    seats: Vec<Seat>,
    config: Config,
    on_ring: bool,
    clock: Clock,
    routes: Arc<Routes>,
    pool: Arc<Pool>,
    halts: Sender<Halt>,
    journal: Option<Arc<Journal>>,
}

/// How a thread says that it is ready, and is told to begin.
struct Gate {
    report: Receiver<Result<ThreadReport, Error>>,
    go: Sender<()>,
}

impl Plan {
    fn spawn(self) -> std::io::Result<(JoinHandle<()>, Gate)> {
        let (report_in, report) = channel();
        let (go, may_go) = channel();
        let closing = Closing(Arc::clone(&self.routes.inboxes[self.index]));
        let thread = std::thread::Builder::new().name(format!("sextant-{}", self.index)).spawn(move || {
            let _closing = closing;
            self.run(&report_in, &may_go);
        })?;
        Ok((thread, Gate { report, go }))
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

    /// Must run on the thread itself: a ring belongs to the thread that made it.
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
        let links = Links::new(self.config.links, self.routes.zone.clone(), self.config.seed);
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
