//! Gossip: nodes fill each other's holes (P17, figure 4, step 4).
//!
//! Each period one peer is told what this node holds. Who lacks something pulls it from one that has it.
//!
//! # Invariants
//!
//! - Records from a peer pass the same gate as the writer's: decoded, in their group, not annulled; and they link, one to
//!   the next, to an LSN of the chain that is already here.
//! - Under another epoch, or without that epoch's table, nothing is taken and nothing is given.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use compute::{Lsn, PageId};
use node::{Effects, Frame, IoClass, Nanos, NodeId, TimerId};

use super::batch::decode_batch;
use super::segment::Segment;
use super::server::{After, Server};
use super::{Owner, Trouble};
use crate::message::{PEER, Peer, PeerSegment, Standing, Wire};
use crate::planted::Bug;
use crate::{Epoch, MemberIndex, PgId, Register, TruncationTable};

/// Periods of gossip without an offer after which a peer counts as silent. Each period one of five peers is told.
pub(super) const SILENT_PERIODS: u64 = 40;

/// Records that a segment is known to lack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lack {
    /// Up to here.
    pub(super) upto: Lsn,
    /// Not pulled before.
    pub(super) ask_at: Nanos,
    /// How often it was asked for since the last answer.
    attempts: u64,
    /// The question that an answer is awaited to: the records above which LSN, and when it was asked.
    asked: Option<(Lsn, Nanos)>,
    /// How long an answer may take before the question is asked again.
    patience: Nanos,
    patience_max: Nanos,
}

/// An answer may take so many times as long as the last one did before it counts as lost: a large one that waits its turn on
/// a busy node is worth waiting for, and the same one from two peers costs both twice.
const PATIENCE_ROUNDS: u64 = 4;
/// No question waits longer than so many of the periods that are the least patience.
const PATIENCE_PERIODS_MAX: u64 = 64;

impl Lack {
    fn new(upto: Lsn, ask_at: Nanos, patience: Nanos) -> Lack {
        let patience_max = Nanos(patience.0.saturating_mul(PATIENCE_PERIODS_MAX));
        Lack { upto, ask_at, attempts: 0, asked: None, patience, patience_max }
    }

    fn ask(&mut self, above: Lsn, now: Nanos) {
        (self.asked, self.attempts) = (Some((above, now)), self.attempts + 1);
        let patience = Nanos(self.patience.0 << (self.attempts - 1).min(4));
        self.ask_at = now + patience.min(self.patience_max);
    }

    /// Takes note of records that came; says whether they are the answer that is awaited. One that is late, or that another
    /// peer gave before, asks for nothing more.
    fn answered(&mut self, above: Lsn, now: Nanos) -> bool {
        let Some((_, asked_at)) = self.asked.filter(|(asked, _)| *asked == above) else { return false };
        let rounds = Nanos(now.saturating_sub(asked_at).0.saturating_mul(PATIENCE_ROUNDS));
        self.patience = self.patience.max(rounds).min(self.patience_max);
        (self.asked, self.attempts) = (None, 0);
        true
    }
}

/// All that is lacking, by group.
pub(super) type Lacks = BTreeMap<PgId, Lack>;

impl Server {
    pub(super) fn on_peer(
        &mut self,
        now: Nanos,
        from: NodeId,
        frame: &Frame,
        out: &mut Effects,
    ) -> Result<(), Trouble> {
        let known = self.config.members.contains(&from);
        let message = match Peer::from_frame(frame) {
            Ok(message) if known && message.sender().0 == self.config.volume => message,
            _ => {
                self.counters.refused += 1;
                return Ok(());
            }
        };
        let (_, epoch) = message.sender();
        match message {
            Peer::Offer { member, incarnation, vdl, segments, .. } => {
                if !self.fence.serves(epoch) {
                    self.on_other_epoch(from, epoch, out);
                    return Ok(());
                }
                self.peers.learn(now, member, incarnation, &segments);
                self.on_offer(now, from, vdl, &segments, out);
            }
            Peer::AskTable { .. } => self.on_ask_table(from, out),
            Peer::Table { table, vdl, register, .. } => return self.on_table(epoch, table, vdl, register, out),
            _ if !self.fence.serves(epoch) && !self.config.planted.is(Bug::GossipUnverified) => {}
            Peer::Pull { pg, above, upto, .. } => self.on_pull(from, pg, above, upto, out),
            Peer::Push { pg, above, records, .. } => self.on_push(now, from, pg, above, records, out),
            Peer::AskPages { pg, from: first, count, .. } => self.on_ask_pages(from, pg, first, count, out),
            Peer::Pages { pg, from: first, at, base, pages, next, .. } => {
                self.on_pages(now, from, pg, first, (at, base), pages, next, out);
            }
        }
        Ok(())
    }

