//! The promise: from the state of the faults at each instant, what must and must not be available, and what was.
//!
//! # Mechanism
//!
//! [`Conditions`] follow every act: which links and disks misbehave, which disks were damaged. At each look the engine says
//! what it owes under them ([`Promise`]) and how it stands ([`Standing`]). Five availabilities are measured apart, each in
//! slices of virtual time:
//!
//! - *commit* and *read*: slices in which such a transaction ended well, among those in which clients waited for anything;
//! - *open*: slices at whose end the database served;
//! - *durability*: slices at whose end every acknowledged record was on a disk that was not lost;
//! - *repairability*: slices at whose end a copy could be made whole again from what was up.
//!
//! Each is counted a second time over the slices alone that it was promised in: throughout, and for [`SETTLED`] before.
//!
//! # Invariants
//!
//! - While commits are owed without a break for [`BOUND`], one is acknowledged in every [`BOUND`], or the promise is broken.
//! - No commit is acknowledged that was asked for after too many nodes fell silent, and before any of them spoke again: see
//!   [`Watch::silent_throughout`].
//!
//! # Caveats
//!
//! - "Caught up" is not looked at: [`BOUND`] is long enough for that. A node whose disk was ever damaged counts as bad.

use std::collections::{BTreeMap, BTreeSet};

use load::Core;
use node::fault::Fault;
use node::{Nanos, NodeId};
use sim::{Sim, Status};

use super::Subject;

/// How long an engine may take to keep its promise once the conditions are good.
pub const BOUND: Nanos = Nanos::from_secs(2);

/// How long conditions must have been good for what they promise to count as promised: nodes that were away have caught up by
/// then, and a database has opened.
pub const SETTLED: Nanos = Nanos::from_millis(50);

/// Whether nodes take events, in whichever world.
pub trait Vitals {
    /// Whether this one does.
    fn is_running(&self, node: NodeId) -> bool;
}

impl Vitals for Sim {
    fn is_running(&self, node: NodeId) -> bool {
        *self.status(node) == Status::Running
    }
}

/// Which rules are in force, and whose disks were damaged.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    links: BTreeMap<(NodeId, NodeId), bool>,
    disks: BTreeSet<NodeId>,
    damaged: BTreeSet<NodeId>,
}

impl Conditions {
    /// Whether the direction follows a rule of its own.
    pub fn is_disturbed(&self, from: NodeId, to: NodeId) -> bool {
        self.links.contains_key(&(from, to))
    }

    /// Whether the direction passes nothing.
    pub fn is_cut(&self, from: NodeId, to: NodeId) -> bool {
        self.links.get(&(from, to)).copied().unwrap_or(false)
    }

    /// Whether the node runs on a disk that behaves, and was never damaged.
    pub fn is_good(&self, vitals: &dyn Vitals, node: NodeId) -> bool {
        vitals.is_running(node) && !self.disks.contains(&node) && !self.damaged.contains(&node)
    }

    /// Whether nothing disturbs the links between the two.
    pub fn are_joined(&self, one: NodeId, other: NodeId) -> bool {
        !self.is_disturbed(one, other) && !self.is_disturbed(other, one)
    }

    fn apply(&mut self, fault: &Fault) {
        match *fault {
            Fault::Link { from, to, rule } => {
                self.links.insert((from, to), rule.cut);
            }
            Fault::Heal { from, to } => {
                self.links.remove(&(from, to));
            }
            Fault::Disk { node, .. } => {
                self.disks.insert(node);
            }
            Fault::DiskClear { node } => {
                self.disks.remove(&node);
            }
            Fault::Crash { .. }
            | Fault::Restart { .. }
            | Fault::Pause { .. }
            | Fault::Resume { .. }
            | Fault::Clock { .. } => {}
        }
    }
}

/// What an engine owes at an instant, beside not being wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Promise {
    /// Commits go on.
    pub commits: bool,
    /// Reads go on.
    pub reads: bool,
    /// The database serves, or will once it has opened.
    pub open: bool,
    /// Everything acknowledged is on a disk that was not lost.
    pub durable: bool,
    /// What is up is enough to make a lost copy again.
    pub repairable: bool,
}

impl Promise {
    fn all(self) -> [bool; 5] {
        [self.commits, self.reads, self.open, self.durable, self.repairable]
    }
}

