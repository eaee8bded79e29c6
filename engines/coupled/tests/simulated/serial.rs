//! The whole engine, compute layer included, against the model: one client, random transactions, and crashes.

use bytes::Bytes;
use contract::{
    Change, CommitPosition, Error, Index, IndexId, Key, Mode, Model, Projection, REQUEST_KIND, RESPONSE_KIND, Reply,
    Request, Row, Schema, SessionId, Statement, Table, TableId, TxnSeq, Verb,
};
use coupled::topology::{COMPUTE, EBS_A1, EBS_A2, EBS_B1, EBS_B2, STANDBY};
use coupled::{Config, CoupledNode, StandbyNode, VolumeNode, ZoneLoss};
use node::{
    Digest, Effects, Event, Frame, FrameKind, IoClass, Member, Nanos, Node, NodeId, Rng, Role, TimerId, Topology, Zone,
};
use sim::crash::{CrashPlan, Scenario, Subsets, explore};
use sim::{Sim, SimConfig, Stop, copy_as};

const LOAD: NodeId = NodeId(0);
/// Tells the client that its connection broke.
const BROKEN: FrameKind = FrameKind(0x7f10);
const AGAIN: TimerId = TimerId::new(0, 1);
pub const TABLES: [TableId; 2] = [TableId(0), TableId(1)];

pub fn schema() -> Schema {
    let index = |name: &str, field| Index { name: name.into(), field };
    Schema {
        tables: vec![
            Table { name: "a".into(), indexes: vec![index("number", 0), index("text", 1)] },
            Table { name: "b".into(), indexes: vec![] },
        ],
    }
}

fn key(rng: &mut Rng) -> Key {
    Key::from_u64(rng.below(150))
}

fn text(rng: &mut Rng) -> Vec<u8> {
    vec![b'a' + rng.below(6) as u8; rng.below(40) as usize]
}

fn row(rng: &mut Rng) -> Row {
    let number = rng.below(20).to_be_bytes();
    let text = text(rng);
    Row::new([&number[..], &text])
}

fn statement(rng: &mut Rng) -> Statement {
    let (table, key_a, key_b) = (TableId(u16::from(rng.chance(0.3))), key(rng), key(rng));
    match rng.below(12) {
        0..3 => Statement::Insert { table, key: key_a, row: row(rng) },
        3..6 => Statement::Put { table, key: key_a, row: row(rng) },
        6 => Statement::Update { table, key: key_a, changes: vec![Change::Add { field: 0, delta: 3 }] },
        7 => {
            let value = Bytes::from(text(rng));
            Statement::Update { table, key: key_a, changes: vec![Change::Set { field: 1, value }] }
        }
        8 => Statement::Delete { table, key: key_a },
        9 => {
            let (from, to) = (key_a.clone().min(key_b.clone()), Some(key_a.max(key_b)));
            Statement::Scan { table, from, to, limit: rng.between(1, 30) as u32, projection: Projection::Rows }
        }
        10 => {
            let from = Bytes::copy_from_slice(&rng.below(20).to_be_bytes());
            let (index, projection) = (IndexId(0), Projection::Rows);
            Statement::IndexScan { table: TableId(0), index, from, to: None, limit: 10, projection }
        }
        _ => Statement::Get { table, key: key_a },
    }
}

fn program(rng: &mut Rng) -> Vec<Verb> {
    if rng.chance(0.3) {
        return vec![Verb::Single(statement(rng))];
    }
    let mut verbs = vec![Verb::Begin(Mode::Optimistic)];
    verbs.extend((0..rng.between(1, 6)).map(|_| Verb::Execute(statement(rng))));
    verbs.push(if rng.chance(0.1) { Verb::Rollback } else { Verb::Commit });
    verbs
}

fn everything(table: TableId) -> Verb {
    let projection = Projection::Rows;
    Verb::Single(Statement::Scan { table, from: Key::copy(b""), to: None, limit: u32::MAX, projection })
}

