//! An engine made ready: its data directory, its rig, its first rows.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contract::{Key, Projection, Reply, Row, Statement, TableId};
use node::Nanos;
use record::{RunWriter, SegmentId};
use workloads::{SettingsError, Workload};

use crate::aftermath::REOPEN_PATIENCE;
use crate::cli::args::RunArgs;
use crate::data::{DataDir, FORMAT_VERSION, Manifest};
use crate::devices::Devices;
use crate::drive::{keep_resources, record_failure};
use crate::engines::{DATABASE, Engine, Setup};
use crate::exit::Failure;
use crate::interrupt;
use crate::names;
use crate::processes::ProcessSite;
use crate::profile::Profile;
use crate::progress::Progress;
use crate::rig::{LoadPlan, Rig, RuntimeKind, Site, bulk_load};

/// Bytes of a page, as InnoDB's default.
pub const PAGE_BYTES: usize = 16 << 10;
/// Rows asked for at once when all of them are read back.
const ROWS_PER_SCAN: u32 = 1000;
/// Acknowledgements kept between two looks.
const ACKS_MAX: usize = 1 << 20;
/// A client that hears nothing for this long takes its reply for lost.
const CLIENT_TIMEOUT: Nanos = Nanos::from_secs(2);

/// What every engine of a run has in common.
#[derive(Clone)]
pub struct Common {
    /// The workload.
    pub workload: Arc<dyn Workload>,
    /// What lies between the zones.
    pub profile: Profile,
    /// The command line.
    pub args: RunArgs,
    /// The processes of storage nodes, where there are any.
    pub processes: Option<ProcessSite>,
}

impl Common {
    /// Resolves names. Nothing is touched yet.
    pub fn resolve(args: &RunArgs, profile: &str) -> Result<Common, Failure> {
        let settings = workloads::Settings {
            tables: args.tables,
            rows: args.rows,
            distribution: args.distribution,
            seed: args.seed,
        };
        let workload = workloads::build(&args.workload, &settings).map_err(|error| match error {
            SettingsError::Name(name) => Failure::usage(names::unknown("workload", &name, workloads::NAMES)),
            error => Failure::usage(error.to_string()),
        })?;
        if args.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return Err(Failure::usage("--rate must be a positive number of transactions a second"));
        }
        let processes = match args.runtime {
            RuntimeKind::Process => Some(own_processes(args, profile)?),
            RuntimeKind::Real | RuntimeKind::Sim => None,
        };
        Ok(Common { workload: Arc::from(workload), profile: Profile::find(profile)?, args: args.clone(), processes })
    }

    /// Uses storage nodes that somebody else started.
    pub fn use_nodes(&mut self, addresses: &[SocketAddr]) {
        self.args.runtime = RuntimeKind::Process;
        self.processes = Some(ProcessSite::Others(addresses.to_vec()));
    }

    /// Refuses processes for an engine that has no storage nodes, before anything is made.
    ///
    /// # Errors
    ///
    /// It has none.
    pub fn refuse_processes(&self, engine: &dyn Engine) -> Result<(), Failure> {
        if self.processes.is_some() && engine.volume(&self.setup(true)).is_none() {
            let name = engine.name();
            return Err(Failure::usage(format!("{name} has no storage nodes that could be processes; decoupled has")));
        }
        Ok(())
    }

    /// The manifest of an engine's data in `data_dir`.
    pub fn manifest(&self, engine: &dyn Engine, data_dir: &Path) -> Manifest {
        let name = data_dir.file_name().unwrap_or_default();
        Manifest {
            disks: self.args.disks.iter().map(|disk| disk.join(name)).collect(),
            format_version: FORMAT_VERSION,
            engine: engine.name().to_owned(),
            workload: self.args.workload.clone(),
            tables: self.args.tables,
            rows: self.args.rows,
            page_bytes: PAGE_BYTES as u64,
            seed: self.args.seed,
            binlog: self.args.binlog,
            loaded: false,
            closed: true,
            era: 0,
        }
    }

    /// What an engine is built with.
    pub fn setup(&self, create: bool) -> Setup {
        Setup {
            schema: self.workload.schema(),
            cache_bytes: self.args.cache.0,
            page_bytes: PAGE_BYTES,
            seed: self.args.seed,
            create,
            era: 0,
            options: self.args.options(),
        }
    }

    /// Where an engine runs.
    pub fn site(&self, dir: &DataDir) -> Site {
        Site {
            runtime: self.args.runtime,
            data_dirs: dir.folders(),
            links: self.profile.links(),
            disk_delay: None,
            threads: self.args.threads,
            backend: if self.args.thread_pool { uring::Backend::ThreadPool } else { uring::Backend::Auto },
            queue_depth: self.args.queue_depth,
            processes: self.processes.clone(),
            journal: None,
            seed: self.args.seed,
        }
    }

    fn load_config(&self, keeps_acks: bool) -> ::load::Config {
        ::load::Config {
            acks_max: if keeps_acks { ACKS_MAX } else { 0 },
            timeout: CLIENT_TIMEOUT,
            seed: self.args.seed,
            ..::load::Config::closed(DATABASE, self.args.sessions)
        }
    }
}

