//! The storage node as a runtime sees it.

use node::{Digest, Effects, Event, Nanos, Node, Rng, TimerId, Watchdog};

use super::open::Opening;
use super::probe::StorageProbe;
use super::restoring::Restoring;
use super::server::Server;
use super::{Owner, StorageConfig, Trouble};
use crate::MemberIndex;

/// One of the six nodes that keep a volume.
#[derive(Clone, Debug)]
pub struct StorageNode {
    config: StorageConfig,
    member: MemberIndex,
    rng: Rng,
    watchdog: Watchdog,
    phase: Phase,
}

#[derive(Clone, Debug)]
enum Phase {
    Built,
    Opening(Box<Opening>),
    Restoring(Box<Restoring>),
    Serving(Box<Server>),
    Halted(String),
}

impl StorageNode {
    /// A node that has not started. `start` counts its starts in this runtime. The configuration passes
    /// [`StorageConfig::check`].
    pub fn new(config: StorageConfig, member: MemberIndex, start: u64) -> StorageNode {
        let rng = Rng::new(config.seed).fork("storage", u64::from(member.0)).fork("start", start);
        let watchdog = Watchdog::new(TimerId::new(Owner::WATCHDOG, 0), config.io_timeout);
        StorageNode { config, member, rng, watchdog, phase: Phase::Built }
    }

    /// What it holds and does, once it serves.
    pub fn probe(&self) -> Option<StorageProbe> {
        match &self.phase {
            Phase::Serving(server) => server.is_ready().then(|| server.probe()),
            Phase::Built | Phase::Opening(_) | Phase::Restoring(_) | Phase::Halted(_) => None,
        }
    }

    /// Why it stopped, if it did.
    pub fn halted(&self) -> Option<&str> {
        match &self.phase {
            Phase::Halted(reason) => Some(reason),
            Phase::Built | Phase::Opening(_) | Phase::Restoring(_) | Phase::Serving(_) => None,
        }
    }

    fn watched(&mut self, now: Nanos, event: Event, out: &mut Effects) -> Result<(), Trouble> {
        match event {
            Event::Timer { timer } if self.watchdog.timer(now, timer, out).map_err(Trouble::Halt)? => return Ok(()),
            Event::Disk { token, .. } => drop(self.watchdog.completed(token)),
            _ => {}
        }
        let first = out.len();
        self.step(now, event, out)?;
        self.watchdog.watch(now, first, out);
        Ok(())
    }

    fn step(&mut self, now: Nanos, event: Event, out: &mut Effects) -> Result<(), Trouble> {
        match (&mut self.phase, event) {
            (Phase::Built, Event::Start) => {
                self.phase = Phase::Opening(Box::new(Opening::new(self.config.clone(), self.member, out)));
                out.set_timer(TimerId::new(Owner::TICK, 0), self.config.tick);
            }
            (Phase::Opening(opening), Event::Disk { token, result }) => {
                if let Some(opened) = opening.handle(token, result, out)? {
                    self.phase = Phase::Restoring(Box::new(Restoring::new(&self.config, opened)));
                    out.set_timer(TimerId::new(Owner::RESTORE, 0), Nanos::ZERO);
                }
            }
            (Phase::Opening(opening), Event::Timer { .. }) => {
                opening.retry(out);
                out.set_timer(TimerId::new(Owner::TICK, 0), self.config.tick);
            }
            (Phase::Restoring(restoring), Event::Timer { timer }) if timer.owner() == Owner::RESTORE => {
                if restoring.step() {
                    out.set_timer(timer, Nanos::ZERO);
                } else {
                    self.serve(now, out)?;
                }
            }
            (Phase::Serving(server), Event::Frame { .. }) if !server.is_ready() => {}
            (Phase::Serving(server), event) => server.handle(now, event, out)?,
            // Whoever speaks to a node that is starting will ask again.
            (Phase::Built | Phase::Opening(_) | Phase::Restoring(_) | Phase::Halted(_), _) => {}
        }
        Ok(())
    }

    fn serve(&mut self, now: Nanos, out: &mut Effects) -> Result<(), Trouble> {
        if let Phase::Restoring(restored) = std::mem::replace(&mut self.phase, Phase::Built) {
            let server = Server::new(self.config.clone(), self.member, self.rng.clone(), *restored, now, out)?;
            self.phase = Phase::Serving(Box::new(server));
        }
        Ok(())
    }
}

impl Node for StorageNode {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        if let Err(Trouble::Halt(reason)) = self.watched(now, event, out) {
            let reason = format!("storage member {}: {reason}", self.member.0);
            out.halt(reason.clone());
            self.phase = Phase::Halted(reason);
        }
    }

    fn digest(&self, digest: &mut Digest) {
        match &self.phase {
            Phase::Built => digest.word(0),
            Phase::Opening(_) => digest.word(1),
            Phase::Serving(server) => server.digest(digest),
            Phase::Halted(_) => digest.word(2),
            Phase::Restoring(restoring) => digest.word(3 + restoring.left() as u64),
        }
    }
}
