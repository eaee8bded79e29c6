//! Scenes that random runs might miss.

use bytes::Bytes;
use contract::{
    Aggregate, Change, ConflictKind, Error, IndexId, Key, Mode, Projection, Reply, Request, Row, Schema, SessionId,
    Statement, TableId, TxnSeq, Verb,
};
use node::{Nanos, NodeId};

use super::draws::schema;
use super::memory::{Disk, Knobs, MemoryStorage};
use super::world::{World, tiny};
use crate::{ComputeConfig, ComputeNode, ConfigError, FetchError, PageId, Storage};

const T: TableId = TableId(0);

fn world() -> World {
    // Pages large enough for all rows to share one leaf, so that neighbours are near.
    let mut world = World::new(tiny(schema(), 8192), Knobs::quick(8192), 1);
    for key in [10, 20, 30, 40] {
        assert_eq!(affected(world.call(9, put(key, key, "text"))), 1);
    }
    world
}

fn key(key: u64) -> Key {
    Key::from_u64(key)
}

fn row(number: u64, text: &str) -> Row {
    Row::new([&number.to_be_bytes()[..], text.as_bytes()])
}

fn put(at: u64, number: u64, text: &str) -> Verb {
    Verb::Single(write(at, number, text))
}

fn write(at: u64, number: u64, text: &str) -> Statement {
    Statement::Put { table: T, key: key(at), row: row(number, text) }
}

fn get(at: u64) -> Statement {
    Statement::Get { table: T, key: key(at) }
}

fn add(at: u64, delta: u64) -> Statement {
    Statement::Update { table: T, key: key(at), changes: vec![Change::Add { field: 0, delta }] }
}

fn count(from: u64, to: u64) -> Statement {
    let projection = Projection::Aggregate(Aggregate::Count);
    Statement::Scan { table: T, from: key(from), to: Some(key(to)), limit: u32::MAX, projection }
}

fn by_number(from: u64, to: u64) -> Statement {
    let bound = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
    Statement::IndexScan {
        table: T,
        index: IndexId(0),
        from: bound(from),
        to: Some(bound(to)),
        limit: u32::MAX,
        projection: Projection::Rows,
    }
}

fn begin(world: &mut World, session: u32, mode: Mode) {
    assert_eq!(world.call(session, Verb::Begin(mode)), Ok(Reply::Begun));
}

fn affected(reply: Result<Reply, Error>) -> u64 {
    let Ok(Reply::Affected { rows, .. }) = reply else { panic!("{reply:?}") };
    rows
}

fn number_at(world: &mut World, at: u64) -> u64 {
    let reply = world.call(9, Verb::Single(get(at)));
    let Ok(Reply::Row { row: Some(row), .. }) = reply else { panic!("{reply:?}") };
    u64::from_be_bytes(row.field(0).expect("a number").try_into().expect("eight bytes"))
}

/// A reader of `statement` that also writes elsewhere, overtaken by `other`: does it commit?
fn survives(statement: Statement, other: Verb) -> bool {
    let mut world = world();
    begin(&mut world, 1, Mode::Optimistic);
    assert!(world.call(1, Verb::Execute(statement)).is_ok());
    assert!(world.call(2, other).is_ok());
    assert_eq!(affected(world.call(1, Verb::Execute(write(99, 1, "mine")))), 1);
    match world.call(1, Verb::Commit) {
        Ok(Reply::Committed { .. }) => true,
        Err(Error::Conflict(ConflictKind::Validation)) => {
            assert_eq!(world.call(3, Verb::Single(get(99))).map(Reply::without_position), Ok(no_row()));
            false
        }
        other => panic!("{other:?}"),
    }
}

fn no_row() -> Reply {
    Reply::Row { row: None, position: None }
}

