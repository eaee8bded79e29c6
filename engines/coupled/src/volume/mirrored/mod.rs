//! The mirrored volume as the database node sees it: steps 1 and 3, detachment and resync.
//!
//! # Invariants
//!
//! - While attached, a change completes when both sides have answered it, the writer's first.
//! - Nothing completes on the writer's side alone before its label durably says detached.
//! - A copy made by a resync never lands after a later write to the same place.
//! - A mirror gets the writer's side's label only when it holds what its volume does: one whose label is older is not believed.

mod align;
mod labels;
mod looks;
mod regions;
mod resync;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use compute::Planted;
use node::{
    Block, Digest, DiskError, DiskOp, DiskReply, DiskResult, Effects, Event, FileId, FileName, IoClass, Nanos, NodeId,
    Rng, TimerId, Token,
};

use crate::config::{MirrorConfig, ZoneLoss};
use crate::io::MIRROR_TIMER;
use crate::mirror::{Answer, Attachment, Call, Caller, Copies, Heard, Label, Noted};
use crate::planted::Bug;
use crate::volume::{Volume, VolumeStatus};
use align::REPAIR;
use resync::{Resync, is_structural};

const PRIMARY_TIMER: TimerId = MIRROR_TIMER;
const STANDBY_TIMER: TimerId = TimerId(MIRROR_TIMER.0 + 1);
const CHECK_TIMER: TimerId = TimerId(MIRROR_TIMER.0 + 2);
const METADATA: [IoClass; 2] = [IoClass::Metadata, IoClass::Metadata];

/// The database node's end of the mirrored volume.
#[derive(Clone, Debug)]
pub struct MirroredVolume {
    config: MirrorConfig,
    planted: Planted<Bug>,
    primary: Caller,
    standby: Caller,
    standby_connected: bool,
    files: BTreeMap<FileId, FileName>,
    ops: BTreeMap<u64, Op>,
    own: BTreeMap<u64, Own>,
    next: u64,
    held: Vec<(Token, Call, IoClass)>,
    completions: VecDeque<(Token, DiskResult)>,
    phase: Phase,
    ready: bool,
    /// The highest in any label, written or being written.
    epoch: u64,
    /// That of the label by which operations complete now, which is durable.
    told_epoch: u64,
    labels: [Option<Vec<Noted>>; 2],
    /// The epochs of the labels on the writer's volume and its mirror, zero for none: one that has another was exchanged meanwhile.
    own_epochs: [u64; 2],
    /// Those of the standby's side, where they are known.
    standby_epochs: Option<[u64; 2]>,
    /// The writer's side notes that its volume is being mended.
    mending: bool,
    check_armed: bool,
}

/// An operation of the engine.
#[derive(Clone, Debug)]
struct Op {
    token: Token,
    call: Call,
    io: IoClass,
    /// What the writer's side came to, while the standby's is awaited; of a read from there, that nothing did.
    primary: Option<Answer>,
}

/// A call of the volume's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Own {
    PrimaryLabel,
    StandbyLabel,
    Doubt,
    Note(bool),
    DetachLabel,
    MirrorLabel,
    PrimaryList,
    StandbyList,
    File,
    StandbyFile,
    Mark(Label),
    AttachStandby,
    AttachPrimary,
    PrimaryHash(u64),
    StandbyHash(u64),
    Content(u64),
    MirrorCopy(u64),
    StandbyCopy(u64),
}

impl Own {
    /// Whether it writes files of the writer's side, so that it must be over before they are compared.
    fn writes(self) -> bool {
        matches!(self, Own::File | Own::MirrorCopy(_))
    }

    /// Whether it writes the record of the writer's side, which then stands whatever is decided meanwhile.
    fn records(self) -> bool {
        matches!(self, Own::Doubt | Own::Note(_) | Own::MirrorLabel | Own::AttachPrimary)
    }
}

#[derive(Clone, Debug)]
enum Phase {
    /// Labels are asked for.
    Connecting,
    /// Both sides acknowledge.
    Attached,
    /// The writer's label is being written; acknowledgements wait for it.
    Detaching,
    /// The writer's side alone acknowledges.
    Detached,
    /// Copies are compared: at start, or behind running writes.
    Resyncing(Box<Resync>),
}

