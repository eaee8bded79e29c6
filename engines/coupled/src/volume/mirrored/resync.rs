//! Making the other copies equal to the writer's volume, region by region.
//!
//! `ebs-a1` is right, or is first made so. When the database node starts, nothing else runs and all four copies are compared. Where
//! the writer's volume cannot read a region, where two or three others agree against it, and wherever it is *doubted* and no other
//! copy agrees with it, it is *mended* from the copy that most others agree with. A copy has a say if it has every acknowledged
//! write: the mirror unless its label is older than its volume's, as that of a lost one is until it is filled; the standby's side if
//! its labels say that it was attached last. The writer's volume is doubted while its side's record says that it
//! is being mended: a crash may leave a region half mended, which reads like any other. That note is durable at both
//! copies before the first region is mended, and withdrawn when all are compared; only then is anything written to another copy, so
//! that whoever the note calls right is whole.
//!
//! A region in which nobody agrees with the writer's volume, and the others not with each other, is *split*, down to sectors: writes
//! that were in flight in one part must not hide that others agree against the writer's volume in another. In a sector two are
//! enough even if a third differs: what was acknowledged is on all copies, so that where whole copies differ, any will do.
//!
//! Copies that differ at a start are looked at [again](super::looks) before it acts on that: a read may have gone astray.
//!
//! What is copied to the standby's side at a start takes nothing acknowledged from it, but a label says that it is *settling*, and
//! not to be promoted. The next start hears it as before.
//!
//! When a detached standby comes back, writes go on: they are sent to both sides, and those that touch a region of the current
//! *window* wait until it is done. A region enters the window only when no write to it is in flight, is hashed at every copy, and is
//! copied where a hash differs. What is read to be copied must have the hash that was compared. A region of which nobody can
//! tell what is right is tried again, and then halts the database node: a copy must not pass for equal unseen. A write ahead of the
//! window may be overwritten by the region's copy later, which holds it; a write behind the window lands on equal copies.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use node::{FileName, SECTOR_BYTES};

use super::looks::Looks;
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

    /// Its halves. It is longer than a sector.
    fn halves(self) -> [Region; 2] {
        let first = (self.len_bytes / 2).next_multiple_of(SECTOR_BYTES as u32);
        let (name, offset) = (self.name.clone(), self.offset + u64::from(first));
        let second = Region { name, offset, len_bytes: self.len_bytes - first };
        [Region { len_bytes: first, ..self }, second]
    }
}

/// A region that could not be settled so often is not going to be.
const ATTEMPTS_MAX: u32 = 4;

/// How often a copy that does not answer is asked again before it is done without. Fewer than would halt.
const SILENCES_MAX: u32 = 2;

/// One copy of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Whether it is on the standby's side.
    pub standby: bool,
    /// Whether it is a mirror's.
    pub mirror: bool,
    /// What it holds.
    pub hash: u64,
}

/// Who may say what is right when the database node starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witnesses {
    /// The writer's volume may be half mended, or of an earlier time than its mirror.
    pub doubted: bool,
    /// The mirror of the writer's volume has every acknowledged write, or nothing says that it was lost.
    pub mirror: bool,
    /// The standby's side has every acknowledged write.
    pub standby: bool,
}

/// How a region's copies compare with the writer's volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// All the same.
    Equal,
    /// The writer's mirror or the standby's side is to be overwritten with what has this hash.
    Differs { mirror: bool, standby: bool, hash: u64 },
    /// The writer's volume is to be overwritten first.
    Mend(Source),
    /// Nobody agrees with the writer's volume, and the others not with each other: parts of it may tell more.
    Split,
    /// Nobody can tell what is right.
    Unsettled,
}

/// How far a region of the window is.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Writes to it are in flight.
    Waiting,
    /// Hashes asked for; each side's when it has come.
    Hashing { primary: Option<Vec<Option<u64>>>, standby: Option<Vec<Option<u64>>> },
    /// It is to be mended once the note is durable.
    Noting,
    /// The writer's volume is being mended: content of this hash is read, then written.
    Mending(u64),
    /// Other copies are to be overwritten once all regions are compared.
    Parked { mirror: bool, standby: bool, hash: u64 },
    /// The content is being read.
    Reading { mirror: bool, standby: bool, hash: u64 },
    /// Copies under way.
    Copying(u32),
}

