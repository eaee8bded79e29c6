//! Requests and responses to bytes.

use bytes::{BufMut, BytesMut};

use super::{FIELD_BYTES_MAX, tag};
use crate::{
    Aggregate, Change, CommitPosition, ConflictKind, Error, Key, Mode, Projection, Reply, Request, Response, Row,
    Statement, Verb,
};

/// Bytes that an envelope with a small payload takes.
const ENVELOPE_BYTES: usize = 48;

/// Appends `request`. Panics when a key, row or value is 4 GiB or longer, or a value to set exceeds a field.
pub fn encode_request(request: &Request, out: &mut BytesMut) {
    put_envelope(out, request.session.0, request.txn.0, request.step);
    match &request.verb {
        Verb::Begin(Mode::Optimistic) => out.put_u8(tag::BEGIN_OPTIMISTIC),
        Verb::Begin(Mode::Locking) => out.put_u8(tag::BEGIN_LOCKING),
        Verb::Execute(statement) => {
            out.put_u8(tag::EXECUTE);
            put_statement(out, statement);
        }
        Verb::Commit => out.put_u8(tag::COMMIT),
        Verb::Rollback => out.put_u8(tag::ROLLBACK),
        Verb::Single(statement) => {
            out.put_u8(tag::SINGLE);
            put_statement(out, statement);
        }
    }
}

/// Appends `response`. Panics as [`encode_request`] does.
pub fn encode_response(response: &Response, out: &mut BytesMut) {
    put_envelope(out, response.session.0, response.txn.0, response.step);
    match &response.result {
        Ok(reply) => put_reply(out, reply),
        Err(error) => put_error(out, error),
    }
}

/// About how many bytes `request` takes: enough that encoding seldom grows the buffer.
pub fn request_hint_bytes(request: &Request) -> usize {
    let payload = match &request.verb {
        Verb::Execute(statement) | Verb::Single(statement) => match statement {
            Statement::Insert { key, row, .. } | Statement::Put { key, row, .. } => {
                key.as_bytes().len() + row.encoded().len()
            }
            Statement::Update { key, changes, .. } => {
                key.as_bytes().len()
                    + changes
                        .iter()
                        .map(|change| if let Change::Set { value, .. } = change { value.len() } else { 8 } + 8)
                        .sum::<usize>()
            }
            Statement::Get { key, .. } | Statement::GetForUpdate { key, .. } | Statement::Delete { key, .. } => {
                key.as_bytes().len()
            }
            Statement::InsertMany { rows, .. } => rows_hint_bytes(rows),
            Statement::Scan { from, to, .. } => from.as_bytes().len() + to.as_ref().map_or(0, |to| to.as_bytes().len()),
            Statement::IndexScan { from, to, .. } => from.len() + to.as_ref().map_or(0, |to| to.len()),
        },
        Verb::Begin(_) | Verb::Commit | Verb::Rollback => 0,
    };
    ENVELOPE_BYTES + payload
}

/// About how many bytes `response` takes, as [`request_hint_bytes`].
pub fn response_hint_bytes(response: &Response) -> usize {
    let payload = match &response.result {
        Ok(Reply::Row { row: Some(row), .. }) => row.encoded().len(),
        Ok(Reply::Rows { rows, .. }) => rows_hint_bytes(rows),
        _ => 0,
    };
    ENVELOPE_BYTES + payload
}

fn rows_hint_bytes(rows: &[(Key, Row)]) -> usize {
    rows.iter().map(|(key, row)| key.as_bytes().len() + row.encoded().len() + 6).sum()
}

fn put_envelope(out: &mut BytesMut, session: u32, txn: u64, step: u32) {
    out.put_u32_le(session);
    out.put_u64_le(txn);
    out.put_u32_le(step);
}

fn put_statement(out: &mut BytesMut, statement: &Statement) {
    match statement {
        Statement::Get { key, .. } => put_target(out, tag::GET, statement, key),
        Statement::GetForUpdate { key, .. } => put_target(out, tag::GET_FOR_UPDATE, statement, key),
        Statement::Delete { key, .. } => put_target(out, tag::DELETE, statement, key),
        Statement::Insert { key, row, .. } => {
            put_target(out, tag::INSERT, statement, key);
            put_bytes(out, row.encoded());
        }
        Statement::InsertMany { table, rows } => {
            out.put_u8(tag::INSERT_MANY);
            out.put_u16_le(table.0);
            put_rows(out, rows);
        }
        Statement::Put { key, row, .. } => {
            put_target(out, tag::PUT, statement, key);
            put_bytes(out, row.encoded());
        }
        Statement::Update { key, changes, .. } => {
            put_target(out, tag::UPDATE, statement, key);
            put_length(out, changes.len());
            for change in changes {
                put_change(out, change);
            }
        }
        Statement::Scan { from, to, limit, projection, .. } => {
            put_target(out, tag::SCAN, statement, from);
            put_optional(out, to.as_ref().map(Key::as_bytes));
            put_varint(out, *limit);
            put_projection(out, projection);
        }
        Statement::IndexScan { table, index, from, to, limit, projection } => {
            out.put_u8(tag::INDEX_SCAN);
            out.put_u16_le(table.0);
            out.put_u16_le(index.0);
            put_bytes(out, from);
            put_optional(out, to.as_deref());
            put_varint(out, *limit);
            put_projection(out, projection);
        }
    }
}

