//! Faults: crashes and restarts of nodes, and rules for links and disks.

use node::fault::{DiskRule, Fault};
use node::{Nanos, NodeId};

use crate::host::{Delivery, Status};
use crate::trace::Line;
use crate::world::Occurrence;
use crate::{Sim, Survival, Unit};

impl Sim {
    /// Brings `fault` about now. What survives a crash is random, from the seed's crash stream; [`Sim::crash`] chooses.
    /// A fault that does not apply (restarting a running node, a rule for the disk of a node without one) is ignored.
    pub fn apply(&mut self, fault: &Fault) {
        let at = self.now();
        if let Some(trace) = &mut self.trace {
            trace.line(&Line::Fault { at, fault });
        }
        match *fault {
            Fault::Crash { node, power } => {
                let survival = Survival::Random(self.crash_rng.next_u64());
                self.crash(node, power, survival);
            }
            Fault::Restart { node } => self.restart(node),
            Fault::Pause { node } => {
                let host = self.index(node);
                if self.hosts[host].status == Status::Running {
                    self.hosts[host].status = Status::Paused;
                }
            }
            Fault::Resume { node } => self.resume(node),
            Fault::Link { from, to, rule } => {
                let (from, to) = (self.index(from), self.index(to));
                self.links.set_rule(from, to, Some(rule));
            }
            Fault::Heal { from, to } => {
                let (from, to) = (self.index(from), self.index(to));
                self.links.set_rule(from, to, None);
            }
            Fault::Disk { node, rule } => self.set_disk_rule(node, rule),
            Fault::DiskClear { node } => self.set_disk_rule(node, DiskRule::default()),
            Fault::Clock { node, drift_ppm } => {
                let host = self.index(node);
                self.hosts[host].clock.set_drift(at, drift_ppm);
            }
        }
    }

    /// Brings `fault` about at the virtual time `at`, or now when that has passed.
    pub fn schedule(&mut self, at: Nanos, fault: Fault) {
        self.queue.push(at, Occurrence::Fault(Box::new(fault)));
    }

    /// Takes the node down: its memory, timers and unfinished effects are gone, frames it sent are on their way. With
    /// `power`, what its disk holds undurably is up to `survival`; without, only what is in flight is. A node that is
    /// down already loses what its disk still holds undurably.
    pub fn crash(&mut self, id: NodeId, power: bool, survival: Survival) {
        let index = self.index(id);
        if self.held.as_ref().is_some_and(|held| held.host == index) {
            self.held = None;
        }
        let host = &mut self.hosts[index];
        host.node = None;
        host.status = Status::Crashed;
        host.end_life();
        if let Some(disk) = &mut host.disk {
            disk.crash(power, survival);
        }
    }

    /// What a crash of `id` may undo, in the order that [`Survival`] numbers it.
    pub fn undurable(&self, id: NodeId, power: bool) -> Vec<Unit> {
        self.host(id).disk.as_ref().map(|disk| disk.undurable(power)).unwrap_or_default()
    }

    /// Builds a crashed or halted node again from its disk. Does nothing when it runs.
    pub fn restart(&mut self, id: NodeId) {
        let index = self.index(id);
        if !self.hosts[index].is_up() {
            self.start(index);
        }
    }

    pub(crate) fn start(&mut self, index: usize) {
        let now = self.queue.now();
        let host = &mut self.hosts[index];
        let in_flight = host.disk.as_ref().map_or(0, |disk| disk.in_flight());
        assert_eq!(in_flight, 0, "{:?} starts with operations of an earlier life in flight: crash it first", host.id);
        host.end_life();
        host.node = Some((self.setting.topology.members[index].build)(host.starts));
        host.starts += 1;
        host.status = Status::Running;
        let life = host.life;
        self.queue.push(now, Occurrence::Delivery { host: index as u32, life, delivery: Delivery::Start });
    }

    fn resume(&mut self, id: NodeId) {
        let index = self.index(id);
        if self.hosts[index].status == Status::Paused {
            self.hosts[index].status = Status::Running;
            self.release_inbox(index);
        }
    }

    fn set_disk_rule(&mut self, id: NodeId, rule: DiskRule) {
        let index = self.index(id);
        if let Some(disk) = &mut self.hosts[index].disk {
            disk.set_rule(rule);
        }
    }
}
