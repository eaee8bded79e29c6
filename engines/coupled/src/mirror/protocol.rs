//! Frames of block mirroring, kinds `0x0201` to `0x0205`. Little-endian.
//!
//! | kind | body |
//! |---|---|
//! | hello | nonce `u64` |
//! | welcome | nonce `u64`, session `u64` |
//! | call | session `u64`, number `u64`, lowest unanswered number `u64`, class `u8`, [`Call`] |
//! | answer | session `u64`, number `u64`, [`Answer`] |
//! | stale | session `u64`: nobody knows it |

use bytes::{Buf, BufMut, Bytes, BytesMut};
use node::{DiskError, FileName, Frame, FrameKind, IoClass};

use crate::mirror::{Label, Noted};

pub(super) const HELLO: FrameKind = FrameKind(0x0201);
pub(super) const WELCOME: FrameKind = FrameKind(0x0202);
pub(super) const CALL: FrameKind = FrameKind(0x0203);
pub(super) const ANSWER: FrameKind = FrameKind(0x0204);
pub(super) const STALE: FrameKind = FrameKind(0x0205);

/// Which copies of a side a change goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Copies {
    /// The volume's own and its mirror's.
    Both = 0,
    /// The mirror's.
    Mirror = 1,
    /// The volume's own.
    Own = 2,
}

impl Copies {
    fn from_code(code: u8) -> Option<Copies> {
        [Copies::Both, Copies::Mirror, Copies::Own].into_iter().find(|copies| *copies as u8 == code)
    }
}

/// What a volume is asked to do. Files are named; a volume opens them by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The files of each copy.
    List,
    /// A file's length.
    Open(FileName),
    /// Makes a file of zeroes, durably.
    Create {
        /// Its name.
        name: FileName,
        /// Its length.
        len_bytes: u64,
        /// Which copies make it.
        at: Copies,
    },
    /// Grows a file with zeroes, durably.
    Extend {
        /// Its name.
        name: FileName,
        /// Its length.
        len_bytes: u64,
        /// Which copies grow it.
        at: Copies,
    },
    /// Removes a file, durably.
    Remove(FileName),
    /// Writes, durably.
    Write {
        /// The file.
        name: FileName,
        /// Where.
        offset: u64,
        /// Which copies write.
        at: Copies,
        /// What.
        data: Bytes,
    },
    /// Reads one copy.
    Read {
        /// The file.
        name: FileName,
        /// Where.
        offset: u64,
        /// How much.
        len_bytes: u32,
        /// Whether the mirror's copy is read and not the volume's own.
        mirror: bool,
    },
    /// A hash of a region at each copy.
    Hash {
        /// The file.
        name: FileName,
        /// Where.
        offset: u64,
        /// How much.
        len_bytes: u32,
    },
    /// What each copy's record says.
    GetLabel,
    /// Writes the label, durably. A volume whose label is not the one that is to be replaced is not the one that the caller has
    /// been writing to, and refuses.
    SetLabel {
        /// The new label.
        label: Label,
        /// The epochs of the labels it replaces, the volume's own and its mirror's, zero for none; or it replaces any.
        over: Option<[u64; 2]>,
        /// Which copies get it.
        at: Copies,
    },
    /// Notes durably whether the volume is being mended.
    SetMending(bool),
}

/// What came of a call. Lists have one entry per copy: the volume's own, then its mirror's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// The file's length.
    Opened(u64),
    /// What was read.
    Data(Bytes),
    /// The files of each copy with their lengths.
    Lists(Vec<Vec<(FileName, u64)>>),
    /// The region's hash at each copy, `None` where it cannot be read.
    Hashes(Vec<Option<u64>>),
    /// What each copy's record says.
    Labels(Vec<Noted>),
    /// The disk refused.
    Failed(DiskError),
}

pub(super) fn hello(nonce: u64) -> Frame {
    Frame::encode(HELLO, 8, |body| body.put_u64_le(nonce))
}

pub(super) fn welcome(nonce: u64, session: u64) -> Frame {
    Frame::encode(WELCOME, 16, |body| {
        body.put_u64_le(nonce);
        body.put_u64_le(session);
    })
}

pub(super) fn stale(session: u64) -> Frame {
    Frame::encode(STALE, 8, |body| body.put_u64_le(session))
}

pub(super) fn call(session: u64, number: u64, floor: u64, class: IoClass, call: &Call) -> Frame {
    Frame::encode(CALL, 128 + call.data_bytes(), |body| {
        body.put_u64_le(session);
        body.put_u64_le(number);
        body.put_u64_le(floor);
        body.put_u8(class as u8);
        call.encode(body);
    })
}

pub(super) fn answer(session: u64, number: u64, answer: &Answer) -> Frame {
    let hint = if let Answer::Data(data) = answer { data.len() } else { 0 };
    Frame::encode(ANSWER, 64 + hint, |body| {
        body.put_u64_le(session);
        body.put_u64_le(number);
        answer.encode(body);
    })
}

