//! An engine on the real runtime, at work over a directory, recorded.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use checker::Verdict;
use checker::durability::Placed;
use contract::{Ack, IndexId, Projection, Reply, Statement, TableId};
use harness::aftermath::judge;
use harness::engines::{DATABASE, Engine, Options, Setup};
use harness::rig::{CONSOLE, LoadPlan, Rig, RuntimeKind, Site, Threads};
use harness::turn::read_all;
use load::{Config, Phase};
use node::{LinkProfile, Nanos, NodeId, Zone};
use uring::{Backend, CrashImage, JournalConfig};
use workloads::Workload;
use workloads::mixed::Mixed;

use crate::engine::Small;
use crate::recording::{Owed, Recording};

/// Clients.
const SESSIONS: u32 = 8;
/// What does not come in this time never comes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often acknowledgements are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// An engine and what it is asked.
pub struct Subject {
    pub engine: Arc<dyn Engine>,
    pub workload: Arc<dyn Workload>,
    seed: u64,
}

impl Subject {
    /// Few keys that are hit often, in two tables with two indexes each.
    pub fn new(engine: Small, seed: u64) -> Subject {
        let workload = Arc::new(Mixed::new(2, 200, 40, workloads::Distribution::Uniform, seed));
        Subject { engine: Arc::new(engine), workload, seed }
    }

    fn setup(&self, era: u16) -> Setup {
        Setup {
            schema: self.workload.schema(),
            cache_bytes: 0,
            page_bytes: 0,
            seed: self.seed,
            create: true,
            era,
            options: Options::default(),
        }
    }

    /// The directory names of the nodes that have disks.
    fn disks(&self) -> Vec<(NodeId, String)> {
        let topology = self.engine.topology(&self.setup(0)).expect("sizes that work");
        let members = topology.members.into_iter().filter(|member| member.has_disk);
        members.map(|member| (member.id, member.name)).collect()
    }

    /// Puts an image where the engine looks for its files.
    pub fn lay_out(&self, image: &CrashImage, directory: &Path) {
        for (node, name) in self.disks() {
            image.write_node(node, &directory.join(name)).expect("a disk with room");
        }
    }
}

/// An engine at work.
pub struct Life<'a> {
    subject: &'a Subject,
    rig: Rig,
    marks: Vec<usize>,
    stages: Vec<(usize, Owed)>,
    acks: Vec<Ack>,
}