#[test]
fn a_phantom_is_noticed_and_a_neighbour_is_none() {
    assert!(!survives(count(10, 40), put(25, 1, "")), "a row appeared in the range");
    assert!(!survives(count(11, 19), put(15, 1, "")), "a row appeared in an empty range");
    assert!(!survives(get(15), put(15, 1, "")), "a row appeared where there was none");
    assert!(!survives(get(20), Verb::Single(Statement::Delete { table: T, key: key(20) })));
    assert!(!survives(by_number(10, 25), put(20, 26, "")), "a row left the range of the index");
    assert!(!survives(by_number(10, 25), put(77, 24, "")), "a row came into the range of the index");
    assert!(!survives(by_number(10, 25), put(20, 20, "changed")), "a row of the range changed otherwise");

    assert!(survives(count(10, 40), put(40, 1, "")), "the range ends before 40");
    assert!(survives(get(15), put(16, 1, "")));
    assert!(survives(by_number(10, 25), put(30, 25, "")));
    let first = Statement::Scan { table: T, from: key(5), to: None, limit: 2, projection: Projection::Rows };
    assert!(survives(first.clone(), put(25, 1, "")), "a bounded scan read up to 20");
    assert!(!survives(first, put(15, 1, "")));
}

#[test]
fn transactions_on_neighbouring_rows_of_one_leaf_do_not_disturb_each_other() {
    let mut world = world();
    for (session, at) in [(1, 10), (2, 20), (3, 30)] {
        begin(&mut world, session, Mode::Optimistic);
        assert!(world.call(session, Verb::Execute(get(at))).is_ok());
        assert_eq!(affected(world.call(session, Verb::Execute(add(at, 1)))), 1);
    }
    for session in [3, 1, 2] {
        assert!(matches!(world.call(session, Verb::Commit), Ok(Reply::Committed { .. })));
    }
}

#[test]
fn a_deadlock_takes_the_youngest_and_lets_the_other_go_on() {
    let mut world = world();
    begin(&mut world, 1, Mode::Optimistic);
    begin(&mut world, 2, Mode::Optimistic);
    assert_eq!(affected(world.call(2, Verb::Execute(add(20, 1)))), 1);
    assert_eq!(affected(world.call(1, Verb::Execute(add(10, 1)))), 1);
    world.ask(1, Verb::Execute(add(20, 100)));
    world.run_for(Nanos::from_millis(1));
    assert_eq!(world.call(2, Verb::Execute(add(10, 100))), Err(Error::Conflict(ConflictKind::Deadlock)));
    assert_eq!(affected(world.answer(1)), 1);
    assert!(world.call(1, Verb::Commit).is_ok());
    assert_eq!((number_at(&mut world, 10), number_at(&mut world, 20)), (11, 120));
    let stats = world.node.stats();
    assert_eq!((stats.deadlocks, stats.aborts_deadlock, stats.lock_waits), (1, 1, 2));
}

#[test]
fn a_victim_that_comes_again_is_no_longer_the_youngest() {
    let mut world = world();
    begin(&mut world, 1, Mode::Optimistic);
    begin(&mut world, 2, Mode::Optimistic);
    assert!(world.call(1, Verb::Execute(add(10, 1))).is_ok() && world.call(2, Verb::Execute(add(20, 1))).is_ok());
    world.ask(1, Verb::Execute(add(20, 1)));
    assert!(world.call(2, Verb::Execute(add(10, 1))).is_err());
    assert!(world.answer(1).is_ok() && world.call(1, Verb::Commit).is_ok());

    begin(&mut world, 3, Mode::Optimistic);
    begin(&mut world, 2, Mode::Optimistic);
    assert!(world.call(3, Verb::Execute(add(10, 1))).is_ok() && world.call(2, Verb::Execute(add(20, 1))).is_ok());
    world.ask(2, Verb::Execute(add(10, 1)));
    assert_eq!(world.call(3, Verb::Execute(add(20, 1))), Err(Error::Conflict(ConflictKind::Deadlock)));
    assert!(world.answer(2).is_ok() && world.call(2, Verb::Commit).is_ok());
}

#[test]
fn a_locking_reader_cannot_be_overtaken() {
    let mut world = world();
    begin(&mut world, 1, Mode::Locking);
    assert!(world.call(1, Verb::Execute(count(10, 40))).is_ok());
    assert!(world.call(1, Verb::Execute(by_number(10, 25))).is_ok());
    world.ask(2, put(25, 1, ""));
    world.ask(3, put(77, 22, ""));
    world.ask(4, put(50, 50, "outside"));
    world.run_for(Nanos::from_millis(1));
    assert_eq!(affected(world.answer(4)), 1);
    assert_eq!((world.try_answer_now(2), world.try_answer_now(3)), (None, None));
    assert_eq!(affected(world.call(1, Verb::Execute(write(99, 1, "mine")))), 1);
    assert!(matches!(world.call(1, Verb::Commit), Ok(Reply::Committed { .. })));
    assert_eq!((affected(world.answer(2)), affected(world.answer(3))), (1, 1));
    assert_eq!(world.node.stats().aborts_validation, 0);
}

