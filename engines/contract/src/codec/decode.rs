//! Bytes to requests and responses. The bytes came from a link and are not trusted.

use bytes::Bytes;
use thiserror::Error as ThisError;

use super::{FIELD_BYTES_MAX, tag};
use crate::{
    Aggregate, Change, CommitPosition, ConflictKind, Error, IndexId, Key, Mode, Projection, Reply, Request, Response,
    Row, SessionId, Statement, TableId, TxnSeq, Verb,
};

/// Why bytes are not a request or response. The frame's checksum held, so the sender speaks another language: the
/// receiver drops the frame and counts it.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum DecodeError {
    /// The bytes end inside a value.
    #[error("the body ends early, at byte {at}")]
    Truncated {
        /// Where the value starts.
        at: usize,
    },
    /// A discriminant that no version of the codec wrote.
    #[error("unknown {what} {tag:#04x} at byte {at}")]
    UnknownTag {
        /// What the discriminant chooses.
        what: &'static str,
        /// The byte.
        tag: u8,
        /// Where it is.
        at: usize,
    },
    /// A varint of more than 32 bits.
    #[error("a length of more than 32 bits at byte {at}")]
    Varint {
        /// Where it starts.
        at: usize,
    },
    /// A row whose own lengths do not add up.
    #[error("bytes at {at} are not a row")]
    Row {
        /// Where they start.
        at: usize,
    },
    /// A value to set that no field can hold.
    #[error("a field value of {len_bytes} bytes, at most {FIELD_BYTES_MAX} fit")]
    FieldTooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// An error message that is not UTF-8.
    #[error("the message at byte {at} is not UTF-8")]
    Text {
        /// Where it starts.
        at: usize,
    },
    /// Bytes after the value.
    #[error("{count} bytes follow the value")]
    Trailing {
        /// How many.
        count: usize,
    },
}

/// Decodes the body of a request frame. Keys, rows and values share `body`'s memory.
pub fn decode_request(body: &Bytes) -> Result<Request, DecodeError> {
    let mut reader = Reader { body, at: 0 };
    let (session, txn, step) = reader.envelope()?;
    let verb = match reader.byte()? {
        tag::BEGIN_OPTIMISTIC => Verb::Begin(Mode::Optimistic),
        tag::BEGIN_LOCKING => Verb::Begin(Mode::Locking),
        tag::EXECUTE => Verb::Execute(reader.statement()?),
        tag::COMMIT => Verb::Commit,
        tag::ROLLBACK => Verb::Rollback,
        tag::SINGLE => Verb::Single(reader.statement()?),
        tag => return Err(reader.unknown("verb", tag)),
    };
    reader.end()?;
    Ok(Request { session, txn, step, verb })
}

/// Decodes the body of a response frame. Keys and rows share `body`'s memory.
pub fn decode_response(body: &Bytes) -> Result<Response, DecodeError> {
    let mut reader = Reader { body, at: 0 };
    let (session, txn, step) = reader.envelope()?;
    let result = reader.result()?;
    reader.end()?;
    Ok(Response { session, txn, step, result })
}

struct Reader<'a> {
    body: &'a Bytes,
    at: usize,
}

