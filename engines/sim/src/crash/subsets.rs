//! Which subsets of the undurable units to try.

use node::Rng;

use crate::{Survival, Unit};

/// A choice of [`Survival`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsets {
    /// Whether to try losing and keeping everything.
    pub none_and_all: bool,
    /// Whether to try every unit dropped alone and kept alone.
    pub each: bool,
    /// How many random subsets.
    pub random: u64,
    /// How many times everything in flight is garbled and the rest kept.
    pub torn: u64,
}

impl Subsets {
    /// None, all, each one dropped, each one kept, 16 random, and one torn.
    pub const EVERY: Subsets = Subsets { none_and_all: true, each: true, random: 16, torn: 1 };
    /// None, all, two random and one torn.
    pub const FEW: Subsets = Subsets { none_and_all: true, each: false, random: 2, torn: 1 };

    /// The survivals to try over `units`; `salt` varies the random ones. Survivals that could not differ are left out,
    /// but there is always one.
    pub(super) fn list(&self, units: &[Unit], salt: u64) -> Vec<Survival> {
        if units.is_empty() {
            return vec![Survival::None];
        }
        let mut survivals = Vec::new();
        if self.none_and_all {
            survivals.extend([Survival::None, Survival::All]);
        }
        if self.each && units.len() > 1 {
            survivals.extend((0..units.len()).map(Survival::OneDropped));
            survivals.extend((0..units.len()).map(Survival::OneKept));
        }
        let mut rng = Rng::new(salt).fork("subsets", units.len() as u64);
        survivals.extend((0..self.random).map(|_| Survival::Random(rng.next_u64())));
        if units.iter().any(Unit::is_in_flight) {
            survivals.extend((0..self.torn).map(|_| Survival::Torn(rng.next_u64())));
        }
        if survivals.is_empty() { vec![Survival::None] } else { survivals }
    }
}