impl MirroredVolume {
    /// A volume whose writer's side is `primary` and whose other side is reached through `standby`. `rng` must differ
    /// between incarnations of the database node.
    pub fn new(
        config: MirrorConfig,
        planted: Planted<Bug>,
        primary: NodeId,
        standby: NodeId,
        rng: &Rng,
    ) -> MirroredVolume {
        let retransmit = config.retransmit;
        MirroredVolume {
            config,
            planted,
            primary: Caller::new(primary, PRIMARY_TIMER, retransmit, rng.fork("primary", 0)),
            standby: Caller::new(standby, STANDBY_TIMER, retransmit, rng.fork("standby", 0)),
            standby_connected: false,
            files: BTreeMap::new(),
            ops: BTreeMap::new(),
            own: BTreeMap::new(),
            next: 0,
            held: Vec::new(),
            completions: VecDeque::new(),
            phase: Phase::Connecting,
            ready: false,
            epoch: 0,
            told_epoch: 0,
            labels: [None, None],
            own_epochs: [0; 2],
            standby_epochs: None,
            mending: false,
            check_armed: false,
        }
    }

    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn ask_primary(&mut self, now: Nanos, own: Own, call: Call, classes: [IoClass; 2], out: &mut Effects) {
        let id = self.id();
        self.own.insert(id, own);
        self.primary.call(now, id, call, classes, out);
    }

    fn ask_standby(&mut self, now: Nanos, own: Own, call: Call, classes: [IoClass; 2], out: &mut Effects) {
        let id = self.id();
        self.own.insert(id, own);
        self.standby.call(now, id, call, classes, out);
        self.arm_check(out);
    }

    fn arm_check(&mut self, out: &mut Effects) {
        if let ZoneLoss::Detach(after) = self.config.zone_loss
            && !self.check_armed
        {
            self.check_armed = true;
            out.set_timer(CHECK_TIMER, Nanos((after.0 / 4).max(1)));
        }
    }

    fn forwards(&self) -> bool {
        match &self.phase {
            Phase::Attached | Phase::Detaching => true,
            Phase::Resyncing(resync) => resync.forwards(),
            Phase::Connecting | Phase::Detached => false,
        }
    }

    fn begin(&mut self, now: Nanos, token: Token, call: Call, io: IoClass, out: &mut Effects) {
        if matches!(&self.phase, Phase::Resyncing(resync) if resync.holds(&call)) {
            self.held.push((token, call, io));
            return;
        }
        let id = self.id();
        self.primary.call(now, id, call.clone(), [io, io], out);
        self.ops.insert(id, Op { token, call, io, primary: None });
    }

    fn release_held(&mut self, now: Nanos, out: &mut Effects) {
        for (token, call, io) in std::mem::take(&mut self.held) {
            self.begin(now, token, call, io, out);
        }
    }

    fn primary_answered(&mut self, now: Nanos, id: u64, answer: Answer, out: &mut Effects) {
        if let Some(own) = self.own.remove(&id) {
            return self.own_answered(now, own, answer, out);
        }
        let forwards = self.forwards();
        let Some(op) = self.ops.get_mut(&id) else { return };
        let changes = is_structural(&op.call) || matches!(op.call, Call::Write { at: Copies::Both, .. });
        if changes && forwards && !matches!(answer, Answer::Failed(_)) {
            let early = self.planted.is(Bug::AnswerAfterStep1).then(|| answer.clone());
            op.primary = Some(answer);
            let (call, io) = (op.call.clone(), op.io);
            self.standby.call(now, id, call, [io, io], out);
            self.arm_check(out);
            if let Some(answer) = early {
                self.complete(now, id, answer, out);
            }
        } else {
            self.complete(now, id, answer, out);
        }
    }

    fn standby_answered(&mut self, now: Nanos, id: u64, answer: Answer, out: &mut Effects) {
        if let Some(own) = self.own.remove(&id) {
            return self.own_answered(now, own, answer, out);
        }
        let Some(primary) = self.ops.get_mut(&id).and_then(|op| op.primary.take()) else { return };
        let answer = if matches!(answer, Answer::Failed(_) | Answer::Data(_)) { answer } else { primary };
        self.complete(now, id, answer, out);
    }

    fn complete(&mut self, now: Nanos, id: u64, answer: Answer, out: &mut Effects) {
        if let Some(op) = self.ops.remove(&id) {
            self.completions.push_back((op.token, result_of(&op.call, answer)));
        }
        self.further(now, out);
    }

