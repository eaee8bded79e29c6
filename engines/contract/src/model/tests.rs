use bytes::Bytes;

use super::*;
use crate::{Aggregate, Index, IndexId, Projection, Table};

const T: TableId = TableId(0);

fn schema() -> Schema {
    Schema { tables: vec![Table { name: "t".into(), indexes: vec![Index { name: "k".into(), field: 0 }] }] }
}

fn row(k: u64, text: &str) -> Row {
    Row::new([&k.to_be_bytes()[..], text.as_bytes()])
}

fn key(id: u64) -> Key {
    Key::from_u64(id)
}

fn insert(id: u64, k: u64, text: &str) -> Statement {
    Statement::Insert { table: T, key: key(id), row: row(k, text) }
}

fn scan(from: u64, to: u64, projection: Projection) -> Statement {
    Statement::Scan { table: T, from: key(from), to: Some(key(to)), limit: u32::MAX, projection }
}

fn add(id: u64, delta: u64) -> Statement {
    Statement::Update { table: T, key: key(id), changes: vec![Change::Add { field: 0, delta }] }
}

fn by_index(from: u64, to: u64) -> Statement {
    Statement::IndexScan {
        table: T,
        index: IndexId(0),
        from: Bytes::copy_from_slice(&from.to_be_bytes()),
        to: Some(Bytes::copy_from_slice(&to.to_be_bytes())),
        limit: 10,
        projection: Projection::Rows,
    }
}

fn loaded() -> Model {
    let mut model = Model::new(schema());
    for (id, k, text) in [(1, 30, "c"), (2, 20, "a"), (3, 20, "b"), (4, 10, "a")] {
        model.load(T, key(id), row(k, text));
    }
    model
}

fn keys(reply: Result<Reply, Error>) -> Vec<Key> {
    let Ok(Reply::Rows { rows, .. }) = reply else { panic!("{reply:?}") };
    rows.into_iter().map(|(key, _)| key).collect()
}

fn values(reply: Result<Reply, Error>) -> Vec<String> {
    let Ok(Reply::Rows { rows, .. }) = reply else { panic!("{reply:?}") };
    rows.iter()
        .map(|(key, row)| {
            assert!(key.as_bytes().is_empty());
            String::from_utf8(row.field(0).expect("one field").to_vec()).expect("text")
        })
        .collect()
}

fn value(reply: Result<Reply, Error>) -> u64 {
    let Ok(Reply::Value { value, .. }) = reply else { panic!("{reply:?}") };
    value
}

#[test]
fn a_transaction_sees_its_own_writes_and_a_rollback_undoes_them() {
    let mut model = loaded();
    let before = model.clone();
    model.begin().unwrap();
    model.execute(&insert(9, 15, "z")).unwrap();
    model.execute(&add(4, 5)).unwrap();
    model.execute(&Statement::Delete { table: T, key: key(1) }).unwrap();
    assert_eq!(keys(model.execute(&by_index(0, 100))), [key(4), key(9), key(2), key(3)]);
    assert!(model.has_written());
    assert_eq!(model.rollback(), Ok(Reply::RolledBack));
    assert_eq!(model.rows(T).collect::<Vec<_>>(), before.rows(T).collect::<Vec<_>>());
    assert_eq!(keys(model.single(&by_index(0, 100))), [key(4), key(2), key(3), key(1)]);
    assert_eq!(model.position(), CommitPosition(0));
}

#[test]
fn only_commits_that_affected_a_row_take_a_position() {
    let mut model = loaded();
    assert_eq!(model.single(&insert(5, 1, "")), Ok(Reply::Affected { rows: 1, position: Some(CommitPosition(1)) }));
    let absent = Statement::Delete { table: T, key: key(77) };
    assert_eq!(model.single(&absent), Ok(Reply::Affected { rows: 0, position: Some(CommitPosition(1)) }));
    model.begin().unwrap();
    assert_eq!(model.commit(), Ok(Reply::Committed { position: CommitPosition(1) }));
    model.begin().unwrap();
    model.execute(&add(5, 1)).unwrap();
    assert_eq!(model.commit(), Ok(Reply::Committed { position: CommitPosition(2) }));
}

#[test]
fn a_duplicate_key_keeps_the_transaction_and_an_invalid_statement_drops_it() {
    let mut model = loaded();
    model.begin().unwrap();
    model.execute(&add(4, 1)).unwrap();
    assert_eq!(model.execute(&insert(1, 0, "")), Err(Error::DuplicateKey));
    assert!(model.is_open());
    let unknown = Statement::Get { table: TableId(9), key: key(1) };
    assert!(matches!(model.execute(&unknown), Err(Error::Invalid(_))));
    assert!(!model.is_open());
    assert_eq!(value(model.single(&scan(4, 5, Projection::Aggregate(Aggregate::Sum(0))))), 10);
    assert!(matches!(model.commit(), Err(Error::Invalid(_))));
    assert!(matches!(model.rollback(), Err(Error::Invalid(_))));
    assert!(matches!(model.execute(&add(4, 1)), Err(Error::Invalid(_))));
}

