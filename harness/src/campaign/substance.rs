//! How much happened: a campaign that crashes an idle engine proves nothing.

use std::collections::BTreeMap;
use std::fmt;

/// Counts by name, over the seeds of a campaign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substance {
    counts: BTreeMap<&'static str, u64>,
}

impl Substance {
    /// Adds to a count.
    pub fn add(&mut self, name: &'static str, count: u64) {
        *self.counts.entry(name).or_default() += count;
    }

    /// A count; zero for one that was never added to.
    pub fn get(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Adds all of another campaign's counts.
    pub fn merge(&mut self, other: &Substance) {
        other.counts.iter().for_each(|(name, count)| self.add(name, *count));
    }

    /// All counts, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(name, count)| (*name, *count))
    }

    /// The names among `wanted` that nothing was counted under.
    pub fn missing<'a>(&self, wanted: &[&'a str]) -> Vec<&'a str> {
        wanted.iter().copied().filter(|name| self.get(name) == 0).collect()
    }
}

impl fmt::Display for Substance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, count)) in self.counts.iter().enumerate() {
            write!(f, "{}{name} {count}", if index > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}