impl<'a> Life<'a> {
    /// Starts the engine over `directory`, where `owed` must be found.
    pub fn start(subject: &'a Subject, directory: &Path, era: u16, owed: Owed) -> Life<'a> {
        let topology = subject.engine.topology(&subject.setup(era)).expect("sizes that work");
        let nodes = topology.members.iter().map(|member| member.id);
        let frames_to = nodes.chain([harness::engines::LOAD, CONSOLE]).collect();
        let site = Site {
            runtime: RuntimeKind::Real,
            data_dirs: vec![directory.to_owned()],
            links: LinkProfile::none(),
            disk_delay: None,
            threads: Threads::Shared,
            backend: Backend::Auto,
            queue_depth: None,
            processes: None,
            journal: Some(JournalConfig { frames_to }),
            seed: subject.seed,
        };
        let config = Config {
            acks_max: 1 << 20,
            timeout: Nanos::from_millis(300),
            unavailable_pause: Nanos::from_millis(5),
            seed: subject.seed,
            ..Config::closed(DATABASE, SESSIONS)
        };
        let plan = LoadPlan { config, workload: Arc::clone(&subject.workload), era };
        let rig = Rig::start(Arc::clone(&subject.engine), &subject.setup(era), &site, &plan).expect("it starts");
        Life { subject, rig, marks: vec![0], stages: vec![(0, owed)], acks: Vec::new() }
    }

    fn position(&self) -> usize {
        let runtime = self.rig.host().real().expect("a real runtime");
        runtime.journal().expect("it was asked for").len()
    }

    /// A stretch of the run ends here.
    fn mark(&mut self) {
        let position = self.position();
        self.marks.push(position);
    }

    fn take_acks(&mut self) {
        let acks = self.rig.load(|core| core.take_acks()).expect("the load is up");
        self.acks.extend(acks);
    }

    /// Lets clients work until `count` more transactions have an outcome.
    ///
    /// # Errors
    ///
    /// They do not get so far.
    pub fn work(&mut self, count: usize) -> Result<(), String> {
        self.rig.load(|core| core.set_phase(Phase::Measure)).expect("the load is up");
        let wanted = self.acks.len() + count;
        for _ in 0..PATIENCE.as_millis() / LOOK_EVERY.as_millis() {
            self.take_acks();
            if self.acks.len() >= wanted {
                self.mark();
                return Ok(());
            }
            if let Some(halt) = self.rig.halted() {
                return Err(halt.to_string());
            }
            self.rig.sleep(LOOK_EVERY);
        }
        let waiting = self.rig.gauges().waiting;
        Err(format!("{} of {wanted} transactions ended; the engine is {waiting:?}", self.acks.len()))
    }

    /// The nodes of a zone, or all of them, lose their memory.
    pub fn crash(&mut self, zone: Option<Zone>) {
        self.rig.crash(zone).expect("the runtime obeys");
        self.mark();
    }

    /// They come back.
    pub fn restart(&mut self, zone: Option<Zone>) {
        self.rig.restart(zone).expect("the runtime obeys");
        self.mark();
    }

    /// Reads everything, holds it against what is owed, and owes exactly that from now on.
    ///
    /// # Errors
    ///
    /// Something is missing, wrong, or in one index and not in another.
    pub fn audit(&mut self) -> Result<usize, String> {
        let schema = self.subject.workload.schema();
        let found = match read_all(&mut self.rig, schema.tables.len() as u16, PATIENCE) {
            Ok(found) => found,
            Err(failure) => return Err(self.rig.halted().map_or(failure.to_string(), |halt| halt.to_string())),
        };
        let Owed { rows, acks } = self.stages.last().expect("a first stage").1.clone();
        let report = judge(self.subject.workload.as_ref(), acks, rows.into_iter(), &found, 0);
        if !matches!(report.verdict, Verdict::Valid) {
            return Err(format!("{:?}: {:#?}", report.verdict, report.violations));
        }
        for (table, description) in (0..).map(TableId).zip(&schema.tables) {
            for index in (0..description.indexes.len() as u16).map(IndexId) {
                self.compare_index(table, index, &found)?;
            }
        }
        let keys = found.len();
        let position = self.position();
        self.stages.push((position, Owed { rows: found, acks: Vec::new() }));
        self.mark();
        Ok(keys)
    }

    fn compare_index(&mut self, table: TableId, index: IndexId, found: &[Placed]) -> Result<(), String> {
        let (from, projection) = (bytes::Bytes::new(), Projection::Rows);
        let scan = Statement::IndexScan { table, index, from, to: None, limit: u32::MAX, projection };
        let (console, host) = self.rig.console();
        let answer = console.ask(host, &scan, PATIENCE).map_err(|failure| failure.to_string())?;
        let Reply::Rows { rows: mut indexed, .. } = answer else { return Err(format!("{scan:?} gave {answer:?}")) };
        indexed.sort();
        let stored = found.iter().filter(|(of, _, _)| *of == table).map(|(_, key, row)| (key.clone(), row.clone()));
        if indexed != stored.collect::<Vec<_>>() {
            return Err(format!("{table:?} and its {index:?} hold different rows"));
        }
        Ok(())
    }

    /// Ends the run as clients that go away would, and gives what was recorded.
    pub fn end(mut self) -> Recording {
        let now = self.rig.now();
        self.rig
            .load(move |core| {
                core.set_phase(Phase::Idle);
                core.abandon(now);
            })
            .expect("the load is up");
        self.take_acks();
        let dropped = self.rig.load(|core| core.interval().acks_dropped).expect("the load is up");
        assert_eq!(dropped, 0, "every acknowledgement is kept");
        let journal = Arc::clone(self.rig.host().real().and_then(|runtime| runtime.journal()).expect("asked for"));
        self.rig.stop().expect("the runtime stops");
        Recording::new(journal.base(), journal.records(), self.marks, self.stages, self.acks)
    }
}
