//! Whole loads against the reference engines, in virtual time.

use contract::{Model, Outcome};
use node::fault::{Fault, LinkRule};
use node::{Digest, Member, Nanos, Node, NodeId, Role, Topology, Zone};
use sim::{Sim, SimConfig, Stop};
use workloads::{Settings, Workload, build};

use crate::reference_engines::{ModelNode, NullNode};
use crate::{Arrivals, Config, Core, Failure, Interval, LoadNode, Phase};

const LOAD: NodeId = NodeId(0);
const ENGINE: NodeId = NodeId(1);

fn workload(name: &str) -> Box<dyn Workload> {
    build(name, &Settings { tables: 2, rows: 300, distribution: None, seed: 1 }).expect("a workload")
}

fn loaded(workload: &dyn Workload) -> Model {
    let mut model = Model::new(workload.schema());
    for shard in workload.load(1) {
        for (key, row) in shard.rows {
            model.load(shard.table, key, row);
        }
    }
    model
}

fn member(id: NodeId, role: Role, build: Box<dyn Fn(u64) -> Box<dyn Node> + Send>) -> Member {
    Member { id, name: role.name().into(), role, zone: Zone::A, has_disk: false, build }
}

struct World {
    sim: Sim,
}

impl World {
    fn new(name: &str, seed: u64, null: bool, change: impl FnOnce(&mut Config)) -> World {
        let workload = workload(name);
        let model = loaded(&*workload);
        let mut config = Config::closed(ENGINE, 8);
        (config.phase, config.seed) = (Phase::Measure, seed);
        change(&mut config);
        let load = move |life: u64| -> Box<dyn Node> {
            Box::new(LoadNode::new(config.clone(), workload.programs(seed, life as u16 + 1)))
        };
        let engine = move |_| -> Box<dyn Node> {
            if null {
                Box::new(NullNode::new())
            } else {
                Box::new(ModelNode::new(model.clone(), Nanos::from_millis(200)))
            }
        };
        let members = vec![member(LOAD, Role::Load, Box::new(load)), member(ENGINE, Role::Compute, Box::new(engine))];
        World { sim: Sim::new(Topology { members }, SimConfig::shuffled(seed)) }
    }

    fn core(&mut self) -> &mut Core {
        self.sim.node_mut::<LoadNode>(LOAD).expect("it runs").core()
    }

    fn run_ms(&mut self, millis: u64) {
        assert_eq!(self.sim.run_for(Nanos::from_millis(millis)), Stop::Deadline);
    }

    fn interval(&mut self) -> Interval {
        let now = self.sim.now();
        self.core().take_interval(now)
    }

    fn settle(&mut self) {
        self.core().set_phase(Phase::Idle);
        let done = |sim: &Sim| sim.node::<LoadNode>(LOAD).is_some_and(|load| load.core_ref().is_quiet());
        assert_eq!(self.sim.run_until(Nanos::from_secs(60), done), Stop::Reached);
    }
}

#[test]
fn every_workload_runs_through_sessions_and_frames_without_a_finding() {
    for name in workloads::NAMES {
        let mut world = World::new(name, 3, false, |_| ());
        world.run_ms(200);
        world.settle();
        let interval = world.interval();
        assert_eq!(interval.findings, [] as [String; 0], "{name}");
        let all = interval.all();
        assert!(all.ok >= 90, "{name}: {} transactions", all.ok);
        // Only `mixed` rolls back of its own accord.
        let rolled_back = all.failed[Failure::RolledBack as usize];
        assert_eq!((all.errors(), rolled_back > 0), (rolled_back, name == "mixed"), "{name}");
        assert_eq!(interval.offered, all.completed(), "{name}");
        assert_eq!((interval.stray_replies, interval.undecodable), (0, 0));
        assert_eq!(interval.busy_ns, interval.in_flight_ns, "{name}: nothing is left in flight");
        assert_eq!(all.service.len(), all.ok);
    }
}

#[test]
fn the_null_engine_answers_every_workload() {
    for name in workloads::NAMES {
        let mut world = World::new(name, 3, true, |_| ());
        world.run_ms(20);
        world.settle();
        let all = world.interval().all();
        assert!(all.completed() > 100);
        // Bank and register stop where an account or register is missing; every other program runs to its end.
        let stopped = all.failed[Failure::Finding as usize];
        assert_eq!(all.errors(), stopped + all.failed[Failure::RolledBack as usize], "{name}");
        assert_eq!(stopped > 0, ["bank", "register"].contains(&name), "{name}");
    }
}

#[test]
fn intervals_add_up_and_little_s_law_holds() {
    let mut world = World::new("oltp_write_only", 5, false, |_| ());
    let (mut ok, mut in_flight, mut busy) = (0, 0, 0);
    for _ in 0..10 {
        world.run_ms(50);
        let interval = world.interval();
        assert_eq!((interval.end.0 - interval.start.0) / 1_000_000, 50);
        ok += interval.all().ok;
        in_flight += interval.in_flight_ns;
        busy += interval.busy_ns;
    }
    assert!(ok > 500);
    let gap = (in_flight as f64 - busy as f64).abs() / in_flight as f64;
    assert!(gap < 0.05, "in flight {in_flight}, busy {busy}");
    // Eight clients are busy all the time, less the start of the clock.
    assert_eq!(in_flight, 8 * 500_000_000);
}

