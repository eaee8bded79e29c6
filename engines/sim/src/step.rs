//! One step of the world: an occurrence, the events it delivers, and their effects.

use node::{DiskError, DiskOp, Effect, Effects, Event, Frame, TimerId, Token};

use crate::cpu::{Turn, Waiting};
use crate::host::{Delivery, Halt, Status};
use crate::links::Wire;
use crate::timers::Fired;
use crate::trace::Line;
use crate::world::{Held, Occurrence};
use crate::{Sim, Survival, fingerprint};

impl Sim {
    /// Carries out effects still held from a stopped run, or else the next occurrence. Returns whether there was
    /// anything to do.
    pub fn step(&mut self) -> bool {
        self.stop_at_effects = u64::MAX;
        self.advance()
    }

    /// A step that may stop among effects.
    pub(crate) fn advance(&mut self) -> bool {
        if let Some(held) = self.held.take() {
            let mut effects = held.effects;
            self.carry_out_all(held.host, &mut effects);
            return true;
        }
        let before = self.now();
        let Some(occurrence) = self.queue.pop() else { return false };
        self.events_this_instant = if self.now() > before { 0 } else { self.events_this_instant + 1 };
        match occurrence {
            Occurrence::Arrival { from, to, wire } => self.arrive(from as usize, to as usize, wire),
            Occurrence::Completion { host, life, slot } => {
                let host = host as usize;
                if self.hosts[host].life == life {
                    let disk = self.hosts[host].disk.as_mut().expect("only disks complete");
                    let (token, result) = disk.complete(slot);
                    self.deliver(host, life, Delivery::Disk { token, result });
                }
            }
            Occurrence::Delivery { host, life, delivery } => self.deliver(host as usize, life, delivery),
            Occurrence::Timer { host, life, timer, entry } => self.fire(host as usize, life, timer, entry),
            Occurrence::CoreFree { core } => self.core_free(core as usize),
            Occurrence::Fault(fault) => self.apply(&fault),
        }
        true
    }

    fn arrive(&mut self, from: usize, to: usize, wire: Wire) {
        if from != to && !self.links.lets_in(from, to) {
            return;
        }
        if !self.hosts[to].is_up() {
            self.links.counts.unreceived += 1;
            return;
        }
        let frame = match wire {
            Wire::Whole(frame) => frame,
            Wire::Damaged(bytes) => match Frame::verify(bytes) {
                Ok(frame) => frame,
                Err(_) => {
                    self.hosts[to].ledger.frames_refused += 1;
                    return;
                }
            },
        };
        let (from, life) = (self.hosts[from].id, self.hosts[to].life);
        self.deliver(to, life, Delivery::Frame { from, frame });
    }

    /// Hands a delivery to its node now, or queues it behind a pause or a busy core.
    pub(crate) fn deliver(&mut self, host: usize, life: u32, delivery: Delivery) {
        let target = &mut self.hosts[host];
        if target.life != life || !target.is_up() {
            return;
        }
        let is_start = matches!(delivery, Delivery::Start);
        if target.status == Status::Paused || !(target.started || is_start) {
            target.inbox.push_back(delivery);
            return;
        }
        if !self.cores.is_free {
            let core = &mut self.cores.cores[target.core];
            if core.turn.is_some() {
                core.waiting.push_back(Waiting { host, life, delivery });
                return;
            }
        }
        target.started = true;
        if let Some(event) = target.event(delivery) {
            self.handle(host, event);
        }
        if is_start {
            self.release_inbox(host);
        }
    }

    /// Queues again what waited for its node, due now.
    pub(crate) fn release_inbox(&mut self, host: usize) {
        let now = self.queue.now();
        let life = self.hosts[host].life;
        for delivery in std::mem::take(&mut self.hosts[host].inbox) {
            self.queue.push(now, Occurrence::Delivery { host: host as u32, life, delivery });
        }
    }

    fn handle(&mut self, host: usize, event: Event) {
        self.events += 1;
        let now = self.queue.now();
        let target = &mut self.hosts[host];
        target.events += 1;
        fingerprint::chain(&mut self.digest, now, target.id, &event);
        if let Some(trace) = &mut self.trace {
            trace.line(&Line::Event { at: now, node: target.id, event: &event });
        }
        let mut effects = std::mem::take(&mut self.scratch);
        let node = target.node.as_mut().expect("a node that is up exists");
        node.handle(target.clock.reads(now), event, &mut effects);
        fingerprint::chain_effects(&mut self.digest, effects.as_slice());
        if target.events.is_multiple_of(EVENTS_PER_STATE) {
            node.digest(&mut self.digest);
        }
        if self.cores.is_free {
            self.carry_out_all(host, &mut effects);
            self.scratch = effects;
        } else {
            let price = self.setting.config.cpu.price(effects.as_slice());
            target.cpu += price;
            let (core, life) = (target.core, target.life);
            self.cores.cores[core].turn = Some(Turn { host, life, effects });
            self.queue.push(now + price, Occurrence::CoreFree { core: core as u32 });
        }
    }

