//! A writer that was replaced and does not know it: paused or cut off while another opens the same volume.

use compute::ComputeNode;
use contract::{Key, Mode, Reply, Row, Schema, Statement, Table, TableId, Verb};
use decoupled::topology::{COMPUTE, STORAGE};
use decoupled::writer::{ReadFence, VolumeDriver, WriterStatus};
use harness::campaign::decoupled::Database;
use harness::campaign::{Console, Decoupled, Mailbox, Subject};
use node::fault::{Fault, LinkRule};
use node::{Member, Nanos, Node, NodeId, Rng, Role, Zone};
use sim::{Sim, SimConfig, Status, Stop, Survival};

/// The writer that comes later.
const SUCCESSOR: NodeId = NodeId(8);
const TABLE: TableId = TableId(0);
const OLD: u64 = 1;
const NEW: u64 = 2;
/// A key far from the first one.
const FAR: u64 = 1_000_000;
/// Rows between the two.
const FILLERS: u64 = 1_600;

fn schema() -> Schema {
    Schema { tables: vec![Table { name: "t".into(), indexes: Vec::new() }] }
}

fn put(value: u64) -> Statement {
    put_at(1, value)
}

fn put_at(key: u64, value: u64) -> Statement {
    Statement::Put { table: TABLE, key: Key::from_u64(key), row: Row::new([&value.to_be_bytes()[..]]) }
}

fn get_at(key: u64) -> Statement {
    Statement::Get { table: TABLE, key: Key::from_u64(key) }
}

fn get() -> Verb {
    Verb::Single(get_at(1))
}

/// What an answered read saw.
fn value(reply: &Reply) -> Option<u64> {
    let Reply::Row { row: Some(row), .. } = reply else { return None };
    row.field(0)?.try_into().ok().map(u64::from_be_bytes)
}

struct Duel {
    sim: Sim,
    old: Console,
    new: Console,
}

impl Duel {
    /// A volume whose writer has a row and its page in memory, and a second compute node that is not started yet.
    fn begin(fence: ReadFence, seed: u64) -> Duel {
        let mut rng = Rng::new(seed).fork("zombie", 0);
        let mut config = Decoupled::fenced_by(fence).config(schema(), 512, seed, &mut rng);
        config.writer.read_fence = fence;
        let mut topology = decoupled::topology(&config).expect("sizes that work");
        let (compute, mut writer) = (config.compute.clone(), config.writer.clone());
        (writer.seed, writer.create) = (writer.seed ^ 1, false);
        let build = move |start| -> Box<dyn Node> {
            let driver = VolumeDriver::new(writer.clone(), start).expect("sizes that work");
            Box::new(ComputeNode::new(compute.clone(), driver).expect("sizes that work"))
        };
        let (role, zone) = (Role::Compute, Zone::B);
        let successor =
            Member { id: SUCCESSOR, name: "successor".into(), role, zone, has_disk: false, build: Box::new(build) };
        topology.members.extend([successor, Mailbox::member()]);
        let mut sim = Sim::new(topology, SimConfig::shuffled(seed));
        sim.crash(SUCCESSOR, false, Survival::All);
        let (mut old, new) = (Console::new(COMPUTE), Console::new(SUCCESSOR));
        old.single(&mut sim, &put(OLD)).expect("an open volume takes a row");
        let seen = old.ask(&mut sim, get()).expect("answered");
        assert_eq!(seen.ok().as_ref().and_then(value), Some(OLD));
        Duel { sim, old, new }
    }

    /// The successor opens and overwrites the row.
    fn succeed(&mut self) {
        self.sim.restart(SUCCESSOR);
        self.new.single(&mut self.sim, &put(NEW)).expect("the successor opens and takes a row");
    }

    fn status(&self, id: NodeId) -> WriterStatus {
        self.sim.node::<Database>(id).expect("it is there").storage().status()
    }

    /// Cuts the old writer off from storage, or mends it. Clients still reach it.
    fn cut(&mut self, cut: bool) {
        for id in STORAGE {
            for (from, to) in [(COMPUTE, id), (id, COMPUTE)] {
                let rule = LinkRule { cut, ..LinkRule::default() };
                self.sim.apply(&if cut { Fault::Link { from, to, rule } } else { Fault::Heal { from, to } });
            }
        }
    }