    /// Gives up the standby's side for now. Whatever waited for it alone is complete.
    fn drop_standby(&mut self, now: Nanos, out: &mut Effects) {
        (self.standby_connected, self.standby_epochs) = (false, None);
        self.standby.reset(out);
        self.own.retain(|_, own| own.writes() || matches!(own, Own::PrimaryLabel | Own::DetachLabel));
        let waiting: Vec<u64> = self.ops.iter().filter(|(_, op)| op.primary.is_some()).map(|(id, _)| *id).collect();
        for id in waiting {
            if let Some(answer) = self.ops.get_mut(&id).and_then(|op| op.primary.take()) {
                self.complete(now, id, answer, out);
            }
        }
    }

    fn detach(&mut self, now: Nanos, out: &mut Effects) {
        self.epoch += 1;
        self.phase = Phase::Detaching;
        if self.planted.is(Bug::DetachedUnmarked) {
            return self.detached(now, out);
        }
        let at = if self.mirror_lags() { Copies::Own } else { Copies::Both };
        self.label_primary(now, Own::DetachLabel, Attachment::Detached, at, out);
    }

    /// The writer's side goes on alone.
    fn detached(&mut self, now: Nanos, out: &mut Effects) {
        self.phase = Phase::Detached;
        self.told_epoch = self.epoch;
        self.drop_standby(now, out);
        if !self.ready {
            self.phase = Phase::Resyncing(Box::new(Resync::new(true, false)));
        }
        self.further(now, out);
    }

    /// Looks whether the standby's zone has been silent for too long.
    fn check(&mut self, now: Nanos, out: &mut Effects) {
        self.check_armed = false;
        let ZoneLoss::Detach(after) = self.config.zone_loss else { return };
        let silent = self.standby.oldest_wait(now).is_some_and(|wait| wait >= after);
        let silent = silent && !self.own.values().any(|own| own.records());
        match &self.phase {
            Phase::Attached if silent => self.detach(now, out),
            // A side without any label is new, or was lost: only the standby can tell.
            Phase::Connecting if silent && self.is_labelled() => self.detach(now, out),
            Phase::Resyncing(resync) if silent && resync.with_standby && (!resync.startup || self.is_labelled()) => {
                if resync.startup {
                    self.own.retain(|_, own| own.writes());
                    self.detach(now, out);
                } else {
                    self.phase = Phase::Detached;
                    self.drop_standby(now, out);
                    self.release_held(now, out);
                }
            }
            _ => {}
        }
        if self.standby.oldest_wait(now).is_some() {
            self.arm_check(out);
        }
    }

    fn call_of(&mut self, op: DiskOp) -> Result<Option<Call>, DiskError> {
        let named = |file: FileId| self.files.get(&file).cloned().ok_or(DiskError::NotFound);
        Ok(Some(match op {
            DiskOp::List => Call::List,
            DiskOp::Open { file, name } => {
                self.files.insert(file, name.clone());
                Call::Open(name)
            }
            DiskOp::Create { file, name, len_bytes } => {
                self.files.insert(file, name.clone());
                Call::Create { name, len_bytes, at: Copies::Both }
            }
            DiskOp::Extend { file, len_bytes } => Call::Extend { name: named(file)?, len_bytes, at: Copies::Both },
            DiskOp::Read { file, offset, len_bytes } => {
                Call::Read { name: named(file)?, offset, len_bytes: len_bytes as u32, mirror: false }
            }
            DiskOp::Write { file, offset, data, .. } => {
                let data = Bytes::from_owner(data);
                Call::Write { name: named(file)?, offset, at: Copies::Both, data }
            }
            DiskOp::Remove { name } => Call::Remove(name),
            // Every completed write is durable at every copy, and so is every name.
            DiskOp::Sync { .. } | DiskOp::SyncDir => return Ok(None),
        }))
    }
}

fn result_of(call: &Call, answer: Answer) -> DiskResult {
    match (call, answer) {
        (_, Answer::Failed(error)) => Err(error),
        (Call::List, Answer::Lists(lists)) => Ok(DiskReply::Names(lists.into_iter().next().unwrap_or_default())),
        (Call::Open(_) | Call::Create { .. }, Answer::Opened(len_bytes)) => Ok(DiskReply::Opened { len_bytes }),
        (Call::Read { .. }, Answer::Data(data)) if !data.is_empty() => Ok(DiskReply::Data(Block::padded(&data))),
        (Call::Extend { .. } | Call::Write { .. } | Call::Remove(_), Answer::Done) => Ok(DiskReply::Done),
        _ => Err(DiskError::EIO),
    }
}

