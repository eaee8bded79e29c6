//! The simulated disk: a directory of files that knows what is durable and what power loss may take.
//!
//! # Mechanism
//!
//! A disk holds two states at once: what reads see, and, as an undo list, what may come back after power loss. A write
//! that completes without being durable pushes the bytes it replaced; a sync settles the entries that completed before
//! the sync was *submitted*. Names have the same two states, settled by a directory sync. An operation is submitted
//! ([`SimDisk::begin`]) and later carried out ([`SimDisk::complete`]); in between it is in flight. At a crash the
//! undurable *units* (one version of one sector, one name, one operation in flight) are listed, and a [`Survival`]
//! says which of them stay. The model follows `node::disk`, and the fault it exists for is Pillai et al., *All File
//! Systems Are Not Created Equal* (OSDI 2014), section 2.
//!
//! # Invariants
//!
//! - Without power loss, everything that completed is seen by the next life of the node.
//! - With power loss, a sector's contents are its last durable version, or any later version that completed, or (in
//!   flight) the new bytes or garbage. Sectors are independent of one another.
//! - A created file's zeroes and length are durable; that it has a name is not, until the directory is synced.
//! - A clone shares bytes with its original until either is written.
//!
//! # Caveats
//!
//! - A stuck operation is a rule with a very long delay.
//! - A misdirected operation stays inside its file and moves by whole lengths of itself. A rolled-back disk is an earlier
//!   clone, put back in the disk's place.
//! - A read takes place at its completion, and by [`DiskModel::torn_reads`] sees part of a write in flight.
//! - A file that is written without ever being synced keeps an undo entry for each write.

mod contents;
mod damage;
mod file;
mod operation;
mod power;
mod rest;
mod service;
mod survival;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use node::fault::{DiskCounts, DiskRule};
use node::{DiskOp, DiskResult, FileId, FileName, Nanos, Rng, Token};
use rustc_hash::FxBuildHasher;

use file::File;
use operation::Operation;
pub use service::DiskModel;
use service::Service;
pub(crate) use service::transfer;
pub use survival::{Survival, Unit};

/// A file, whatever names it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Inode(u64);

/// A creation or removal that completed and is not durable.
#[derive(Clone, Debug)]
struct NameChange {
    at: u64,
    name: FileName,
    /// What the name means from then on.
    target: Option<Inode>,
    /// A directory sync failed over it: no later one helps.
    forsaken: bool,
}

#[derive(Clone, Debug)]
struct InFlight {
    token: Token,
    operation: Operation,
}

/// Which operation in flight a completion is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

/// One node's disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    model: DiskModel,
    service: Service,
    rule: DiskRule,
    rng: Rng,
    files: BTreeMap<Inode, (FileName, File)>,
    names: BTreeMap<FileName, Inode>,
    durable_names: BTreeMap<FileName, Inode>,
    changes: Vec<NameChange>,
    open: HashMap<FileId, Inode, FxBuildHasher>,
    in_flight: Vec<Option<InFlight>>,
    free_slots: Vec<u32>,
    completed: u64,
    inodes_made: u64,
    counts: DiskCounts,
}

impl SimDisk {
    /// An empty disk that behaves as `model` says and draws from `rng`.
    pub fn new(model: DiskModel, rng: Rng) -> SimDisk {
        SimDisk {
            service: Service::new(&model),
            model,
            rule: DiskRule::default(),
            rng,
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            open: HashMap::default(),
            in_flight: Vec::new(),
            free_slots: Vec::new(),
            completed: 0,
            inodes_made: 0,
            counts: DiskCounts::default(),
        }
    }

    /// Sets the rule by which the disk misbehaves; the default rule is good behaviour.
    pub fn set_rule(&mut self, rule: DiskRule) {
        self.rule = rule;
    }

    /// The rule in force.
    pub fn rule(&self) -> DiskRule {
        self.rule
    }

    /// Submits `op` at `now`. Returns its slot and when it will complete.
    pub fn begin(&mut self, now: Nanos, token: Token, op: DiskOp) -> (Slot, Nanos) {
        let cost = self.service.price(&self.model, &op, &mut self.rng);
        let operation = self.resolve(op);
        let extra = self.rule.extra_delay.map_or(Nanos::ZERO, |delay| delay.draw(&mut self.rng));
        self.counts.slowed += u64::from(extra > Nanos::ZERO);
        let done_at = self.service.occupy(now, cost + extra) + self.service.shuffle(&self.model, &mut self.rng);
        let in_flight = Some(InFlight { token, operation });
        let slot = match self.free_slots.pop() {
            Some(slot) => {
                self.in_flight[slot as usize] = in_flight;
                slot
            }
            None => {
                self.in_flight.push(in_flight);
                self.in_flight.len() as u32 - 1
            }
        };
        (Slot(slot), done_at)
    }

    /// Carries out the operation in `slot`. Panics when nothing is in flight there.
    pub fn complete(&mut self, slot: Slot) -> (Token, DiskResult) {
        let InFlight { token, operation } =
            self.in_flight[slot.0 as usize].take().expect("an operation completes once");
        self.free_slots.push(slot.0);
        self.completed += 1;
        (token, self.carry_out(operation))
    }

    /// How many operations are in flight.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len() - self.free_slots.len()
    }

    /// The time its servers spent serving, all together.
    pub fn busy(&self) -> Nanos {
        self.service.busy
    }

    /// How often its faults changed what its node was told, or what was stored, in all its lives.
    pub fn counts(&self) -> DiskCounts {
        self.counts
    }

    /// Bytes of all files, those removed but not yet forgotten included.
    pub fn used_bytes(&self) -> u64 {
        self.files.values().map(|(_, file)| file.len_bytes()).sum()
    }

    fn add_file(&mut self, name: FileName, file: File) -> Inode {
        self.inodes_made += 1;
        let inode = Inode(self.inodes_made);
        self.files.insert(inode, (name, file));
        inode
    }

    /// Points `name` at `target`, seen at once and durable after a directory sync.
    fn change_name(&mut self, name: FileName, target: Option<Inode>) {
        match target {
            Some(inode) => self.names.insert(name.clone(), inode),
            None => self.names.remove(&name),
        };
        self.changes.push(NameChange { at: self.completed, name, target, forsaken: false });
    }

    /// Drops files that nothing can name any more.
    fn collect_files(&mut self) {
        let mut live: BTreeSet<Inode> = self.names.values().chain(self.durable_names.values()).copied().collect();
        live.extend(self.changes.iter().filter_map(|change| change.target));
        live.extend(self.open.values());
        live.extend(self.in_flight.iter().flatten().filter_map(|flying| flying.operation.inode()));
        self.files.retain(|inode, _| live.contains(inode));
    }
}