impl Reader<'_> {
    fn envelope(&mut self) -> Result<(SessionId, TxnSeq, u32), DecodeError> {
        Ok((SessionId(self.u32()?), TxnSeq(self.u64()?), self.u32()?))
    }

    fn statement(&mut self) -> Result<Statement, DecodeError> {
        let tag = self.byte()?;
        if tag > tag::INSERT_MANY {
            return Err(self.unknown("statement", tag));
        }
        let table = TableId(self.u16()?);
        match tag {
            tag::INDEX_SCAN => return self.index_scan(table),
            tag::INSERT_MANY => return Ok(Statement::InsertMany { table, rows: self.rows()? }),
            _ => {}
        }
        let key = Key(self.bytes()?);
        Ok(match tag {
            tag::GET => Statement::Get { table, key },
            tag::GET_FOR_UPDATE => Statement::GetForUpdate { table, key },
            tag::DELETE => Statement::Delete { table, key },
            tag::INSERT => Statement::Insert { table, key, row: self.row()? },
            tag::PUT => Statement::Put { table, key, row: self.row()? },
            tag::UPDATE => Statement::Update { table, key, changes: self.changes()? },
            _ => Statement::Scan {
                table,
                from: key,
                to: self.optional(|reader| Ok(Key(reader.bytes()?)))?,
                limit: self.varint()?,
                projection: self.projection()?,
            },
        })
    }

    fn index_scan(&mut self, table: TableId) -> Result<Statement, DecodeError> {
        Ok(Statement::IndexScan {
            table,
            index: IndexId(self.u16()?),
            from: self.bytes()?,
            to: self.optional(Self::bytes)?,
            limit: self.varint()?,
            projection: self.projection()?,
        })
    }

    fn changes(&mut self) -> Result<Vec<Change>, DecodeError> {
        let count = self.varint()? as usize;
        // A change takes at least four bytes, so a hostile count cannot ask for more memory than the body justifies.
        let mut changes = Vec::with_capacity(count.min(self.rest() / 4 + 1));
        for _ in 0..count {
            changes.push(match self.byte()? {
                tag::SET => {
                    let (field, value) = (self.u16()?, self.bytes()?);
                    if value.len() > FIELD_BYTES_MAX {
                        return Err(DecodeError::FieldTooLong { len_bytes: value.len() });
                    }
                    Change::Set { field, value }
                }
                tag::ADD => Change::Add { field: self.u16()?, delta: self.u64()? },
                tag => return Err(self.unknown("change", tag)),
            });
        }
        Ok(changes)
    }

    fn projection(&mut self) -> Result<Projection, DecodeError> {
        Ok(match self.byte()? {
            tag::ROWS => Projection::Rows,
            tag::FIELD => Projection::Field(self.u16()?),
            tag::COUNT => Projection::Aggregate(Aggregate::Count),
            tag::SUM => Projection::Aggregate(Aggregate::Sum(self.u16()?)),
            tag::SORTED => Projection::Sorted(self.u16()?),
            tag::DISTINCT => Projection::Distinct(self.u16()?),
            tag => return Err(self.unknown("projection", tag)),
        })
    }

    fn result(&mut self) -> Result<Result<Reply, Error>, DecodeError> {
        let tag = self.byte()?;
        Ok(Ok(match tag {
            tag::REPLY_BEGUN => Reply::Begun,
            tag::REPLY_ROLLED_BACK => Reply::RolledBack,
            tag::REPLY_COMMITTED => Reply::Committed { position: CommitPosition(self.u64()?) },
            tag::REPLY_ROW => Reply::Row { position: self.position()?, row: self.optional(Self::row)? },
            tag::REPLY_ROWS => Reply::Rows { position: self.position()?, rows: self.rows()? },
            tag::REPLY_VALUE => Reply::Value { position: self.position()?, value: self.u64()? },
            tag::REPLY_AFFECTED => Reply::Affected { position: self.position()?, rows: self.u64()? },
            tag => return Ok(Err(self.error(tag)?)),
        }))
    }

    fn error(&mut self, tag: u8) -> Result<Error, DecodeError> {
        Ok(match tag {
            tag::ERROR_VALIDATION => Error::Conflict(ConflictKind::Validation),
            tag::ERROR_DEADLOCK => Error::Conflict(ConflictKind::Deadlock),
            tag::ERROR_DUPLICATE_KEY => Error::DuplicateKey,
            tag::ERROR_INVALID => Error::Invalid(self.text()?),
            tag::ERROR_TOO_LARGE => Error::TooLarge(self.text()?),
            tag::ERROR_UNAVAILABLE => Error::Unavailable(self.text()?),
            tag::ERROR_INDETERMINATE => Error::Indeterminate(self.text()?),
            tag::ERROR_CORRUPT => Error::Corrupt(self.text()?),
            tag => return Err(self.unknown("result", tag)),
        })
    }

    fn rows(&mut self) -> Result<Vec<(Key, Row)>, DecodeError> {
        let count = self.varint()? as usize;
        // A key and a row take at least four bytes; see `changes`.
        let mut rows = Vec::with_capacity(count.min(self.rest() / 4 + 1));
        for _ in 0..count {
            rows.push((Key(self.bytes()?), self.row()?));
        }
        Ok(rows)
    }

    fn row(&mut self) -> Result<Row, DecodeError> {
        let at = self.at;
        Row::parse(self.bytes()?).ok_or(DecodeError::Row { at })
    }

    fn position(&mut self) -> Result<Option<CommitPosition>, DecodeError> {
        self.optional(|reader| Ok(CommitPosition(reader.u64()?)))
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let at = self.at;
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| DecodeError::Text { at })
    }

    fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.byte()? {
            0 => Ok(None),
            1 => Ok(Some(read(self)?)),
            tag => Err(self.unknown("option", tag)),
        }
    }

    fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let at = self.at;
        let len = self.varint()? as usize;
        if len > self.rest() {
            return Err(DecodeError::Truncated { at });
        }
        let bytes = self.body.slice(self.at..self.at + len);
        self.at += len;
        Ok(bytes)
    }

    fn varint(&mut self) -> Result<u32, DecodeError> {
        let start = self.at;
        let mut value = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return u32::try_from(value).map_err(|_| DecodeError::Varint { at: start });
            }
        }
        Err(DecodeError::Varint { at: start })
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let array = *self.body[self.at..].first_chunk::<N>().ok_or(DecodeError::Truncated { at: self.at })?;
        self.at += N;
        Ok(array)
    }

    fn rest(&self) -> usize {
        self.body.len() - self.at
    }

    fn unknown(&self, what: &'static str, tag: u8) -> DecodeError {
        DecodeError::UnknownTag { what, tag, at: self.at - 1 }
    }

    fn end(&self) -> Result<(), DecodeError> {
        if self.rest() > 0 { Err(DecodeError::Trailing { count: self.rest() }) } else { Ok(()) }
    }
}