/// A frame's body, read field by field; `None` when it ends early or makes no sense.
pub(super) struct Reader(pub Bytes);

impl Reader {
    pub fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.0.try_get_u32_le().ok()
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.0.try_get_u64_le().ok()
    }

    pub fn class(&mut self) -> Option<IoClass> {
        IoClass::ALL.get(usize::from(self.u8()?)).copied()
    }

    fn take(&mut self, len_bytes: usize) -> Option<Bytes> {
        (len_bytes <= self.0.len()).then(|| self.0.split_to(len_bytes))
    }

    fn name(&mut self) -> Option<FileName> {
        let len_bytes = self.u8()?;
        let bytes = self.take(usize::from(len_bytes))?;
        let name = std::str::from_utf8(&bytes).ok()?;
        FileName::is_valid(name).then(|| FileName::new(name))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Reader) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u32()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn option<T>(&mut self, item: impl FnOnce(&mut Reader) -> Option<T>) -> Option<Option<T>> {
        if self.u8()? == 0 { Some(None) } else { item(self).map(Some) }
    }
}

fn put_name(body: &mut BytesMut, name: &FileName) {
    body.put_u8(name.as_str().len() as u8);
    body.put_slice(name.as_str().as_bytes());
}

impl Call {
    fn data_bytes(&self) -> usize {
        if let Call::Write { data, .. } = self { data.len() } else { 0 }
    }