#[test]
fn a_single_statement_that_is_overtaken_runs_again_inside() {
    let mut config = tiny(schema(), 8192);
    config.scan_rows_max = 1;
    let mut world = World::new(config, Knobs::quick(8192), 1);
    for at in 0..6 {
        assert!(world.call(9, put(at, at, "")).is_ok());
    }
    // The scan takes one row per event. Each of these changes a row it has passed, until the scan locks what it passes.
    world.ask(1, Verb::Single(count(0, 100)));
    for round in 0..20 {
        world.step();
        world.step();
        world.ask(2, put(0, round, ""));
    }
    let Ok(Reply::Value { value: 6, position: Some(_) }) = world.answer(1) else { panic!("a count") };
    assert_eq!((world.node.stats().singles_rerun, world.node.stats().aborts_validation), (2, 0));
}

#[test]
fn nobody_hears_of_what_is_not_durable() {
    let mut world = world();
    begin(&mut world, 7, Mode::Optimistic);
    world.run_for(Nanos::from_millis(1));
    hold_log(&mut world, true);
    world.ask(1, put(20, 21, "new"));
    world.ask(2, Verb::Single(Statement::Delete { table: T, key: key(30) }));
    world.run_for(Nanos::from_millis(1));
    let held = [
        get(20),
        get(30),
        count(15, 25),
        by_number(0, 22),
        Statement::Delete { table: T, key: key(30) },
        Statement::Insert { table: T, key: key(20), row: row(1, "") },
        Statement::GetForUpdate { table: T, key: key(20) },
    ];
    for (session, statement) in (10..).zip(&held) {
        world.ask(session, Verb::Single(statement.clone()));
    }
    let told = [get(10), get(31), count(31, 99), by_number(23, 29), get(40)];
    for (session, statement) in (30..).zip(&told) {
        assert!(world.call(session, Verb::Single(statement.clone())).is_ok(), "{statement:?}");
    }
    assert!(matches!(world.call(7, Verb::Execute(get(20))), Ok(Reply::Row { position: None, .. })), "not final");
    world.ask(7, Verb::Commit);
    world.run_for(Nanos::from_millis(50));
    for session in [1, 2, 7].into_iter().chain(10..10 + held.len() as u32) {
        assert_eq!(world.try_answer_now(session), None, "session {session} was told too early");
    }
    hold_log(&mut world, false);
    // Any later commit lets the log move on.
    assert!(world.call(3, put(50, 1, "")).is_ok());
    world.run_for(Nanos::from_millis(1));
    for session in [1, 2, 7].into_iter().chain(10..10 + held.len() as u32) {
        assert!(world.try_answer_now(session).is_some(), "session {session} still waits");
    }
}

fn hold_log(world: &mut World, hold: bool) {
    world.node.storage_mut().hold_log = hold;
}

#[test]
fn a_request_that_comes_twice_is_carried_out_once() {
    let mut world = world();
    let request = |txn, step, verb| Request { session: SessionId(5), txn: TxnSeq(txn), step, verb };
    let client = NodeId(3);
    let replies = |world: &mut World| {
        world.run_for(Nanos::from_millis(5));
        std::iter::from_fn(|| world.receive()).map(|(_, reply)| (reply.txn.0, reply.step)).collect::<Vec<_>>()
    };
    let once = request(1, 0, Verb::Single(add(10, 1)));
    world.send(client, &once);
    world.send(client, &once);
    assert_eq!(replies(&mut world), [(1, 0)], "the copy came before there was a reply");
    world.send(client, &once);
    assert_eq!(replies(&mut world), [(1, 0)], "the same reply again");
    for (step, verb) in [Verb::Begin(Mode::Optimistic), Verb::Execute(add(10, 1)), Verb::Commit].into_iter().enumerate()
    {
        world.send(client, &request(2, step as u32, verb));
        assert_eq!(replies(&mut world), [(2, step as u32)]);
    }
    world.send(client, &request(2, 1, Verb::Execute(add(10, 1))));
    world.send(client, &once);
    assert_eq!(replies(&mut world), [], "late copies");
    world.send(client, &request(2, 2, Verb::Commit));
    assert_eq!(replies(&mut world), [(2, 2)]);
    assert_eq!(number_at(&mut world, 10), 12);
}

