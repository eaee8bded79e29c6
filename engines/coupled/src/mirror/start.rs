//! A volume's start: what is on its disk, whose it is, and everything durable before the first call is served.
//!
//! A killed process may have left writes that are visible and not durable: all files are synced. The record is read before
//! anything is written: a disk that says it is another volume's is left as it is. Its four copies are read one by one, so that
//! a sector that cannot be read costs one copy, and what is not whole four times is written again.
//!
//! Files without any record are taken for this volume's own: a person who restores a volume copies the files alone.

use std::collections::BTreeMap;

use node::{DiskError, DiskOp, DiskReply, DiskResult, Effects, FileId, FileName, IoClass, Token};

use crate::copies::{self, COPIES, COPY_BYTES, CopyWriter, CopyWrites, FILE_BYTES, Picked, Progress, Standing};
use crate::mirror::{Identity, Noted, VolumeRecord};

const LABEL: FileId = FileId(0);
const LABEL_NAME: &str = "volume-label";
const LABEL_KIND: u16 = 2;
/// A copy that cannot be read so often is not going to be read.
const READ_ATTEMPTS_MAX: u32 = 4;
/// What stands for bytes that cannot be read: zeroes would say that nothing was ever written.
const UNREADABLE: u8 = 0xee;
const DAMAGED: &str = "all copies of the volume's label are damaged, so that nobody knows whose disk this is; if it is the right \
                       one, remove the file volume-label and restart";

/// A start under way.
#[derive(Clone, Debug)]
pub(super) struct Start {
    phase: Phase,
    label: LabelFile,
    found: Contents,
}

#[derive(Clone, Debug)]
enum Phase {
    Listing,
    Opening(usize),
    Reading(Reading),
    Syncing(usize),
    Making(u32),
    Writing,
}

/// What the record's file needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LabelFile {
    /// It is to be made.
    Missing,
    /// It is of its length, and the record is to be written.
    Weak,
    /// Four whole copies.
    Whole,
}

/// The record's file, copy by copy.
#[derive(Clone, Debug)]
struct Reading {
    bytes: Vec<u8>,
    attempts: [u32; COPIES as usize],
    left: u64,
}

/// What is on a volume's disk.
#[derive(Clone, Debug)]
pub(super) struct Contents {
    /// The files, without the record's.
    pub files: BTreeMap<FileName, (FileId, u64)>,
    /// The last file number given out.
    pub last_file: u32,
    /// What the record says.
    pub record: VolumeRecord,
    /// Writes the next.
    pub writer: CopyWriter,
}

impl Contents {
    /// Nothing, on the disk of `identity`.
    pub fn none(identity: Identity) -> Contents {
        Contents {
            files: BTreeMap::new(),
            last_file: LABEL.0,
            record: VolumeRecord { identity, noted: Noted::default() },
            writer: CopyWriter::new(LABEL_KIND, Standing::default()),
        }
    }

    /// A number for another file.
    pub fn new_file(&mut self) -> FileId {
        self.last_file += 1;
        FileId(self.last_file)
    }
}

impl Start {
    /// Begins the start of the volume `identity`.
    pub fn new(identity: Identity, out: &mut Effects) -> Start {
        disk(out, 0, DiskOp::List);
        Start { phase: Phase::Listing, label: LabelFile::Missing, found: Contents::none(identity) }
    }

    /// Takes a completion; gives the outcome at the end.
    ///
    /// # Errors
    ///
    /// The volume cannot be served: the reason to halt.
    pub fn completed(
        &mut self,
        token: Token,
        result: DiskResult,
        out: &mut Effects,
    ) -> Result<Option<Contents>, String> {
        match &mut self.phase {
            Phase::Listing => {
                let DiskReply::Names(names) = result.map_err(failed("listing the directory"))? else {
                    unreachable!("a listing is answered by names")
                };
                self.open(names, out);
                self.opened(out)
            }
            Phase::Opening(left) => {
                result.map_err(failed("opening what was found"))?;
                *left -= 1;
                self.opened(out)
            }
            Phase::Reading(reading) => {
                reading.take(token.own(), result, out);
                if reading.left == 0 {
                    let file = std::mem::take(&mut reading.bytes);
                    self.recognise(&file)?;
                    self.sync(out);
                }
                Ok(None)
            }
            Phase::Syncing(left) => {
                result.map_err(failed("syncing what was found"))?;
                *left -= 1;
                Ok(self.synced(out))
            }
            Phase::Making(left) => {
                result.map_err(failed("making the label"))?;
                *left -= 1;
                if *left == 0 {
                    self.write(out);
                } else {
                    disk(out, 0, DiskOp::SyncDir);
                }
                Ok(None)
            }
            Phase::Writing => {
                result.map_err(failed("writing the label"))?;
                Ok(match self.found.writer.completed() {
                    Progress::Wait => None,
                    Progress::Write(writes) => {
                        write_label(out, 0, writes);
                        None
                    }
                    Progress::Complete => Some(self.found.clone()),
                })
            }
        }
    }