    fn encode(&self, body: &mut BytesMut) {
        match self {
            Call::List => body.put_u8(1),
            Call::Open(name) => {
                body.put_u8(2);
                put_name(body, name);
            }
            Call::Create { name, len_bytes, at } => {
                body.put_u8(3);
                put_name(body, name);
                body.put_u64_le(*len_bytes);
                body.put_u8(*at as u8);
            }
            Call::Extend { name, len_bytes, at } => {
                body.put_u8(4);
                put_name(body, name);
                body.put_u64_le(*len_bytes);
                body.put_u8(*at as u8);
            }
            Call::Remove(name) => {
                body.put_u8(5);
                put_name(body, name);
            }
            Call::Write { name, offset, at, data } => {
                body.put_u8(6);
                put_name(body, name);
                body.put_u64_le(*offset);
                body.put_u8(*at as u8);
                body.put_slice(data);
            }
            Call::Read { name, offset, len_bytes, mirror } => {
                body.put_u8(7);
                put_name(body, name);
                body.put_u64_le(*offset);
                body.put_u32_le(*len_bytes);
                body.put_u8(u8::from(*mirror));
            }
            Call::Hash { name, offset, len_bytes } => {
                body.put_u8(8);
                put_name(body, name);
                body.put_u64_le(*offset);
                body.put_u32_le(*len_bytes);
            }
            Call::GetLabel => body.put_u8(9),
            Call::SetLabel { label, over, at } => {
                body.put_u8(10);
                body.put_slice(&label.encode());
                body.put_u8(u8::from(over.is_some()));
                over.unwrap_or_default().into_iter().for_each(|epoch| body.put_u64_le(epoch));
                body.put_u8(*at as u8);
            }
            Call::SetMending(mending) => {
                body.put_u8(11);
                body.put_u8(u8::from(*mending));
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader) -> Option<Call> {
        Some(match reader.u8()? {
            1 => Call::List,
            2 => Call::Open(reader.name()?),
            code @ (3 | 4) => {
                let (name, len_bytes) = (reader.name()?, reader.u64()?);
                let at = Copies::from_code(reader.u8()?)?;
                match code {
                    3 => Call::Create { name, len_bytes, at },
                    _ => Call::Extend { name, len_bytes, at },
                }
            }
            5 => Call::Remove(reader.name()?),
            6 => {
                let (name, offset) = (reader.name()?, reader.u64()?);
                let at = Copies::from_code(reader.u8()?)?;
                Call::Write { name, offset, at, data: std::mem::take(&mut reader.0) }
            }
            code @ (7 | 8) => {
                let (name, offset, len_bytes) = (reader.name()?, reader.u64()?, reader.u32()?);
                match code {
                    7 => Call::Read { name, offset, len_bytes, mirror: reader.u8()? != 0 },
                    _ => Call::Hash { name, offset, len_bytes },
                }
            }
            9 => Call::GetLabel,
            10 => {
                let label = Label::decode(&reader.take(9)?)?;
                let (is_over, epochs) = (reader.u8()? != 0, [reader.u64()?, reader.u64()?]);
                let at = Copies::from_code(reader.u8()?)?;
                Call::SetLabel { label, over: is_over.then_some(epochs), at }
            }
            11 => Call::SetMending(reader.u8()? != 0),
            _ => return None,
        })
    }
}

impl Answer {
    fn encode(&self, body: &mut BytesMut) {
        match self {
            Answer::Done => body.put_u8(1),
            Answer::Opened(len_bytes) => {
                body.put_u8(2);
                body.put_u64_le(*len_bytes);
            }
            Answer::Data(data) => {
                body.put_u8(3);
                body.put_slice(data);
            }
            Answer::Lists(lists) => {
                body.put_u8(4);
                body.put_u32_le(lists.len() as u32);
                for list in lists {
                    body.put_u32_le(list.len() as u32);
                    for (name, len_bytes) in list {
                        put_name(body, name);
                        body.put_u64_le(*len_bytes);
                    }
                }
            }
            Answer::Hashes(hashes) => {
                body.put_u8(5);
                body.put_u32_le(hashes.len() as u32);
                for hash in hashes {
                    body.put_u8(u8::from(hash.is_some()));
                    hash.iter().for_each(|hash| body.put_u64_le(*hash));
                }
            }
            Answer::Labels(labels) => {
                body.put_u8(6);
                body.put_u32_le(labels.len() as u32);
                for Noted { label, mending } in labels {
                    body.put_u8(u8::from(*mending));
                    body.put_u8(u8::from(label.is_some()));
                    label.iter().for_each(|label| body.put_slice(&label.encode()));
                }
            }
            Answer::Failed(error) => {
                let (code, value) = match error {
                    DiskError::NotFound => (1, 0),
                    DiskError::NoSpace => (2, 0),
                    DiskError::OutOfRange { len_bytes } => (3, *len_bytes),
                    DiskError::Io { errno } => (4, *errno as u32 as u64),
                };
                body.put_u8(7);
                body.put_u8(code);
                body.put_u64_le(value);
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader) -> Option<Answer> {
        Some(match reader.u8()? {
            1 => Answer::Done,
            2 => Answer::Opened(reader.u64()?),
            3 => Answer::Data(std::mem::take(&mut reader.0)),
            4 => Answer::Lists(reader.list(|reader| reader.list(|reader| Some((reader.name()?, reader.u64()?))))?),
            5 => Answer::Hashes(reader.list(|reader| reader.option(Reader::u64))?),
            6 => Answer::Labels(reader.list(|reader| {
                let mending = reader.u8()? != 0;
                let label = reader.option(|reader| Label::decode(&reader.take(9)?))?;
                Some(Noted { label, mending })
            })?),
            7 => Answer::Failed(match (reader.u8()?, reader.u64()?) {
                (1, _) => DiskError::NotFound,
                (2, _) => DiskError::NoSpace,
                (3, len_bytes) => DiskError::OutOfRange { len_bytes },
                (4, errno) => DiskError::Io { errno: errno as u32 as i32 },
                _ => return None,
            }),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirror::Attachment;

    #[test]
    fn every_call_and_answer_survives_the_wire_and_no_cut_of_one_panics() {
        let name = || FileName::new("log-001");
        let label = Label { epoch: 3, attachment: Attachment::Resyncing };
        let calls = [
            Call::List,
            Call::Open(name()),
            Call::Create { name: name(), len_bytes: 512, at: Copies::Mirror },
            Call::Extend { name: name(), len_bytes: 1024, at: Copies::Own },
            Call::Remove(name()),
            Call::Write { name: name(), offset: 512, at: Copies::Own, data: Bytes::from_static(b"data") },
            Call::Read { name: name(), offset: 0, len_bytes: 512, mirror: true },
            Call::Hash { name: name(), offset: 0, len_bytes: 512 },
            Call::GetLabel,
            Call::SetLabel { label, over: None, at: Copies::Both },
            Call::SetLabel { label, over: Some([3, 0]), at: Copies::Own },
            Call::SetMending(true),
        ];
        for sent in calls {
            let mut bytes = BytesMut::new();
            sent.encode(&mut bytes);
            let bytes = bytes.freeze();
            assert_eq!(Call::decode(&mut Reader(bytes.clone())), Some(sent));
            (0..bytes.len()).for_each(|len| drop(Call::decode(&mut Reader(bytes.slice(..len)))));
        }
        let answers = [
            Answer::Done,
            Answer::Opened(512),
            Answer::Data(Bytes::from_static(b"data")),
            Answer::Lists(vec![vec![(name(), 9)], vec![]]),
            Answer::Hashes(vec![Some(1), None]),
            Answer::Labels(vec![Noted::default(), Noted { label: Some(label), mending: true }]),
            Answer::Failed(DiskError::OutOfRange { len_bytes: 4 }),
            Answer::Failed(DiskError::EIO),
        ];
        for sent in answers {
            let mut bytes = BytesMut::new();
            sent.encode(&mut bytes);
            let bytes = bytes.freeze();
            assert_eq!(Answer::decode(&mut Reader(bytes.clone())), Some(sent));
            (0..bytes.len()).for_each(|len| drop(Answer::decode(&mut Reader(bytes.slice(..len)))));
        }
    }
}
