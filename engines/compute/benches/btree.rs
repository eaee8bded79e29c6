//! Pages and B+trees in memory, without a log: what a commit costs before anything leaves the node.
//!
//! The table is sysbench's in size: rows of 190 bytes under 8-byte keys in order, and an index of 12-byte entries loaded
//! in no order, on pages of 16 KiB. As a test (`cargo test`) each benchmark runs once, on a table a hundredth as large.

use std::hint::black_box;
use std::ops::ControlFlow;

use compute::apply::apply;
use compute::btree::{CommitBounds, Write, commit, get, scan};
use compute::catalog::{CATALOG_PAGE, bootstrap, open_catalog};
use compute::{Group, Lsn, Page, PageId, PageKind, Pool, PoolConfig, Record, RedoOp, Roots, TreeId};
use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use node::Rng;

const PAGE_BYTES: usize = 16 << 10;
const ROW_BYTES: usize = 190;
const ROWS: TreeId = TreeId(1);
const INDEX: TreeId = TreeId(2);
const BOUNDS: CommitBounds = CommitBounds { pages_max: 1000, bytes_max: 16 << 20, reserved_upto: PageId(1 << 32) };

/// `cargo bench` passes `--bench`; `cargo test` does not.
fn row_count() -> u64 {
    if std::env::args().any(|arg| arg == "--bench") { 400_000 } else { 4_000 }
}

struct Table {
    pool: Pool,
    roots: Roots,
    next: Lsn,
    rng: Rng,
    /// The indexed field of each row.
    indexed: Vec<u32>,
}

impl Table {
    fn empty() -> Table {
        let mut pool = Pool::new(PoolConfig { page_bytes: PAGE_BYTES, cache_bytes: 512 << 20 });
        let group = bootstrap(&mut pool, 2, &[], Lsn(1)).expect("fits");
        let (roots, _) = open_catalog(pool.peek(CATALOG_PAGE).expect("made")).expect("a catalog");
        Table { pool, roots, next: group.last().next(), rng: Rng::new(1), indexed: Vec::new() }
    }

    fn loaded(rows: u64) -> Table {
        let mut table = Table::empty();
        let keys: Vec<[u8; 8]> = (0..rows).map(u64::to_be_bytes).collect();
        for keys in keys.chunks(100) {
            let writes: Vec<_> = keys.iter().map(|key| (ROWS, Write::Insert { key, value: &[7; ROW_BYTES] })).collect();
            table.commit(&writes);
        }
        for id in 0..rows {
            let field = table.rng.next_u64() as u32;
            table.indexed.push(field);
            table.commit(&[(INDEX, Write::Insert { key: &entry(field, id), value: &[] })]);
        }
        table
    }

