//! One runtime thread: its nodes, its ring, its timers, its mail.
//!
//! # Mechanism
//!
//! The loop takes mail, due timers, frames whose delay is over and disk completions, delivers a bounded batch of
//! events, hands the frames that an event sent to other threads over behind it (one inbox visit a thread) and enters the
//! kernel once: to submit, to collect, and, when nothing is left to do, to sleep until the next timer, completion or mail.
//! It never spins.
//!
//! # Invariants
//!
//! - A node's events are delivered one at a time, on this thread only.
//! - Frames of a sender on this thread to a node on this thread keep their order on a direct link.
//! - A completion of a dead incarnation, and anything for a node that is down or halted, is dropped here.
//! - A node that panics is halted with the panic as its reason; its neighbours go on.

mod effects;
mod host;
mod orders;
mod plan;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use bytes::Bytes;
use node::{DiskError, Effects, Event, Frame, Nanos, NodeId, Zone};

use self::host::{Delivery, Host, State};
pub(crate) use self::plan::{Gate, Plan, Seat};
use crate::clock::Clock;
use crate::disk::{Disks, Settled};
use crate::inbox::Inbox;
use crate::journal::Journal;
use crate::link::{Carrier, LinkDelays, Links};
use crate::mail::{Mail, Passage, ThreadEnd};
use crate::report::Halt;
use crate::sys;
use crate::timers::{Delayed, Lateness, Timers};

/// Where every node of the runtime is.
#[derive(Debug)]
pub(crate) struct Routes {
    /// By node id: thread, and index among its hosts.
    pub(crate) place: Vec<Option<(usize, usize)>>,
    /// By node id.
    pub(crate) zone: Vec<Zone>,
    /// By thread.
    pub(crate) inboxes: Vec<Arc<Inbox<Mail>>>,
    /// By node id: whether it is in another process.
    pub(crate) is_remote: Vec<bool>,
    /// The links to other processes, where there are any.
    pub(crate) carrier: Option<Arc<Carrier>>,
}

impl Routes {
    pub(crate) fn place(&self, node: NodeId) -> Option<(usize, usize)> {
        self.place.get(node.0 as usize).copied().flatten()
    }

    /// Whether frames to it go anywhere.
    pub(crate) fn reaches(&self, node: NodeId) -> bool {
        self.place(node).is_some() || self.is_remote.get(node.0 as usize) == Some(&true)
    }
}

/// What a thread runs on.
pub(super) struct Thread {
    pub(crate) index: usize,
    pub(crate) clock: Clock,
    pub(crate) routes: Arc<Routes>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) disks: Disks,
    pub(crate) links: Links,
    pub(crate) halts: Sender<Halt>,
    pub(crate) journal: Option<Arc<Journal>>,
    pub(crate) batch_events: usize,
    pub(crate) batch_operations: usize,
    pub(crate) work: Work,
}

/// What is under way on a thread.
#[derive(Default)]
pub(crate) struct Work {
    now: Nanos,
    queue: VecDeque<Delivery>,
    timers: Timers,
    delayed: Delayed<Later>,
    lateness: Lateness,
    delays: LinkDelays,
    outboxes: Vec<Vec<Mail>>,
    /// For other processes.
    outbound: Vec<Passage>,
    effects: Effects,
    mail: Vec<Mail>,
    settled: Vec<Settled>,
    restarting: usize,
    /// Owners that wait for nodes of which nothing is in flight.
    idling: usize,
    stopping: Option<Sender<ThreadEnd>>,
    events: u64,
    sleeps: u64,
}

/// Something held back until its time.
#[derive(Debug)]
enum Later {
    Passage(Passage),
    Disk(Settled),
}

impl Thread {
    /// Runs until the owner stops it and every operation has completed.
    pub(crate) fn run(mut self) {
        self.work.outboxes.resize_with(self.routes.inboxes.len(), Vec::new);
        self.work.now = self.clock.now();
        for host in 0..self.hosts.len() {
            self.work.queue.push_back(Delivery::Start { host, incarnation: 0 });
        }
        loop {
            self.take_mail();
            if self.work.stopping.is_some() {
                if self.disks.in_flight_all() == 0 {
                    break;
                }
                self.work.queue.clear();
                self.sleep(None);
                self.disks.take_settled(&mut self.work.settled);
                self.work.settled.clear();
                continue;
            }
            self.tell_idle();
            self.restart_waiting();
            self.fire_timers();
            self.release_delayed();
            self.take_settled();
            self.run_batch();
            self.post();
            if self.work.queue.is_empty() && !self.disks.has_settled() {
                self.sleep_until_next();
            } else {
                self.disks.flush();
            }
            self.work.now = self.clock.now();
        }
        self.end();
    }

