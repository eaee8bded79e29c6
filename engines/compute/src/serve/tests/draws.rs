//! Random statements over a small world, so that they often meet.

use bytes::Bytes;
use contract::{Aggregate, Change, Index, IndexId, Key, Projection, Row, Schema, Statement, Table, TableId};
use node::Rng;

/// Two tables; the first has an index on a number and one on a text.
pub fn schema() -> Schema {
    let index = |name: &str, field| Index { name: name.into(), field };
    Schema {
        tables: vec![
            Table { name: "a".into(), indexes: vec![index("k", 0), index("text", 1)] },
            Table { name: "b".into(), indexes: vec![] },
        ],
    }
}

/// How large the world is.
#[derive(Clone, Copy, Debug)]
pub struct Draw {
    pub keys: u64,
    pub text_bytes_max: u64,
    /// How many of ten statements write.
    pub writes_of_ten: u64,
}

impl Draw {
    fn table(&self, rng: &mut Rng) -> TableId {
        TableId(u16::from(rng.chance(0.3)))
    }

    fn key(&self, rng: &mut Rng) -> Key {
        Key::from_u64(rng.below(self.keys))
    }

    fn text(&self, rng: &mut Rng) -> Vec<u8> {
        vec![b'a' + rng.below(6) as u8; rng.below(self.text_bytes_max + 1) as usize]
    }

    fn row(&self, rng: &mut Rng) -> Row {
        let number = rng.below(20).to_be_bytes();
        let text = self.text(rng);
        match rng.below(8) {
            // Without the second indexed field, or without a number in the first.
            0 => Row::new([&number[..]]),
            1 => Row::new([&text[..]]),
            _ => Row::new([&number[..], &text, b"constant"]),
        }
    }

    fn projection(&self, rng: &mut Rng) -> Projection {
        match rng.below(6) {
            0 | 1 => Projection::Rows,
            2 => Projection::Field(1),
            3 => Projection::Aggregate(if rng.chance(0.5) { Aggregate::Count } else { Aggregate::Sum(0) }),
            4 => Projection::Sorted(1),
            _ => Projection::Distinct(0),
        }
    }

    fn limit(&self, rng: &mut Rng) -> u32 {
        if rng.chance(0.5) { u32::MAX } else { rng.below(12) as u32 }
    }

    fn scan(&self, rng: &mut Rng) -> Statement {
        let (a, b) = (rng.below(self.keys), rng.below(self.keys));
        let (low, high) = if rng.chance(0.95) { (a.min(b), a.max(b)) } else { (a.max(b), a.min(b)) };
        let (projection, limit) = (self.projection(rng), self.limit(rng));
        Statement::Scan {
            table: self.table(rng),
            from: Key::from_u64(low),
            to: rng.chance(0.9).then(|| Key::from_u64(high)),
            limit,
            projection,
        }
    }

    fn index_scan(&self, rng: &mut Rng) -> Statement {
        let (projection, limit) = (self.projection(rng), self.limit(rng));
        let index = rng.below(2) as u16;
        let mut bound = || match index {
            0 => Bytes::copy_from_slice(&rng.below(22).to_be_bytes()),
            _ => Bytes::from(self.text(rng)),
        };
        let (a, b) = (bound(), bound());
        let (from, to) = if a <= b { (a, b) } else { (b, a) };
        let to = rng.chance(0.8).then_some(to);
        Statement::IndexScan { table: TableId(0), index: IndexId(index), from, to, limit, projection }
    }

    fn change(&self, rng: &mut Rng) -> Change {
        match rng.below(3) {
            0 => Change::Add { field: 0, delta: rng.below(5) },
            1 => Change::Set { field: 0, value: Bytes::copy_from_slice(&rng.below(20).to_be_bytes()) },
            _ => Change::Set { field: 1, value: Bytes::from(self.text(rng)) },
        }
    }

    fn write(&self, rng: &mut Rng) -> Statement {
        let (table, key) = (self.table(rng), self.key(rng));
        match rng.below(12) {
            0 | 1 => Statement::Insert { table, key, row: self.row(rng) },
            2..5 => Statement::Put { table, key, row: self.row(rng) },
            5..8 => {
                let changes = (0..=rng.below(2)).map(|_| self.change(rng)).collect();
                Statement::Update { table, key, changes }
            }
            8 => Statement::GetForUpdate { table, key },
            9 => {
                let first = rng.below(self.keys);
                let rows = (first..first + rng.below(5)).map(|key| (Key::from_u64(key), self.row(rng))).collect();
                Statement::InsertMany { table, rows }
            }
            _ => Statement::Delete { table, key },
        }
    }

    /// One statement.
    pub fn statement(&self, rng: &mut Rng) -> Statement {
        if rng.below(10) < self.writes_of_ten {
            return self.write(rng);
        }
        match rng.below(4) {
            0 => self.scan(rng),
            1 => self.index_scan(rng),
            _ => Statement::Get { table: self.table(rng), key: self.key(rng) },
        }
    }
}
