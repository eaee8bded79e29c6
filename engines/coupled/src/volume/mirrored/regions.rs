//! The regions of a resync: hashed, mended, copied. Which of them when is in [`align`](super::align).

use bytes::Bytes;
use node::{Effects, Nanos, Work};
use xxhash_rust::xxh3::xxh3_64;

use super::align::{REPAIR, RESYNC};
use super::resync::{Comparison, Progress, Region, Source, copy_of, hashes_in};
use super::{MirroredVolume, Own, Phase};
use crate::mirror::{Answer, Call, Copies};

impl MirroredVolume {
    /// Keeps the window full, and goes on when nothing is left to compare.
    pub(super) fn fill_window(&mut self, now: Nanos, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        while resync.active() < self.config.window(resync.startup) {
            let Some(region) = resync.todo.pop_front() else { break };
            self.next += 1;
            resync.window.insert(self.next, (region, Progress::Waiting));
        }
        if resync.is_compared() {
            return if resync.startup { self.settle(now, out) } else { self.compared(now, out) };
        }
        let ops = &self.ops;
        let quiet = |region: &Region| !ops.values().any(|op| region.overlaps(&op.call));
        let mut asked = Vec::new();
        for (uid, (region, progress)) in &mut resync.window {
            if matches!(progress, Progress::Waiting) && quiet(region) {
                let standby = (!resync.with_standby).then(Vec::new);
                *progress = Progress::Hashing { primary: None, standby };
                let Region { name, offset, len_bytes } = region.clone();
                asked.push((*uid, Call::Hash { name, offset, len_bytes }));
            }
        }
        let with_standby = resync.with_standby;
        for (uid, call) in asked {
            self.ask_primary(now, Own::PrimaryHash(uid), call.clone(), RESYNC, out);
            if with_standby {
                self.ask_standby(now, Own::StandbyHash(uid), call, RESYNC, out);
            }
        }
    }