impl Volume for MirroredVolume {
    fn start(&mut self, now: Nanos, out: &mut Effects) {
        self.primary.connect(out);
        self.standby.connect(out);
        self.ask_primary(now, Own::PrimaryLabel, Call::GetLabel, METADATA, out);
        self.ask_standby(now, Own::StandbyLabel, Call::GetLabel, METADATA, out);
    }

    fn is_ready(&self) -> bool {
        self.ready
    }

    fn submit(&mut self, now: Nanos, token: Token, op: DiskOp, class: IoClass, out: &mut Effects) {
        match self.call_of(op) {
            Ok(Some(call)) => self.begin(now, token, call, class, out),
            Ok(None) => self.completions.push_back((token, Ok(DiskReply::Done))),
            Err(error) => self.completions.push_back((token, Err(error))),
        }
    }

    fn read_partner(&mut self, now: Nanos, token: Token, partner: u32, op: DiskOp, out: &mut Effects) -> bool {
        let Ok(Some(Call::Read { name, offset, len_bytes, .. })) = self.call_of(op) else { return false };
        let read = |mirror| Call::Read { name, offset, len_bytes, mirror };
        let id = self.id();
        let (call, primary) = match partner {
            0 => (read(true), None),
            // Only while it is attached has the standby's side everything.
            1 | 2 if matches!(self.phase, Phase::Attached) => (read(partner == 2), Some(Answer::Done)),
            _ => return false,
        };
        match primary {
            None => self.primary.call(now, id, call.clone(), REPAIR, out),
            Some(_) => {
                self.standby.call(now, id, call.clone(), REPAIR, out);
                self.arm_check(out);
            }
        }
        self.ops.insert(id, Op { token, call, io: IoClass::Repair, primary });
        true
    }

    fn mend(&mut self, now: Nanos, token: Token, op: DiskOp, out: &mut Effects) {
        match self.call_of(op) {
            Ok(Some(Call::Write { name, offset, data, .. })) => {
                let call = Call::Write { name, offset, at: Copies::Own, data };
                self.begin(now, token, call, IoClass::Repair, out);
            }
            _ => self.completions.push_back((token, Err(DiskError::EIO))),
        }
    }

    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Frame { from, frame } if self.primary.is_peer(from) => {
                if let Some(Heard::Answer(id, answer)) = self.primary.frame(now, &frame, out) {
                    self.primary_answered(now, id, answer, out);
                }
            }
            Event::Frame { from, frame } if self.standby.is_peer(from) => match self.standby.frame(now, &frame, out) {
                Some(Heard::Answer(id, answer)) => self.standby_answered(now, id, answer, out),
                Some(Heard::Connected) => {
                    self.standby_connected = true;
                    self.further(now, out);
                }
                None => {}
            },
            Event::Timer { timer } if timer == CHECK_TIMER => self.check(now, out),
            Event::Timer { timer } => {
                let _ = self.primary.timer(now, timer, out) || self.standby.timer(now, timer, out);
            }
            _ => {}
        }
    }

    fn next_completion(&mut self) -> Option<(Token, DiskResult)> {
        self.completions.pop_front()
    }

    fn status(&self) -> VolumeStatus {
        let epoch = self.told_epoch;
        match &self.phase {
            _ if !self.ready => VolumeStatus::Connecting,
            Phase::Connecting => VolumeStatus::Connecting,
            Phase::Attached | Phase::Detaching => VolumeStatus::Attached { epoch },
            Phase::Detached => VolumeStatus::Detached { epoch, resync_left: None },
            Phase::Resyncing(resync) => VolumeStatus::Detached { epoch, resync_left: Some(resync.left()) },
        }
    }

    fn digest(&self, digest: &mut Digest) {
        self.primary.digest(digest);
        self.standby.digest(digest);
        digest.word(self.epoch);
        digest.word(self.ops.len() as u64 ^ (self.held.len() as u64) << 32);
    }

    fn copy(&self) -> Box<dyn Volume> {
        Box::new(self.clone())
    }
}