/// What the client does now.
#[derive(Clone, Debug, PartialEq)]
enum Doing {
    /// Waits until the database serves.
    Knocking,
    /// Runs the program, at this verb.
    Running(usize),
    /// Reads a table to learn what an interrupted transaction came to.
    Reading(usize),
    Done,
}

/// One session that compares every answer with the model's.
#[derive(Clone, Debug)]
pub struct Serial {
    rng: Rng,
    transactions: u64,
    finished: u64,
    txn: u64,
    step: u32,
    doing: Doing,
    program: Vec<Verb>,
    pub model: Model,
    /// The highest position of a commit that was acknowledged.
    pub acknowledged: CommitPosition,
    /// The model as it was when the program started.
    before: Model,
    /// Whether each of (as before, as after) still fits what was read since the connection broke.
    fits: Option<(bool, bool)>,
    expected: Option<Result<Reply, Error>>,
    interrupted: u64,
    kept: u64,
    finding: Option<String>,
}

impl Serial {
    fn new(seed: u64, transactions: u64) -> Serial {
        let model = Model::new(schema());
        Serial {
            rng: Rng::new(seed).fork("program", 0),
            transactions,
            finished: 0,
            txn: 0,
            step: 0,
            doing: Doing::Knocking,
            program: Vec::new(),
            before: model.clone(),
            model,
            acknowledged: CommitPosition(0),
            fits: None,
            expected: None,
            interrupted: 0,
            kept: 0,
            finding: None,
        }
    }

    fn ask(&mut self, verb: Verb, out: &mut Effects) {
        let request = Request { session: SessionId(1), txn: TxnSeq(self.txn), step: self.step, verb };
        let frame = Frame::encode(FrameKind(REQUEST_KIND), 256, |body| contract::codec::encode_request(&request, body));
        out.send(COMPUTE, frame, IoClass::Client);
    }

    /// Starts the next program, or whatever comes instead.
    fn next_program(&mut self, out: &mut Effects) {
        self.txn += 1;
        self.step = 0;
        if self.finished == self.transactions {
            self.doing = Doing::Done;
            return;
        }
        self.before = self.model.clone();
        self.program = program(&mut self.rng);
        self.run(0, out);
    }

    fn run(&mut self, at: usize, out: &mut Effects) {
        let verb = self.program[at].clone();
        self.doing = Doing::Running(at);
        self.expected = Some(self.model.apply(&verb).map(Reply::without_position));
        self.ask(verb, out);
    }

    fn read(&mut self, table: usize, out: &mut Effects) {
        self.txn += 1;
        self.step = 0;
        self.doing = Doing::Reading(table);
        self.ask(everything(TABLES[table]), out);
    }

    fn answered(&mut self, result: Result<Reply, Error>, out: &mut Effects) {
        if let Ok(Reply::Committed { position } | Reply::Affected { position: Some(position), .. }) = &result {
            self.acknowledged = self.acknowledged.max(*position);
        }
        let result = result.map(Reply::without_position);
        match self.doing {
            Doing::Done => {}
            _ if matches!(result, Err(Error::Unavailable(_))) && !matches!(self.doing, Doing::Running(_)) => {
                out.set_timer(AGAIN, Nanos::from_micros(500));
            }
            Doing::Knocking => self.next_program(out),
            Doing::Running(at) => self.ran(at, &result, out),
            Doing::Reading(table) => self.was_read(table, &result, out),
        }
    }

    fn ran(&mut self, at: usize, result: &Result<Reply, Error>, out: &mut Effects) {
        if self.expected.as_ref() != Some(result) {
            self.finding = Some(format!("{:?}: {result:?}, expected {:?}", self.program[at], self.expected));
            self.doing = Doing::Done;
            return;
        }
        let over = matches!(result, Err(error) if !error.keeps_transaction());
        if over || at + 1 == self.program.len() {
            self.finished += 1;
            self.next_program(out);
        } else {
            self.step += 1;
            self.run(at + 1, out);
        }
    }

