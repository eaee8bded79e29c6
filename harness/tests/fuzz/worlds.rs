//! Small engines at work in simulation, and what their nodes say to each other and to their clients.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use harness::campaign::{Coupled, Decoupled, Subject, World};
use harness::engines::DATABASE;
use load::Phase;
use node::{Digest, Effect, Effects, Event, Frame, FrameKind, Nanos, Node, NodeId, Rng, Topology};
use sim::{Sim, SimConfig, Stop};
use workloads::mixed::Mixed;
use workloads::{Distribution, Workload};

const PAGE_BYTES: usize = 512;
const AT_WORK: Nanos = Nanos::from_millis(150);
/// Frames kept of each kind.
const KEPT_MAX: usize = 400;

/// The engines, small.
pub fn subjects() -> [Box<dyn Subject>; 3] {
    [Box::new(Coupled::local()), Box::new(Coupled::mirrored()), Box::new(Decoupled::any())]
}

/// Frames by kind.
pub type Said = BTreeMap<u16, Vec<Frame>>;

/// A node of which is noted what it hears and says.
struct Tap {
    node: Box<dyn Node>,
    said: Arc<Mutex<Said>>,
}

impl Node for Tap {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        if let Event::Frame { frame, .. } = &event {
            self.note(frame);
        }
        let before = out.len();
        self.node.handle(now, event, out);
        for effect in &out.as_slice()[before..] {
            if let Effect::Send { frame, .. } = effect {
                self.note(frame);
            }
        }
    }

    fn digest(&self, digest: &mut Digest) {
        self.node.digest(digest);
    }
}

impl Tap {
    fn note(&self, frame: &Frame) {
        let mut said = self.said.lock().expect("nobody panics with it");
        let FrameKind(kind) = frame.kind();
        let kept = said.entry(kind).or_default();
        if kept.len() < KEPT_MAX {
            kept.push(frame.clone());
        }
    }
}

fn tapped(engine: Topology, said: &Arc<Mutex<Said>>) -> Topology {
    let members = engine.members.into_iter().map(|mut member| {
        let said = Arc::clone(said);
        let build = member.build;
        member.build = Box::new(move |starts| Box::new(Tap { node: build(starts), said: Arc::clone(&said) }));
        member
    });
    Topology { members: members.collect() }
}

/// An engine that has worked for a while, its nodes, and what they said.
pub fn at_work(subject: &mut dyn Subject, seed: u64) -> (Sim, Vec<NodeId>, Said) {
    let said = Arc::default();
    let workload: Arc<dyn Workload> = Arc::new(Mixed::new(2, 40, 24, Distribution::Uniform, seed));
    let mut sizes = Rng::new(seed).fork("sizes", 0);
    let engine = subject.topology(workload.schema(), PAGE_BYTES, seed, &mut sizes).expect("an engine");
    let nodes = engine.members.iter().map(|member| member.id).collect();
    let mut load = load::Config::closed(DATABASE, 4);
    load.seed = seed;
    let world = SimConfig::shuffled(seed);
    let mut world = World::new(subject, tapped(engine, &said), load, Arc::clone(&workload), world);
    world.fill(workload.as_ref()).expect("rows");
    world.load().set_phase(Phase::Measure);
    assert_eq!(world.sim.run_for(AT_WORK), Stop::Deadline);
    let ok = world.load().interval().all().ok;
    assert!(ok > 20, "{ok} transactions of an engine at work");
    let said = said.lock().expect("nobody panics with it").clone();
    (world.sim, nodes, said)
}
