//! The disk contract on the simulated disk, driven through a node in a simulated world.

use std::collections::VecDeque;

use bytes::BufMut;
use node::conformance::DiskUnderTest;
use node::{
    Digest, DiskOp, DiskResult, Effects, Event, Frame, FrameKind, IoClass, Member, Nanos, Node, NodeId, Role, Token,
    Topology, Zone,
};
use sim::{Sim, SimConfig, Stop, Survival};

const COURIER: NodeId = NodeId(0);

/// Submits what was put into its hands, and keeps the answers.
#[derive(Default)]
struct Courier {
    to_submit: Vec<(Token, DiskOp)>,
    answers: VecDeque<(Token, DiskResult)>,
}

impl Node for Courier {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        if let Event::Disk { token, result } = event {
            self.answers.push_back((token, result));
        }
        for (token, op) in self.to_submit.drain(..) {
            out.disk(token, op, IoClass::Control);
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.answers.len() as u64);
    }
}

/// A world of one courier.
struct SimulatedDisk(Sim);

impl SimulatedDisk {
    fn new(config: SimConfig) -> SimulatedDisk {
        let member = Member {
            id: COURIER,
            name: "courier".into(),
            role: Role::Volume,
            zone: Zone::A,
            has_disk: true,
            build: Box::new(|_| Box::new(Courier::default())),
        };
        let mut sim = Sim::new(Topology { members: vec![member] }, config);
        assert_eq!(sim.run_until_idle(Nanos::from_secs(1)), Stop::Idle);
        SimulatedDisk(sim)
    }

    fn courier(&mut self) -> &mut Courier {
        self.0.node_mut(COURIER).expect("a courier")
    }

    fn restart(mut self, power: bool) -> SimulatedDisk {
        self.0.crash(COURIER, power, Survival::None);
        self.0.restart(COURIER);
        assert_eq!(self.0.run_until_idle(Nanos::from_secs(1)), Stop::Idle);
        self
    }
}

impl DiskUnderTest for SimulatedDisk {
    fn submit(&mut self, token: Token, op: DiskOp) {
        self.courier().to_submit.push((token, op));
    }

    fn wait(&mut self) -> (Token, DiskResult) {
        if !self.courier().to_submit.is_empty() {
            self.0.inject(COURIER, COURIER, Frame::encode(FrameKind(1), 1, |body| body.put_u8(0)));
        }
        let answered = |sim: &Sim| sim.node::<Courier>(COURIER).is_some_and(|courier| !courier.answers.is_empty());
        assert_eq!(self.0.run_until(Nanos::from_secs(60), answered), Stop::Reached);
        self.courier().answers.pop_front().expect("just seen")
    }

    fn reopen(self) -> SimulatedDisk {
        self.restart(false)
    }

    fn lose_power(self) -> Result<SimulatedDisk, SimulatedDisk> {
        Ok(self.restart(true))
    }
}

mod shuffled {
    use super::*;
    node::disk_conformance!(|_: &str| SimulatedDisk::new(SimConfig::shuffled(7)));
}

mod instant {
    use super::*;
    node::disk_conformance!(|_: &str| SimulatedDisk::new(SimConfig::instant(7)));
}
