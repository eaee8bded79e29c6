//! A small log server crashed everywhere: the right one survives, and each of its planted bugs is found.

use bytes::BufMut;
use node::{
    Block, Digest, DiskOp, DiskReply, Effects, Event, FileId, FileName, Frame, FrameKind, IoClass, Member, Nanos, Node,
    NodeId, Role, SECTOR_BYTES, Token, Topology, Zone,
};

use super::{Coverage, CrashFailure, CrashPlan, Scenario, Subsets, explain, explore, replay};
use crate::{CpuModel, Sim, SimConfig, Survival, copy_as};

const SERVER: NodeId = NodeId(0);
const CLIENT: NodeId = NodeId(1);
const LOG: FileId = FileId(0);
const RECORDS: u64 = 5;
/// A record fills two sectors, so that one of them can be torn away.
const RECORD_BYTES: usize = 2 * SECTOR_BYTES;
const APPEND: FrameKind = FrameKind(1);
const APPENDED: FrameKind = FrameKind(2);

/// What is wrong with a [`Server`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bug {
    None,
    /// Answers when the write completes, durable or not.
    AcknowledgesUnsynced,
    /// Syncs, but answers before the sync completes.
    AcknowledgesBeforeSync,
    /// Believes half a record.
    TrustsTornRecords,
    /// Never syncs its directory.
    ForgetsDirectory,
    /// Writes a record in recovery over the first one, without need, and not durably at first.
    RewritesInRecovery,
}

/// What a server waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Listing,
    Creating,
    SyncingDirectory,
    Opening,
    Reading,
    Rewriting,
    Serving,
}

/// Appends numbered records to a log, durably, and counts the whole ones when it starts.
struct Server {
    bug: Bug,
    client: NodeId,
    phase: Phase,
    records: u64,
    waiting: Vec<u64>,
}

fn record(number: u64) -> Block {
    let mut block = Block::zeroed(RECORD_BYTES);
    block[..8].copy_from_slice(&number.to_le_bytes());
    block[RECORD_BYTES - 8..].copy_from_slice(&number.to_le_bytes());
    block
}

fn log_name() -> FileName {
    FileName::new("log")
}

fn number_frame(kind: FrameKind, number: u64) -> Frame {
    Frame::encode(kind, 8, |body| body.put_u64_le(number))
}

fn number_of(frame: &Frame) -> u64 {
    u64::from_le_bytes(frame.body().try_into().expect("eight bytes"))
}

impl Server {
    fn new(bug: Bug) -> Server {
        Server { bug, client: CLIENT, phase: Phase::Listing, records: 0, waiting: Vec::new() }
    }

    fn disk(&self, op: DiskOp, out: &mut Effects) {
        out.disk(Token(0), op, IoClass::Redo);
    }

    fn enter(&mut self, phase: Phase, op: DiskOp, out: &mut Effects) {
        self.phase = phase;
        self.disk(op, out);
    }

    fn append(&mut self, number: u64, out: &mut Effects) {
        if number != self.records + 1 {
            return;
        }
        let durable = !matches!(self.bug, Bug::AcknowledgesUnsynced | Bug::AcknowledgesBeforeSync);
        let offset = (number - 1) * RECORD_BYTES as u64;
        self.waiting.push(number);
        self.disk(DiskOp::Write { file: LOG, offset, data: record(number), durable }, out);
    }

    fn appended(&mut self, out: &mut Effects) {
        let Some(number) = self.waiting.pop() else { return };
        self.records = number;
        if self.bug == Bug::AcknowledgesBeforeSync {
            self.disk(DiskOp::Sync { file: LOG }, out);
        }
        out.send(self.client, number_frame(APPENDED, number), IoClass::Client);
    }

    fn scan(&mut self, log: &Block, out: &mut Effects) {
        let numbers = log.chunks_exact(RECORD_BYTES).map(|bytes| {
            let first = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
            let last = u64::from_le_bytes(bytes[RECORD_BYTES - 8..].try_into().expect("eight bytes"));
            if first == last || self.bug == Bug::TrustsTornRecords { first } else { 0 }
        });
        self.records = (1..).zip(numbers).take_while(|(expected, number)| expected == number).count() as u64;
        if self.bug == Bug::RewritesInRecovery && self.records > 0 {
            let data = record(1);
            self.enter(Phase::Rewriting, DiskOp::Write { file: LOG, offset: 0, data, durable: false }, out);
        } else {
            self.phase = Phase::Serving;
        }
    }