    /// The connection broke. The transaction took place, or not: read everything to find out.
    fn broken(&mut self, out: &mut Effects) {
        if let Doing::Running(at) = self.doing {
            if self.model.is_open() {
                let _ = self.model.rollback();
            }
            // Only the last verb can have taken effect.
            let last = at + 1 == self.program.len();
            self.fits = Some((true, last));
            self.interrupted += 1;
        } else {
            self.fits = Some((true, true));
            self.before = self.model.clone();
        }
        self.read(0, out);
    }

    fn was_read(&mut self, table: usize, result: &Result<Reply, Error>, out: &mut Effects) {
        let verb = everything(TABLES[table]);
        let (mut before, mut after) = self.fits.expect("set when the connection broke");
        before &= self.before.clone().apply(&verb).map(Reply::without_position) == *result;
        after &= self.model.clone().apply(&verb).map(Reply::without_position) == *result;
        self.fits = Some((before, after));
        if !before && !after {
            self.finding = Some(format!("after a crash table {table} is neither as before nor as after: {result:?}"));
            self.doing = Doing::Done;
        } else if table + 1 < TABLES.len() {
            self.read(table + 1, out);
        } else {
            self.kept += u64::from(!before);
            if before {
                self.model = self.before.clone();
            }
            self.fits = None;
            self.next_program(out);
        }
    }

    fn timer(&mut self, out: &mut Effects) {
        match self.doing {
            Doing::Knocking => {
                self.txn += 1;
                self.ask(everything(TABLES[1]), out);
                out.set_timer(AGAIN, Nanos::from_millis(2));
            }
            Doing::Reading(_) => self.read(0, out),
            _ => {}
        }
    }
}

impl Node for Serial {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Start | Event::Timer { .. } => self.timer(out),
            Event::Frame { frame, .. } if frame.kind() == BROKEN => self.broken(out),
            Event::Frame { frame, .. } if frame.kind() == FrameKind(RESPONSE_KIND) => {
                let body = frame.slice(0..frame.body().len());
                let response = contract::codec::decode_response(&body).expect("a whole response");
                if (response.txn, response.step) == (TxnSeq(self.txn), self.step) {
                    self.answered(response.result, out);
                }
            }
            _ => {}
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.finished);
        digest.word(self.txn);
    }
}

pub fn config(seed: u64, zone_loss: ZoneLoss) -> Config {
    let mut config = Config::tiny(schema(), seed);
    config.mirror.zone_loss = zone_loss;
    config
}

pub fn world(mut topology: Topology, transactions: u64, seed: u64) -> Sim {
    let load = Member {
        id: LOAD,
        name: "load".into(),
        role: Role::Load,
        zone: Zone::A,
        has_disk: false,
        build: Box::new(move |_| Box::new(Serial::new(seed, transactions))),
    };
    topology.members.insert(0, load);
    Sim::new(topology, SimConfig::shuffled(seed))
}

pub fn client(sim: &Sim) -> &Serial {
    sim.node::<Serial>(LOAD).expect("never crashed")
}

pub fn over(sim: &Sim) -> bool {
    client(sim).doing == Doing::Done
}

pub fn judge(sim: &mut Sim) -> Result<(), String> {
    let stop = sim.run_until(Nanos::from_secs(600), over);
    let client = client(sim);
    match &client.finding {
        Some(finding) => Err(finding.clone()),
        None if stop != Stop::Reached => {
            Err(format!("{stop:?} after {} transactions; halts: {:?}", client.finished, sim.halts()))
        }
        None => Ok(()),
    }
}

/// Reads both tables and compares them with the model, as after a lost connection.
pub fn break_connection(sim: &mut Sim) {
    sim.inject(COMPUTE, LOAD, Frame::encode(BROKEN, 0, |_| ()));
}

