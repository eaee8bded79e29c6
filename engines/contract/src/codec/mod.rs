//! The client codec: requests and responses as bytes.
//!
//! The body of a client frame is exactly one encoded [`Request`](crate::Request) (kind [`REQUEST_KIND`]) or one
//! [`Response`](crate::Response) (kind [`RESPONSE_KIND`]). This crate knows nothing of frames; the numbers are here
//! so that both ends agree.
//!
//! # Format
//!
//! Little-endian. A request is session `u32`, attempt `u64`, step `u32`, a verb byte and the verb's own fields; a response
//! is the same three numbers, a result byte and the reply's or the error's own fields. Inside, tables, indexes and
//! fields are `u16`; lengths, counts and limits are LEB128 varints of at most five bytes; keys, rows, values and
//! messages are a length and bytes; an optional value is a byte 0 or 1 and the value.
//!
//! # Invariants
//!
//! - Decoding never panics and never allocates more than a small multiple of the input, whatever the bytes.
//! - What is decoded encodes to the same bytes, except that a varint may have been longer than needed.
//! - Decoding is zero-copy: keys, rows and values share the memory of the body. A holder that keeps a small part for long
//!   should copy it, or it keeps the whole frame.
//!
//! # Caveats
//!
//! - There is no version inside the body; the frame's header carries one.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{DecodeError, decode_request, decode_response};
pub use encode::{encode_request, encode_response, request_hint_bytes, response_hint_bytes};

/// The frame kind of a request body.
pub const REQUEST_KIND: u16 = 0x0101;
/// The frame kind of a response body.
pub const RESPONSE_KIND: u16 = 0x0102;

/// The longest field of a row, set by the row format's `u16` lengths.
const FIELD_BYTES_MAX: usize = u16::MAX as usize;

mod tag {
    //! The discriminants on the wire.
    pub const BEGIN_OPTIMISTIC: u8 = 0;
    pub const BEGIN_LOCKING: u8 = 1;
    pub const EXECUTE: u8 = 2;
    pub const COMMIT: u8 = 3;
    pub const ROLLBACK: u8 = 4;
    pub const SINGLE: u8 = 5;

    pub const GET: u8 = 0;
    pub const GET_FOR_UPDATE: u8 = 1;
    pub const SCAN: u8 = 2;
    pub const INDEX_SCAN: u8 = 3;
    pub const INSERT: u8 = 4;
    pub const PUT: u8 = 5;
    pub const UPDATE: u8 = 6;
    pub const DELETE: u8 = 7;
    pub const INSERT_MANY: u8 = 8;

    pub const SET: u8 = 0;
    pub const ADD: u8 = 1;

    pub const ROWS: u8 = 0;
    pub const FIELD: u8 = 1;
    pub const COUNT: u8 = 2;
    pub const SUM: u8 = 3;
    pub const SORTED: u8 = 4;
    pub const DISTINCT: u8 = 5;

    // Replies and errors share one byte: errors have the top bit.
    pub const REPLY_BEGUN: u8 = 0;
    pub const REPLY_ROW: u8 = 1;
    pub const REPLY_ROWS: u8 = 2;
    pub const REPLY_VALUE: u8 = 3;
    pub const REPLY_AFFECTED: u8 = 4;
    pub const REPLY_COMMITTED: u8 = 5;
    pub const REPLY_ROLLED_BACK: u8 = 6;
    pub const ERROR_VALIDATION: u8 = 0x80;
    pub const ERROR_DEADLOCK: u8 = 0x81;
    pub const ERROR_DUPLICATE_KEY: u8 = 0x82;
    pub const ERROR_INVALID: u8 = 0x83;
    pub const ERROR_TOO_LARGE: u8 = 0x84;
    pub const ERROR_UNAVAILABLE: u8 = 0x85;
    pub const ERROR_INDETERMINATE: u8 = 0x86;
    pub const ERROR_CORRUPT: u8 = 0x87;
}
