//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use checker::history::Value;
use clap::{Args, Parser, Subcommand, ValueEnum};
use nemesis::Carrier;
use workloads::{Distribution, DistributionError};

use crate::engines::{Options, StandbyLoss};
use crate::exit::Exit;
use crate::names;
use crate::rig::{RuntimeKind, Threads};
use crate::units::{Bytes, Span};

/// What do you gain, and what do you lose, when a database's storage leaves the database?
#[derive(Debug, Parser)]
#[command(name = "sextant", version, about, after_help = exit_codes(), max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn exit_codes() -> String {
    let lines = Exit::TABLE.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}", *exit as u8));
    format!("Exit codes:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Several engines side by side: same cache, same workload, same offered load, same faults
    Compare(CompareArgs),
    /// One engine under one workload
    Bench(BenchArgs),
    /// Reopen a data directory and check it against a journal of acknowledgements
    Verify(VerifyArgs),
    /// Judge anybody's history of operations, in JSON lines or Jepsen's EDN
    Check(CheckArgs),
    /// The same seeded faults on every engine, judged against what each owes
    Chaos(ChaosArgs),
    /// What this machine can do, and two floors measured on the spot
    Doctor(DoctorArgs),
    /// Engines, workloads, distributions, profiles and faults
    List(ListArgs),
    /// Serve storage nodes of the decoupled engine over TCP, for `bench --nodes` and `verify --nodes`
    #[command(hide = true)]
    Node(NodeArgs),
}

/// `node`.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Which of the six storage nodes, by name: storage-a1, storage-a2, storage-b1 and so on
    #[arg(long, value_delimiter = ',', value_name = "NAMES", required = true)]
    pub member: Vec<String>,
    /// Where all six are reached, in that order; the same for every process
    #[arg(long, value_delimiter = ',', value_name = "ADDRESSES", required = true)]
    pub nodes: Vec<SocketAddr>,
    /// Where to listen; at the address of the first node served when absent
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where the nodes' directories lie; several processes may share it
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The seed of whoever will dial: it names the volume
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Serve the volume of this chaos script, of the sizes that its seed draws
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    pub script: Option<PathBuf>,
    /// With this planted bug
    #[arg(long, value_name = "SLUG", requires = "script")]
    pub mutant: Option<String>,
    /// Link profile: a name from `sextant list`, or a .toml file
    #[arg(long, default_value = "none")]
    pub profile: String,
    /// Use the thread-pool disk even where io_uring works
    #[arg(long)]
    pub thread_pool: bool,
    /// Disk operations in the kernel at once; no limit when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub queue_depth: Option<u32>,
    /// End when this process does, which must be the one that started this one
    #[arg(long, value_name = "PID")]
    pub parent: Option<u32>,
}

/// `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Engines, in the order of their turns
    #[arg(long, value_delimiter = ',', default_value = "coupled,coupled-mirrored,decoupled")]
    pub engines: Vec<String>,
    /// What is disturbed during the measured window
    #[arg(long, value_enum, default_value_t = FaultArg::AzLoss)]
    pub fault: FaultArg,
    /// Measured turns of each engine, in the order ABC CBA
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeats: u32,
    /// Link profile: a name from `sextant list`, or a .toml file
    #[arg(long, default_value = "three-az")]
    pub profile: String,
    /// Length of the measured window
    #[arg(long, default_value = "6s")]
    pub duration: Span,
    /// Time before it that does not count
    #[arg(long, default_value = "1s")]
    pub warmup: Span,
    /// Common settings
    #[command(flatten)]
    pub run: RunArgs,
}

/// `bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// The engine
    #[arg(long)]
    pub engine: String,
    /// Storage nodes that run already, as `sextant node` processes: the addresses of all six (decoupled only)
    #[arg(long, value_delimiter = ',', value_name = "ADDRESSES")]
    pub nodes: Vec<SocketAddr>,
    /// What is disturbed during the measured window
    #[arg(long, value_enum, default_value_t = FaultArg::None)]
    pub fault: FaultArg,
    /// Write a journal of acknowledged transactions to this new file
    #[arg(long, value_name = "FILE")]
    pub acks: Option<PathBuf>,
    /// Link profile: a name from `sextant list`, or a .toml file
    #[arg(long, default_value = "none")]
    pub profile: String,
    /// Length of the measured window
    #[arg(long, default_value = "10s")]
    pub duration: Span,
    /// Time before it that does not count
    #[arg(long, default_value = "2s")]
    pub warmup: Span,
    /// Common settings
    #[command(flatten)]
    pub run: RunArgs,
}

