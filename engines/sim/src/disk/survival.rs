//! What of the bytes that are not durable survives a crash.

use node::{FileName, Rng};

/// Which of the undurable units of a disk survive. Units are numbered as `SimDisk::undurable` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// None of them.
    None,
    /// All of them; what was in flight took place whole.
    All,
    /// All but one.
    OneDropped(usize),
    /// One alone.
    OneKept(usize),
    /// A random subset; with power loss, each sector in flight may be garbled instead.
    Random(u64),
    /// Whatever completed survives, and every sector in flight is garbled (on power loss; else it is a random subset).
    Torn(u64),
}

/// Something a crash may undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// One version of one sector: a write that completed and is not durable.
    Sector {
        /// A name the file has or had.
        file: FileName,
        /// Which sector.
        sector: u64,
        /// Which of the sector's undurable writes, oldest first.
        version: usize,
    },
    /// One sector of a write in flight.
    SectorInFlight {
        /// A name the file has or had.
        file: FileName,
        /// Which sector.
        sector: u64,
    },
    /// A name that was created or removed and whose directory is not synced.
    Name {
        /// The name.
        name: FileName,
        /// Whether it was removed rather than created.
        removed: bool,
    },
    /// A creation, extension or removal in flight.
    NameInFlight {
        /// The name.
        name: FileName,
    },
}

impl Unit {
    /// Whether the operation had not completed.
    pub fn is_in_flight(&self) -> bool {
        matches!(self, Unit::SectorInFlight { .. } | Unit::NameInFlight { .. })
    }
}

/// What becomes of one unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Lost,
    Kept,
    Garbled,
}

/// Deals out fates, one unit after the other.
pub(super) struct Dealer {
    survival: Survival,
    power: bool,
    keep_chance: f64,
    next: usize,
    rng: Rng,
}

impl Dealer {
    pub(super) fn new(survival: Survival, power: bool) -> Dealer {
        let mut rng = match survival {
            Survival::Random(seed) | Survival::Torn(seed) => Rng::new(seed),
            _ => Rng::new(0),
        };
        // A fair coin alone would make "nearly all" and "nearly none" of a large set unreachable.
        let keep_chance = [0.05, 0.5, 0.5, 0.95][rng.below(4) as usize];
        Dealer { survival, power, keep_chance, next: 0, rng }
    }

    pub(super) fn next(&mut self, in_flight: bool) -> Fate {
        let index = self.next;
        self.next += 1;
        let kept = match self.survival {
            Survival::None => false,
            Survival::All => true,
            Survival::OneDropped(dropped) => index != dropped,
            Survival::OneKept(kept) => index == kept,
            Survival::Random(_) => {
                if in_flight && self.power && self.rng.chance(0.25) {
                    return Fate::Garbled;
                }
                self.rng.chance(self.keep_chance)
            }
            Survival::Torn(_) if !in_flight => true,
            Survival::Torn(_) if self.power => return Fate::Garbled,
            Survival::Torn(_) => self.rng.chance(self.keep_chance),
        };
        if kept { Fate::Kept } else { Fate::Lost }
    }

    /// How far a creation or extension in flight got, in bytes between `low` and `high`, whole sectors.
    pub(super) fn partial_len(&mut self, low: u64, high: u64) -> u64 {
        if !self.is_random() {
            return high;
        }
        let sector_bytes = node::SECTOR_BYTES as u64;
        low + self.rng.between(0, high.saturating_sub(low) / sector_bytes) * sector_bytes
    }

    /// Whether fates are drawn rather than chosen one by one.
    pub(super) fn is_random(&self) -> bool {
        matches!(self.survival, Survival::Random(_) | Survival::Torn(_))
    }

    pub(super) fn flip(&mut self) -> bool {
        self.rng.chance(0.5)
    }

    pub(super) fn garbage(&mut self, out: &mut [u8]) {
        self.rng.fill(out);
    }
}
