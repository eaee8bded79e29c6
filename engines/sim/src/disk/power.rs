//! Crashes: listing what is not durable, and deciding what of it survives.

use node::{FileName, SECTOR_BYTES};

use super::operation::Operation;
use super::survival::{Dealer, Fate};
use super::{Inode, SimDisk, Survival, Unit};

impl SimDisk {
    /// Every unit a crash may undo, in the order [`Survival`] numbers them: with `power`, completed sectors by file and
    /// place, then names by age; and always what is in flight.
    pub fn undurable(&self, power: bool) -> Vec<Unit> {
        let mut units = Vec::new();
        if power {
            for (name, file) in self.files.values() {
                for (sector, history) in file.undurable_sectors() {
                    let versions = 0..history.newest() - history.durable;
                    units.extend(versions.map(|version| Unit::Sector { file: name.clone(), sector, version }));
                }
            }
            let names = self.changes.iter();
            units.extend(names.map(|c| Unit::Name { name: c.name.clone(), removed: c.target.is_none() }));
        }
        for flying in self.in_flight.iter().flatten() {
            match &flying.operation {
                Operation::Write { inode, offset, data, .. } => {
                    let file = &self.files[inode].0;
                    let first = offset / SECTOR_BYTES as u64;
                    let sectors = first..first + (data.len() / SECTOR_BYTES) as u64;
                    units.extend(sectors.map(|sector| Unit::SectorInFlight { file: file.clone(), sector }));
                }
                Operation::Create { name, .. } | Operation::Remove { name } => {
                    units.push(Unit::NameInFlight { name: name.clone() });
                }
                Operation::Extend { inode, .. } => {
                    units.push(Unit::NameInFlight { name: self.files[inode].0.clone() });
                }
                _ => {}
            }
        }
        units
    }

    /// The node is gone. With `power`, what is not durable stays or goes as `survival` says; without, everything that
    /// completed stays as it was, and `survival` speaks only about what is in flight. File numbers are forgotten.
    pub fn crash(&mut self, power: bool, survival: Survival) {
        let mut dealer = Dealer::new(survival, power);
        if power {
            self.lose_sectors(&mut dealer);
            self.lose_names(&mut dealer);
        }
        let flying: Vec<_> = self.in_flight.drain(..).flatten().map(|flying| flying.operation).collect();
        self.free_slots.clear();
        for operation in flying {
            self.completed += 1;
            self.interrupt(operation, &mut dealer);
        }
        if power {
            self.files.values_mut().for_each(|(_, file)| file.settle_all());
            self.durable_names = self.names.clone();
            self.changes.clear();
        }
        self.open.clear();
        self.service.restart();
        self.collect_files();
    }

    fn lose_sectors(&mut self, dealer: &mut Dealer) {
        for (_, file) in self.files.values_mut() {
            for (sector, history) in file.undurable_sectors() {
                let mut survivor = history.durable;
                for state in history.durable + 1..=history.newest() {
                    if dealer.next(false) == Fate::Kept {
                        survivor = state;
                    }
                }
                file.take_back(sector, &history, survivor);
            }
        }
    }

    fn lose_names(&mut self, dealer: &mut Dealer) {
        for change in std::mem::take(&mut self.changes) {
            if dealer.next(false) == Fate::Kept {
                self.bind_durably(change.name, change.target);
            }
        }
        self.names = self.durable_names.clone();
    }

    /// Lets the fates of an operation in flight come true.
    fn interrupt(&mut self, operation: Operation, dealer: &mut Dealer) {
        match operation {
            Operation::Write { inode, offset, data, .. } => self.interrupt_write(inode, offset, &data, dealer),
            Operation::Create { name, len_bytes, .. } => self.interrupt_create(name, len_bytes, dealer),
            Operation::Extend { inode, len_bytes } => self.interrupt_extend(inode, len_bytes, dealer),
            Operation::Remove { name } => {
                let fate = dealer.next(true);
                if fate != Fate::Lost {
                    self.remove(name);
                }
            }
            _ => {}
        }
    }

    /// The file may be there with part of its length, or, had the name been another file's, that one may be gone.
    fn interrupt_create(&mut self, name: FileName, len_bytes: u64, dealer: &mut Dealer) {
        if dealer.next(true) != Fate::Lost {
            let len_bytes = dealer.partial_len(0, len_bytes);
            self.link_new(name, len_bytes);
        } else if dealer.is_random() && dealer.flip() {
            self.remove(name);
        }
    }

    fn interrupt_extend(&mut self, inode: Inode, len_bytes: u64, dealer: &mut Dealer) {
        if dealer.next(true) != Fate::Lost {
            let file = &mut self.files.get_mut(&inode).expect("in flight keeps its file").1;
            let len_bytes = dealer.partial_len(file.len_bytes(), len_bytes);
            file.grow(len_bytes);
        }
    }

    fn interrupt_write(&mut self, inode: Inode, offset: u64, data: &[u8], dealer: &mut Dealer) {
        let completed = self.completed;
        let file = &mut self.files.get_mut(&inode).expect("in flight keeps its file").1;
        for (index, sector) in data.chunks_exact(SECTOR_BYTES).enumerate() {
            let at = offset + (index * SECTOR_BYTES) as u64;
            match dealer.next(true) {
                Fate::Lost => {}
                Fate::Kept => file.write(completed, at, sector, false),
                Fate::Garbled => {
                    let mut garbage = [0; SECTOR_BYTES];
                    dealer.garbage(&mut garbage);
                    file.write(completed, at, &garbage, false);
                }
            }
        }
    }
}