/// How an engine stands at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The database serves.
    pub open: bool,
    /// Everything acknowledged is on a disk that was not lost; `None` where nobody can look.
    pub durable: Option<bool>,
    /// What is up is enough to make a lost copy again; `None` where nobody can look.
    pub repairable: Option<bool>,
}

/// What the clients have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Transactions that ended well and may have written.
    pub writes: u64,
    /// Transactions that ended well and read only.
    pub reads: u64,
    /// Whether any is in flight or waits.
    pub waiting: bool,
}

impl Progress {
    /// As a load counts it.
    pub fn of(load: &Core) -> Progress {
        let ok = |read: bool| load.interval().ops.iter().filter(|op| (op.name == "read") == read).map(|op| op.ok).sum();
        Progress { writes: ok(false), reads: ok(true), waiting: load.in_flight() > 0 || load.queued() > 0 }
    }
}

/// Slices in which something was so, among those in which it could have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Slices in which it was.
    pub had: u64,
    /// Slices in which it was asked for.
    pub asked: u64,
    /// Slices in which it was promised too.
    pub promised: u64,
    /// Slices of those in which it was.
    pub kept: u64,
}

impl Share {
    fn count(&mut self, had: bool, promised: bool) {
        (self.had, self.asked) = (self.had + u64::from(had), self.asked + 1);
        (self.kept, self.promised) = (self.kept + u64::from(had && promised), self.promised + u64::from(promised));
    }

    /// From 0 to 1, of the slices that it was promised in; `None` when it never was.
    pub fn kept_ratio(&self) -> Option<f64> {
        (self.promised > 0).then(|| self.kept as f64 / self.promised as f64)
    }

    /// From 0 to 1; `None` when it was never asked for.
    pub fn ratio(&self) -> Option<f64> {
        (self.asked > 0).then(|| self.had as f64 / self.asked as f64)
    }
}

/// The five availabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// Commits.
    pub commit: Share,
    /// Reads.
    pub read: Share,
    /// The database serves.
    pub open: Share,
    /// Nothing acknowledged is lost for good.
    pub durability: Share,
    /// A lost copy could be made again.
    pub repairability: Share,
}

/// Follows a run.
#[derive(Clone, Debug)]
pub struct Watch {
    conditions: Conditions,
    /// The length of a slice; zero measures nothing.
    pub slice: Nanos,
    /// What was measured.
    pub availability: Availability,
    /// From when to when it was measured.
    pub measured: (Nanos, Nanos),
    /// Slices that count against the availability of commits, neighbours joined.
    pub outages: Vec<(Nanos, Nanos)>,
    slice_began: Nanos,
    at_slice: Progress,
    waited: bool,
    owed_since: Option<Nanos>,
    /// Since when each of the five is promised without a break.
    promised_since: [Option<Nanos>; 5],
    last_commit: Nanos,
    writes: u64,
    silent_since: BTreeMap<NodeId, Nanos>,
    silences: Vec<(NodeId, Nanos, Nanos)>,
    /// Whether broken promises of progress are errors.
    pub strict: bool,
    /// How long commits that are owed may fail to come.
    pub bound: Nanos,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            conditions: Conditions::default(),
            slice: Nanos::ZERO,
            availability: Availability::default(),
            measured: (Nanos::ZERO, Nanos::ZERO),
            outages: Vec::new(),
            slice_began: Nanos::ZERO,
            at_slice: Progress::default(),
            waited: false,
            owed_since: None,
            promised_since: [None; 5],
            last_commit: Nanos::ZERO,
            writes: 0,
            silent_since: BTreeMap::new(),
            silences: Vec::new(),
            strict: false,
            bound: BOUND,
        }
    }
}

impl Watch {
    /// One that lets commits that are owed fail to come for so long.
    pub fn with_bound(bound: Nanos) -> Watch {
        Watch { bound, ..Watch::default() }
    }

    /// Measures from `now` on in slices of `slice`; broken promises of progress are errors from then on.
    pub fn begin(&mut self, now: Nanos, slice: Nanos) {
        (self.slice, self.slice_began, self.strict, self.waited) = (slice, now, true, false);
        self.last_commit = now;
        self.measured = (now, now);
    }

    /// Measures no more.
    pub fn end(&mut self, now: Nanos) {
        self.measured.1 = now;
        (self.slice, self.strict) = (Nanos::ZERO, false);
        self.may_speak(now);
    }