#[test]
fn a_client_that_goes_on_or_away_leaves_no_lock_behind() {
    let mut world = world();
    begin(&mut world, 1, Mode::Optimistic);
    assert!(world.call(1, Verb::Execute(add(10, 1))).is_ok());
    world.ask(2, Verb::Single(add(10, 10)));
    world.run_for(Nanos::from_millis(1));
    begin(&mut world, 1, Mode::Optimistic);
    assert_eq!(affected(world.answer(2)), 1, "the first transaction of session 1 was given up");

    assert!(world.call(1, Verb::Execute(add(10, 1))).is_ok());
    world.ask(2, Verb::Single(add(10, 10)));
    assert_eq!(affected(world.answer(2)), 1, "session 1 was silent for too long");
    assert!(matches!(world.call(1, Verb::Execute(get(10))), Err(Error::Invalid(_))));
    assert_eq!(number_at(&mut world, 10), 30);
    assert_eq!(world.node.stats().abandoned, 2);
    assert!(world.node.is_idle());
}

#[test]
fn a_commit_whose_pages_are_gone_fetches_them_and_is_woken() {
    let mut world = World::new(tiny(schema(), 512), Knobs::quick(512), 3);
    for at in 0..400 {
        assert!(world.call(9, put(at, at, "some text to fill pages with")).is_ok());
    }
    for session in 0..8 {
        begin(&mut world, session, Mode::Optimistic);
        for at in 0..4 {
            assert!(world.call(session, Verb::Execute(add(u64::from(session) * 50 + at * 11, 1000))).is_ok());
        }
    }
    assert!(world.call(9, Verb::Single(count(0, 400))).is_ok());
    let parks = world.node.stats().parks_page;
    for session in 0..8 {
        world.ask(session, Verb::Commit);
    }
    for session in 0..8 {
        assert!(matches!(world.answer(session), Ok(Reply::Committed { .. })));
    }
    assert!(world.node.stats().parks_page > parks, "the scan had pushed the pages out");
    assert!(world.node.is_idle());
}

#[test]
fn throttled_commits_are_served_in_order() {
    let knobs = Knobs { allocation_limit: 1, ..Knobs::quick(8192) };
    let mut world = World::new(tiny(schema(), 8192), knobs, 1);
    for session in 0..10 {
        world.ask(session, put(u64::from(session), 1, ""));
    }
    let mut positions = Vec::new();
    for session in 0..10 {
        positions.push(world.answer(session).expect("committed").position());
    }
    assert!(positions.is_sorted() && world.node.storage().refusals > 5, "{positions:?}");
}

#[test]
fn what_is_too_large_is_refused_and_changes_nothing() {
    let mut world = World::new(tiny(schema(), 512), Knobs::quick(512), 1);
    let long = "x".repeat(200);
    assert!(matches!(world.call(1, put(1, 1, &long)), Err(Error::TooLarge(_))));
    let many = |count: u64| Statement::InsertMany {
        table: T,
        rows: (0..count).map(|at| (key(at * 1000), row(at, "a text of some length"))).collect(),
    };
    assert_eq!(affected(world.call(1, Verb::Single(many(20)))), 20);
    assert!(world.call(1, Verb::Single(Statement::Delete { table: T, key: key(0) })).is_ok());
    for at in 1..20 {
        assert!(world.call(1, Verb::Single(Statement::Delete { table: T, key: key(at * 1000) })).is_ok());
    }
    assert!(matches!(world.call(1, Verb::Single(many(900))), Err(Error::TooLarge(_))));
    let none = Reply::Value { value: 0, position: None };
    assert_eq!(world.call(1, Verb::Single(count(0, u64::MAX))).map(Reply::without_position), Ok(none));
    assert!(world.node.is_idle());
}