/// Storage nodes as children that run this very program.
fn own_processes(args: &RunArgs, profile: &str) -> Result<ProcessSite, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::io(format!("this program's own file: {error}")))?;
    let seed = args.seed.to_string();
    let mut arguments: Vec<String> = ["--seed", &seed, "--profile", profile].map(str::to_owned).to_vec();
    arguments.extend(args.thread_pool.then(|| "--thread-pool".to_owned()));
    if let Some(depth) = args.queue_depth {
        arguments.extend(["--queue-depth".to_owned(), depth.to_string()]);
    }
    Ok(ProcessSite::Own { program, arguments, wired: false, words: None })
}

/// An engine with its rows loaded, serving.
pub struct Turn {
    /// The engine at work.
    pub rig: Rig,
    /// Its data.
    pub dir: DataDir,
    /// Whether the rows were loaded now, or found.
    pub fresh: bool,
    devices: Devices,
}

impl Turn {
    /// Opens `engine` over `dir`, loading the workload's first rows when they are not there.
    pub fn open(
        engine: Arc<dyn Engine>,
        common: &Common,
        mut dir: DataDir,
        keeps_acks: bool,
        progress: &mut Progress,
    ) -> Result<Turn, Failure> {
        let fresh = !dir.manifest.loaded;
        let keeps_data = engine.is_durable() && !common.args.runtime.is_simulated();
        let era = dir.next_era()?;
        let setup = Setup { era, ..common.setup(fresh || !keeps_data) };
        let plan = LoadPlan { config: common.load_config(keeps_acks), workload: Arc::clone(&common.workload), era };
        progress.say("opening");
        let devices = if keeps_data { Devices::below(&dir.folders()) } else { Devices::default() };
        let mut rig = Rig::start(engine, &setup, &common.site(&dir), &plan)?;
        if fresh || !keeps_data {
            bulk_load(&mut rig, common.workload.as_ref(), |so_far| {
                progress.count("loading rows", so_far.done, so_far.total);
            })?;
            if keeps_data {
                dir.mark_loaded()?;
            }
        } else {
            progress.say("recovering");
            wait_until_serving(&mut rig)?;
        }
        Ok(Turn { rig, dir, fresh, devices })
    }

    /// Stops the engine, and records what it counted from its start to its end, and what the devices below it did.
    pub fn close(mut self, writer: &mut RunWriter, segment: SegmentId) -> Result<(), Failure> {
        let nodes = std::mem::take(&mut self.rig.nodes);
        let usage = self.rig.stop()?;
        self.dir.mark_closed()?;
        keep_resources(writer, segment, &nodes, &usage)?;
        for detail in self.devices.since_start() {
            writer.event(segment, usage.at.0, "device", detail).map_err(record_failure)?;
        }
        Ok(())
    }
}

/// Asks the engine for one row, for a second.
///
/// # Errors
///
/// It does not answer.
pub fn read_one(rig: &mut Rig) -> Result<(), Failure> {
    let (from, projection) = (Key::copy(b""), Projection::Rows);
    let look = Statement::Scan { table: TableId(0), from, to: None, limit: 1, projection };
    let (console, host) = rig.console();
    console.ask(host, &look, Duration::from_secs(1)).map(|_| ())
}

/// Waits until a recovered engine answers a read, so that its recovery is not taken for its speed.
fn wait_until_serving(rig: &mut Rig) -> Result<(), Failure> {
    let give_up = rig.now() + Nanos(REOPEN_PATIENCE.as_nanos() as u64);
    loop {
        interrupt::check()?;
        let answer = read_one(rig);
        if let Some(halt) = rig.halted() {
            return Err(Failure::io(format!("the data cannot be opened: {halt}")));
        }
        match answer {
            Ok(()) => return Ok(()),
            Err(failure) if rig.now() >= give_up => {
                let doing = rig.gauges().waiting.map_or(String::new(), |what| format!("; it is {what}"));
                return Err(Failure { message: format!("{}{doing}", failure.message), ..failure });
            }
            Err(_) => {}
        }
    }
}

/// All rows of the database, in order of table and key.
pub fn read_all(
    rig: &mut Rig,
    tables: u16,
    patience: std::time::Duration,
) -> Result<Vec<(TableId, Key, Row)>, Failure> {
    let mut all = Vec::new();
    for table in (0..tables).map(TableId) {
        let mut from = Key::copy(b"");
        loop {
            let statement = Statement::Scan {
                table,
                from: from.clone(),
                to: None,
                limit: ROWS_PER_SCAN,
                projection: Projection::Rows,
            };
            interrupt::check()?;
            let (console, host) = rig.console();
            let Reply::Rows { rows, .. } = console.ask(host, &statement, patience)? else {
                return Err(Failure::unknown("a scan was not answered with rows"));
            };
            let is_last = rows.len() < ROWS_PER_SCAN as usize;
            if let Some((last, _)) = rows.last() {
                // The least key above the last one seen.
                from = Key::copy(&[last.as_bytes(), &[0]].concat());
            }
            all.extend(rows.into_iter().map(|(key, row)| (table, key, row)));
            if is_last {
                break;
            }
        }
    }
    Ok(all)
}

/// A directory of this run's own.
pub fn temporary_path(parent: &Path, engine: &str) -> PathBuf {
    parent.join(format!("compare-{}-{engine}", std::process::id()))
}