    fn completed(&mut self, reply: DiskReply, out: &mut Effects) {
        let len_bytes = 8 * RECORD_BYTES as u64;
        match (self.phase, reply) {
            (Phase::Listing, DiskReply::Names(names)) => match names.first() {
                Some((_, len)) if *len == len_bytes => {
                    self.enter(Phase::Opening, DiskOp::Open { file: LOG, name: log_name() }, out);
                }
                _ => self.enter(Phase::Creating, DiskOp::Create { file: LOG, name: log_name(), len_bytes }, out),
            },
            (Phase::Creating, _) if self.bug == Bug::ForgetsDirectory => self.phase = Phase::Serving,
            (Phase::Creating | Phase::Opening, _) => self.enter(Phase::SyncingDirectory, DiskOp::SyncDir, out),
            (Phase::SyncingDirectory, _) => {
                let read = DiskOp::Read { file: LOG, offset: 0, len_bytes: len_bytes as usize };
                self.enter(Phase::Reading, read, out);
            }
            (Phase::Reading, DiskReply::Data(log)) => self.scan(&log, out),
            (Phase::Rewriting, _) => self.phase = Phase::Serving,
            (Phase::Serving, _) => self.appended(out),
            (phase, reply) => out.halt(format!("{reply:?} in {phase:?}")),
        }
    }
}

impl Node for Server {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Start => self.disk(DiskOp::List, out),
            Event::Frame { frame, .. } if self.phase == Phase::Serving => self.append(number_of(&frame), out),
            Event::Disk { result: Ok(reply), .. } => self.completed(reply, out),
            Event::Disk { result: Err(error), .. } => out.halt(format!("disk: {error}")),
            Event::Frame { .. } | Event::Timer { .. } => {}
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.records);
    }
}

/// Asks for records one after the other, again and again until each is acknowledged.
#[derive(Clone)]
struct Client {
    server: NodeId,
    acknowledged: u64,
}

impl Default for Client {
    fn default() -> Client {
        Client { server: SERVER, acknowledged: 0 }
    }
}

impl Client {
    fn ask(&self, out: &mut Effects) {
        if self.acknowledged < RECORDS {
            out.send(self.server, number_frame(APPEND, self.acknowledged + 1), IoClass::Client);
            out.set_timer(node::TimerId(0), Nanos::from_millis(5));
        }
    }
}

impl Node for Client {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Start | Event::Timer { .. } => self.ask(out),
            Event::Frame { frame, .. } if number_of(&frame) == self.acknowledged + 1 => {
                self.acknowledged += 1;
                self.ask(out);
            }
            Event::Frame { .. } | Event::Disk { .. } => {}
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.acknowledged);
    }
}

fn world(bug: Bug) -> Sim {
    world_in(bug, SimConfig::shuffled(3))
}

fn world_in(bug: Bug, config: SimConfig) -> Sim {
    let member = |id, name: &str, role, build| Member {
        id,
        name: name.into(),
        role,
        zone: Zone::A,
        has_disk: id == SERVER,
        build,
    };
    let members = vec![
        member(SERVER, "server", Role::Compute, Box::new(move |_| Box::new(Server::new(bug)))),
        member(CLIENT, "client", Role::Load, Box::new(|_| Box::new(Client::default()))),
    ];
    Sim::new(Topology { members }, config)
}

fn finished(sim: &Sim) -> bool {
    sim.node::<Client>(CLIENT).is_some_and(|client| client.acknowledged == RECORDS)
}

fn recovered(sim: &Sim) -> bool {
    sim.node::<Server>(SERVER).is_some_and(|server| server.phase == Phase::Serving)
}

fn check(sim: &mut Sim) -> Result<(), String> {
    let acknowledged = sim.node::<Client>(CLIENT).expect("the client survives").acknowledged;
    let kept = sim.node::<Server>(SERVER).expect("just recovered").records;
    if kept < acknowledged {
        return Err(format!("{acknowledged} acknowledged, {kept} kept"));
    }
    let log = sim.disk(SERVER).and_then(|disk| disk.contents(&log_name())).unwrap_or_default();
    let whole = (1..).zip(log.chunks_exact(RECORD_BYTES)).take_while(|(n, bytes)| record(*n)[..] == **bytes).count();
    if kept > whole as u64 { Err(format!("{kept} served, {whole} whole")) } else { Ok(()) }
}