    /// Someone serves another epoch. Whoever is behind asks for the table.
    fn on_other_epoch(&mut self, from: NodeId, epoch: Epoch, out: &mut Effects) {
        if epoch >= self.fence.promised() {
            self.tell(from, &Peer::AskTable { volume: self.config.volume, epoch }, out);
        } else if self.fence.serving().is_some() {
            let offer = self.offer();
            self.tell(from, &offer, out);
        }
    }

    fn on_ask_table(&mut self, from: NodeId, out: &mut Effects) {
        let (Some(epoch), Some(register)) = (self.fence.serving(), self.register) else { return };
        let (volume, table, vdl) = (self.config.volume, self.table.clone(), self.vdl);
        self.tell(from, &Peer::Table { volume, epoch, table, vdl, register }, out);
    }

    fn on_table(
        &mut self,
        epoch: Epoch,
        table: TruncationTable,
        vdl: Lsn,
        register: Register,
        out: &mut Effects,
    ) -> Result<(), Trouble> {
        let newer_register = self.register.is_none_or(|held| register.is_newer_than(&held));
        let newer_table = table.is_newer_than(&self.table) && table.epoch() == epoch;
        if epoch < self.fence.promised() || table.epoch() != epoch || !(newer_table || newer_register) {
            return Ok(());
        }
        self.fence.promise(epoch);
        if newer_table && self.config.planted.is(Bug::AnnulledReturn) {
            self.table = table;
        } else if newer_table {
            self.annul(table, &[]);
        }
        self.vdl = self.vdl.max(vdl);
        self.adopt_register(register);
        self.save(After::Held { epoch }, out)
    }

    pub(super) fn tell(&mut self, to: NodeId, message: &Peer, out: &mut Effects) {
        let class = match message {
            Peer::AskPages { .. } | Peer::Pages { .. } => IoClass::Repair,
            _ => IoClass::Gossip,
        };
        let frame = message.frame(PEER);
        self.counters.gossip_bytes += frame.len_bytes() as u64;
        out.send(to, frame, class);
    }

    pub(super) fn node_of(&self, member: MemberIndex) -> NodeId {
        self.config.members[usize::from(member.0)]
    }

    fn offer(&self) -> Peer {
        let rebuilt_from = |pg: PgId| self.rebuilds.get(&pg).and_then(|rebuild| rebuild.base);
        let segment = |segment: &Segment| PeerSegment {
            pg: segment.pg,
            scl: rebuilt_from(segment.pg).unwrap_or(segment.scl()),
            base: segment.base(),
            pgmrpl: segment.pgmrpl,
            standing: segment.standing(),
        };
        Peer::Offer {
            volume: self.config.volume,
            epoch: self.fence.promised(),
            member: self.member,
            incarnation: self.incarnation,
            vdl: self.vdl,
            segments: self.segments.values().map(segment).collect(),
        }
    }

    /// One period: one peer is told, what is lacking is asked for, what is to be rebuilt goes on.
    pub(super) fn gossip(&mut self, now: Nanos, out: &mut Effects) -> Result<(), Trouble> {
        if self.fence.serving().is_some() {
            if now >= self.offer_at {
                self.offer_at = now + self.jittered(self.config.gossip_every);
                self.peer_turn = (self.peer_turn + 1) % (self.config.members.len() - 1);
                let turn = (usize::from(self.member.0) + 1 + self.peer_turn) % self.config.members.len();
                let (to, offer) = (self.config.members[turn], self.offer());
                self.tell(to, &offer, out);
            }
            self.note_own_lacks(now);
            self.pull_lacks(now, out);
            self.rebuild(now, out)?;
        }
        let busy = !self.lacks.is_empty() || !self.rebuilds.is_empty() || !self.pages_wanted.is_empty();
        let period = if busy { self.config.catch_up_every } else { self.config.gossip_every };
        let period = self.jittered(period.min(self.config.gossip_every));
        out.set_timer(TimerId::new(Owner::GOSSIP, 0), period);
        Ok(())
    }