fn put_target(out: &mut BytesMut, tag: u8, statement: &Statement, key: &Key) {
    out.put_u8(tag);
    out.put_u16_le(statement.table().0);
    put_bytes(out, key.as_bytes());
}

fn put_change(out: &mut BytesMut, change: &Change) {
    match change {
        Change::Set { field, value } => {
            assert!(value.len() <= FIELD_BYTES_MAX, "a field has at most {FIELD_BYTES_MAX} bytes, not {}", value.len());
            out.put_u8(tag::SET);
            out.put_u16_le(*field);
            put_bytes(out, value);
        }
        Change::Add { field, delta } => {
            out.put_u8(tag::ADD);
            out.put_u16_le(*field);
            out.put_u64_le(*delta);
        }
    }
}

fn put_projection(out: &mut BytesMut, projection: &Projection) {
    match projection {
        Projection::Rows => out.put_u8(tag::ROWS),
        Projection::Aggregate(Aggregate::Count) => out.put_u8(tag::COUNT),
        Projection::Field(field) => put_field(out, tag::FIELD, *field),
        Projection::Aggregate(Aggregate::Sum(field)) => put_field(out, tag::SUM, *field),
        Projection::Sorted(field) => put_field(out, tag::SORTED, *field),
        Projection::Distinct(field) => put_field(out, tag::DISTINCT, *field),
    }
}

fn put_field(out: &mut BytesMut, tag: u8, field: u16) {
    out.put_u8(tag);
    out.put_u16_le(field);
}

fn put_reply(out: &mut BytesMut, reply: &Reply) {
    match reply {
        Reply::Begun => out.put_u8(tag::REPLY_BEGUN),
        Reply::RolledBack => out.put_u8(tag::REPLY_ROLLED_BACK),
        Reply::Row { row, position } => {
            out.put_u8(tag::REPLY_ROW);
            put_position(out, *position);
            put_optional(out, row.as_ref().map(|row| row.encoded().as_ref()));
        }
        Reply::Rows { rows, position } => {
            out.put_u8(tag::REPLY_ROWS);
            put_position(out, *position);
            put_rows(out, rows);
        }
        Reply::Value { value, position } => {
            out.put_u8(tag::REPLY_VALUE);
            put_position(out, *position);
            out.put_u64_le(*value);
        }
        Reply::Affected { rows, position } => {
            out.put_u8(tag::REPLY_AFFECTED);
            put_position(out, *position);
            out.put_u64_le(*rows);
        }
        Reply::Committed { position } => {
            out.put_u8(tag::REPLY_COMMITTED);
            out.put_u64_le(position.0);
        }
    }
}

fn put_rows(out: &mut BytesMut, rows: &[(Key, Row)]) {
    put_length(out, rows.len());
    for (key, row) in rows {
        put_bytes(out, key.as_bytes());
        put_bytes(out, row.encoded());
    }
}

fn put_position(out: &mut BytesMut, position: Option<CommitPosition>) {
    match position {
        None => out.put_u8(0),
        Some(position) => {
            out.put_u8(1);
            out.put_u64_le(position.0);
        }
    }
}

fn put_error(out: &mut BytesMut, error: &Error) {
    let (tag, message) = match error {
        Error::Conflict(ConflictKind::Validation) => (tag::ERROR_VALIDATION, ""),
        Error::Conflict(ConflictKind::Deadlock) => (tag::ERROR_DEADLOCK, ""),
        Error::DuplicateKey => (tag::ERROR_DUPLICATE_KEY, ""),
        Error::Invalid(message) => (tag::ERROR_INVALID, message.as_str()),
        Error::TooLarge(message) => (tag::ERROR_TOO_LARGE, message.as_str()),
        Error::Unavailable(message) => (tag::ERROR_UNAVAILABLE, message.as_str()),
        Error::Indeterminate(message) => (tag::ERROR_INDETERMINATE, message.as_str()),
        Error::Corrupt(message) => (tag::ERROR_CORRUPT, message.as_str()),
    };
    out.put_u8(tag);
    if tag >= tag::ERROR_INVALID {
        put_bytes(out, message.as_bytes());
    }
}

fn put_optional(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => out.put_u8(0),
        Some(bytes) => {
            out.put_u8(1);
            put_bytes(out, bytes);
        }
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.put_slice(bytes);
}

fn put_length(out: &mut BytesMut, len: usize) {
    put_varint(out, u32::try_from(len).expect("lengths and counts fit 32 bits"));
}

fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}