/// Where the resync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Operations that make, grow or remove files are in flight, or what an attempt before this one left.
    Quiescing,
    /// Listings asked for.
    Listing,
    /// Files are being made and grown on the writer's volume; this many calls are out.
    OwnFiles(u32),
    /// The standby's side is being marked, before anything is written there.
    Marking,
    /// Files are being made and grown; this many calls are out.
    Files(u32),
    /// Regions are compared; behind running writes they are copied at once.
    Regions,
    /// The note of a mending is being withdrawn.
    Withdrawing,
    /// At a start, parked regions are copied.
    Copying,
    /// The mirror holds what the writer's volume does, and is given its label.
    LabellingMirror,
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
    /// How often a region of the window was mended or could not be settled.
    attempts: BTreeMap<u64, u32>,
    /// What copies that did not look equal said so far.
    looks: BTreeMap<u64, Looks>,
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
            attempts: BTreeMap::new(),
            looks: BTreeMap::new(),
            copied: 0,
        }
    }

    /// Whether the writer's volume has no file, and another copy has.
    pub fn is_first_alone_empty(&self) -> bool {
        let Some([own, others @ ..]) = self.primary.as_deref() else { return false };
        own.is_empty() && others.iter().chain(self.standby.iter().flatten()).any(|listing| !listing.is_empty())
    }

    /// What must be made or grown: for the writer's mirror, and for the standby's side.
    pub fn file_calls(&self) -> (Vec<Call>, Vec<Call>) {
        let Some([volume, mirror @ ..]) = self.primary.as_deref() else { return (Vec::new(), Vec::new()) };
        let standby = self.standby.as_deref().unwrap_or_default();
        let mut for_mirror = Vec::new();
        let mut for_standby = Vec::new();
        for (name, len_bytes) in volume {
            let call = |missing, at| making(name, *len_bytes, missing, at);
            let state = |listing: &Listing| len_in(listing, name);
            if self.startup && mirror.iter().any(|copy| state(copy).is_none_or(|len| len < *len_bytes)) {
                for_mirror.push(call(mirror.iter().any(|copy| state(copy).is_none()), Copies::Mirror));
            }
            if self.with_standby && standby.iter().any(|copy| state(copy).is_none_or(|len| len < *len_bytes)) {
                for_standby.push(call(standby.iter().any(|copy| state(copy).is_none()), Copies::Both));
            }
        }
        (for_mirror, for_standby)
    }

    /// What must be made or grown on the writer's volume, which then counts as grown: what all `witnesses` beside it have, and it
    /// has not. Its disk is of an earlier time.
    pub fn calls_for_own(&mut self, witnesses: Witnesses) -> Vec<Call> {
        if !witnesses.doubted && !witnesses.standby {
            return Vec::new();
        }
        let others = self.listings_of(witnesses);
        let Some(own) = self.primary.as_deref_mut().and_then(<[Listing]>::first_mut) else { return Vec::new() };
        let mut calls = Vec::new();
        for (name, _) in others.first().into_iter().flatten() {
            let all_have = others.iter().map(|listing| len_in(listing, name).unwrap_or(0)).min().unwrap_or(0);
            let has = len_in(own, name);
            if has.unwrap_or(0) < all_have {
                calls.push(making(name, all_have, has.is_none(), Copies::Own));
                own.retain(|(other, _)| other != name);
                own.push((name.clone(), all_have));
            }
        }
        calls
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

    /// How the copies of a region compare. `None` until all hashes are here.
    pub fn compare(&self, uid: u64, witnesses: Witnesses) -> Option<Comparison> {
        let (region, progress) = self.window.get(&uid)?;
        let Progress::Hashing { primary: Some(primary), standby: Some(standby) } = progress else { return None };
        let doubted = self.startup && witnesses.doubted && self.is_witnessed(region, witnesses);
        let (own, mirrors) = primary.split_first()?;
        let others = self.witnesses(mirrors, standby, witnesses);
        let supported = others.iter().any(|other| Some(other.hash) == *own);
        // One against it may be as wrong as it is. Two that agree are not, and have all that was acknowledged.
        // In a part of a larger region a third may be right that differs, and of a sector any copy that is whole is.
        let in_sector = region.len_bytes <= SECTOR_BYTES as u32;
        let agreed = |hash| others.iter().filter(|other| other.hash == hash).count();
        let enough = |hash| agreed(hash) >= 2 && (in_sector || agreed(hash) == others.len());
        let outvoted = !supported && others.iter().any(|other| enough(other.hash));
        let whose_word = doubted && witnesses.mirror;
        let scattered = others.len() >= 2 && !supported && !outvoted && !whose_word && !in_sector;
        // A read that failed says nothing, and the next may not fail: who is silent may be the one that outvotes.
        let asked_of = standby.len() + if witnesses.mirror { mirrors.len() } else { 0 };
        let silent = self.startup && witnesses.standby && !self.marked && others.len() < asked_of;
        let asked = self.attempts.get(&uid).copied().unwrap_or_default();
        Some(match *own {
            Some(_) if silent && !supported && asked < SILENCES_MAX => Comparison::Unsettled,
            Some(_) if scattered => Comparison::Split,
            Some(hash) if !outvoted && (supported || !doubted) => {
                let mirror = self.startup && mirrors.iter().any(|other| *other != Some(hash));
                let standby = self.with_standby && standby.iter().any(|other| *other != Some(hash));
                if mirror || standby { Comparison::Differs { mirror, standby, hash } } else { Comparison::Equal }
            }
            _ => most_agreed(&others).map_or(Comparison::Unsettled, Comparison::Mend),
        })
    }

    /// The files of the other copies that have every acknowledged write. One without any file was lost, which says nothing.
    fn listings_of(&self, witnesses: Witnesses) -> Vec<Listing> {
        let mirror = self.primary.iter().flatten().skip(1).filter(|_| witnesses.mirror);
        let standby = self.standby.iter().flatten().filter(|_| witnesses.standby);
        mirror.chain(standby).filter(|listing| !listing.is_empty()).cloned().collect()
    }

    /// Whether another copy's file is as long as that. Where all end before, nothing was acknowledged that one of them could know
    /// better; where there is none, nobody can tell.
    fn is_witnessed(&self, region: &Region, witnesses: Witnesses) -> bool {
        let end = region.offset + u64::from(region.len_bytes);
        let listings = self.listings_of(witnesses);
        let reaches = |listing: &Listing| len_in(listing, &region.name).is_some_and(|len_bytes| len_bytes >= end);
        listings.is_empty() || listings.iter().any(reaches)
    }

    /// The copies that can be read and say what is right.
    fn witnesses(&self, mirrors: &[Option<u64>], standby: &[Option<u64>], witnesses: Witnesses) -> Vec<Source> {
        let side = |standby, first: usize, hashes: &[Option<u64>]| -> Vec<Source> {
            let each = hashes.iter().enumerate();
            each.filter_map(|(at, hash)| Some(Source { standby, mirror: at + first > 0, hash: (*hash)? })).collect()
        };
        let mut all = if self.startup && witnesses.mirror { side(false, 1, mirrors) } else { Vec::new() };
        if self.startup && witnesses.standby && !self.marked {
            all.extend(side(true, 0, standby));
        }
        all
    }

    /// At a start, copies that differ are looked at again until it is clear what each holds. Whether that is still to come.
    pub fn looks_again(&mut self, uid: u64) -> bool {
        let Some((_, progress)) = self.window.get_mut(&uid).filter(|_| self.startup) else { return false };
        let Progress::Hashing { primary: Some(primary), standby: Some(standby) } = progress else { return false };
        let look = primary.iter().chain(standby.iter()).copied();
        let Some(mut held) = self.looks.entry(uid).or_default().take(look) else {
            *progress = Progress::Waiting;
            return true;
        };
        self.looks.remove(&uid);
        *standby = held.split_off(primary.len());
        *primary = held;
        false
    }

    /// Compares the halves of a region instead of it.
    pub fn split(&mut self, uid: u64) {
        if let Some((region, _)) = self.window.remove(&uid) {
            region.halves().into_iter().rev().for_each(|half| self.todo.push_front(half));
        }
    }

    /// A region is to be compared again, or read again where it was to be copied. After a few attempts there is no more sense in
    /// that: gives the region.
    pub fn again(&mut self, uid: u64) -> Option<&Region> {
        let (region, progress) = self.window.get_mut(&uid)?;
        *progress = match *progress {
            Progress::Reading { mirror, standby, hash } if self.startup => Progress::Parked { mirror, standby, hash },
            _ => Progress::Waiting,
        };
        let attempts = self.attempts.entry(uid).or_default();
        *attempts += 1;
        (*attempts >= ATTEMPTS_MAX).then_some(region)
    }

    /// Regions being compared or copied; those that are parked take no room in the window.
    pub fn active(&self) -> usize {
        self.window.values().filter(|(_, progress)| !matches!(progress, Progress::Parked { .. })).count()
    }

    /// Whether all regions are compared, and those to be copied parked.
    pub fn is_compared(&self) -> bool {
        self.todo.is_empty() && self.active() == 0
    }

    /// Whether regions are parked that the standby's side is to be given.
    pub fn has_news_for_standby(&self) -> bool {
        self.window.values().any(|(_, progress)| matches!(progress, Progress::Parked { standby: true, .. }))
    }

    /// Whether a submitted operation must wait.
    pub fn holds(&self, call: &Call) -> bool {
        match self.stage {
            Stage::Quiescing | Stage::Listing | Stage::OwnFiles(_) | Stage::Marking | Stage::Files(_) => {
                is_structural(call)
            }
            Stage::Regions | Stage::Withdrawing | Stage::Copying => {
                self.window.values().any(|(region, _)| region.overlaps(call))
            }
            Stage::LabellingMirror | Stage::AttachingStandby | Stage::AttachingPrimary => false,
        }
    }

    /// Whether writes are sent to the standby's side.
    pub fn forwards(&self) -> bool {
        let regions = matches!(
            self.stage,
            Stage::Regions | Stage::Withdrawing | Stage::Copying | Stage::AttachingStandby | Stage::AttachingPrimary
        );
        self.with_standby && regions
    }

    /// Regions not yet compared.
    pub fn left(&self) -> u64 {
        (self.todo.len() + self.window.len()) as u64
    }
}

