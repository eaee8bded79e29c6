//! Making the other copies equal to the writer's volume, region by region.
//!
//! `ebs-a1` is right. At start nothing else runs, and all three other copies are compared. When a detached standby comes
//! back, writes go on: they are sent to both sides, and those that touch a region of the current *window* wait until
//! it is done. A region enters the window only when no write to it is in flight, is hashed at every copy, and is copied
//! where a hash differs. A write ahead of the window may be overwritten by the region's copy later, which holds it;
//! a write behind the window lands on equal copies.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use node::FileName;

use crate::mirror::{Answer, Call};

/// The files of one copy.
pub type Listing = Vec<(FileName, u64)>;

/// A stretch of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The file.
    pub name: FileName,
    /// Where it starts.
    pub offset: u64,
    /// Its length.
    pub len_bytes: u32,
}

impl Region {
    /// Whether a write touches it.
    pub fn overlaps(&self, call: &Call) -> bool {
        match call {
            Call::Write { name, offset, data, .. } => {
                *name == self.name
                    && *offset < self.offset + u64::from(self.len_bytes)
                    && self.offset < offset + data.len() as u64
            }
            _ => false,
        }
    }
}

/// How far a region of the window is.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Writes to it are in flight.
    Waiting,
    /// Hashes asked for; each side's when it has come.
    Hashing { primary: Option<Vec<Option<u64>>>, standby: Option<Vec<Option<u64>>> },
    /// The standby's side must be marked before it is written.
    Marking { mirror: bool },
    /// The content is being read.
    Reading { mirror: bool, standby: bool },
    /// Copies under way.
    Copying(u32),
}

/// Where the resync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Operations that make, grow or remove files are in flight.
    Quiescing,
    /// Listings asked for.
    Listing,
    /// The standby's side is being marked, before files are made there.
    MarkingFiles,
    /// Files are being made and grown; this many calls are out.
    Files(u32),
    /// Regions are compared.
    Regions,
    /// The standby's label is being written.
    AttachingStandby,
    /// The writer's label is being written.
    AttachingPrimary,
}

/// The bookkeeping of one resync.
#[derive(Clone, Debug)]
pub struct Resync {
    /// Nothing else runs, and the writer's mirror is compared too.
    pub startup: bool,
    /// The standby's side takes part.
    pub with_standby: bool,
    /// The standby's side is marked as incomplete.
    pub marked: bool,
    /// Where it stands.
    pub stage: Stage,
    /// The writer's side's listings.
    pub primary: Option<Vec<Listing>>,
    /// The standby's side's listings.
    pub standby: Option<Vec<Listing>>,
    /// Regions not yet in the window.
    pub todo: VecDeque<Region>,
    /// The window.
    pub window: BTreeMap<u64, (Region, Progress)>,
    /// Regions copied so far.
    pub copied: u64,
}

impl Resync {
    /// A resync that has not begun.
    pub fn new(startup: bool, with_standby: bool) -> Resync {
        Resync {
            startup,
            with_standby,
            marked: false,
            stage: Stage::Quiescing,
            primary: None,
            standby: None,
            todo: VecDeque::new(),
            window: BTreeMap::new(),
            copied: 0,
        }
    }

    /// What must be made or grown: for the writer's mirror, and for the standby's side.
    pub fn file_calls(&self) -> (Vec<Call>, Vec<Call>) {
        let Some([volume, mirror @ ..]) = self.primary.as_deref() else { return (Vec::new(), Vec::new()) };
        let standby = self.standby.as_deref().unwrap_or_default();
        let mut for_mirror = Vec::new();
        let mut for_standby = Vec::new();
        for (name, len_bytes) in volume {
            let call = |missing, mirror_only| match missing {
                true => Call::Create { name: name.clone(), len_bytes: *len_bytes, mirror_only },
                false => Call::Extend { name: name.clone(), len_bytes: *len_bytes, mirror_only },
            };
            let state = |listing: &Listing| listing.iter().find(|(other, _)| other == name).map(|(_, len)| *len);
            if self.startup && mirror.iter().any(|copy| state(copy).is_none_or(|len| len < *len_bytes)) {
                for_mirror.push(call(mirror.iter().any(|copy| state(copy).is_none()), true));
            }
            if self.with_standby && standby.iter().any(|copy| state(copy).is_none_or(|len| len < *len_bytes)) {
                for_standby.push(call(standby.iter().any(|copy| state(copy).is_none()), false));
            }
        }
        (for_mirror, for_standby)
    }

    /// Cuts the writer's files into regions.
    pub fn plan_regions(&mut self, region_bytes: u32) {
        for (name, len_bytes) in self.primary.as_deref().and_then(|lists| lists.first()).into_iter().flatten() {
            let mut offset = 0;
            while offset < *len_bytes {
                let len = u64::from(region_bytes).min(len_bytes - offset);
                self.todo.push_back(Region { name: name.clone(), offset, len_bytes: len as u32 });
                offset += len;
            }
        }
    }

    /// Which copies differ from the writer's volume: its mirror, the standby's side. `None` until all hashes are here.
    pub fn differs(&self, progress: &Progress) -> Option<(bool, bool)> {
        let Progress::Hashing { primary: Some(primary), standby: Some(standby) } = progress else { return None };
        let Some((Some(right), mirror)) = primary.split_first() else {
            // The writer's volume cannot read the region. Nothing can be said about the others.
            return Some((false, false));
        };
        let mirror = self.startup && mirror.iter().any(|hash| *hash != Some(*right));
        let standby = self.with_standby && standby.iter().any(|hash| *hash != Some(*right));
        Some((mirror, standby))
    }

    /// Whether a submitted operation must wait.
    pub fn holds(&self, call: &Call) -> bool {
        match self.stage {
            Stage::Quiescing | Stage::Listing | Stage::MarkingFiles | Stage::Files(_) => is_structural(call),
            Stage::Regions => self.window.values().any(|(region, _)| region.overlaps(call)),
            Stage::AttachingStandby | Stage::AttachingPrimary => false,
        }
    }

    /// Whether writes are sent to the standby's side.
    pub fn forwards(&self) -> bool {
        let regions = matches!(self.stage, Stage::Regions | Stage::AttachingStandby | Stage::AttachingPrimary);
        self.with_standby && regions
    }

    /// Regions not yet compared.
    pub fn left(&self) -> u64 {
        (self.todo.len() + self.window.len()) as u64
    }
}

/// Whether the call makes, grows or removes a file.
pub fn is_structural(call: &Call) -> bool {
    matches!(call, Call::Create { .. } | Call::Extend { .. } | Call::Remove(_))
}

/// The write that puts a region's content in place.
pub fn copy_of(region: &Region, data: Bytes, mirror_only: bool) -> Call {
    Call::Write { name: region.name.clone(), offset: region.offset, mirror_only, data }
}

/// The hashes in an answer; an answer of another kind reads as unreadable copies.
pub fn hashes_in(answer: Answer) -> Vec<Option<u64>> {
    match answer {
        Answer::Hashes(hashes) => hashes,
        _ => vec![None],
    }
}
