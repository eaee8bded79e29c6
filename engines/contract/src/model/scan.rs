//! What a scan gives of the rows it visits.

use bytes::Bytes;

use crate::{Aggregate, Key, Projection, Reply, Row};

/// Projects visited rows, in the order visited.
pub fn project<'a>(visited: impl Iterator<Item = (&'a Key, &'a Row)>, projection: &Projection) -> Reply {
    match projection {
        Projection::Rows => rows(visited.map(|(key, row)| (key.clone(), row.clone())).collect()),
        Projection::Field(field) => rows(visited.map(|(key, row)| (key.clone(), cut(row, *field))).collect()),
        Projection::Aggregate(Aggregate::Count) => value(visited.count() as u64),
        Projection::Aggregate(Aggregate::Sum(field)) => {
            value(visited.filter_map(|(_, row)| number(row, *field)).fold(0, u64::wrapping_add))
        }
        Projection::Sorted(field) => rows(values(visited, *field)),
        Projection::Distinct(field) => {
            let mut sorted = values(visited, *field);
            sorted.dedup();
            rows(sorted)
        }
    }
}

fn values<'a>(visited: impl Iterator<Item = (&'a Key, &'a Row)>, field: u16) -> Vec<(Key, Row)> {
    let mut fields: Vec<&[u8]> = visited.filter_map(|(_, row)| row.field(usize::from(field))).collect();
    fields.sort_unstable();
    fields.into_iter().map(|field| (Key(Bytes::new()), Row::new([field]))).collect()
}

fn cut(row: &Row, field: u16) -> Row {
    Row::new(row.field(usize::from(field)))
}

fn number(row: &Row, field: u16) -> Option<u64> {
    Some(u64::from_be_bytes(row.field(usize::from(field))?.try_into().ok()?))
}

fn rows(rows: Vec<(Key, Row)>) -> Reply {
    Reply::Rows { rows, position: None }
}

fn value(value: u64) -> Reply {
    Reply::Value { value, position: None }
}