#[test]
fn an_open_loop_sees_a_stall_that_a_closed_loop_hides() {
    let stall = |arrivals| {
        let mut world = World::new("oltp_point_select", 9, false, |config| config.arrivals = arrivals);
        world.sim.schedule(Nanos::from_millis(500), Fault::Pause { node: ENGINE });
        world.sim.schedule(Nanos::from_millis(900), Fault::Resume { node: ENGINE });
        world.run_ms(2_000);
        world.settle();
        world.interval()
    };
    let open = stall(Arrivals::Poisson { rate_per_s: 1_000.0, queue_max: 10_000 });
    let all = open.all();
    assert_eq!(open.offered, all.ok, "everything offered is answered in the end");
    assert!(open.offered.abs_diff(2_000) < 200, "{} offered", open.offered);
    let millis = |ns: u64| ns / 1_000_000;
    assert!((200..=420).contains(&millis(all.response.value_at_quantile(0.95))), "a fifth arrive during the stall");
    assert!(millis(all.service.value_at_quantile(0.95)) < 2, "only eight were in flight");
    assert!(open.queued_ns > 0 && all.late > 100);

    let closed = stall(Arrivals::Closed).all();
    assert!(millis(closed.response.value_at_quantile(0.99)) < 2, "a closed loop asks nothing during the stall");
    assert_eq!(closed.response.max(), closed.service.max());
}

#[test]
fn constant_arrivals_keep_their_rate() {
    let arrivals = Arrivals::Constant { rate_per_s: 3_000.0, queue_max: 100 };
    let mut world = World::new("ycsb-a", 2, false, |config| config.arrivals = arrivals);
    world.run_ms(1_000);
    let interval = world.interval();
    assert!(interval.offered.abs_diff(3_000) <= 1, "{}", interval.offered);
    assert_eq!((interval.dropped, interval.lag.max() <= 1_000), (0, true), "virtual timers are punctual");
}

#[test]
fn clients_outlive_a_cut_link_and_keep_the_books() {
    let mut world = World::new("oltp_write_only", 4, false, |config| {
        (config.timeout, config.acks_max, config.history_max) = (Nanos::from_millis(100), 100_000, 100_000);
    });
    let cut = LinkRule { cut: true, ..LinkRule::default() };
    world.sim.schedule(Nanos::from_millis(200), Fault::Link { from: ENGINE, to: LOAD, rule: cut });
    world.sim.schedule(Nanos::from_millis(600), Fault::Heal { from: ENGINE, to: LOAD });
    world.run_ms(1_500);
    world.settle();
    let interval = world.interval();
    let all = interval.all();
    let lost = all.failed[Failure::Unknown as usize] + all.failed[Failure::Timeout as usize];
    assert!(lost >= 8, "every client lost a reply at least once: {lost}");
    assert_eq!(interval.offered, all.completed());
    let history = world.core().take_history();
    let infos = history.iter().filter(|txn| txn.outcome == Outcome::Info).count() as u64;
    assert_eq!(infos, all.failed[Failure::Unknown as usize]);
    let after = history.iter().filter(|txn| txn.invoked_ns > 1_000_000_000 && matches!(txn.outcome, Outcome::Ok(_)));
    assert!(after.count() > 100, "they go on");
    let acks = world.core().take_acks();
    let committed = acks.iter().filter(|ack| ack.position.is_some()).count() as u64;
    assert_eq!(committed, all.ok, "a write-only transaction always writes");
    assert_eq!(interval.findings_count, 0);
}

#[test]
fn a_lossy_duplicating_link_confuses_nobody() {
    let mut world = World::new("bank", 6, false, |config| config.timeout = Nanos::from_millis(50));
    let rule = LinkRule { loss: 0.01, duplicate: 0.1, ..LinkRule::default() };
    for (from, to) in [(LOAD, ENGINE), (ENGINE, LOAD)] {
        world.sim.schedule(Nanos::ZERO, Fault::Link { from, to, rule });
    }
    world.run_ms(6_000);
    let interval = world.interval();
    assert_eq!(interval.findings, [] as [String; 0]);
    let ok = interval.all().ok;
    assert!(ok > 150 && interval.stray_replies > 10, "{ok} ok, {} strays", interval.stray_replies);
}

#[test]
fn equal_seeds_make_equal_runs() {
    let run = |seed| -> (Digest, u64) {
        let mut world = World::new("oltp_read_write", seed, false, |config| {
            config.arrivals = Arrivals::Poisson { rate_per_s: 500.0, queue_max: 100 };
        });
        world.run_ms(200);
        (world.sim.digest(), world.interval().all().ok)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
}
