//! Bringing a runtime up: check the configuration, take the directories, choose the backend, start the threads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::channel;

use node::{Member, NodeId, Topology, Zone};

use crate::clock::Clock;
use crate::config::{Backend, Config};
use crate::data_dir::DataDir;
use crate::disk::file::Directory;
use crate::disk::pool::Pool;
use crate::disk::ring;
use crate::error::Error;
use crate::inbox::Inbox;
use crate::journal::Journal;
use crate::link::{Carrier, CarrierThread};
use crate::report::{BackendReport, Description, DiskReport, Halts, ThreadReport};
use crate::runtime::Runtime;
use crate::thread::{Gate, Plan, Routes, Seat};

pub(crate) fn launch(topology: Topology, config: &Config) -> Result<Runtime, Error> {
    check(&topology, config)?;
    let locked = config.data_dirs.iter().map(|path| DataDir::lock(path, config.shared_dirs));
    let mut data_dirs = locked.collect::<Result<Vec<_>, _>>()?;
    let (listener, listening) = listen(config)?.unzip();
    let (backend, on_ring) = choose(config)?;
    let journal = config.journal.as_ref().map(|_| Arc::new(Journal::default()));
    let (mut directories, disks) = take_directories(&topology, config, &mut data_dirs, journal.as_deref())?;
    let routes = Arc::new(routes(&topology, config)?);
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
        halts: Halts::new(halts),
        description: Description {
            backend,
            threads: Vec::new(),
            disks,
            links: config.links.name.clone(),
            listening,
            notices: Vec::new(),
        },
        journal: journal.clone(),
        pool: Arc::clone(&pool),
        _data_dirs: data_dirs,
        carrier_thread: None,
    };
    let mut plans = Vec::new();
    for (index, nodes) in config.placement.threads.iter().enumerate() {
        let seats = nodes.iter().map(|id| {
            let member = members.remove(id).expect("every node is placed once");
            Seat { member, directory: directories.remove(id) }
        });
        plans.push(Plan {
            index,
            seats: seats.collect(),
            config: config.clone(),
            on_ring,
            clock: runtime.clock,
            routes: Arc::clone(&routes),
            pool: Arc::clone(&pool),
            halts: halts_in.clone(),
            journal: journal.clone(),
        });
    }
    let (gates, reports) = start_threads(&mut runtime, plans)?;
    if let Some(carrier) = &routes.carrier {
        let started = CarrierThread::start(carrier, listener);
        runtime.carrier_thread = Some(started.map_err(|source| Error::System { what: "start the links", source })?);
    }
    runtime.description.threads = reports;
    runtime.description.notices = notices(&runtime.description);
    for gate in gates {
        // The thread is waiting for this; if it died, the owner's first order finds out.
        let _ = gate.go.send(());
    }
    Ok(runtime)
}

/// Starts every thread and waits until each is ready, or ends them all again.
fn start_threads(runtime: &mut Runtime, plans: Vec<Plan>) -> Result<(Vec<Gate>, Vec<ThreadReport>), Error> {
    let (mut gates, mut reports, mut refused) = (Vec::new(), Vec::new(), None);
    for plan in plans {
        match plan.spawn() {
            Ok((thread, gate)) => {
                runtime.threads.push(thread);
                gates.push(gate);
            }
            Err(source) => {
                refused = Some(Error::System { what: "start a thread", source });
                break;
            }
        }
    }
    for gate in &gates {
        match gate.report.recv().unwrap_or(Err(Error::ThreadEnded { node: gate.first_node })) {
            Ok(report) => reports.push(report),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let Some(error) = refused else { return Ok((gates, reports)) };
    // Threads whose gate closes unopened end by themselves.
    drop(gates);
    for thread in runtime.threads.drain(..) {
        // Its error is the one being returned, or came after it.
        let _ = thread.join();
    }
    Err(error)
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
    let disks = || topology.members.iter().filter(|member| member.has_disk);
    let names: BTreeSet<&str> = disks().map(|member| member.name.as_str()).collect();
    if names.len() < disks().count() {
        return refuse("two nodes with disks have the same name, which is their directory's".into());
    }
    let remotes = config.tcp.iter().flat_map(|tcp| &tcp.remotes).map(|remote| remote.id);
    if let Some(both) = remotes.clone().find(|id| ids.contains(id)) {
        return refuse(format!("{both:?} is in this process and in another"));
    }
    if remotes.clone().collect::<BTreeSet<_>>().len() < remotes.count() {
        return refuse("two nodes of other processes have the same id".into());
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

fn listen(config: &Config) -> Result<Option<(TcpListener, SocketAddr)>, Error> {
    let Some(tcp) = &config.tcp else { return Ok(None) };
    CarrierThread::bind(tcp).map_err(|source| {
        let address = tcp.listen.map_or_else(String::new, |address| address.to_string());
        Error::Listen { address, source }
    })
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
    data_dirs: &mut [DataDir],
    journal: Option<&Journal>,
) -> Result<(Directories, Vec<DiskReport>), Error> {
    let mut directories = BTreeMap::new();
    let mut reports = Vec::new();
    for member in topology.members.iter().filter(|member| member.has_disk) {
        let data_dir = &mut data_dirs[config.disk_of.get(&member.id).copied().unwrap_or(0)];
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

fn routes(topology: &Topology, config: &Config) -> Result<Routes, Error> {
    let placement = &config.placement;
    let remotes = config.tcp.as_ref().map(|tcp| tcp.remotes.as_slice()).unwrap_or_default();
    let ids = topology.members.iter().map(|member| member.id).chain(remotes.iter().map(|remote| remote.id));
    let len = ids.map(|id| id.0 as usize + 1).max().unwrap_or(0);
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
    let inboxes = placement.threads.iter().map(|_| inbox()).collect::<Result<Vec<_>, _>>()?;
    let mut is_remote = vec![false; len];
    for remote in remotes {
        zone[remote.id.0 as usize] = remote.zone;
        is_remote[remote.id.0 as usize] = true;
    }
    let carrier = config.tcp.as_ref().map(|tcp| {
        let thread_of = |member: &Member| place[member.id.0 as usize].expect("every node is placed once").0;
        let locals: Vec<_> =
            topology.members.iter().map(|member| (member.id, Arc::clone(&inboxes[thread_of(member)]))).collect();
        Arc::new(Carrier::new(tcp, &locals))
    });
    Ok(Routes { place, zone, inboxes, is_remote, carrier })
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
