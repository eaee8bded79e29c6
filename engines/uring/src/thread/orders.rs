//! What the runtime's owner may ask of a thread, between two events.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Sender;

use node::{DiskOp, NodeId};

use super::host::{Delivery, State};
use super::{Thread, panic_text};
use crate::disturb::{Disturbances, Standing};
use crate::error::Error;
use crate::mail::{Order, ProbeFn};

impl Thread {
    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Probe { node, run } => self.probe(node, run),
            Order::Crash { node, done } => answer(&done, self.host(node).map(|host| self.crash(host))),
            Order::Restart { node, done } => self.restart(node, done),
            Order::Pause { node, done } => answer(&done, self.pause(node)),
            Order::Resume { node, done } => answer(&done, self.resume(node)),
            Order::Disk { node, rule, done } => {
                let set = self.host(node).map(|host| {
                    if let Some(service) = self.disks.service_mut(host) {
                        service.set_rule(rule);
                    }
                });
                answer(&done, set);
            }
            Order::Link { from, to, rule, done } => {
                self.links.set_rule(from, to, rule);
                answer(&done, Ok(()));
            }
            Order::CutPower { node, writing, done } => self.cut_power(node, writing, done),
            Order::AwaitIdle { node, done } => self.await_idle(node, done),
            Order::Ail { node, name, sectors, ailment, done } => {
                let host = self.host(node);
                let struck = host.map(|host| self.disks.ail(host, &name, &sectors, ailment));
                answer(&done, struck.map(drop));
            }
            Order::Ailing { node, put, done } => {
                let Ok(host) = self.host(node) else { return };
                let found = self.disks.ailing(host);
                if let Some(ailing) = put {
                    self.disks.set_ailing(host, ailing);
                }
                // An owner that stopped waiting has no use for the answer.
                drop(done.send(found));
            }
            // An owner that stopped waiting has no use for the answer.
            Order::Disturbances { done } => drop(done.send(self.disturbances())),
            Order::Snapshot { done } => drop(done.send(self.snapshot())),
            Order::Stop { done } => self.work.stopping = Some(done),
        }
    }

    fn host(&self, node: NodeId) -> Result<usize, Error> {
        match self.routes.place(node) {
            Some((thread, host)) if thread == self.index => Ok(host),
            _ => Err(Error::NoSuchNode { node }),
        }
    }

    /// A node that is down drops the closure, and with it the answer's sender.
    fn probe(&mut self, node: NodeId, run: ProbeFn) {
        if let Ok(host) = self.host(node)
            && let Some(node) = self.hosts[host].node.as_mut()
        {
            let any: &mut dyn Any = &mut **node;
            run(any);
        }
    }

    /// Crashes the node with the write that it is about to do on its way, if somebody waits for one to such a file.
    pub(super) fn ends_with(&mut self, index: usize, op: &DiskOp) -> bool {
        let host = &self.hosts[index];
        host.ends_writing.as_ref().is_some_and(|(files, _)| self.disks.is_write_to(index, op, files))
    }

    /// Crashes the node for whoever waited for its write.
    pub(super) fn end_writing(&mut self, index: usize) {
        self.disks.flush();
        let ends = self.hosts[index].ends_writing.take();
        self.crash(index);
        if let Some((_, done)) = ends {
            // An owner that stopped waiting cuts the power itself.
            let _ = done.send(Ok(self.journal_position()));
        }
    }

    fn cut_power(&mut self, node: NodeId, writing: Option<String>, done: Sender<Result<usize, Error>>) {
        let host = match self.host(node) {
            Ok(host) => host,
            // An owner that stopped waiting has no use for the answer.
            Err(error) => return drop(done.send(Err(error))),
        };
        match writing {
            Some(files) if self.hosts[host].state == State::Up => self.hosts[host].ends_writing = Some((files, done)),
            _ => {
                self.crash(host);
                let _ = done.send(Ok(self.journal_position()));
            }
        }
    }

    fn journal_position(&self) -> usize {
        self.journal.as_ref().map_or(0, |journal| journal.len())
    }

    fn await_idle(&mut self, node: NodeId, done: Sender<Result<(), Error>>) {
        match self.host(node) {
            Ok(host) if self.hosts[host].state == State::Down => {
                self.hosts[host].idle.push(done);
                self.work.idling += 1;
            }
            Ok(_) => answer(&done, Err(Error::Up { node })),
            Err(error) => answer(&done, Err(error)),
        }
    }

    /// Answers those who wait for nodes of which nothing is in flight any more.
    pub(super) fn tell_idle(&mut self) {
        if self.work.idling == 0 {
            return;
        }
        for index in 0..self.hosts.len() {
            if self.disks.in_flight(index) == 0 {
                for done in self.hosts[index].idle.drain(..) {
                    self.work.idling -= 1;
                    answer(&done, Ok(()));
                }
            }
        }
    }

    fn disturbances(&self) -> Disturbances {
        let mut all =
            Disturbances { ruled_links: self.links.ruled(), links: self.links.counts(), ..Disturbances::default() };
        for (index, host) in self.hosts.iter().enumerate() {
            let standing = match host.state {
                State::Up => Standing::Up,
                State::Paused => Standing::Paused,
                State::Halted => Standing::Halted,
                State::Down => Standing::Down,
            };
            all.standing.insert(host.member.id, standing);
            let Some(service) = self.disks.service(index) else { continue };
            all.disks.insert(host.member.id, service.counts());
            all.ruled_disks.extend(service.has_rule().then_some(host.member.id));
        }
        all
    }

    fn crash(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        host.ends_writing = None;
        host.state = State::Down;
        host.node = None;
        host.held.clear();
        host.held_timers.clear();
        self.work.timers.cancel_all(index);
        self.disks.forget_files(index);
    }

    fn restart(&mut self, node: NodeId, done: Sender<Result<(), Error>>) {
        let host = match self.host(node) {
            Ok(host) => host,
            Err(error) => return answer(&done, Err(error)),
        };
        match self.hosts[host].state {
            State::Up | State::Paused => return answer(&done, Err(Error::Up { node })),
            State::Halted => self.crash(host),
            State::Down => {}
        }
        if self.hosts[host].restart.replace(done).is_none() {
            self.work.restarting += 1;
        }
    }

    /// Starts the nodes asked to start again whose old operations have all ended: what a dead incarnation still has
    /// in flight must not land under a live one.
    pub(super) fn restart_waiting(&mut self) {
        if self.work.restarting == 0 {
            return;
        }
        for index in 0..self.hosts.len() {
            if self.hosts[index].restart.is_none() || self.disks.in_flight(index) > 0 {
                continue;
            }
            let host = &mut self.hosts[index];
            host.incarnation += 1;
            let done = host.restart.take().expect("just seen");
            self.work.restarting -= 1;
            match catch_unwind(AssertUnwindSafe(|| (host.member.build)(host.incarnation))) {
                Ok(node) => {
                    host.node = Some(node);
                    host.state = State::Up;
                    let incarnation = host.incarnation;
                    self.work.queue.push_back(Delivery::Start { host: index, incarnation });
                    answer(&done, Ok(()));
                }
                Err(panic) => {
                    let node = host.member.id;
                    self.halt(index, format!("panicked while being built: {}", panic_text(&*panic)));
                    answer(&done, Err(Error::Down { node }));
                }
            }
        }
    }

    fn pause(&mut self, node: NodeId) -> Result<(), Error> {
        let host = self.host(node)?;
        let host = &mut self.hosts[host];
        match host.state {
            State::Up | State::Paused => host.state = State::Paused,
            State::Halted | State::Down => return Err(Error::Down { node }),
        }
        Ok(())
    }

    /// What was held comes first, in its order; held timers are due at once.
    fn resume(&mut self, node: NodeId) -> Result<(), Error> {
        let index = self.host(node)?;
        let host = &mut self.hosts[index];
        if host.state != State::Paused {
            return Err(Error::Up { node });
        }
        host.state = State::Up;
        for delivery in host.held.drain(..).rev() {
            self.work.queue.push_front(delivery);
        }
        for timer in std::mem::take(&mut host.held_timers) {
            self.work.timers.set(index, timer, self.work.now);
        }
        Ok(())
    }
}

fn answer(done: &Sender<Result<(), Error>>, result: Result<(), Error>) {
    // An owner that stopped waiting has no use for the answer.
    let _ = done.send(result);
}
