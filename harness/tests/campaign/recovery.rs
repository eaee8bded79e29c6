//! Recoveries that are broken off.

use contract::{Key, Reply, Row, Schema, Statement, Table, TableId, Verb};
use decoupled::storage::{StorageNode, StorageProbe};
use decoupled::topology::{COMPUTE, STORAGE};
use decoupled::writer::WriterStatus;
use harness::campaign::decoupled::Database;
use harness::campaign::{Console, Decoupled, Mailbox, Subject, Substance};
use node::fault::{Fault, LinkRule};
use node::{Nanos, NodeId, Rng};
use sim::{Sim, SimConfig, Stop, Survival};

const TABLE: TableId = TableId(0);
/// How long everything may take to agree again, in virtual time.
const SETTLE: Nanos = Nanos::from_secs(20);
/// The writer stays down so long: no frame of its last life is under way any more.
const DOWN: Nanos = Nanos::from_millis(4);

fn schema() -> Schema {
    Schema { tables: vec![Table { name: "t".into(), indexes: Vec::new() }] }
}

fn put(key: u64, value: u64) -> Statement {
    Statement::Put { table: TABLE, key: Key::from_u64(key), row: Row::new([&value.to_be_bytes()[..]]) }
}

struct Volume {
    subject: Decoupled,
    sim: Sim,
    console: Console,
}

impl Volume {
    fn created(seed: u64) -> Volume {
        let mut subject = Decoupled::any();
        let mut rng = Rng::new(seed).fork("recovery", 0);
        let mut topology = subject.topology(schema(), 512, seed, &mut rng).expect("sizes that work");
        topology.members.push(Mailbox::member());
        let sim = Sim::new(topology, SimConfig::shuffled(seed));
        Volume { subject, sim, console: Console::new(COMPUTE) }
    }

    fn write(&mut self, key: u64, value: u64) {
        self.console.single(&mut self.sim, &put(key, value)).expect("an open volume takes a row");
    }

    fn read(&mut self, key: u64) -> Option<u64> {
        let get = Statement::Get { table: TABLE, key: Key::from_u64(key) };
        let reply = self.console.single(&mut self.sim, &get).expect("an open volume answers");
        let Reply::Row { row, .. } = reply else { panic!("{reply:?}") };
        row?.field(0)?.try_into().ok().map(u64::from_be_bytes)
    }

    /// Cuts every link between the node and these others, or mends it.
    fn cut(&mut self, cut: bool, node: NodeId, others: &[NodeId]) {
        for &other in others.iter().filter(|&&other| other != node) {
            for (from, to) in [(node, other), (other, node)] {
                let rule = LinkRule { cut, ..LinkRule::default() };
                self.sim.apply(&if cut { Fault::Link { from, to, rule } } else { Fault::Heal { from, to } });
            }
        }
    }

    fn restart_writer(&mut self) {
        self.sim.crash(COMPUTE, false, Survival::All);
        let _ = self.sim.run_for(DOWN);
        self.sim.restart(COMPUTE);
    }

    fn status(&self) -> WriterStatus {
        self.sim.node::<Database>(COMPUTE).expect("it is there").storage().status()
    }

    fn probe(sim: &Sim, id: NodeId) -> StorageProbe {
        sim.node::<StorageNode>(id).and_then(StorageNode::probe).expect("it serves")
    }

    fn settle(&mut self) {
        let Volume { subject, sim, .. } = self;
        let stop = sim.run_until(SETTLE, |sim| subject.unsettled(sim).is_none());
        assert_eq!(stop, Stop::Reached, "the copies do not become equal: {:?}", subject.unsettled(sim));
    }

    fn audit(&mut self) {
        self.subject.audit(&mut self.sim, &mut Substance::default()).expect("six copies alike, and whole trees");
    }
}

/// A recovery plans to keep what it found, and until it has opened that is a plan. Its end used to be taken for a VDL by every
/// node that took its truncation. Here one node alone has a record; the recovery that found it there dies before any other
/// node has it; the next one does not reach that node, but does reach those that had been told of the plan. It believed the
/// volume to be durable up to a record that nobody in reach had, opened there, and did not annul it. From then on two
/// records followed the same one: the first node's, which came back with it although clients had read that there was
/// none, and the new writer's. Now a VDL is what an open writer says, and the record is annulled.
#[test]
fn what_a_recovery_planned_to_keep_is_not_durable_before_it_opened() {
    for seed in 0..crate::number("SEXTANT_RECOVERIES", 6) {
        let mut volume = Volume::created(seed);
        (1..=5).for_each(|key| volume.write(key, 1));
        volume.settle();
        let durable = volume.status().vdl;

        volume.cut(true, STORAGE[0], &STORAGE);
        volume.cut(true, COMPUTE, &STORAGE[1..]);
        let unanswered = volume.console.ask_within(&mut volume.sim, Verb::Single(put(1, 2)), Nanos::from_millis(20));
        assert!(unanswered.is_none(), "seed {seed}: one copy is not durable");

        // Three promises, the record among them; four would be needed to open.
        volume.cut(false, COMPUTE, &STORAGE[1..3]);
        volume.restart_writer();
        let old = Volume::probe(&volume.sim, STORAGE[1]).promised;
        let told = |sim: &Sim| STORAGE[1..3].iter().all(|&id| Volume::probe(sim, id).serving.is_some_and(|e| e > old));
        assert_eq!(volume.sim.run_until(SETTLE, told), Stop::Reached, "seed {seed}: {:?}", volume.status());
        assert!(volume.status().vdl > durable, "seed {seed}: the plan was to keep the record");

        volume.cut(true, COMPUTE, &STORAGE[..1]);
        volume.cut(false, COMPUTE, &STORAGE[3..5]);
        volume.restart_writer();
        volume.console = Console::again(COMPUTE, &volume.sim);
        assert_eq!(volume.read(1), Some(1), "seed {seed}: nobody in reach has the record");
        assert_eq!(volume.status().vdl, durable, "seed {seed}: the record is annulled");
        volume.write(2, 3);

        volume.cut(false, STORAGE[0], &STORAGE);
        volume.cut(false, COMPUTE, &STORAGE);
        volume.settle();
        volume.audit();
        volume.restart_writer();
        assert_eq!((volume.read(1), volume.read(2)), (Some(1), Some(3)), "seed {seed}");
        volume.settle();
        volume.audit();
    }
}