    /// Somebody may speak again from `now` on: no silence is taken to reach beyond it.
    pub fn may_speak(&mut self, now: Nanos) {
        for (node, since) in std::mem::take(&mut self.silent_since) {
            self.silences.push((node, since, now));
        }
    }

    /// Whoever watches was held up for so long, and cannot say whether anybody else was.
    pub fn forgive(&mut self, span: Nanos) {
        self.last_commit += span;
        self.owed_since = self.owed_since.map(|since| since + span);
    }

    /// The nodes of which nothing was heard from `since` to `until`.
    pub fn silent_throughout(&self, since: Nanos, until: Nanos) -> BTreeSet<NodeId> {
        let throughout = self.silences.iter().filter(|(_, from, to)| *from < since && until < *to);
        throughout.map(|(node, _, _)| *node).collect()
    }

    /// Takes note of a primitive that was carried out.
    pub fn apply(&mut self, fault: &Fault) {
        self.conditions.apply(fault);
    }

    /// Takes note of a disk that is no longer what it was.
    pub fn damaged(&mut self, node: NodeId) {
        self.conditions.damaged.insert(node);
    }

    /// Compares what is owed with what is.
    ///
    /// # Errors
    ///
    /// Commits that were owed and did not come.
    pub fn look(
        &mut self,
        now: Nanos,
        vitals: &dyn Vitals,
        subject: &dyn Subject,
        progress: Progress,
        standing: impl FnOnce() -> Standing,
    ) -> Result<(), String> {
        let promise = subject.promise(vitals, &self.conditions);
        let silent = subject.silent(vitals, &self.conditions);
        for &node in &silent {
            self.silent_since.entry(node).or_insert(now);
        }
        let spoken: Vec<NodeId> = self.silent_since.keys().copied().filter(|node| !silent.contains(node)).collect();
        for node in spoken {
            let since = self.silent_since.remove(&node).unwrap_or(now);
            self.silences.push((node, since, now));
        }
        if self.slice == Nanos::ZERO {
            return Ok(());
        }
        if progress.writes > self.writes || !progress.waiting {
            self.last_commit = now;
        }
        self.writes = progress.writes;
        for (since, promised) in self.promised_since.iter_mut().zip(promise.all()) {
            *since = promised.then_some(since.unwrap_or(now));
        }
        if !promise.commits {
            self.owed_since = None;
        } else if self.strict {
            let since = *self.owed_since.get_or_insert(now);
            let idle = now.saturating_sub(since.max(self.last_commit));
            if idle > self.bound {
                return Err(format!("commits were owed since {since:?}, and none came until {now:?}"));
            }
        }
        self.measure(now, progress, standing);
        Ok(())
    }

    fn measure(&mut self, now: Nanos, progress: Progress, standing: impl FnOnce() -> Standing) {
        self.waited |= progress.waiting;
        if now.saturating_sub(self.slice_began) < self.slice {
            return;
        }
        let began = self.slice_began;
        let settled = |since: Option<Nanos>| since.is_some_and(|since| since + SETTLED <= began);
        let [commits, tracked, open, durable, repairable] = self.promised_since.map(settled);
        let (writes, reads) = (progress.writes - self.at_slice.writes, progress.reads - self.at_slice.reads);
        if self.waited || writes + reads > 0 {
            // A slice without a read says nothing of reads as long as commits go on.
            if writes > 0 || reads == 0 {
                self.availability.commit.count(writes > 0, commits);
                if writes == 0 {
                    self.miss(now);
                }
            }
            if reads > 0 || writes == 0 {
                self.availability.read.count(reads > 0, tracked);
            }
        }
        let standing = standing();
        self.availability.open.count(standing.open, open);
        standing.durable.into_iter().for_each(|had| self.availability.durability.count(had, durable));
        standing.repairable.into_iter().for_each(|had| self.availability.repairability.count(had, repairable));
        (self.slice_began, self.at_slice, self.waited) = (now, progress, false);
    }

    /// Clients waited for a commit since the slice began, in vain.
    fn miss(&mut self, now: Nanos) {
        match self.outages.last_mut() {
            Some((_, until)) if *until == self.slice_began => *until = now,
            _ => self.outages.push((self.slice_began, now)),
        }
    }
}