/// What `compare` and `bench` share.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The workload; `sextant list` names them
    #[arg(long, default_value = "oltp_write_only")]
    pub workload: String,
    /// Which keys are asked for; the workload's own default when absent
    #[arg(long, value_name = "NAME", value_parser = distribution)]
    pub distribution: Option<Distribution>,
    /// Clients; in an open loop, the most transactions in flight
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub sessions: u32,
    /// Offered transactions a second (open loop, Poisson); closed loop when absent
    #[arg(long, value_name = "R")]
    pub rate: Option<f64>,
    /// Tables
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub tables: u16,
    /// Rows of each table
    #[arg(long, default_value_t = 100_000)]
    pub rows: u64,
    /// The database node's cache, the same for every engine
    #[arg(long, default_value = "256MiB")]
    pub cache: Bytes,
    /// Where the engines' data lies
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// More directories, on other devices: nodes are spread over all of them
    #[arg(long, value_delimiter = ',', value_name = "A,B,C")]
    pub disks: Vec<PathBuf>,
    /// Use what the data directory holds
    #[arg(long)]
    pub reuse: bool,
    /// Parent of the run's directory
    #[arg(long, value_name = "DIR", default_value = "results/runs")]
    pub out: PathBuf,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// What carries the engine
    #[arg(long, value_enum, default_value_t = RuntimeKind::Real)]
    pub runtime: RuntimeKind,
    /// Which nodes share which thread
    #[arg(long, value_enum, default_value_t = Threads::Shared)]
    pub threads: Threads,
    /// What coupled-mirrored does without its standby's zone
    #[arg(long, value_enum, default_value_t = StandbyLoss::Detach)]
    pub standby_loss: StandbyLoss,
    /// The coupled engines log row changes besides the redo, as MySQL does for replication and restores
    #[arg(long)]
    pub binlog: bool,
    /// How decoupled fences reads
    #[arg(long, value_enum, default_value_t = ReadFenceArg::Lease)]
    pub read_fence: ReadFenceArg,
    /// Use the thread-pool disk even where io_uring works
    #[arg(long)]
    pub thread_pool: bool,
    /// Disk operations of one thread in the kernel at once; no limit when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub queue_depth: Option<u32>,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The data directory that `bench` left
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The journal that `bench --acks` wrote
    #[arg(long, value_name = "FILE")]
    pub acks: PathBuf,
    /// Storage nodes that run already, as for `bench --nodes`
    #[arg(long, value_delimiter = ',', value_name = "ADDRESSES")]
    pub nodes: Vec<SocketAddr>,
    /// The database node's cache
    #[arg(long, default_value = "256MiB")]
    pub cache: Bytes,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The history: .jsonl or .edn, or whatever its content looks like
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the operations are, and what is promised of them
    #[arg(long, value_enum)]
    pub model: ModelArg,
    /// What every register or key holds at first, as EDN
    #[arg(long, value_name = "VALUE", default_value = "nil")]
    pub initial: Value,
    /// What all accounts hold together; that of the first read when absent
    #[arg(long, value_name = "N")]
    pub total: Option<i64>,
    /// Accounts may be overdrawn
    #[arg(long)]
    pub allow_negative: bool,
    /// Also write the history to this new file, in the format of its extension
    #[arg(long, value_name = "FILE")]
    pub export: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// A model of a history by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelArg {
    /// Transactions that append to lists and read them; judged by cycles of their dependencies, as Elle does
    ListAppend,
    /// Reads and writes of registers, every write another value; exact, and fast at any concurrency
    Register,
    /// Reads of all accounts, which must come to one total
    Bank,
    /// Reads, writes and compare-and-sets of keys, with any values, also in transactions
    Kv,
}

/// `chaos`.
#[derive(Debug, Args)]
pub struct ChaosArgs {
    /// What to do
    #[command(subcommand)]
    pub command: ChaosCommand,
}

/// What `chaos` can do.
#[derive(Debug, Subcommand)]
pub enum ChaosCommand {
    /// Suites, and every fault there is a word for: what is owed, and where it can be injected
    List,
    /// Draw the scripts of a suite, play them, and print what was owed and seen
    Run(RunChaosArgs),
    /// Play a script file twice, and tell what happened
    Replay(ReplayArgs),
    /// Make a failing script small
    Shrink(ShrinkArgs),
    /// Plant known bugs in the engines, and count the seeds until they are found
    Mutants(MutantsArgs),
}

/// `chaos mutants`.
#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// Only these
    #[arg(long, value_delimiter = ',', value_name = "SLUGS")]
    pub mutant: Vec<String>,
    /// The most seeds of one suite for one mutant on one engine
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Scripts played at once; as many as there are cores when absent
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Make a detecting script of each bug and engine small, in at most this time, or a minute
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "60s")]
    pub shrink: Option<Span>,
    /// Where the tables and the detecting scripts go
    #[arg(long, value_name = "DIR", default_value = ".sextant/mutants")]
    pub out: PathBuf,
}