fn outcome(bug: Bug, plan: &CrashPlan, copies: bool) -> Result<Coverage, CrashFailure> {
    with_scenario(bug, copies, |scenario| explore(scenario, plan))
}

fn with_scenario<R>(bug: Bug, copies: bool, then: impl FnOnce(&Scenario<'_>) -> R) -> R {
    let copy = |_, node: &dyn Node| copy_as::<Client>(node);
    then(&Scenario {
        build: &|| world(bug),
        victims: &[SERVER],
        finished: &finished,
        recovered: &recovered,
        check: &check,
        aftermath: None,
        survivors: None,
        copy: if copies { Some(&copy) } else { None },
    })
}

fn twice() -> CrashPlan {
    CrashPlan { again: Some(Subsets::FEW), ..CrashPlan::power_loss() }
}

#[test]
fn a_correct_server_survives_every_crash_and_every_crash_of_its_recovery() {
    let coverage = outcome(Bug::None, &twice(), true).expect("survives");
    assert_eq!(coverage.points, coverage.points_reached);
    assert_eq!(coverage.recovery_points, coverage.recovery_points_reached);
    assert!(coverage.points >= 25, "{coverage}");
    assert!(coverage.crashes > 150 && coverage.second_crashes > 500, "{coverage}");
    assert!(coverage.units_max >= 2 && coverage.outcomes < coverage.crashes, "{coverage}");
    let killed = outcome(Bug::None, &CrashPlan { power: false, ..twice() }, true).expect("survives");
    assert_eq!(killed.points, killed.points_reached);
}

#[test]
fn work_that_takes_time_on_a_shared_core_opens_no_gap() {
    let cpu = CpuModel { event: Nanos::from_micros(40), cores: [(SERVER, 0), (CLIENT, 0)].into(), ..CpuModel::free() };
    let build = |bug| world_in(bug, SimConfig { cpu: cpu.clone(), ..SimConfig::shuffled(3) });
    let explore_in = |bug, copies| {
        with_scenario(bug, copies, |scenario| explore(&Scenario { build: &|| build(bug), ..*scenario }, &twice()))
    };
    let coverage = explore_in(Bug::None, true).expect("survives");
    assert!(coverage.points_reached == coverage.points && coverage.points >= 25, "{coverage}");
    assert!(explore_in(Bug::AcknowledgesBeforeSync, true).is_err());
    assert_eq!(explore_in(Bug::RewritesInRecovery, true), explore_in(Bug::RewritesInRecovery, false));
}

#[test]
fn copies_and_reruns_explore_the_same() {
    let plan = CrashPlan { again: Some(Subsets { torn: 0, random: 1, ..Subsets::FEW }), ..CrashPlan::power_loss() };
    let plan = CrashPlan { stride: 3, ..plan };
    let copied = outcome(Bug::None, &plan, true).expect("survives");
    assert_eq!(copied.points_reached, copied.points.div_ceil(3));
    assert_eq!(Ok(copied), outcome(Bug::None, &plan, false));
    for bug in [Bug::AcknowledgesUnsynced, Bug::TrustsTornRecords] {
        let copied = outcome(bug, &CrashPlan::power_loss(), true).expect_err("is found");
        assert_eq!(Err(copied), outcome(bug, &CrashPlan::power_loss(), false));
    }
}

#[test]
fn every_planted_bug_is_found() {
    for bug in [
        Bug::AcknowledgesUnsynced,
        Bug::AcknowledgesBeforeSync,
        Bug::TrustsTornRecords,
        Bug::ForgetsDirectory,
        Bug::RewritesInRecovery,
    ] {
        let failure = outcome(bug, &twice(), true).expect_err("a server with a bug survived");
        let lost = failure.what.contains("kept") || failure.what.contains("whole");
        assert!(lost, "{bug:?}: {failure}");
    }
}

#[test]
fn a_bug_in_recovery_alone_needs_the_second_crash() {
    assert!(outcome(Bug::RewritesInRecovery, &CrashPlan::power_loss(), true).is_ok());
    let failure = outcome(Bug::RewritesInRecovery, &twice(), true).expect_err("is found");
    assert_eq!(failure.path.len(), 2, "{failure}");
}

#[test]
fn a_path_reproduces_its_failure_and_explains_it() {
    let plan = CrashPlan::power_loss();
    let failure = outcome(Bug::AcknowledgesUnsynced, &plan, true).expect_err("is found");
    with_scenario(Bug::AcknowledgesUnsynced, true, |scenario| {
        let mut sim = replay(scenario, &plan, &failure.path).expect("the path exists");
        assert_eq!(sim.run_until(plan.span, recovered), crate::Stop::Reached);
        assert_eq!(check(&mut sim), Err(failure.what.clone()));
        let lines = explain(scenario, &plan, &failure.path, 1_000);
        assert_eq!(lines.last(), Some(&failure.what));
        assert!(lines.iter().any(|line| line.contains("write file 0 at 0 1024 bytes (redo)")), "{lines:#?}");
    });
}

#[test]
fn a_workload_that_never_ends_is_a_failure() {
    let failure = with_scenario(Bug::None, true, |scenario| {
        let never = Scenario { finished: &|_| false, ..*scenario };
        let plan = CrashPlan { span: Nanos::from_secs(1), ..CrashPlan::power_loss() };
        explore(&never, &plan).expect_err("does not end")
    });
    assert!(failure.path.is_empty() && failure.what.contains("workload did not end"), "{failure}");
}

/// A server and its client, twice; only the servers crash, together.
fn two_servers() -> Sim {
    let mut topology = Topology::default();
    for pair in 0..2u32 {
        let (server, client) = (NodeId(pair * 2), NodeId(pair * 2 + 1));
        let member = |id, role, build| Member {
            id,
            name: format!("node-{}", id.0),
            role,
            zone: Zone::A,
            has_disk: id == server,
            build,
        };
        let serve = move |_| Box::new(Server { client, ..Server::new(Bug::None) }) as Box<dyn Node>;
        topology.members.push(member(server, Role::Compute, Box::new(serve)));
        let ask = move |_| Box::new(Client { server, ..Client::default() }) as Box<dyn Node>;
        topology.members.push(member(client, Role::Load, Box::new(ask)));
    }
    Sim::new(topology, SimConfig::shuffled(5))
}

#[test]
fn several_victims_crash_together_and_their_units_are_numbered_through() {
    let servers = [NodeId(0), NodeId(2)];
    let clients = [NodeId(1), NodeId(3)];
    let acknowledged = |sim: &Sim, client| sim.node::<Client>(client).expect("a client survives").acknowledged;
    let records = |sim: &Sim, server| sim.node::<Server>(server).map(|server| (server.phase, server.records));
    let scenario = Scenario {
        build: &two_servers,
        victims: &servers,
        finished: &|sim| clients.iter().all(|&client| acknowledged(sim, client) == RECORDS),
        recovered: &|sim| servers.iter().all(|&id| records(sim, id).is_some_and(|(phase, _)| phase == Phase::Serving)),
        check: &|sim| {
            for (&server, &client) in servers.iter().zip(&clients) {
                let (kept, acknowledged) = (records(sim, server).expect("recovered").1, acknowledged(sim, client));
                if kept < acknowledged {
                    return Err(format!("{server:?} kept {kept} of {acknowledged}"));
                }
            }
            Ok(())
        },
        aftermath: None,
        survivors: None,
        copy: Some(&|_, node| copy_as::<Client>(node)),
    };
    let plan = CrashPlan { subsets: Subsets { random: 2, ..Subsets::EVERY }, ..CrashPlan::power_loss() };
    let coverage = explore(&scenario, &plan).expect("both survive");
    assert_eq!(coverage.points_reached, coverage.points);
    assert!(coverage.units_max >= 4, "both servers have a record in flight at some point: {coverage}");
}

#[test]
fn one_unit_of_many_victims_is_the_unit_of_one() {
    let own = |survival| {
        [0, 1, 2].map(|victim| super::explore::for_victim(survival, victim, [0, 3, 3][victim], [3, 0, 2][victim]))
    };
    use Survival::{All, None, OneDropped, OneKept};
    assert_eq!(own(OneDropped(2)), [OneDropped(2), All, All]);
    assert_eq!(own(OneDropped(4)), [All, All, OneDropped(1)]);
    assert_eq!(own(OneKept(3)), [None, None, OneKept(0)]);
    assert_eq!(own(All), [All; 3]);
    assert_ne!(own(Survival::Random(1))[0], own(Survival::Random(1))[2]);
}