    fn fire(&mut self, host: usize, life: u32, timer: TimerId, entry: u64) {
        let target = &mut self.hosts[host];
        if target.life != life {
            return;
        }
        match target.timers.fire(timer, entry, self.queue.now()) {
            Fired::Nothing => {}
            Fired::Due(set) => self.deliver(host, life, Delivery::Timer { timer, set }),
            Fired::Later(due, order) => {
                let occurrence = Occurrence::Timer { host: host as u32, life, timer, entry };
                self.queue.push_in_order(due, order, occurrence);
            }
        }
    }

    fn core_free(&mut self, core: usize) {
        if let Some(mut turn) = self.cores.cores[core].turn.take() {
            if self.hosts[turn.host].life == turn.life {
                self.carry_out_all(turn.host, &mut turn.effects);
            }
            self.scratch = turn.effects.emptied();
        }
        while self.cores.cores[core].turn.is_none()
            && let Some(next) = self.cores.cores[core].waiting.pop_front()
        {
            self.deliver(next.host, next.life, next.delivery);
        }
    }

    /// Carries out effects in order; holds back the rest when a run stops among them.
    fn carry_out_all(&mut self, host: usize, effects: &mut Effects) {
        let mut effects = effects.drain();
        while let Some(effect) = effects.next() {
            if self.effects >= self.stop_at_effects && self.hosts[host].watched && is_boundary(&effect) {
                let effects = std::iter::once(effect).chain(effects).collect();
                self.held = Some(Held { host, effects });
                return;
            }
            if !self.carry_out(host, effect) {
                return;
            }
        }
    }

    /// Carries out one effect. Returns whether the node goes on.
    pub(crate) fn carry_out(&mut self, host: usize, effect: Effect) -> bool {
        let now = self.queue.now();
        let source = &mut self.hosts[host];
        source.ledger.count(&effect);
        if source.watched && is_boundary(&effect) {
            self.effects += 1;
        }
        if let Some(trace) = &mut self.trace {
            trace.line(&Line::Effect { at: now, node: source.id, effect: &effect });
        }
        match effect {
            Effect::Send { to, frame, .. } => self.send(host, to, frame),
            Effect::Disk { token, op, .. } => self.submit(host, token, op),
            Effect::SetTimer { timer, after } => {
                let waits = source.clock.waits(after);
                source.timers_drifted += u64::from(waits != after);
                let (due, order) = (now + waits, self.queue.order());
                if let Some(entry) = source.timers.set(timer, due, order) {
                    let occurrence = Occurrence::Timer { host: host as u32, life: source.life, timer, entry };
                    self.queue.push_in_order(due, order, occurrence);
                }
            }
            Effect::CancelTimer { timer } => {
                source.timers.cancel(timer);
            }
            Effect::Charge { .. } => {}
            Effect::Halt { reason } => {
                self.halt(host, reason);
                return false;
            }
        }
        true
    }

    fn send(&mut self, from: usize, to: node::NodeId, frame: Frame) {
        let now = self.queue.now();
        let Some(to) = self.find(to) else { return };
        if from == to {
            let (from, to, wire) = (from as u32, to as u32, Wire::Whole(frame));
            self.queue.push(now, Occurrence::Arrival { from, to, wire });
            return;
        }
        let model = self.setting.config.links.between(self.hosts[from].zone, self.hosts[to].zone);
        let queue = &mut self.queue;
        self.links.send(now, from, to, model, frame, |at, wire| {
            queue.push(at, Occurrence::Arrival { from: from as u32, to: to as u32, wire });
        });
    }

    fn submit(&mut self, host: usize, token: Token, op: DiskOp) {
        let now = self.queue.now();
        let source = &mut self.hosts[host];
        let life = source.life;
        match &mut source.disk {
            Some(disk) => {
                if let Some(added) = disk.growth(&op) {
                    source.ledger.fill(added);
                }
                let (slot, at) = disk.begin(now, token, op);
                self.queue.push(at, Occurrence::Completion { host: host as u32, life, slot });
            }
            None => {
                let delivery = Delivery::Disk { token, result: Err(NO_DISK) };
                self.queue.push(now, Occurrence::Delivery { host: host as u32, life, delivery });
            }
        }
    }

    fn halt(&mut self, host: usize, reason: String) {
        let survival = Survival::Random(self.crash_rng.next_u64());
        let now = self.queue.now();
        let source = &mut self.hosts[host];
        self.halts.push(Halt { at: now, node: source.id, reason: reason.clone() });
        source.status = Status::Halted { reason };
        source.end_life();
        if let Some(disk) = &mut source.disk {
            disk.crash(false, survival);
        }
    }
}

/// The state of a node is chained after so many events of it. Every event is chained, and every effect.
const EVENTS_PER_STATE: u64 = 16;

/// The answer to a disk operation of a node that has no disk: ENODEV.
const NO_DISK: DiskError = DiskError::Io { errno: 19 };

/// Whether an effect reaches beyond the memory of its node, so that a crash before and after it differ.
fn is_boundary(effect: &Effect) -> bool {
    matches!(effect, Effect::Send { .. } | Effect::Disk { .. } | Effect::Halt { .. })
}
