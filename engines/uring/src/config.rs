//! How a runtime is laid out: directories, threads, backend, links, models.

use std::collections::BTreeMap;
use std::path::PathBuf;

use node::{Delay, LinkProfile, NodeId, Role, Topology};

use crate::link::TcpConfig;

/// What a runtime is started with. Everything here belongs into a run's record.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directories on one or more devices; each is locked, and each node gets a subdirectory named as itself.
    pub data_dirs: Vec<PathBuf>,
    /// Which of `data_dirs` a node's directory is in, by index. Nodes not listed use the first.
    pub disk_of: BTreeMap<NodeId, usize>,
    /// Which nodes share which thread.
    pub placement: Placement,
    /// What carries out disk operations.
    pub backend: Backend,
    /// Whether files are opened with O_DIRECT where the file system takes it.
    pub direct_io: bool,
    /// Delay, bandwidth and loss between zones.
    pub links: LinkProfile,
    /// Service time added to every disk operation; `None` passes the device's own through.
    pub disk_delay: Option<Delay>,
    /// Seeds link losses and delays, and disk models and faults.
    pub seed: u64,
    /// Links to nodes of other processes; none when absent.
    pub tcp: Option<TcpConfig>,
    /// Whether other processes host nodes of the same data directories: the directories' locks are then shared among them,
    /// and each process holds those of its own nodes' directories alone.
    pub shared_dirs: bool,
    /// Whether to keep a [`Journal`](crate::Journal) of the disks.
    pub journal: Option<JournalConfig>,
    /// Sizes of each thread's ring.
    pub ring: RingConfig,
    /// Blocking threads beside rings, for opening, making and listing files.
    pub file_threads: usize,
    /// Blocking threads where the pool does all disk operations: the most that can be in flight at once.
    pub pool_threads: usize,
    /// Events handled between two visits to the kernel, at most.
    pub batch_events: usize,
    /// Disk operations gathered between two visits to the kernel, at most.
    pub batch_operations: usize,
}

/// What is recorded beside disk operations.
#[derive(Clone, Debug, Default)]
pub struct JournalConfig {
    /// Nodes whose incoming frames are recorded.
    pub frames_to: Vec<NodeId>,
}

/// What carries out reads, writes and syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// The ring where a probe finds it usable, the thread pool otherwise.
    #[default]
    Auto,
    /// The ring, or an error.
    Ring,
    /// The thread pool.
    ThreadPool,
}

/// Sizes of one thread's ring.
#[derive(Clone, Debug)]
pub struct RingConfig {
    /// Submission entries, a power of two; four times as many operations may be in the kernel at once.
    pub entries: u32,
    /// Operations in the kernel at once, at most, where that is less than the entries allow.
    pub in_kernel_max: Option<u32>,
    /// Places in the table of registered files; files beyond it are used by descriptor.
    pub files_max: u32,
    /// Slots of the registered buffer; zero means none.
    pub slab_slots: u32,
    /// Bytes of one slot. Larger writes go to the kernel from their own block.
    pub slab_slot_bytes: usize,
    /// The longest read made through a slot and copied; longer ones are read into their own block.
    pub slab_read_bytes_max: usize,
}

impl Default for RingConfig {
    fn default() -> RingConfig {
        RingConfig {
            entries: 256,
            in_kernel_max: None,
            files_max: 1024,
            slab_slots: 128,
            slab_slot_bytes: 16 << 10,
            slab_read_bytes_max: 0,
        }
    }
}

/// Which nodes share which thread and its ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// One list of nodes for each thread.
    pub threads: Vec<Vec<NodeId>>,
}

impl Placement {
    /// All nodes on one thread.
    pub fn single(topology: &Topology) -> Placement {
        Placement { threads: vec![topology.members.iter().map(|member| member.id).collect()] }
    }

    /// Load and compute nodes together on the first thread, as an embedded database and its caller are; the others in
    /// turn over the remaining threads. Panics when `threads` is zero.
    pub fn spread(topology: &Topology, threads: usize) -> Placement {
        assert!(threads > 0, "nodes need a thread");
        let mut placement = Placement { threads: vec![Vec::new(); threads] };
        let mut turn = 0;
        for member in &topology.members {
            let thread = match member.role {
                Role::Load | Role::Compute => 0,
                _ if threads == 1 => 0,
                _ => {
                    turn += 1;
                    1 + (turn - 1) % (threads - 1)
                }
            };
            placement.threads[thread].push(member.id);
        }
        placement.threads.retain(|nodes| !nodes.is_empty());
        placement
    }
}

impl Config {
    /// The usual configuration over one data directory: two threads at most, ring by probe, direct links.
    pub fn new(topology: &Topology, data_dir: impl Into<PathBuf>) -> Config {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Config {
            data_dirs: vec![data_dir.into()],
            disk_of: BTreeMap::new(),
            placement: Placement::spread(topology, cores.min(2)),
            backend: Backend::Auto,
            direct_io: true,
            links: LinkProfile::none(),
            disk_delay: None,
            seed: 0,
            tcp: None,
            shared_dirs: false,
            journal: None,
            ring: RingConfig::default(),
            file_threads: 2,
            pool_threads: 16,
            batch_events: 64,
            batch_operations: 32,
        }
    }

    /// Spreads the nodes that have disks over `data_dirs` in turn.
    pub fn spread_disks(&mut self, topology: &Topology) {
        let disks = topology.members.iter().filter(|member| member.has_disk);
        self.disk_of = disks.zip((0..self.data_dirs.len()).cycle()).map(|(member, disk)| (member.id, disk)).collect();
    }
}
