//! Making the other copies equal to the writer's volume, region by region.
//!
//! `ebs-a1` is right, or is first made so: where it cannot read a region on whose content the copies beside it agree, or
//! where three others agree against it, it is *mended* from its mirror. At start nothing else runs, and all three other copies
//! are compared: every region is, and is mended, before the standby's side is marked and the first one copied to it, because
//! a crash may garble what is being mended, and only an unmarked standby can tell. When a detached standby comes back, writes
//! go on: they are sent to both sides, and those that touch a region of the current *window* wait until
//! it is done. A region enters the window only when no write to it is in flight, is hashed at every copy, and is copied
//! where a hash differs. One that the writer's volume cannot read is tried again, and then halts the database node: a copy
//! must not pass for equal unseen. A write ahead of the window may be overwritten by the region's copy later, which holds it;
//! a write behind the window lands on equal copies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use node::FileName;

use crate::mirror::{Answer, Call, Copies};

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

/// A region that the writer's volume cannot read so often is not going to be read.
const READ_ATTEMPTS_MAX: u32 = 4;

/// How a region's copies compare with the writer's volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// All the same.
    Equal,
    /// The writer's mirror or the standby's side is to be overwritten.
    Differs { mirror: bool, standby: bool },
    /// The writer's volume cannot read it, so that nothing can be said of the others.
    Unreadable,
}

/// How far a region of the window is.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Writes to it are in flight.
    Waiting,
    /// Hashes asked for; each side's when it has come.
    Hashing { primary: Option<Vec<Option<u64>>>, standby: Option<Vec<Option<u64>>> },
    /// The writer's volume is being mended: its mirror's content is read, then written.
    Mending,
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
    /// The mark is on its way.
    pub marking: bool,
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
    /// How often the writer's volume could not read a region of the window.
    attempts: BTreeMap<u64, u32>,
    /// Regions copied so far.
    pub copied: u64,
    /// Regions that were mended, each at most once.
    pub mended: BTreeSet<u64>,
}

impl Resync {
    /// A resync that has not begun.
    pub fn new(startup: bool, with_standby: bool) -> Resync {
        Resync {
            startup,
            with_standby,
            marked: false,
            marking: false,
            stage: Stage::Quiescing,
            primary: None,
            standby: None,
            todo: VecDeque::new(),
            window: BTreeMap::new(),
            attempts: BTreeMap::new(),
            copied: 0,
            mended: BTreeSet::new(),
        }
    }

    /// Whether the writer's volume has no file, and its mirror has.
    pub fn is_only_first_empty(&self) -> bool {
        match self.primary.as_deref() {
            Some([own, mirror, ..]) => own.is_empty() && !mirror.is_empty(),
            _ => false,
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

    /// How the copies compare with the writer's volume. `None` until all hashes are here.
    pub fn compare(&self, progress: &Progress) -> Option<Comparison> {
        let Progress::Hashing { primary: Some(primary), standby: Some(standby) } = progress else { return None };
        let Some((Some(right), mirror)) = primary.split_first() else { return Some(Comparison::Unreadable) };
        let mirror = self.startup && mirror.iter().any(|hash| *hash != Some(*right));
        let standby = self.with_standby && standby.iter().any(|hash| *hash != Some(*right));
        Some(if mirror || standby { Comparison::Differs { mirror, standby } } else { Comparison::Equal })
    }

    /// The writer's volume could not read a region of the window, which is to be compared again. After a few attempts there
    /// is no more sense in that: gives the region.
    pub fn unreadable(&mut self, uid: u64) -> Option<&Region> {
        let (region, progress) = self.window.get_mut(&uid)?;
        *progress = Progress::Waiting;
        let attempts = self.attempts.entry(uid).or_default();
        *attempts += 1;
        (*attempts >= READ_ATTEMPTS_MAX).then_some(region)
    }

    /// Whether the writer's volume is the one that is wrong. Any copy that has every acknowledged write will do for the
    /// content of a region; the standby's side has them when it was `attached`.
    pub fn is_odd(&self, uid: u64, attached: bool) -> bool {
        let Some((_, Progress::Hashing { primary: Some(primary), standby: Some(standby) })) = self.window.get(&uid)
        else {
            return false;
        };
        let Some((own, mirror)) = primary.split_first() else { return false };
        let others: Vec<Option<u64>> = mirror.iter().chain(standby.iter().filter(|_| attached)).copied().collect();
        let Some(Some(agreed)) = others.first().copied() else { return false };
        let all = others.iter().all(|hash| *hash == Some(agreed));
        // One other against it may be as wrong as it is.
        let wrong = own.is_none_or(|own| own != agreed && others.len() >= 3);
        all && wrong && !self.mended.contains(&uid)
    }

    /// Regions being compared or copied; those that wait for the mark take no room in the window.
    pub fn active(&self) -> usize {
        self.window.values().filter(|(_, progress)| !matches!(progress, Progress::Marking { .. })).count()
    }

    /// Whether the standby's side is to be marked now: regions wait for it, and all others are compared. A marked side is
    /// no witness any more, so that nothing may be mended after it, nor be half mended at a crash.
    pub fn awaits_mark(&self) -> bool {
        !self.marked && !self.marking && self.todo.is_empty() && !self.window.is_empty() && self.active() == 0
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
pub fn copy_of(region: &Region, data: Bytes, at: Copies) -> Call {
    Call::Write { name: region.name.clone(), offset: region.offset, at, data }
}

/// The hashes in an answer; an answer of another kind reads as unreadable copies.
pub fn hashes_in(answer: Answer) -> Vec<Option<u64>> {
    match answer {
        Answer::Hashes(hashes) => hashes,
        _ => vec![None],
    }
}