    fn on_offer(&mut self, now: Nanos, from: NodeId, vdl: Lsn, offered: &[PeerSegment], out: &mut Effects) {
        self.vdl = self.vdl.max(vdl);
        if offered.iter().any(|theirs| !self.segments.contains_key(&theirs.pg)) {
            self.tell(from, &Peer::AskTable { volume: self.config.volume, epoch: self.fence.promised() }, out);
        }
        for theirs in offered {
            let Some(segment) = self.segments.get_mut(&theirs.pg) else { continue };
            segment.pgmrpl = segment.pgmrpl.max(theirs.pgmrpl);
            if theirs.standing.has_records() && theirs.scl > segment.scl() {
                // Most of the time the records are on their way here; what is still missing in a while is lost.
                let ask_at = now + self.config.gossip_every;
                self.lack(theirs.pg, theirs.scl, ask_at);
            }
        }
    }

    /// Notes that a segment lacks records up to `upto`, to be asked for at `ask_at`.
    pub(super) fn lack(&mut self, pg: PgId, upto: Lsn, ask_at: Nanos) {
        let lack = self.lacks.entry(pg).or_insert_with(|| Lack::new(upto, ask_at, self.config.catch_up_every));
        lack.upto = lack.upto.max(upto);
        lack.ask_at = lack.ask_at.min(ask_at);
    }

    /// A suspect segment lacks what it once acknowledged; one with a hole lacks what is in it, if it does not come soon.
    fn note_own_lacks(&mut self, now: Nanos) {
        let soon = now + self.config.gossip_every;
        let mut found = Vec::new();
        for segment in self.segments.values().filter(|segment| !self.lacks.contains_key(&segment.pg)) {
            if segment.standing() == Standing::Suspect {
                found.push((segment.pg, segment.claim, now));
            } else if segment.gap(segment.scl(), segment.last()).is_some() {
                found.push((segment.pg, segment.last(), soon));
            }
        }
        for (pg, upto, ask_at) in found {
            self.lack(pg, upto, ask_at);
        }
    }

    fn pull_lacks(&mut self, now: Nanos, out: &mut Effects) {
        let due: Vec<(PgId, Lack)> = self.lacks.iter().map(|(&pg, &lack)| (pg, lack)).collect();
        for (pg, lack) in due {
            let Some(segment) = self.segments.get(&pg).filter(|segment| segment.scl() < lack.upto) else {
                self.lacks.remove(&pg);
                continue;
            };
            if lack.ask_at > now || self.rebuilds.get(&pg).is_some_and(|rebuild| rebuild.is_copying()) {
                continue;
            }
            // What is held and not yet durable is asked of nobody.
            let Some((above, upto)) = segment.gap(segment.scl(), lack.upto) else { continue };
            if let Some(known) = self.lacks.get_mut(&pg) {
                known.ask(above, now);
            }
            if let Some(peer) = self.holder_of(pg, above, lack.attempts) {
                self.ask_records(peer, pg, above, upto, out);
            }
        }
    }

    /// A peer that may have the records above an LSN; each attempt another one. Peers not heard of are asked too.
    fn holder_of(&mut self, pg: PgId, above: Lsn, attempt: u64) -> Option<NodeId> {
        let own = self.member;
        let mut holders: Vec<MemberIndex> =
            self.peers.of(pg).filter(|(_, s)| s.scl > above && s.base <= above).map(|(member, _)| member).collect();
        if holders.is_empty() || attempt % 3 == 2 {
            holders = MemberIndex::all().filter(|&member| member != own).collect();
        }
        let chosen = self.rng.below(holders.len() as u64);
        holders.get(chosen as usize).map(|&member| self.node_of(member))
    }

    fn ask_records(&mut self, to: NodeId, pg: PgId, above: Lsn, upto: Lsn, out: &mut Effects) {
        let (volume, epoch) = (self.config.volume, self.fence.promised());
        self.tell(to, &Peer::Pull { volume, epoch, pg, above, upto }, out);
    }