    fn take_mail(&mut self) {
        let mut mail = std::mem::take(&mut self.work.mail);
        self.routes.inboxes[self.index].take(&mut mail);
        if !mail.is_empty() {
            // What caused the mail was before now, and a node must not be told otherwise: a lease that ended meanwhile, on
            // another thread's clock, would still hold on this one's.
            self.work.now = self.clock.now();
        }
        for item in mail.drain(..) {
            match item {
                Mail::Passage(passage) => self.arrive(passage),
                Mail::Arrival { from, to, bytes } => self.arrive_from_afar(from, to, bytes),
                Mail::Disk(completion) => self.disks.complete(completion),
                Mail::File { op, answer } => self.disks.file_answered(op, answer),
                Mail::Order(order) => self.obey(order),
            }
        }
        self.work.mail = mail;
    }

    /// Takes a frame that reached this thread: delivers it, or holds it until it is due.
    fn arrive(&mut self, passage: Passage) {
        if passage.due > self.work.now {
            self.work.delayed.push(passage.due, Later::Passage(passage));
        } else {
            self.deliver(passage);
        }
    }

    /// Takes a frame from another process, which begins its way over the link here.
    fn arrive_from_afar(&mut self, from: NodeId, to: NodeId, bytes: Bytes) {
        let now = self.work.now;
        let (work, routes) = (&mut self.work, &self.routes);
        self.links.send(from, to, bytes, now, |passage: Passage| match routes.place(to) {
            Some(_) if passage.due > now => work.delayed.push(passage.due, Later::Passage(passage)),
            Some((_, host)) => work.queue.push_back(Delivery::Frame { host, from, bytes: passage.bytes }),
            None => {}
        });
    }

    fn deliver(&mut self, passage: Passage) {
        match self.routes.place(passage.to) {
            Some((_, host)) => {
                self.work.queue.push_back(Delivery::Frame { host, from: passage.from, bytes: passage.bytes });
            }
            None => self.work.outbound.push(passage),
        }
    }

    fn release_delayed(&mut self) {
        let due = self.work.lateness.release_until(self.work.now, self.work.queue.is_empty());
        while let Some(later) = self.work.delayed.pop_due(due) {
            match later {
                Later::Disk(settled) => self.work.queue.push_back(Delivery::Disk(settled)),
                Later::Passage(passage) => {
                    let zone = |node: NodeId| self.routes.zone[node.0 as usize];
                    let (from, to) = (zone(passage.from), zone(passage.to));
                    let intended = passage.due.saturating_sub(passage.sent);
                    let realised = self.work.now.saturating_sub(passage.sent);
                    self.work.delays.record(from, to, intended, realised);
                    self.deliver(passage);
                }
            }
        }
    }

    fn take_settled(&mut self) {
        let mut settled = std::mem::take(&mut self.work.settled);
        self.disks.take_settled(&mut settled);
        for settled in settled.drain(..) {
            if settled.delay > Nanos::ZERO {
                self.work.delayed.push(self.work.now + settled.delay, Later::Disk(settled));
            } else {
                self.work.queue.push_back(Delivery::Disk(settled));
            }
        }
        self.work.settled = settled;
    }

    fn fire_timers(&mut self) {
        let mark = self.work.timers.mark();
        while let Some((host, timer)) = self.work.timers.pop_due(self.work.now, mark) {
            match self.hosts[host].state {
                State::Up => self.handle(host, Event::Timer { timer }),
                State::Paused => self.hosts[host].held_timers.push(timer),
                State::Halted | State::Down => {}
            }
        }
    }

    fn run_batch(&mut self) {
        for _ in 0..self.batch_events {
            let Some(delivery) = self.work.queue.pop_front() else { break };
            self.dispatch(delivery);
            // Others need not wait for the events that are still to be handled here.
            self.post();
            if self.disks.unsubmitted() >= self.batch_operations {
                break;
            }
        }
    }

