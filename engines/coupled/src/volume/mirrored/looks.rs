//! What the copies of a region hold, seen in several looks.
//!
//! A read may go astray: it gives whole bytes of a neighbouring place, and the next one may go astray the same way, so that even
//! what two copies say together may be on neither. It is a read that is wrong, and not what is stored: a start that sees a
//! difference looks again before anything is overwritten, until every copy has said one thing clearly more often than any
//! other. Where all copies are seen equal once, nothing is overwritten and nothing more is asked.

use std::collections::BTreeMap;

/// By how many looks what a copy holds must lead. With one read in five astray, half of them to the same neighbour, a copy is
/// taken for its neighbour once in some thousand regions that differ, and two copies at once hardly ever.
const LEAD: u32 = 4;

/// A disk that answers so variously is taken by what it says most often.
const LOOKS_MAX: u32 = 32;

/// The hashes of each copy so far, with how often it had them. A read that failed counts as an answer of its own.
#[derive(Clone, Debug, Default)]
pub struct Looks {
    copies: Vec<BTreeMap<Option<u64>, u32>>,
    taken: u32,
}

impl Looks {
    /// Takes another look; gives what each copy holds when it is clear.
    pub fn take(&mut self, hashes: impl Iterator<Item = Option<u64>>) -> Option<Vec<Option<u64>>> {
        for (at, hash) in hashes.enumerate() {
            if at == self.copies.len() {
                self.copies.push(BTreeMap::new());
            }
            *self.copies[at].entry(hash).or_default() += 1;
        }
        self.taken += 1;
        let clear = self.taken >= LOOKS_MAX || self.copies.iter().all(|seen| lead(seen) >= LEAD);
        clear.then(|| self.copies.iter().map(most_frequent).collect())
    }
}

fn lead(seen: &BTreeMap<Option<u64>, u32>) -> u32 {
    let mut counts: Vec<u32> = seen.values().copied().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts.first().copied().unwrap_or(0) - counts.get(1).copied().unwrap_or(0)
}

fn most_frequent(seen: &BTreeMap<Option<u64>, u32>) -> Option<u64> {
    seen.iter().max_by_key(|(_, count)| **count).and_then(|(hash, _)| *hash)
}

#[cfg(test)]
mod tests {
    use node::FileName;

    use super::super::resync::{Comparison, Progress, Region, Resync, Witnesses};
    use super::*;

    const EVERYONE: Witnesses = Witnesses { doubted: false, mirror: true, standby: true };

    /// Looks until what the copies hold is clear; gives that and the number of looks.
    fn look(answers: &[[u64; 3]]) -> Option<(Vec<u64>, usize)> {
        let mut looks = Looks::default();
        answers.iter().enumerate().find_map(|(at, hashes)| {
            let clear = looks.take(hashes.iter().copied().map(Some))?;
            Some((clear.into_iter().map(Option::unwrap).collect(), at + 1))
        })
    }

    #[test]
    fn copies_that_differ_are_known_after_as_many_looks_as_must_lead() {
        assert_eq!(look(&[[1, 1, 2]; 9]), Some((vec![1, 1, 2], LEAD as usize)));
        assert_eq!(look(&[[1, 1, 2]; LEAD as usize - 1]), None);
    }

    /// The writer's volume and a copy of the standby's side were misread alike, and outweighed two that were right: the neighbour's
    /// bytes were copied over those, and the next start gave them to the writer's volume too. Damage seed 6331 found it.
    #[test]
    fn two_copies_that_are_misread_alike_outweigh_nobody() {
        let mut resync = Resync::new(true, true);
        let region = Region { name: FileName::new("log-000"), offset: 16_384, len_bytes: 4096 };
        let [right, stray] = [Some(1), Some(2)];
        let mut look = |own, remote| {
            let hashes = Progress::Hashing { primary: Some(vec![own, right]), standby: Some(vec![right, remote]) };
            resync.window.insert(1, (region.clone(), hashes));
            let acts = !resync.looks_again(1);
            acts.then(|| resync.compare(1, EVERYONE))
        };
        assert_eq!(look(stray, stray), None);
        assert_eq!(look(stray, stray), None, "nor if it happens twice");
        let later: Vec<_> = (0..6).filter_map(|_| look(right, stray)).collect();
        let only_remote = Comparison::Differs { mirror: false, standby: true, hash: 1 };
        assert_eq!(later, [Some(only_remote)]);
    }

    #[test]
    fn a_disk_that_answers_variously_is_taken_by_what_it_says_most_often() {
        let answers: Vec<[u64; 3]> =
            (0..40).map(|at| [[1, 5, 2], [1, 5, 1], [1, 5, 2 + at]][at as usize % 3]).collect();
        let mut looks = 0;
        let mut all = Looks::default();
        let clear = answers.iter().find_map(|hashes| {
            looks += 1;
            all.take(hashes.iter().copied().map(Some))
        });
        assert_eq!((clear.map(|held| held[0]), looks), (Some(Some(1)), LOOKS_MAX));
    }
}
