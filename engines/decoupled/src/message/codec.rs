//! Encoding of messages: little-endian, lists with a `u32` count, no padding.

use bytes::{BufMut, Bytes, BytesMut};
use compute::{Lsn, PageId};
use node::{Frame, FrameKind, Nanos, NodeId};
use thiserror::Error;

use crate::{Epoch, Geometry, Incarnation, MemberIndex, PgId, Register, Truncation, TruncationTable, VolumeId};

/// Bytes that are not a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// They end early.
    #[error("message ends early")]
    Truncated,
    /// A tag, count or flag that no message has.
    #[error("message has an impossible {0}")]
    Impossible(&'static str),
}

/// Something that can be part of a message.
pub trait Wire: Sized {
    /// Appends the encoding.
    fn put(&self, out: &mut BytesMut);

    /// Reads it back.
    fn take(from: &mut Reader) -> Result<Self, DecodeError>;

    /// The frame with this message alone.
    fn frame(&self, kind: FrameKind) -> Frame {
        Frame::encode(kind, 128, |body| self.put(body))
    }

    /// The message that a frame's body holds, all of it.
    fn from_frame(frame: &Frame) -> Result<Self, DecodeError> {
        let mut reader = Reader { bytes: frame.slice(0..frame.body().len()) };
        let message = Self::take(&mut reader)?;
        if reader.bytes.is_empty() { Ok(message) } else { Err(DecodeError::Impossible("length")) }
    }
}

/// Reads a message from shared memory.
#[derive(Debug)]
pub struct Reader {
    pub(super) bytes: Bytes,
}

impl Reader {
    /// Reads from `bytes`.
    pub fn new(bytes: Bytes) -> Reader {
        Reader { bytes }
    }

    /// The next `len_bytes` bytes, sharing memory.
    pub fn slice(&mut self, len_bytes: usize) -> Result<Bytes, DecodeError> {
        if self.bytes.len() < len_bytes {
            return Err(DecodeError::Truncated);
        }
        Ok(self.bytes.split_to(len_bytes))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let array = *self.bytes.first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        bytes::Buf::advance(&mut self.bytes, N);
        Ok(array)
    }
}

macro_rules! wire_integers {
    ($($kind:ty),*) => {$(
        impl Wire for $kind {
            fn put(&self, out: &mut BytesMut) {
                out.put_slice(&self.to_le_bytes());
            }
            fn take(from: &mut Reader) -> Result<Self, DecodeError> {
                Ok(<$kind>::from_le_bytes(from.array()?))
            }
        }
    )*};
}

macro_rules! wire_newtypes {
    ($($name:ident),*) => {$(
        impl Wire for $name {
            fn put(&self, out: &mut BytesMut) {
                self.0.put(out);
            }
            fn take(from: &mut Reader) -> Result<Self, DecodeError> {
                Ok($name(Wire::take(from)?))
            }
        }
    )*};
}

macro_rules! wire_structs {
    ($($name:ident { $($field:ident),* })*) => {$(
        impl $crate::message::Wire for $name {
            fn put(&self, out: &mut bytes::BytesMut) {
                $($crate::message::Wire::put(&self.$field, out);)*
            }
            fn take(from: &mut $crate::message::Reader) -> Result<Self, $crate::message::DecodeError> {
                Ok($name { $($field: $crate::message::Wire::take(from)?),* })
            }
        }
    )*};
}
pub(crate) use wire_structs;

/// An enum whose variants all have named fields: one tag byte, then the fields in order.
macro_rules! wire_enum {
    ($name:ident { $($tag:literal => $variant:ident { $($field:ident),* $(,)? }),* $(,)? }) => {
        impl $crate::message::Wire for $name {
            fn put(&self, out: &mut bytes::BytesMut) {
                match self {
                    $($name::$variant { $($field),* } => {
                        bytes::BufMut::put_u8(out, $tag);
                        $($crate::message::Wire::put($field, out);)*
                    })*
                }
            }
            fn take(
                from: &mut $crate::message::Reader,
            ) -> Result<Self, $crate::message::DecodeError> {
                match <u8 as $crate::message::Wire>::take(from)? {
                    $($tag => Ok($name::$variant { $($field: $crate::message::Wire::take(from)?),* }),)*
                    _ => Err($crate::message::DecodeError::Impossible(concat!(stringify!($name), " tag"))),
                }
            }
        }
    };
}
pub(crate) use wire_enum;

wire_integers!(u8, u16, u32, u64);
wire_newtypes!(Lsn, PageId, PgId, VolumeId, MemberIndex, Incarnation, Nanos, NodeId);
wire_structs! {
    Epoch { number, owner }
    Geometry { page_bytes, pages_per_pg }
    Truncation { epoch, vdl, upto }
    Register { epoch, version, formed, geometry, geometry_epoch, pg_count, membership_epoch, members }
}

impl Wire for bool {
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(u8::from(*self));
    }

    fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Impossible("flag")),
        }
    }
}

impl Wire for TruncationTable {
    fn put(&self, out: &mut BytesMut) {
        self.entries().to_vec().put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        TruncationTable::new(Vec::take(from)?).ok_or(DecodeError::Impossible("truncation table"))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut BytesMut) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        Ok(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut BytesMut) {
        out.put_u32_le(u32::try_from(self.len()).expect("a list fits a frame"));
        self.iter().for_each(|item| item.put(out));
    }

    fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        let count = u32::take(from)? as usize;
        // Every item takes at least one byte, so a count beyond the bytes left is damage, not a reason to allocate.
        if count > from.bytes.len() {
            return Err(DecodeError::Truncated);
        }
        (0..count).map(|_| T::take(from)).collect()
    }
}

impl<T: Wire, const N: usize> Wire for [T; N] {
    fn put(&self, out: &mut BytesMut) {
        self.iter().for_each(|item| item.put(out));
    }

    fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        let items = (0..N).map(|_| T::take(from)).collect::<Result<Vec<T>, _>>()?;
        Ok(items.try_into().unwrap_or_else(|_| unreachable!("exactly N items were taken")))
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut BytesMut) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

impl Wire for Bytes {
    fn put(&self, out: &mut BytesMut) {
        out.put_u32_le(u32::try_from(self.len()).expect("bytes fit a frame"));
        out.put_slice(self);
    }

    fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        let len_bytes = u32::take(from)? as usize;
        from.slice(len_bytes)
    }
}

impl Wire for String {
    fn put(&self, out: &mut BytesMut) {
        Bytes::copy_from_slice(self.as_bytes()).put(out);
    }

    fn take(from: &mut Reader) -> Result<Self, DecodeError> {
        let bytes = Bytes::take(from)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError::Impossible("text"))
    }
}