#[test]
fn a_page_that_cannot_be_read_fails_the_statement_and_nothing_else() {
    let mut world = World::new(tiny(schema(), 512), Knobs::quick(512), 3);
    for at in 0..400 {
        assert!(world.call(9, put(at, at, "some text to fill pages with")).is_ok());
    }
    assert!(world.call(9, Verb::Single(count(200, 400))).is_ok());
    let out: Vec<PageId> = (0..200).map(PageId).filter(|page| world.node.pool().peek(*page).is_none()).collect();
    let mut corrupt = 0;
    for page in out {
        world.node.storage_mut().fail_fetch = Some((page, FetchError::Corrupt("rot".into())));
        match world.call(1, Verb::Single(count(0, 400))) {
            Err(Error::Corrupt(text)) => {
                assert_eq!(text, "rot");
                corrupt += 1;
            }
            Ok(Reply::Value { value, .. }) => assert_eq!(value, 400),
            other => panic!("{other:?}"),
        }
    }
    assert!(corrupt > 0);
    assert!(world.call(1, Verb::Single(count(0, 400))).is_ok() && world.node.is_idle());
}

#[test]
fn a_database_of_another_schema_is_refused() {
    let config = tiny(schema(), 8192);
    let world = World::new(config.clone(), Knobs::quick(8192), 1);
    let disk = world.node.storage().disk();
    let again = World::over(config, Knobs::quick(8192), 2, disk.clone());
    assert!(again.node.is_serving());
    let mut other = schema();
    other.tables[1].name = "c".into();
    let refused = World::over(tiny(other, 8192), Knobs::quick(8192), 3, disk);
    assert!(refused.halted.is_some_and(|reason| reason.contains("another schema")));
}

#[test]
fn requests_of_before_a_restart_say_what_is_known() {
    let config = tiny(schema(), 8192);
    let mut world = World::new(config.clone(), Knobs::quick(8192), 1);
    begin(&mut world, 1, Mode::Optimistic);
    let mut again = World::over(config.clone(), Knobs::quick(8192), 2, world.node.storage().disk());
    let mut step = |verb| {
        let request = Request { session: SessionId(1), txn: TxnSeq(1), step: 1, verb };
        again.send(NodeId(100), &request);
        again.run_for(Nanos::from_millis(1));
        again.receive().expect("an answer").1.result
    };
    assert!(matches!(step(Verb::Execute(get(1))), Err(Error::Unavailable(_))));
    assert!(matches!(step(Verb::Commit), Err(Error::Indeterminate(_))), "it may have committed before");

    let storage = MemoryStorage::new(Knobs::quick(8192), 1, Disk::default());
    let mut closed = ComputeNode::new(config, storage).expect("sound");
    assert!(!closed.is_serving() && closed.storage().durable().0 == 0);
    let reply = World::first_reply_of(
        &mut closed,
        &Request { session: SessionId(1), txn: TxnSeq(1), step: 0, verb: Verb::Begin(Mode::Optimistic) },
    );
    assert!(matches!(reply.result, Err(Error::Unavailable(_))));
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_what_to_change() {
    let refused = |change: &dyn Fn(&mut ComputeConfig)| {
        let mut config = tiny(schema(), 512);
        change(&mut config);
        let storage = MemoryStorage::new(Knobs::quick(512), 1, Disk::default());
        ComputeNode::new(config, storage).map(|_| ()).expect_err("refused")
    };
    let error = refused(&|config| config.cache_bytes -= 512);
    assert!(matches!(error, ConfigError::CacheTooSmall { .. }));
    assert!(error.to_string().contains("28672 bytes"), "{error}");
    assert!(matches!(refused(&|config| config.page_bytes = 1000), ConfigError::PageSize { page_bytes: 1000 }));
    assert!(matches!(refused(&|config| config.sessions_max = 0), ConfigError::Bound { .. }));
    let many = |count: usize| Schema {
        tables: (0..count).map(|_| contract::Table { name: "t".into(), indexes: vec![] }).collect(),
    };
    assert!(matches!(refused(&|config| config.schema = many(200)), ConfigError::Schema(_)));
    assert!(matches!(refused(&|config| config.schema = many(65_535)), ConfigError::Schema(_)));
}