fn mirror_the_model(topology: Topology, transactions: u64, seed: u64) {
    let mut sim = world(topology, transactions, seed);
    assert_eq!(judge(&mut sim), Ok(()), "seed {seed}");
    break_connection(&mut sim);
    let _ = sim.run_for(Nanos::from_secs(1));
    assert_eq!(judge(&mut sim), Ok(()), "seed {seed}");
    let node = sim.node::<CoupledNode>(COMPUTE).expect("running");
    let (stats, probe) = (node.stats(), node.storage().probe().expect("open"));
    println!("{transactions} transactions: {} evictions, {probe:?}", stats.evictions);
    assert!(stats.evictions > 0 && probe.checkpoints > 0, "{stats:?} {probe:?}");
}

#[test]
fn the_local_engine_mirrors_the_model() {
    let topology = coupled::local(&config(1, ZoneLoss::Stop)).expect("sound");
    mirror_the_model(topology, 2000 * crate::campaign(), 1);
}

#[test]
fn the_mirrored_engine_mirrors_the_model() {
    for (seed, zone_loss) in [(2, ZoneLoss::Stop), (3, ZoneLoss::Detach(Nanos::from_millis(50)))] {
        let topology = coupled::mirrored(&config(seed, zone_loss)).expect("sound");
        mirror_the_model(topology, 400 * crate::campaign(), seed);
    }
}

/// Crashes everywhere. `also` is what must hold besides once the client has compared everything.
pub fn crash(
    build: &dyn Fn() -> Sim,
    victims: &[NodeId],
    plan: &CrashPlan,
    name: &str,
    also: &dyn Fn(&Sim) -> Result<(), String>,
) {
    let recovered = |sim: &Sim| sim.node::<CoupledNode>(COMPUTE).is_some_and(CoupledNode::is_serving);
    let check = |sim: &mut Sim| {
        break_connection(sim);
        let _ = sim.run_for(Nanos::from_micros(1));
        judge(sim)?;
        also(sim)
    };
    let scenario = Scenario {
        build,
        victims,
        finished: &over,
        recovered: &recovered,
        check: &check,
        aftermath: None,
        survivors: None,
        copy: Some(&|id, node| match id {
            LOAD => copy_as::<Serial>(node),
            COMPUTE => copy_as::<CoupledNode>(node),
            STANDBY => copy_as::<StandbyNode>(node),
            _ => copy_as::<VolumeNode>(node),
        }),
    };
    match explore(&scenario, plan) {
        Ok(coverage) => {
            println!("{name}, every {} points: {coverage}", plan.stride);
            assert_eq!(coverage.points.div_ceil(plan.stride), coverage.points_reached);
            assert_eq!(coverage.recovery_points, coverage.recovery_points_reached);
        }
        Err(failure) => panic!("{name}: {failure}"),
    }
}

#[test]
fn a_crash_anywhere_leaves_whole_transactions() {
    let build = || world(coupled::local(&config(4, ZoneLoss::Stop)).expect("sound"), 15 * crate::campaign(), 4);
    crash(&build, &[COMPUTE], &CrashPlan::power_loss(), "local, power loss", &|_| Ok(()));
    crash(&build, &[COMPUTE], &CrashPlan { subsets: Subsets::FEW, ..CrashPlan::kill() }, "local, kill", &|_| Ok(()));
}

#[test]
fn a_power_loss_of_everything_mirrored_leaves_whole_transactions() {
    let all = [COMPUTE, EBS_A1, EBS_A2, STANDBY, EBS_B1, EBS_B2];
    for (zone_loss, stride) in [(ZoneLoss::Stop, 7), (ZoneLoss::Detach(Nanos::from_millis(50)), 11)] {
        let build = || world(coupled::mirrored(&config(5, zone_loss)).expect("sound"), 6, 5);
        let stride = (stride / crate::campaign()).max(1);
        let plan = CrashPlan { stride, subsets: Subsets::FEW, ..CrashPlan::power_loss() };
        crash(&build, &all, &plan, "mirrored, power loss", &|_| Ok(()));
    }
}