    fn open(&mut self, names: Vec<(FileName, u64)>, out: &mut Effects) {
        self.phase = Phase::Opening(names.len());
        for (name, len_bytes) in names {
            let file = if name.as_str() == LABEL_NAME {
                if len_bytes >= FILE_BYTES {
                    self.label = LabelFile::Weak;
                }
                LABEL
            } else {
                let file = self.found.new_file();
                self.found.files.insert(name.clone(), (file, len_bytes));
                file
            };
            disk(out, file.0.into(), DiskOp::Open { file, name });
        }
    }

    fn opened(&mut self, out: &mut Effects) -> Result<Option<Contents>, String> {
        match (&self.phase, self.label) {
            (Phase::Opening(0), LabelFile::Missing) => {
                self.sync(out);
                Ok(None)
            }
            (Phase::Opening(0), _) => {
                (0..COPIES).for_each(|copy| read_copy(out, copy));
                let bytes = vec![UNREADABLE; FILE_BYTES as usize];
                self.phase = Phase::Reading(Reading { bytes, attempts: [0; COPIES as usize], left: COPIES });
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    /// Whose disk this is, by the bytes of its record's file.
    fn recognise(&mut self, file: &[u8]) -> Result<(), String> {
        match copies::pick(LABEL_KIND, file) {
            Picked::Found { standing, body, stale } => {
                let record = VolumeRecord::decode(&body).ok_or(DAMAGED)?;
                self.found.record.identity.check(&record.identity)?;
                self.found.record = record;
                self.found.writer = CopyWriter::new(LABEL_KIND, standing);
                self.label = if stale == 0 { LabelFile::Whole } else { LabelFile::Weak };
                Ok(())
            }
            Picked::Version(found) => Err(format!(
                "the volume's label has format version {found}, this program reads {}; use the program that wrote it",
                copies::FORMAT_VERSION
            )),
            // It is durable before the first file is made: the making of the volume was cut short.
            Picked::Blank | Picked::Damaged if self.found.files.is_empty() => Ok(()),
            Picked::Blank | Picked::Damaged => Err(DAMAGED.to_owned()),
        }
    }

    fn sync(&mut self, out: &mut Effects) {
        let label = (self.label != LabelFile::Missing).then_some(LABEL);
        let files: Vec<FileId> = self.found.files.values().map(|(file, _)| *file).chain(label).collect();
        self.phase = Phase::Syncing(files.len() + 1);
        // A file may have been made by a volume that was killed before it synced the name.
        disk(out, 0, DiskOp::SyncDir);
        files.into_iter().for_each(|file| disk(out, file.0.into(), DiskOp::Sync { file }));
    }

    fn synced(&mut self, out: &mut Effects) -> Option<Contents> {
        match (&self.phase, self.label) {
            (Phase::Syncing(0), LabelFile::Whole) => return Some(self.found.clone()),
            (Phase::Syncing(0), LabelFile::Weak) => self.write(out),
            (Phase::Syncing(0), LabelFile::Missing) => {
                let name = FileName::new(LABEL_NAME);
                disk(out, 0, DiskOp::Create { file: LABEL, name, len_bytes: FILE_BYTES });
                self.phase = Phase::Making(2);
            }
            _ => {}
        }
        None
    }

    fn write(&mut self, out: &mut Effects) {
        self.phase = Phase::Writing;
        write_label(out, 0, self.found.writer.begin(self.found.record.encode()));
    }
}

impl Reading {
    fn take(&mut self, copy: u64, result: DiskResult, out: &mut Effects) {
        let attempts = &mut self.attempts[copy as usize];
        *attempts += 1;
        match result {
            Ok(DiskReply::Data(data)) => {
                let at = (copy * COPY_BYTES) as usize;
                self.bytes[at..at + COPY_BYTES as usize].copy_from_slice(&data);
                self.left -= 1;
            }
            _ if *attempts < READ_ATTEMPTS_MAX => read_copy(out, copy),
            _ => self.left -= 1,
        }
    }
}

fn read_copy(out: &mut Effects, copy: u64) {
    disk(out, copy, DiskOp::Read { file: LABEL, offset: copy * COPY_BYTES, len_bytes: COPY_BYTES as usize });
}

/// The copies share their token; the writer counts them.
pub(super) fn write_label(out: &mut Effects, token: u64, writes: CopyWrites) {
    for (offset, data) in writes {
        disk(out, token, DiskOp::Write { file: LABEL, offset, data, durable: true });
    }
}

fn disk(out: &mut Effects, token: u64, op: DiskOp) {
    out.disk(Token::new(0, token), op, IoClass::Metadata);
}

pub(super) fn failed(during: &'static str) -> impl Fn(DiskError) -> String {
    move |error| format!("the volume's disk failed during {during}: {error}; restart to recover")
}

#[cfg(test)]
mod tests {
    use node::{Block, Effect};

    use super::*;
    use crate::ids::VolumeId;

    fn identity() -> Identity {
        Identity { database: VolumeId(7), name: "ebs-a1".into() }
    }

    /// Starts on a disk that holds `found`, with `label` as the bytes of the label's file, which the start may change. No
    /// start goes by a name that may not be durable: a resync makes a file, volume and database are killed before the name
    /// is synced, and a power failure after the next start would take the file, and what was acknowledged into it, away.
    fn start(found: &[(&str, u64)], label: &mut Vec<u8>) -> Result<Contents, String> {
        let mut out = Effects::new();
        let mut start = Start::new(identity(), &mut out);
        let mut named = false;
        let list = || found.iter().map(|(name, len_bytes)| (FileName::new(*name), *len_bytes)).collect::<Vec<_>>();
        loop {
            let submitted: Vec<Effect> = out.drain().collect();
            assert!(!submitted.is_empty(), "it waits for nothing");
            for effect in submitted {
                let Effect::Disk { token, op, .. } = effect else { panic!("{effect:?}") };
                let reply = match op {
                    DiskOp::List => DiskReply::Names(list()),
                    DiskOp::Open { .. } => DiskReply::Opened { len_bytes: FILE_BYTES },
                    DiskOp::Read { offset, len_bytes, .. } => {
                        let at = offset as usize;
                        DiskReply::Data(Block::padded(&label[at..at + len_bytes]))
                    }
                    DiskOp::Create { len_bytes, .. } => {
                        *label = vec![0; len_bytes as usize];
                        DiskReply::Opened { len_bytes }
                    }
                    DiskOp::Write { offset, data, .. } => {
                        label[offset as usize..offset as usize + data.len()].copy_from_slice(&data);
                        DiskReply::Done
                    }
                    DiskOp::SyncDir => {
                        named = true;
                        DiskReply::Done
                    }
                    _ => DiskReply::Done,
                };
                if let Some(contents) = start.completed(token, Ok(reply), &mut out)? {
                    assert!(named, "names are durable");
                    return Ok(contents);
                }
            }
        }
    }

    #[test]
    fn a_fresh_disk_is_labelled_and_known_from_then_on() {
        let mut label = Vec::new();
        let fresh = start(&[], &mut label).expect("a fresh disk");
        assert!(
            fresh.files.is_empty() && fresh.record == VolumeRecord { identity: identity(), noted: Noted::default() }
        );
        let written = label.clone();
        let known = start(&[("pages", 512), (LABEL_NAME, FILE_BYTES)], &mut label).expect("its own disk");
        assert_eq!(known.files.keys().map(FileName::as_str).collect::<Vec<_>>(), ["pages"]);
        assert_eq!(label, written, "four whole copies are left alone");
    }

    #[test]
    fn a_start_that_was_cut_short_is_made_up_for() {
        for len_bytes in [0, FILE_BYTES] {
            let mut label = vec![0; len_bytes as usize];
            start(&[(LABEL_NAME, len_bytes)], &mut label).expect("nothing but a beginning");
            assert!(matches!(copies::pick(LABEL_KIND, &label), Picked::Found { stale: 0, .. }));
        }
    }

    #[test]
    fn files_that_a_person_restored_are_labelled_and_a_damaged_label_is_not_guessed_at() {
        let mut label = Vec::new();
        let restored = start(&[("pages", 512)], &mut label).expect("files without a label");
        assert_eq!(restored.files.len(), 1);
        assert!(matches!(copies::pick(LABEL_KIND, &label), Picked::Found { stale: 0, .. }));
        let whole = label.clone();
        label[..COPY_BYTES as usize].fill(1);
        let files = [("pages", 512), (LABEL_NAME, FILE_BYTES)];
        start(&files, &mut label).expect("three copies are whole");
        assert!(matches!(copies::pick(LABEL_KIND, &label), Picked::Found { stale: 0, .. }), "and then four");
        for damaged in [vec![1; whole.len()], vec![0; whole.len()]] {
            let refused = start(&files, &mut damaged.clone()).expect_err("nobody knows whose it is");
            assert!(refused.contains("remove the file volume-label"), "{refused}");
        }
    }
}