/// `chaos run`.
#[derive(Debug, Args)]
pub struct RunChaosArgs {
    /// A suite from `sextant chaos list`, `all` of them, or a .toml file
    pub suite: String,
    /// Only these of the suite's engines
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub engine: Vec<String>,
    /// How many seeds, from 1 on, or a range A..B without its end; the suite's own number when absent, a tenth of it in
    /// real time
    #[arg(long, value_name = "N|A..B")]
    pub seeds: Option<String>,
    /// One seed
    #[arg(long, conflicts_with = "seeds")]
    pub seed: Option<u64>,
    /// Scripts played at once; when absent as many as there are cores, one in real time
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// What the scripts are played on
    #[arg(long, value_enum, default_value_t = ChaosRuntime::Sim)]
    pub runtime: ChaosRuntime,
    /// Where the engines' files are while a script is played on real disks
    #[arg(long, value_name = "DIR", default_value = ".sextant/chaos-data")]
    pub data_dir: PathBuf,
    /// Play one part of the seeds, on one of several machines
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// Begin no script after this time
    #[arg(long, value_name = "TIME")]
    pub time_limit: Option<Span>,
    /// Where verdicts, failing scripts and their timelines go
    #[arg(long, value_name = "DIR", default_value = ".sextant/chaos")]
    pub out: PathBuf,
}

/// What scripts are played on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ChaosRuntime {
    /// Simulated disks, links and time: a script is one run
    Sim,
    /// io_uring, files and the wall clock, in this process
    Real,
    /// The same with each storage node a process of its own, reached over TCP (decoupled only)
    Process,
}

impl ChaosRuntime {
    /// What it is to the catalogue of faults.
    pub fn carrier(self) -> Carrier {
        match self {
            ChaosRuntime::Sim => Carrier::Sim,
            ChaosRuntime::Real => Carrier::Real,
            ChaosRuntime::Process => Carrier::Process,
        }
    }
}

/// `chaos replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The script file
    pub script: PathBuf,
    /// What it is played on
    #[arg(long, value_enum, default_value_t = ChaosRuntime::Sim)]
    pub runtime: ChaosRuntime,
    /// Where the engine's files are while it is played on real disks
    #[arg(long, value_name = "DIR", default_value = ".sextant/chaos-data")]
    pub data_dir: PathBuf,
    /// On an engine with this planted bug
    #[arg(long, value_name = "SLUG")]
    pub mutant: Option<String>,
}

/// `chaos shrink`.
#[derive(Debug, Args)]
pub struct ShrinkArgs {
    /// The script file
    pub script: PathBuf,
    /// On an engine with this planted bug
    #[arg(long, value_name = "SLUG")]
    pub mutant: Option<String>,
    /// Where the small script goes; beside the other when absent
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Try no more after this time
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub time_limit: Span,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The directory to look at
    #[arg(long, value_name = "DIR", default_value = ".sextant")]
    pub data_dir: PathBuf,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// A distribution by name, with the nearest name where there is none such.
fn distribution(text: &str) -> Result<Distribution, String> {
    text.parse().map_err(|error: DistributionError| match error {
        DistributionError::Name(name) => {
            names::unknown("distribution", &name, Distribution::ALL.iter().map(Distribution::name))
        }
        error => error.to_string(),
    })
}

/// A fault by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FaultArg {
    /// Nothing is disturbed
    None,
    /// The zone az-b is lost at 40 % of the window and returns at 70 %
    AzLoss,
    /// The same for az-a, where the database node lives
    WriterAzLoss,
}

impl FaultArg {
    /// The fault's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            FaultArg::None => "none",
            FaultArg::AzLoss => "az-loss",
            FaultArg::WriterAzLoss => "writer-az-loss",
        }
    }
}

/// A read fence by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReadFenceArg {
    /// A lease that acknowledgements of four renew
    Lease,
    /// A question to three after each read-only transaction
    Confirm,
    /// None, as published: a fenced writer may answer stale reads
    Published,
}

impl RunArgs {
    /// Engine-specific settings.
    pub fn options(&self) -> Options {
        let read_fence = match self.read_fence {
            ReadFenceArg::Lease => decoupled::writer::ReadFence::Lease,
            ReadFenceArg::Confirm => decoupled::writer::ReadFence::Confirm,
            ReadFenceArg::Published => decoupled::writer::ReadFence::Published,
        };
        Options { standby_loss: self.standby_loss, binlog: self.binlog, read_fence }
    }
}