    /// An answer about a region.
    pub(super) fn region_answered(&mut self, now: Nanos, own: Own, answer: Answer, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        match (own, answer) {
            (Own::PrimaryHash(uid), answer) => {
                if let Some((_, Progress::Hashing { primary, .. })) = resync.window.get_mut(&uid) {
                    *primary = Some(hashes_in(answer));
                }
                self.hashed(now, uid, out);
            }
            (Own::StandbyHash(uid), answer) => {
                if let Some((_, Progress::Hashing { standby, .. })) = resync.window.get_mut(&uid) {
                    *standby = Some(hashes_in(answer));
                }
                self.hashed(now, uid, out);
            }
            (Own::Content(uid), Answer::Data(data)) => self.content(now, uid, data, out),
            (Own::Content(uid), _) => self.again(uid, out),
            (Own::MirrorCopy(uid) | Own::StandbyCopy(uid), _) => match resync.window.get_mut(&uid) {
                // Compared once more, now that it should be right.
                Some((_, Progress::Mending(_))) => self.again(uid, out),
                Some((_, Progress::Copying(left))) => {
                    *left -= 1;
                    if *left == 0 {
                        resync.copied += 1;
                        self.region_done(now, uid, out);
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn hashed(&mut self, now: Nanos, uid: u64, out: &mut Effects) {
        let witnesses = self.witnesses();
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        let Some(look) = resync.compare(uid, witnesses) else { return };
        if look != Comparison::Equal && resync.looks_again(uid) {
            return;
        }
        let Some(comparison) = resync.compare(uid, witnesses) else { return };
        let (startup, Some((region, progress))) = (resync.startup, resync.window.get_mut(&uid)) else { return };
        let region = region.clone();
        match comparison {
            Comparison::Equal => self.region_done(now, uid, out),
            Comparison::Unsettled => self.again(uid, out),
            Comparison::Split => resync.split(uid),
            Comparison::Differs { mirror, standby, hash } if startup => {
                *progress = Progress::Parked { mirror, standby, hash };
            }
            Comparison::Differs { mirror, standby, hash } => {
                *progress = Progress::Reading { mirror, standby, hash };
                self.read(now, uid, region, out);
            }
            Comparison::Mend(_) if !self.mending => {
                *progress = Progress::Noting;
                self.note(now, true, out);
            }
            Comparison::Mend(Source { standby, mirror, hash }) => {
                *progress = Progress::Mending(hash);
                let Region { name, offset, len_bytes } = region;
                let read = Call::Read { name, offset, len_bytes, mirror };
                match standby {
                    true => self.ask_standby(now, Own::Content(uid), read, REPAIR, out),
                    false => self.ask_primary(now, Own::Content(uid), read, REPAIR, out),
                }
            }
        }
    }

    /// The note of the mending is durable: regions that waited for it are compared again, and mended.
    pub(super) fn noted(&mut self) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        for (_, progress) in resync.window.values_mut().filter(|(_, progress)| matches!(progress, Progress::Noting)) {
            *progress = Progress::Waiting;
        }
    }

    fn read(&mut self, now: Nanos, uid: u64, region: Region, out: &mut Effects) {
        let Region { name, offset, len_bytes } = region;
        self.ask_primary(now, Own::Content(uid), Call::Read { name, offset, len_bytes, mirror: false }, RESYNC, out);
    }

    /// Reads parked regions to copy them, as many as the window has room for.
    pub(super) fn read_parked(&mut self, now: Nanos, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        if resync.window.is_empty() {
            return self.compared(now, out);
        }
        let room = self.config.window(resync.startup).saturating_sub(resync.active());
        let mut reads = Vec::new();
        for (uid, (region, progress)) in &mut resync.window {
            if reads.len() < room
                && let Progress::Parked { mirror, standby, hash } = *progress
            {
                *progress = Progress::Reading { mirror, standby, hash };
                reads.push((*uid, region.clone()));
            }
        }
        reads.into_iter().for_each(|(uid, region)| self.read(now, uid, region, out));
    }

    fn content(&mut self, now: Nanos, uid: u64, data: Bytes, out: &mut Effects) {
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        let Some((region, progress)) = resync.window.get_mut(&uid) else { return };
        let (Progress::Mending(hash) | Progress::Reading { hash, .. }) = *progress else { return };
        out.charge(Work::Kilobyte, data.len() as u64 / 1024);
        if xxh3_64(&data) != hash {
            // A read that went astray must not spread.
            return self.again(uid, out);
        }
        let region = region.clone();
        let Progress::Reading { mirror, standby, .. } = *progress else {
            return self.ask_primary(now, Own::MirrorCopy(uid), copy_of(&region, data, Copies::Own), REPAIR, out);
        };
        *progress = Progress::Copying(u32::from(mirror) + u32::from(standby));
        if mirror {
            self.ask_primary(now, Own::MirrorCopy(uid), copy_of(&region, data.clone(), Copies::Mirror), RESYNC, out);
        }
        if standby {
            self.ask_standby(now, Own::StandbyCopy(uid), copy_of(&region, data, Copies::Both), RESYNC, out);
        }
    }

    fn again(&mut self, uid: u64, out: &mut Effects) {
        let mending = self.mending;
        let Phase::Resyncing(resync) = &mut self.phase else { return };
        if let Some(Region { name, offset, len_bytes }) = resync.again(uid) {
            let name = name.as_str();
            let why = if mending { "cannot read, or was half given back," } else { "cannot read" };
            out.halt(format!(
                "the writer's volume {why} {len_bytes} bytes of {name} at {offset}, and no copy beside it tells what is right \
                 there, so that they cannot be compared; mend it and restart"
            ));
        }
    }

    fn region_done(&mut self, now: Nanos, uid: u64, out: &mut Effects) {
        if let Phase::Resyncing(resync) = &mut self.phase {
            resync.window.remove(&uid);
        }
        self.release_held(now, out);
    }
}