    /// Whether the old writer answers a read now, within a while, with what was overwritten.
    fn reads_stale(&mut self) -> bool {
        let reply = self.old.ask_within(&mut self.sim, get(), Nanos::from_millis(400));
        matches!(reply, Some(Ok(reply)) if value(&reply) == Some(OLD))
    }

    /// Cuts both directions between two nodes.
    fn part(&mut self, one: NodeId, other: NodeId) {
        for (from, to) in [(one, other), (other, one)] {
            self.sim.apply(&Fault::Link { from, to, rule: LinkRule { cut: true, ..LinkRule::default() } });
        }
    }

    /// Enough rows between the first key and [`FAR`] that no cache of this size keeps both ends.
    fn fill(&mut self) {
        for first in (0..FILLERS).step_by(4) {
            let row = |number| (Key::from_u64(10 + number), Row::new([&[0; 100][..]]));
            let rows = (first..first + 4).map(row).collect();
            self.old.single(&mut self.sim, &Statement::InsertMany { table: TABLE, rows }).expect("an open volume");
        }
    }

    /// Both ends in one transaction of the old writer, if it answers.
    fn both_ends(&mut self) -> Option<[Option<u64>; 2]> {
        let mut ask = |verb| self.old.ask_within(&mut self.sim, verb, Nanos::from_millis(400))?.ok();
        ask(Verb::Begin(Mode::Optimistic))?;
        let near = ask(Verb::Execute(get_at(1)))?;
        let far = ask(Verb::Execute(get_at(FAR)))?;
        ask(Verb::Commit)?;
        Some([value(&near), value(&far)])
    }

    fn fetches(&self) -> u64 {
        self.sim.node::<Database>(COMPUTE).expect("it is there").stats().fetches
    }

    /// The old writer, in reach of storage again, asks for a commit: it must not get it, and must find out.
    fn the_old_writer_is_fenced(&mut self) {
        let next = self.sim.node::<Database>(COMPUTE).expect("it is there").next_lsn();
        let reply = self.old.ask_within(&mut self.sim, Verb::Single(put(OLD + 10)), Nanos::from_secs(3));
        assert!(!matches!(reply, Some(Ok(_))), "a fenced writer's commit was answered: {reply:?}");
        // What reached four before it was fenced is the successor's too; what it appends now reaches nobody.
        assert!(self.status(COMPUTE).vcl < next, "a fenced writer's append reached four");
        assert!(matches!(self.sim.status(COMPUTE), Status::Halted { reason } if reason.starts_with("fenced")));
        let seen = self.new.ask(&mut self.sim, get()).expect("answered").expect("a row");
        assert_eq!(value(&seen), Some(NEW), "the successor's row stands");
    }
}

/// The old writer sleeps while it is replaced, wakes with a full cache and a client's question before it.
fn paused(fence: ReadFence, seed: u64) -> bool {
    let mut duel = Duel::begin(fence, seed);
    duel.sim.apply(&Fault::Pause { node: COMPUTE });
    duel.succeed();
    duel.sim.apply(&Fault::Resume { node: COMPUTE });
    let stale = duel.reads_stale();
    duel.the_old_writer_is_fenced();
    stale
}

/// The old writer is awake all the time, cut off from storage and asked again and again.
fn cut_off(fence: ReadFence, seed: u64) -> bool {
    let mut duel = Duel::begin(fence, seed);
    duel.cut(true);
    let idle = Nanos::from_micros(Rng::new(seed).below(100_000));
    let _ = duel.sim.run_for(idle);
    duel.succeed();
    let stale = (0..8).any(|_| duel.reads_stale());
    duel.cut(false);
    duel.the_old_writer_is_fenced();
    stale
}

fn seeds() -> std::ops::Range<u64> {
    0..crate::number("SEXTANT_ZOMBIES", 12)
}