#[test]
fn a_begin_inside_a_transaction_drops_it() {
    let mut model = loaded();
    model.begin().unwrap();
    model.execute(&add(4, 1)).unwrap();
    assert!(matches!(model.begin(), Err(Error::Invalid(_))));
    assert!(!model.is_open());
    assert_eq!(model.get(T, &key(4)), Some(&row(10, "a")));
}

#[test]
fn projections_give_what_they_promise() {
    let mut model = loaded();
    model.load(T, key(5), Row::new([&b"short"[..]]));
    let mut ask = |projection| model.single(&scan(1, 6, projection));
    assert_eq!(value(ask(Projection::Aggregate(Aggregate::Count))), 5);
    assert_eq!(value(ask(Projection::Aggregate(Aggregate::Sum(0)))), 80, "a field that is no number adds nothing");
    assert_eq!(values(ask(Projection::Sorted(1))), ["a", "a", "b", "c"]);
    assert_eq!(values(ask(Projection::Distinct(1))), ["a", "b", "c"]);
    let Ok(Reply::Rows { rows, .. }) = ask(Projection::Field(1)) else { panic!("rows") };
    assert_eq!(rows[0], (key(1), Row::new([&b"c"[..]])));
    assert_eq!(rows[4], (key(5), Row::new([])), "a row without the field is empty");
}

#[test]
fn scans_are_half_open_and_bounded() {
    let mut model = loaded();
    assert_eq!(keys(model.single(&scan(2, 4, Projection::Rows))), [key(2), key(3)]);
    assert_eq!(keys(model.single(&scan(4, 2, Projection::Rows))), []);
    let open = Statement::Scan { table: T, from: key(2), to: None, limit: 2, projection: Projection::Rows };
    assert_eq!(keys(model.single(&open)), [key(2), key(3)]);
    assert_eq!(keys(model.single(&by_index(20, 30))), [key(2), key(3)]);
    assert_eq!(keys(model.single(&by_index(30, 20))), []);
    let unknown = Statement::IndexScan {
        table: T,
        index: IndexId(1),
        from: Bytes::new(),
        to: None,
        limit: 1,
        projection: Projection::Rows,
    };
    assert!(matches!(model.single(&unknown), Err(Error::Invalid(_))));
}

#[test]
fn an_update_applies_its_changes_in_order_or_not_at_all() {
    let mut model = loaded();
    let set = |field, value: &[u8]| Change::Set { field, value: Bytes::copy_from_slice(value) };
    let update = |id, changes| Statement::Update { table: T, key: key(id), changes };
    let wrapped = update(1, vec![Change::Add { field: 0, delta: u64::MAX }, set(1, b"x"), set(1, b"y")]);
    assert!(model.single(&wrapped).is_ok());
    assert_eq!(model.get(T, &key(1)), Some(&row(29, "y")));
    for bad in [set(7, b""), Change::Add { field: 1, delta: 1 }, Change::Add { field: 7, delta: 1 }] {
        let half = update(1, vec![set(1, b"half"), bad]);
        assert!(matches!(model.single(&half), Err(Error::Invalid(_))));
        assert_eq!(model.get(T, &key(1)), Some(&row(29, "y")));
    }
    let absent = model.single(&update(77, vec![set(7, b"")]));
    assert!(matches!(absent, Ok(Reply::Affected { rows: 0, .. })), "no row, nothing to be wrong about");
}

#[test]
fn many_rows_are_inserted_together_or_not_at_all() {
    let mut model = loaded();
    let many = |ids: &[u64]| Statement::InsertMany {
        table: T,
        rows: ids.iter().map(|id| (key(*id), row(*id, "m"))).collect(),
    };
    assert_eq!(model.single(&many(&[6, 1])), Err(Error::Invalid("rows to insert must rise by key".into())));
    assert!(matches!(model.single(&many(&[6, 6])), Err(Error::Invalid(_))));
    assert_eq!(model.single(&many(&[0, 1, 6])), Err(Error::DuplicateKey));
    assert_eq!(model.rows(T).count(), 4);
    assert!(matches!(model.single(&many(&[0, 6, 7])), Ok(Reply::Affected { rows: 3, .. })));
    assert_eq!(model.rows(T).count(), 7);
}