fn len_in(listing: &Listing, name: &FileName) -> Option<u64> {
    listing.iter().find(|(other, _)| other == name).map(|(_, len_bytes)| *len_bytes)
}

/// The call that gives a file its length, where it is missing or too short.
fn making(name: &FileName, len_bytes: u64, missing: bool, at: Copies) -> Call {
    let name = name.clone();
    if missing { Call::Create { name, len_bytes, at } } else { Call::Extend { name, len_bytes, at } }
}

/// The copy with which most agree; the writer's mirror where that is open.
fn most_agreed(others: &[Source]) -> Option<Source> {
    let votes = |hash| others.iter().filter(|other| other.hash == hash).count();
    // Of equals, the last is the greatest: the first is wanted.
    others.iter().rev().max_by_key(|other| votes(other.hash)).copied()
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

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYONE: Witnesses = Witnesses { doubted: false, mirror: true, standby: true };
    const WITHOUT_MIRROR: Witnesses = Witnesses { mirror: false, ..EVERYONE };

    /// How a start compares a region of which the writer's side holds these, and the standby's side those.
    fn compared(witnesses: Witnesses, primary: [Option<u64>; 2], standby: [Option<u64>; 2]) -> Option<Comparison> {
        let mut resync = Resync::new(true, true);
        let region = Region { name: FileName::new("pages"), offset: 0, len_bytes: SECTOR_BYTES as u32 };
        let listing = || vec![(region.name.clone(), u64::from(region.len_bytes))];
        (resync.primary, resync.standby) = (Some(vec![listing(); 2]), Some(vec![listing(); 2]));
        let hashes = Progress::Hashing { primary: Some(primary.to_vec()), standby: Some(standby.to_vec()) };
        resync.window.insert(1, (region, hashes));
        // Whoever is silent has been asked again.
        resync.attempts.insert(1, SILENCES_MAX);
        resync.compare(1, witnesses)
    }

    /// The mirror was lost and the writer's volume rotted: what agreed on both copies of the standby's side was overwritten.
    #[test]
    fn two_that_agree_outvote_the_writers_volume_and_one_does_not() {
        let mend = |standby, mirror, hash| Some(Comparison::Mend(Source { standby, mirror, hash }));
        let keep = |mirror, standby| Some(Comparison::Differs { mirror, standby, hash: 1 });
        let [own, other, third] = [Some(1), Some(2), Some(3)];
        assert_eq!(compared(EVERYONE, [own, None], [other, other]), mend(true, false, 2));
        assert_eq!(compared(EVERYONE, [own, other], [other, None]), mend(false, true, 2));
        assert_eq!(compared(EVERYONE, [own, None], [other, None]), keep(true, true));
        assert_eq!(compared(EVERYONE, [own, other], [own, other]), keep(true, true));
        assert_eq!(compared(EVERYONE, [own, None], [other, third]), keep(true, true), "in one sector");
        assert_eq!(compared(EVERYONE, [own, other], [other, third]), mend(false, true, 2), "a third differs");
        assert_eq!(compared(EVERYONE, [own, third], [other, other]), mend(true, false, 2), "a third differs");
    }

    /// A mirror that came back empty was half filled when the writer's volume failed a read, and gave it its zeroes.
    #[test]
    fn a_mirror_that_is_not_whole_has_no_say() {
        let mend = Some(Comparison::Mend(Source { standby: true, mirror: false, hash: 2 }));
        let [own, other, zeroes] = [Some(1), Some(2), Some(0)];
        assert_eq!(compared(WITHOUT_MIRROR, [own, zeroes], [other, other]), mend);
        assert_eq!(compared(WITHOUT_MIRROR, [None, zeroes], [other, other]), mend);
        let alone = Witnesses { standby: false, ..WITHOUT_MIRROR };
        assert_eq!(compared(alone, [None, zeroes], [other, other]), Some(Comparison::Unsettled));
        let doubted = Witnesses { doubted: true, ..WITHOUT_MIRROR };
        assert_eq!(compared(doubted, [own, zeroes], [other, other]), mend);
        let half_mended = Witnesses { doubted: true, ..alone };
        assert_eq!(compared(half_mended, [own, zeroes], [other, other]), Some(Comparison::Unsettled));
        let equal = compared(WITHOUT_MIRROR, [own, zeroes], [own, own]);
        assert_eq!(equal, Some(Comparison::Differs { mirror: true, standby: false, hash: 1 }));
    }
}