#[test]
fn a_lease_or_a_confirmation_keeps_a_replaced_writer_from_stale_reads() {
    for fence in [ReadFence::Lease, ReadFence::Confirm] {
        for seed in seeds() {
            assert!(!paused(fence, seed), "{} seed {seed}: a stale read from a paused writer", fence.name());
            assert!(!cut_off(fence, seed), "{} seed {seed}: a stale read from a writer cut off", fence.name());
        }
    }
}

/// What the papers leave open: without a fence a replaced writer's cache answers what was overwritten.
#[test]
fn without_a_fence_a_replaced_writer_reads_stale() {
    let stale = seeds().filter(|&seed| paused(ReadFence::Published, seed)).count();
    let cut_off = seeds().filter(|&seed| cut_off(ReadFence::Published, seed)).count();
    assert!(stale > 0 && cut_off > 0, "{stale} paused and {cut_off} cut off read stale");
}

/// A stale read is still of one moment. The old writer has one row in its cache and not the other; two storage nodes are on
/// its side of a partition and have not heard of the successor, which overwrote both rows. They give the page as of
/// the old writer's VDL. The four others give nothing.
#[test]
fn what_a_replaced_writer_reads_without_a_fence_is_of_one_moment() {
    let (mut stale, mut fetched) = (0, 0);
    for seed in seeds().take(4) {
        for cached in [1, FAR] {
            let mut duel = Duel::begin(ReadFence::Published, seed);
            duel.old.single(&mut duel.sim, &put_at(FAR, OLD)).expect("an open volume takes a row");
            duel.fill();
            duel.old.single(&mut duel.sim, &get_at(cached)).expect("an open volume answers");
            let subject = Decoupled::any();
            let stop = duel.sim.run_until(Nanos::from_secs(20), |sim| subject.unsettled(sim).is_none());
            assert_eq!(stop, Stop::Reached, "seed {seed}: {:?}", subject.unsettled(&duel.sim));
            for here in [COMPUTE, STORAGE[4], STORAGE[5]] {
                STORAGE[..4].iter().chain([&SUCCESSOR]).for_each(|&there| duel.part(here, there));
            }
            duel.sim.restart(SUCCESSOR);
            for key in [1, FAR] {
                let taken = duel.new.single(&mut duel.sim, &put_at(key, NEW));
                assert!(taken.is_ok(), "seed {seed}: {taken:?}, {:?}", duel.status(SUCCESSOR));
            }
            let before = duel.fetches();
            let seen = duel.both_ends();
            assert!(seen.is_none_or(|seen| seen == [Some(OLD); 2]), "seed {seed}: {seen:?}");
            stale += u64::from(seen.is_some());
            fetched += duel.fetches() - before;
        }
    }
    assert!(stale > 0 && fetched > 0, "{stale} answered, {fetched} pages fetched for them");
}

/// Six copies agree after a duel in which the old writer's records were on their way.
#[test]
fn what_a_replaced_writer_had_under_way_is_on_all_six_nodes_or_on_none() {
    for seed in seeds() {
        let mut duel = Duel::begin(ReadFence::Lease, seed);
        let mut rng = Rng::new(seed).fork("under way", 0);
        let _ = duel.old.ask_within(&mut duel.sim, Verb::Single(put(OLD)), Nanos::from_micros(rng.below(300)));
        duel.sim.apply(&Fault::Pause { node: COMPUTE });
        duel.succeed();
        duel.sim.apply(&Fault::Resume { node: COMPUTE });
        duel.the_old_writer_is_fenced();
        let vdl = duel.status(SUCCESSOR).vdl;
        let quiet = |sim: &Sim| {
            let probes = STORAGE.iter().filter_map(|&id| sim.node::<decoupled::storage::StorageNode>(id)?.probe());
            let mut scls = probes.map(|probe| probe.segments.iter().map(|segment| segment.scl).collect::<Vec<_>>());
            let first = scls.next();
            first.is_some() && scls.all(|scl| Some(scl) == first)
        };
        assert_eq!(duel.sim.run_until(Nanos::from_secs(10), quiet), Stop::Reached, "seed {seed}: SCLs differ");
        assert_eq!(duel.status(SUCCESSOR).vdl, vdl, "seed {seed}: nothing was written since");
    }
}