    fn dispatch(&mut self, delivery: Delivery) {
        let index = delivery.host();
        let host = &mut self.hosts[index];
        match host.state {
            State::Up => {}
            State::Paused => {
                host.held.push_back(delivery);
                return;
            }
            State::Halted | State::Down => return,
        }
        let event = match delivery {
            Delivery::Start { incarnation, .. } if incarnation == host.incarnation => Event::Start,
            Delivery::Disk(settled) if settled.incarnation == host.incarnation => {
                // A name that does not exist, or an end of a file, is an answer.
                let is_refusal = matches!(settled.result, Err(DiskError::NoSpace | DiskError::Io { .. }));
                host.ledger.disk_refused += u64::from(is_refusal);
                Event::Disk { token: settled.token, result: settled.result }
            }
            Delivery::Start { .. } | Delivery::Disk(_) => return,
            Delivery::Frame { from, bytes, .. } => match Frame::verify(bytes) {
                Ok(frame) => Event::Frame { from, frame },
                Err(_) => {
                    host.ledger.frames_refused += 1;
                    return;
                }
            },
        };
        if let (Some(journal), Event::Frame { from, frame }) = (&self.journal, &event)
            && host.journal_frames
        {
            journal.delivered(host.member.id, *from, frame.bytes().clone());
        }
        self.handle(index, event);
    }

    /// Lets the node handle one event and carries out its effects.
    fn handle(&mut self, index: usize, event: Event) {
        let started = self.work.now;
        let host = &mut self.hosts[index];
        let mut effects = std::mem::take(&mut self.work.effects);
        let node = host.node.as_mut().expect("a node that is up has a state");
        let handled = catch_unwind(AssertUnwindSafe(|| node.handle(started, event, &mut effects)));
        match handled {
            Ok(()) => self.carry_out(index, &mut effects),
            Err(panic) => {
                drop(effects.drain());
                self.halt(index, format!("panicked: {}", panic_text(&*panic)));
            }
        }
        self.work.effects = effects;
        self.work.now = self.clock.now();
        let host = &mut self.hosts[index];
        host.busy += self.work.now.saturating_sub(started);
        host.events += 1;
        self.work.events += 1;
    }

    fn halt(&mut self, index: usize, reason: String) {
        let host = &mut self.hosts[index];
        host.state = State::Halted;
        let halt = Halt { node: host.member.id, incarnation: host.incarnation, at: self.work.now, reason };
        self.work.timers.cancel_all(index);
        // An owner that dropped its end of the channel does not want to know.
        let _ = self.halts.send(halt);
    }

    /// Hands the gathered frames over to the other threads and processes.
    fn post(&mut self) {
        for (outbox, inbox) in self.work.outboxes.iter_mut().zip(&self.routes.inboxes) {
            if !outbox.is_empty() {
                inbox.put_all(outbox);
            }
        }
        if let Some(carrier) = &self.routes.carrier {
            self.work.outbound.drain(..).for_each(|Passage { from, to, bytes, .. }| carrier.send(from, to, bytes));
        }
    }

    fn sleep_until_next(&mut self) {
        let now = self.work.now;
        let delayed = self.work.delayed.next().map(|due| self.work.lateness.wake_for(due, now));
        let next = [self.work.timers.next(), delayed].into_iter().flatten().min();
        match next.map(|due| due.saturating_sub(now)) {
            Some(Nanos::ZERO) => self.disks.flush(),
            timeout => {
                let timed_out = self.sleep(timeout);
                if let (true, Some(timeout)) = (timed_out, timeout) {
                    self.work.lateness.learn(self.clock.now().saturating_sub(now + timeout));
                }
            }
        }
    }

    /// Returns whether the whole of `timeout` was slept.
    fn sleep(&mut self, timeout: Option<Nanos>) -> bool {
        let inbox = &self.routes.inboxes[self.index];
        if !inbox.prepare_to_sleep() {
            self.disks.flush();
            return false;
        }
        let timed_out = self.disks.wait(timeout);
        inbox.awake();
        self.work.sleeps += 1;
        timed_out
    }

    fn end(mut self) {
        let snapshot = self.snapshot();
        let nodes = self.hosts.drain(..).map(|host| (host.member.id, host.node)).collect();
        let done = self.work.stopping.take().expect("only an order ends the loop");
        // An owner that was dropped has no use for what is left.
        let _ = done.send(ThreadEnd { snapshot, nodes });
    }

    fn snapshot(&self) -> crate::mail::ThreadSnapshot {
        let nodes = self.hosts.iter().map(|host| crate::mail::NodeSnapshot {
            node: host.member.id,
            ledger: host.ledger.clone(),
            busy: host.busy,
            events: host.events,
        });
        crate::mail::ThreadSnapshot {
            thread: self.index,
            cpu: sys::thread_cpu(),
            events: self.work.events,
            sleeps: self.work.sleeps,
            nodes: nodes.collect(),
            delays: self.work.delays.clone(),
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
