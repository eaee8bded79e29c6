//! Tracked, hedged page reads.
//!
//! In normal operation a page is read from *one* segment: the writer knows which segments are complete enough, and asks the
//! one that answered fastest (P18, section 3.1: "Aurora does not do quorum reads"). When the answer is late it asks the
//! next and takes the first; every so often it asks a second segment anyway, to keep its latency known.

use std::collections::BTreeMap;

use compute::{Lsn, PageId};
use node::Nanos;

use crate::quorum::MEMBERS;
use crate::{MemberIndex, PgId};

/// One page on its way.
#[derive(Clone, Debug)]
pub struct Read {
    /// The page.
    pub page: PageId,
    /// Its group.
    pub pg: PgId,
    /// The version asked for.
    pub read_point: Lsn,
    /// The group's last LSN at or below it.
    pub required: Lsn,
    /// When the first segment was asked.
    pub started: Nanos,
    asked: [Option<Nanos>; MEMBERS],
    damaged: u8,
    detail: String,
}

/// What to do about an answer that brought no page.
#[derive(Debug, PartialEq, Eq)]
pub enum Setback {
    /// The request is over; ignore the answer.
    Unknown,
    /// Ask another segment.
    AskAnother,
    /// Every segment there is says its copy is damaged; the text is the last one's.
    Corrupt(String),
}

/// All outstanding reads, and how fast each segment's node answers.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    open: BTreeMap<u64, Read>,
    next_request: u64,
    latency_ns: [u64; MEMBERS],
}

impl Reads {
    /// Opens a read.
    pub fn open(&mut self, page: PageId, pg: PgId, read_point: Lsn, required: Lsn, now: Nanos) -> u64 {
        let request = self.next_request;
        self.next_request += 1;
        let (asked, damaged, detail) = ([None; MEMBERS], 0, String::new());
        self.open.insert(request, Read { page, pg, read_point, required, started: now, asked, damaged, detail });
        request
    }

    /// A read of this page that is under way.
    pub fn of_page(&self, page: PageId) -> Option<u64> {
        self.open.iter().find(|(_, read)| read.page == page).map(|(request, _)| *request)
    }

    /// A read that is still open.
    pub fn get(&self, request: u64) -> Option<&Read> {
        self.open.get(&request)
    }

    /// The oldest version that an open read of `pg` asks for.
    pub fn oldest_read_point(&self, pg: PgId) -> Option<Lsn> {
        self.open.values().filter(|read| read.pg == pg).map(|read| read.read_point).min()
    }

    /// The fastest segment that may serve the read and was not asked in this round, marked as asked.
    pub fn choose(&mut self, request: u64, now: Nanos, may_serve: impl Fn(MemberIndex) -> bool) -> Option<MemberIndex> {
        let read = self.open.get_mut(&request)?;
        let chosen = MemberIndex::all()
            .filter(|&member| read.asked[usize::from(member.0)].is_none() && may_serve(member))
            .min_by_key(|&member| (self.latency_ns[usize::from(member.0)], member))?;
        read.asked[usize::from(chosen.0)] = Some(now);
        Some(chosen)
    }

    /// Starts another round: every segment may be asked again, at a newer version.
    pub fn next_round(&mut self, request: u64, read_point: Lsn, required: Lsn) {
        if let Some(read) = self.open.get_mut(&request) {
            (read.read_point, read.required) = (read_point, required);
            (read.asked, read.damaged) = ([None; MEMBERS], 0);
        }
    }

    /// A segment brought the page: the read is over. `None` when it was over before.
    pub fn finish(&mut self, request: u64, member: MemberIndex, now: Nanos) -> Option<Read> {
        self.learn(request, member, now);
        self.open.remove(&request)
    }

    /// Gives up.
    pub fn abandon(&mut self, request: u64) -> Option<Read> {
        self.open.remove(&request)
    }

    /// A segment brought no page. `damage` says so when its copy is damaged; `serving` is how many segments could serve.
    pub fn setback(&mut self, request: u64, damage: Option<String>, serving: usize) -> Setback {
        let Some(read) = self.open.get_mut(&request) else { return Setback::Unknown };
        if let Some(detail) = damage {
            read.damaged += 1;
            read.detail = detail;
            if usize::from(read.damaged) >= serving {
                return Setback::Corrupt(std::mem::take(&mut read.detail));
            }
        }
        Setback::AskAnother
    }

    /// When to hedge: three times the fastest segment's usual latency, and at least `least`.
    pub fn hedge_after(&self, least: Nanos) -> Nanos {
        let fastest = self.latency_ns.iter().copied().filter(|&ns| ns > 0).min().unwrap_or(0);
        Nanos(3 * fastest).max(least)
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn learn(&mut self, request: u64, member: MemberIndex, now: Nanos) {
        let asked = self.open.get(&request).and_then(|read| read.asked[usize::from(member.0)]);
        if let Some(asked) = asked {
            let (known, seen) = (&mut self.latency_ns[usize::from(member.0)], now.saturating_sub(asked).0.max(1));
            *known = if *known == 0 { seen } else { (*known * 7 + seen) / 8 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_read(reads: &mut Reads) -> u64 {
        reads.open(PageId(1), PgId(0), Lsn(9), Lsn(8), Nanos(0))
    }

    #[test]
    fn the_fastest_segment_that_is_complete_enough_is_asked_first() {
        let mut reads = Reads::default();
        for (member, took) in [(0u8, 500u64), (3, 100), (5, 50)] {
            let request = one_read(&mut reads);
            assert_eq!(reads.choose(request, Nanos(0), |m| m.0 == member), Some(MemberIndex(member)));
            reads.finish(request, MemberIndex(member), Nanos(took));
        }
        let request = one_read(&mut reads);
        let complete = |member: MemberIndex| [0, 3].contains(&member.0);
        assert_eq!(reads.choose(request, Nanos(0), complete), Some(MemberIndex(3)));
        assert_eq!(reads.choose(request, Nanos(0), complete), Some(MemberIndex(0)), "a hedge asks the next");
        assert_eq!(reads.choose(request, Nanos(0), complete), None);
        assert_eq!(reads.hedge_after(Nanos(10)), Nanos(150));
    }

    #[test]
    fn the_loser_of_a_hedge_brings_nothing() {
        let mut reads = Reads::default();
        let request = one_read(&mut reads);
        assert!(reads.finish(request, MemberIndex(0), Nanos(1)).is_some());
        assert!(reads.finish(request, MemberIndex(1), Nanos(2)).is_none());
        assert_eq!(reads.setback(request, None, 6), Setback::Unknown);
    }

    #[test]
    fn a_page_is_corrupt_only_when_every_copy_is() {
        let mut reads = Reads::default();
        let request = one_read(&mut reads);
        assert_eq!(reads.setback(request, Some("slot 1".into()), 2), Setback::AskAnother);
        assert_eq!(reads.setback(request, Some("slot 2".into()), 2), Setback::Corrupt("slot 2".into()));
    }
}
