//! Two generators of operations that have nothing in common, so that one's blind spot is not everyone's.
//!
//! *Grammar* draws statements independently of one another: any statement, any key. *Stories* tells what applications do: rows
//! are made, changed by others, read back and removed; sums are moved between accounts and audited; a table is filled at
//! its end and emptied from its start, so that pages split and merge.

use node::{Nanos, Rng};

use crate::operations::{Operation, Verb};

/// Which generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generator {
    /// Independent statements.
    Grammar,
    /// Short histories of rows.
    Stories,
}

impl Generator {
    /// The name in scripts and suites.
    pub const fn name(self) -> &'static str {
        match self {
            Generator::Grammar => "grammar",
            Generator::Stories => "stories",
        }
    }

    /// Draws `count` transactions over `span`, `tables` tables and about `keys` keys, in order of time.
    pub fn draw(self, count: u64, span: Nanos, tables: u16, keys: u64, rng: &mut Rng) -> Vec<Operation> {
        let mut times: Vec<u64> = (0..count).map(|_| rng.below(span.0 / 1_000 + 1) * 1_000).collect();
        times.sort_unstable();
        let mut stories = Stories { tables, keys, next_key: keys, oldest: keys, pending: Vec::new() };
        let one = |at: u64| {
            let (verbs, rolls_back) = match self {
                Generator::Grammar => grammar(tables, keys, rng),
                Generator::Stories => (stories.next(rng), false),
            };
            Operation { at: Nanos(at), verbs, rolls_back }
        };
        times.into_iter().map(one).collect()
    }
}

fn grammar(tables: u16, keys: u64, rng: &mut Rng) -> (Vec<Verb>, bool) {
    let count = if rng.chance(0.3) { 1 } else { rng.between(2, 7) };
    let verbs = (0..count).map(|_| statement(tables, keys, rng)).collect();
    (verbs, count > 1 && rng.chance(0.08))
}

fn statement(tables: u16, keys: u64, rng: &mut Rng) -> Verb {
    let table = rng.below(u64::from(tables)) as u16;
    let (key, other, value) = (rng.below(keys), rng.below(keys + 1), rng.below(1_000_000));
    match rng.below(100) {
        0..18 => Verb::Get(table, key),
        18..22 => Verb::Lock(table, key),
        22..32 => Verb::Scan(table, key, other, rng.below(40) as u32),
        32..36 => Verb::Count(table, key.min(other), key.max(other)),
        36..40 => Verb::Sum(table, key.min(other), key.max(other)),
        40..46 => Verb::Index(table, value % 40, other % 41),
        46..56 => Verb::Insert(table, key, value),
        56..72 => Verb::Put(table, key, value),
        72..80 => Verb::Add(table, key, 1 + value % 9),
        80..86 => Verb::Text(table, key, value),
        _ => Verb::Delete(table, key),
    }
}

/// What goes on in the tables, as far as the next transactions depend on it.
struct Stories {
    tables: u16,
    keys: u64,
    /// The end and the start of the row of keys that is filled and emptied.
    next_key: u64,
    oldest: u64,
    /// Keys that were made and are to be changed, read and removed.
    pending: Vec<(u16, u64, u8)>,
}

impl Stories {
    fn next(&mut self, rng: &mut Rng) -> Vec<Verb> {
        match rng.below(10) {
            0 | 1 => self.transfer(rng),
            2 => self.audit(rng),
            3..=5 => self.fill(rng),
            6 => self.empty(rng),
            _ => self.life(rng),
        }
    }

    /// A number moves from one row to another; the rows are few, so that clients meet.
    fn transfer(&mut self, rng: &mut Rng) -> Vec<Verb> {
        let hot = self.keys.clamp(2, 8);
        let (from, amount) = (rng.below(hot), 1 + rng.below(5));
        let to = (from + 1 + rng.below(hot - 1)) % hot;
        vec![
            Verb::Lock(0, from),
            Verb::Lock(0, to),
            Verb::Add(0, from, amount.wrapping_neg()),
            Verb::Add(0, to, amount),
        ]
    }

    fn audit(&mut self, rng: &mut Rng) -> Vec<Verb> {
        let hot = self.keys.clamp(2, 8);
        let wide = rng.chance(0.3);
        vec![Verb::Sum(0, 0, hot), Verb::Count(0, 0, if wide { self.next_key } else { hot })]
    }

    fn fill(&mut self, rng: &mut Rng) -> Vec<Verb> {
        let table = rng.below(u64::from(self.tables)) as u16;
        let count = 1 + rng.below(6);
        let first = self.next_key;
        self.next_key += count;
        (first..first + count).map(|key| Verb::Put(table, key, rng.below(1_000_000))).collect()
    }

    fn empty(&mut self, rng: &mut Rng) -> Vec<Verb> {
        let (first, count) = (self.oldest, (self.next_key - self.oldest).min(rng.below(12)));
        self.oldest += count;
        let tables = 0..self.tables;
        let mut verbs: Vec<Verb> =
            tables.flat_map(|table| (first..first + count).map(move |key| Verb::Delete(table, key))).take(24).collect();
        verbs.push(Verb::Count(0, first, first + count));
        verbs
    }

    /// A row is made, changed, read and removed, in transactions of whoever comes next.
    fn life(&mut self, rng: &mut Rng) -> Vec<Verb> {
        let begun = !self.pending.is_empty() && rng.chance(0.7);
        if !begun {
            let table = rng.below(u64::from(self.tables)) as u16;
            let key = rng.below(self.keys);
            self.pending.push((table, key, 0));
            return vec![Verb::Put(table, key, rng.below(1_000_000))];
        }
        let at = rng.below(self.pending.len() as u64) as usize;
        let (table, key, age) = self.pending[at];
        self.pending[at].2 += 1;
        match age {
            0 => vec![Verb::Get(table, key), Verb::Text(table, key, rng.below(1_000_000)), Verb::Get(table, key)],
            1 => vec![Verb::Get(table, key), Verb::Scan(table, key.saturating_sub(3), key + 3, 10)],
            _ => {
                self.pending.swap_remove(at);
                vec![Verb::Delete(table, key), Verb::Get(table, key)]
            }
        }
    }
}