    fn on_pull(&mut self, from: NodeId, pg: PgId, above: Lsn, upto: Lsn, out: &mut Effects) {
        let Some(segment) = self.segments.get(&pg).filter(|segment| segment.hydrated && segment.base() <= above) else {
            return;
        };
        let mut records = BytesMut::new();
        let mut expected = above;
        // Records above the own SCL are given too: the link to `above` is what proves them, and where every member has other
        // holes than its peers, nobody's SCL would ever pass its own.
        for entry in segment.held_above(above).take_while(|entry| entry.lsn <= upto) {
            // An asker whose `above` is not of this chain gets nothing: its own chain is what is wrong.
            if entry.prev_pg != expected || records.len() >= self.config.push_bytes_max {
                break;
            }
            expected = entry.lsn;
            records.extend_from_slice(segment.encoded(entry));
        }
        if !records.is_empty() {
            let (volume, epoch, records) = (self.config.volume, self.fence.promised(), records.freeze());
            self.tell(from, &Peer::Push { volume, epoch, pg, above, records }, out);
        }
    }

    fn on_push(&mut self, now: Nanos, from: NodeId, pg: PgId, above: Lsn, records: Bytes, out: &mut Effects) {
        let (Some(segment), Some(register)) = (self.segments.get(&pg), self.register) else { return };
        let links = above == segment.scl() || above == segment.base() || segment.has(above);
        let Ok(batch) = decode_batch(records, pg, register.geometry.pages_per_pg) else {
            self.counters.refused += 1;
            return;
        };
        let mut expected = above;
        let chained = batch.heads.iter().all(|head| {
            let fits = head.prev_pg == expected;
            expected = head.lsn;
            fits
        });
        let fits = (links && chained) || self.config.planted.is(Bug::GossipUnverified);
        if !fits || self.log.intake_bytes() > self.config.intake_bytes_max || self.log.is_full() {
            self.counters.refused += u64::from(!fits);
            return;
        }
        let before = self.counters.records;
        let taken = self.take_records(pg, batch);
        self.counters.gossiped += self.counters.records - before;
        if let (Some(seq), Some((writer, epoch))) = (taken, self.writer) {
            self.acks.wait(seq, writer, epoch, pg, Nanos::ZERO);
        }
        let Some(lack) = self.lacks.get_mut(&pg) else { return };
        if !lack.answered(above, now) || lack.upto <= expected {
            return;
        }
        if let Some((above, upto)) = self.segments.get(&pg).and_then(|segment| segment.gap(expected, lack.upto)) {
            lack.ask(above, now);
            self.ask_records(from, pg, above, upto, out);
        }
    }

    /// Notes a damaged page; a peer is asked for it.
    pub(super) fn want_page(&mut self, pg: PgId, page: PageId) {
        self.pages_wanted.entry(page).or_insert(pg);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Nanos = Nanos(5);

    /// A member that had been away asked again while a large answer waited its turn, from another peer; each of the two answers
    /// asked for what comes next, and from then on everything was sent twice, or four times.
    #[test]
    fn an_answer_that_another_peer_gave_before_asks_for_nothing_more() {
        let mut lack = Lack::new(Lsn(90), Nanos::ZERO, PERIOD);
        assert!(!lack.answered(Lsn(10), Nanos(1)), "nobody was asked");
        lack.ask(Lsn(10), Nanos(1));
        assert_eq!(lack.ask_at, Nanos(6));
        lack.ask(Lsn(10), Nanos(6));
        assert_eq!(lack.ask_at, Nanos(16), "the second time it waits longer");
        assert!(lack.answered(Lsn(10), Nanos(9)));
        lack.ask(Lsn(50), Nanos(9));
        assert!(!lack.answered(Lsn(10), Nanos(12)), "the answer to the first question");
        assert!(lack.answered(Lsn(50), Nanos(13)));
    }

    #[test]
    fn an_answer_is_waited_for_as_long_as_answers_take_and_not_for_ever() {
        let mut lack = Lack::new(Lsn(90), Nanos::ZERO, PERIOD);
        lack.ask(Lsn(10), Nanos(0));
        assert!(lack.answered(Lsn(10), Nanos(7)));
        lack.ask(Lsn(20), Nanos(7));
        assert_eq!(lack.ask_at, Nanos(7 + 4 * 7));
        assert!(lack.answered(Lsn(20), Nanos(1_000)));
        lack.ask(Lsn(30), Nanos(1_000));
        assert_eq!(lack.ask_at, Nanos(1_000 + 64 * PERIOD.0));
    }
}