    fn commit(&mut self, writes: &[(TreeId, Write<'_>)]) -> Group {
        let group = commit(&mut self.pool, &self.roots, writes, self.next, &BOUNDS, &|_, _| false, &mut |_, _| true)
            .expect("all is in memory");
        self.next = group.last().next();
        group
    }

    fn any_row(&mut self) -> u64 {
        self.rng.below(self.indexed.len() as u64)
    }

    /// Two rows change, and one of them its place in the index: two replaced cells, one removed, one inserted.
    fn four_writes(&mut self) -> Group {
        let (mut a, mut b) = (self.any_row(), self.any_row());
        if a == b {
            b = (a + 1) % self.indexed.len() as u64;
        }
        (a, b) = (a.min(b), a.max(b));
        let old = self.indexed[a as usize];
        let new = old.wrapping_add(1);
        self.indexed[a as usize] = new;
        let value = [a as u8; ROW_BYTES];
        let (from, to) = (entry(old, a), entry(new, a));
        let mut index = [Write::Remove { key: &from }, Write::Insert { key: &to, value: &[] }];
        index.sort_unstable_by_key(|write| write.key().to_vec());
        self.commit(&[
            (ROWS, Write::Replace { key: &a.to_be_bytes(), value: &value }),
            (ROWS, Write::Replace { key: &b.to_be_bytes(), value: &value }),
            (INDEX, index[0]),
            (INDEX, index[1]),
        ])
    }
}

fn entry(field: u32, id: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&field.to_be_bytes());
    key[4..].copy_from_slice(&id.to_be_bytes());
    key
}

fn page_apply(c: &mut Criterion) {
    let mut group = c.benchmark_group("page_apply");
    let mut page = Page::empty(PageId(1), PAGE_BYTES);
    let mut lsn = 0;
    let mut change = |page: &mut Page, op: RedoOp<'_>| {
        lsn += 1;
        apply(page, &Record { lsn: Lsn(lsn), page: PageId(1), cpl: false, op }).expect("fits")
    };
    change(&mut page, RedoOp::Format { kind: PageKind::Leaf, level: 0, tree: ROWS });
    for n in 0..70u64 {
        change(&mut page, RedoOp::Insert { key: &(2 * n).to_be_bytes(), value: &[1; ROW_BYTES] });
    }
    let mut n = 0u64;
    group.bench_function("replace", |b| {
        b.iter(|| {
            n = (n + 37) % 70;
            change(&mut page, RedoOp::Replace { key: &(2 * n).to_be_bytes(), value: &[n as u8; ROW_BYTES] })
        });
    });
    group.bench_function("insert_and_remove", |b| {
        b.iter(|| {
            n = (n + 37) % 70;
            let key = (2 * n + 1).to_be_bytes();
            change(&mut page, RedoOp::Insert { key: &key, value: &[2; ROW_BYTES] });
            change(&mut page, RedoOp::Remove { key: &key })
        });
    });
    group.bench_function("open", |b| {
        b.iter_batched(|| page.sealed(), |block| Page::open(block, PageId(1)), BatchSize::SmallInput);
    });
    group.finish();
}

fn btree_read(c: &mut Criterion) {
    let mut table = Table::loaded(row_count());
    let root = table.roots.of(ROWS).expect("a table");
    c.bench_function("btree/get", |b| {
        b.iter(|| {
            let key = table.any_row().to_be_bytes();
            get(&table.pool, root, black_box(&key)).expect("in memory").map(<[u8]>::len)
        });
    });
    let mut group = c.benchmark_group("btree/scan");
    group.throughput(Throughput::Elements(100));
    group.bench_function("100", |b| {
        b.iter(|| {
            let from = table.any_row().to_be_bytes();
            let (mut left, mut bytes) = (100, 0);
            scan(&table.pool, root, &from, None, |_, value| {
                bytes += value.len();
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .expect("in memory");
            bytes
        });
    });
    group.finish();
}

fn btree_write(c: &mut Criterion) {
    let mut table = Table::loaded(row_count());
    c.bench_function("btree/commit_4_writes", |b| b.iter(|| table.four_writes()));
}

/// Into a tree that grows from nothing to 200,000 cells, again and again.
fn btree_insert(c: &mut Criterion) {
    for (name, in_order) in [("btree/insert_append", true), ("btree/insert_random", false)] {
        let (mut table, mut id) = (Table::empty(), 0u64);
        c.bench_function(name, |b| {
            b.iter(|| {
                id += 1;
                if id.is_multiple_of(200_000) {
                    table = Table::empty();
                }
                let key = if in_order { id } else { table.rng.next_u64() }.to_be_bytes();
                table.commit(&[(ROWS, Write::Insert { key: &key, value: &[3; ROW_BYTES] })])
            });
        });
    }
}

criterion_group!(benches, page_apply, btree_read, btree_write, btree_insert);
fn main() {
    let session = record::bench::Session::start("btree");
    benches();
    Criterion::default().configure_from_args().final_summary();
    session.finish().expect("the table beside criterion's files");
}
