//! Histories with known verdicts, both ways, and whole runs.

use contract::{
    Aggregate, Change, CommitPosition, Error, Key, Model, Outcome, Projection, Reply, Row, Schema, SessionId,
    Statement, Table, TableId, Transaction, TxnSeq,
};

use super::*;

mod runs;

const T: TableId = TableId(0);

fn initial() -> Model {
    let mut model = Model::new(Schema { tables: vec![Table { name: "t".into(), indexes: Vec::new() }] });
    for id in 0..4 {
        model.load(T, Key::from_u64(id), value(0));
    }
    model
}

fn value(number: u64) -> Row {
    Row::new([&number.to_be_bytes()[..]])
}

type Call = (Statement, Option<Result<Reply, Error>>);

fn read(key: u64, seen: Option<u64>) -> Call {
    let statement = Statement::Get { table: T, key: Key::from_u64(key) };
    (statement, Some(Ok(Reply::Row { row: seen.map(value), position: None })))
}

fn affected(rows: u64) -> Option<Result<Reply, Error>> {
    Some(Ok(Reply::Affected { rows, position: None }))
}

fn put(key: u64, number: u64) -> Call {
    let statement = Statement::Put { table: T, key: Key::from_u64(key), row: value(number) };
    (statement, affected(1))
}

fn delete(key: u64) -> Call {
    (Statement::Delete { table: T, key: Key::from_u64(key) }, affected(1))
}

fn add(key: u64, delta: u64) -> Call {
    let changes = vec![Change::Add { field: 0, delta }];
    let statement = Statement::Update { table: T, key: Key::from_u64(key), changes };
    (statement, Some(Ok(Reply::Affected { rows: 1, position: None })))
}

fn sum(seen: u64) -> Call {
    let projection = Projection::Aggregate(Aggregate::Sum(0));
    let statement = Statement::Scan { table: T, from: Key::from_u64(0), to: None, limit: 100, projection };
    (statement, Some(Ok(Reply::Value { value: seen, position: None })))
}

/// A history written down by hand.
#[derive(Default)]
struct History(Vec<Transaction>);

impl History {
    fn txn(&mut self, outcome: Outcome, span: (u64, u64), calls: Vec<Call>) {
        let number = self.0.len();
        let completed_ns = (outcome != Outcome::Info).then_some(span.1);
        self.0.push(Transaction {
            client: 0,
            session: SessionId(number as u32),
            txn: TxnSeq(number as u64),
            name: "txn",
            invoked_ns: span.0,
            completed_ns,
            calls,
            outcome,
        });
    }

    fn ok(mut self, position: u64, span: (u64, u64), calls: Vec<Call>) -> History {
        self.txn(Outcome::Ok(CommitPosition(position)), span, calls);
        self
    }

    fn info(mut self, invoked: u64, calls: Vec<Call>) -> History {
        self.txn(Outcome::Info, (invoked, 0), calls);
        self
    }

    fn fail(mut self, span: (u64, u64), calls: Vec<Call>) -> History {
        self.txn(Outcome::Fail, span, calls);
        self
    }

    fn check(&self) -> Report {
        check(initial(), &self.0, 50)
    }

    fn valid(&self) -> Report {
        let report = self.check();
        assert_eq!(report.verdict, Verdict::Valid);
        report
    }

    fn invalid(&self, why: &str) {
        let Verdict::Invalid(text) = self.check().verdict else { panic!("{:?}", self.check()) };
        assert!(text.contains(why), "{text:?} does not say {why:?}");
    }
}

#[test]
fn a_serial_history_is_valid_in_the_order_of_positions_not_of_replies() {
    let history = History::default()
        .ok(2, (10, 60), vec![read(1, Some(7)), put(1, 8)])
        .ok(1, (10, 70), vec![put(1, 7)])
        .ok(2, (50, 90), vec![read(1, Some(8))]);
    let report = history.valid();
    assert_eq!((report.committed, report.writers), (3, 2));
}

/// An unknown transaction was placed only where something already in the order met it. The first of these two has nothing to
/// do with position 1, and yet must come before it, because the second, found later, must: a correct history of decoupled
/// was called invalid (seeds 14 and 144).
#[test]
fn an_unknown_transaction_leaves_room_for_another_that_depends_on_it() {
    let unknown = |more: Vec<Call>| {
        let calls = vec![read(1, Some(7)), read(3, Some(0)), delete(2)];
        History::default()
            .info(1, vec![put(1, 7)])
            .info(1, calls.into_iter().chain(more).collect())
            .ok(1, (10, 20), vec![put(3, 9)])
            .ok(2, (30, 40), vec![read(1, Some(7)), put(0, 5)])
            .ok(3, (50, 60), vec![read(2, None), put(0, 6)])
    };
    assert_eq!(unknown(Vec::new()).valid().unknown_applied, 2);
    unknown(vec![read(0, Some(5))]).invalid("the commit order gives");
}

#[test]
fn a_lost_update_is_invalid() {
    History::default()
        .ok(1, (0, 50), vec![read(1, Some(0)), put(1, 1)])
        .ok(2, (0, 50), vec![read(1, Some(0)), put(1, 2)])
        .invalid("the commit order gives");
}

#[test]
fn a_dirty_read_is_invalid() {
    History::default().fail((0, 50), vec![put(1, 9)]).ok(1, (0, 60), vec![read(1, Some(9))]).invalid("at position 1");
}

#[test]
fn write_skew_is_invalid() {
    History::default()
        .ok(1, (0, 50), vec![read(1, Some(0)), read(2, Some(0)), put(1, 5)])
        .ok(2, (0, 50), vec![read(1, Some(0)), read(2, Some(0)), put(2, 5)])
        .invalid("statement 0");
}

#[test]
fn a_phantom_is_invalid() {
    History::default().ok(1, (0, 50), vec![put(9, 5)]).ok(2, (0, 50), vec![sum(0), put(1, 1)]).invalid("statement 0");
}

#[test]
fn half_a_transaction_is_invalid() {
    History::default()
        .ok(1, (0, 10), vec![put(1, 5), put(2, 5)])
        .ok(1, (20, 30), vec![read(1, Some(5)), read(2, Some(0))])
        .invalid("statement 1");
}

#[test]
fn a_stale_read_is_invalid_by_real_time() {
    History::default()
        .ok(1, (0, 10), vec![put(1, 5)])
        .ok(0, (20, 30), vec![read(1, Some(0))])
        .invalid("yet has the later position");
    // Overlapping in time, the same read is in order.
    History::default().ok(1, (0, 25), vec![put(1, 5)]).ok(0, (20, 30), vec![read(1, Some(0))]).valid();
}

#[test]
fn two_writers_at_one_position_are_invalid_unless_one_changed_nothing() {
    History::default().ok(1, (0, 9), vec![put(1, 5)]).ok(1, (0, 9), vec![put(2, 5)]).invalid("both changed something");
    History::default().ok(1, (0, 9), vec![put(1, 5)]).ok(1, (0, 9), vec![put(2, 5), put(2, 0)]).valid();
}

/// A transaction that inserted a row, deleted it again and read what another had put carried the other's position, as a
/// transaction that changes nothing does. The checker took both for writers and replayed the one asked for first, before
/// the put that it had read: a strictly serializable run was called a violation.
#[test]
fn a_transaction_that_takes_its_writes_back_comes_after_the_one_it_read_from() {
    let insert = |key| (Statement::Insert { table: T, key: Key::from_u64(key), row: value(1) }, affected(1));
    let delete = |key, rows| (Statement::Delete { table: T, key: Key::from_u64(key) }, affected(rows));
    let reader = vec![insert(9), delete(9, 1), read(0, Some(7))];
    History::default().ok(5, (0, 9), reader).ok(5, (1, 8), vec![put(0, 7), delete(1, 1)]).valid();
    // A delete that finds nothing is not a write.
    let reader = vec![delete(9, 0), read(0, Some(7)), read(1, None)];
    History::default().ok(5, (0, 9), reader).ok(5, (1, 8), vec![put(0, 7), delete(1, 1)]).valid();
    History::default().ok(5, (0, 9), vec![insert(8), delete(8, 1)]).ok(5, (1, 8), vec![insert(7)]).valid();
    History::default().ok(5, (0, 9), vec![insert(8)]).ok(5, (1, 8), vec![insert(7)]).invalid("both changed something");
}

/// Where no reply tells whether writes cancel out (a put says the same of a new row and of an old one), only the replay does.
/// Seeds 559 and 766 of the campaign on decoupled: a transaction put a row and deleted it again, and had read what the
/// commit at its position had written. It had been asked for first and its replies say that it wrote, so the checker took
/// it for the commit and called a correct engine's history invalid. Now the replay finds out who changed something.
#[test]
fn a_transaction_whose_writes_cancel_out_comes_after_the_commit_at_its_position() {
    let cancelled = |seen| vec![put(9, 1), delete(9), read(1, Some(seen))];
    History::default().ok(1, (0, 50), cancelled(5)).ok(1, (10, 40), vec![put(1, 5)]).valid();
    History::default().ok(1, (0, 50), cancelled(0)).ok(1, (10, 40), vec![put(1, 5)]).invalid("statement 2");
    // Several of them, and their readers.
    let report = History::default()
        .ok(1, (0, 50), cancelled(5))
        .ok(1, (1, 50), vec![put(8, 1), read(1, Some(5)), delete(8)])
        .ok(1, (2, 50), vec![read(8, None), read(9, None), read(1, Some(5))])
        .ok(1, (10, 40), vec![read(1, Some(0)), put(1, 5)])
        .ok(2, (10, 40), vec![read(1, Some(5)), put(1, 6)])
        .valid();
    assert_eq!((report.committed, report.writers), (5, 2));
}

#[test]
fn a_position_s_commit_may_rest_on_an_unknown_transaction() {
    // The commit at position 1 reads what only the unknown one wrote, whoever is taken for it.
    let cancelled = || vec![put(9, 1), delete(9), read(1, Some(6))];
    let report = History::default()
        .info(0, vec![put(1, 5)])
        .ok(1, (10, 50), cancelled())
        .ok(1, (20, 40), vec![read(1, Some(5)), put(1, 6)])
        .valid();
    assert_eq!(report.unknown_applied, 1);
    // Only after the unknown delete do the put and delete cancel out: no reply tells.
    let report = History::default()
        .info(0, vec![delete(2)])
        .ok(1, (10, 50), vec![put(2, 1), delete(2)])
        .ok(1, (20, 40), vec![put(1, 6)])
        .valid();
    assert_eq!(report.unknown_applied, 1);
    History::default()
        .info(60, vec![delete(2)])
        .ok(1, (10, 50), vec![put(2, 1), delete(2)])
        .ok(1, (20, 40), vec![put(1, 6)])
        .invalid("both changed something");
}

#[test]
fn no_commit_comes_between_two_that_share_a_position() {
    // Both see the commits up to position 1: the unknown write is among them or it is not.
    History::default()
        .info(0, vec![put(2, 5)])
        .ok(1, (0, 10), vec![put(1, 5)])
        .ok(1, (20, 60), vec![read(2, Some(0))])
        .ok(1, (30, 60), vec![read(2, Some(5))])
        .invalid("statement 0");
}

#[test]
fn an_unknown_transaction_is_applied_only_when_it_was_seen() {
    let unseen = History::default().info(0, vec![put(1, 5)]).ok(1, (50, 60), vec![read(1, Some(0))]).valid();
    assert_eq!((unseen.unknown, unseen.unknown_applied), (1, 0));
    let seen = History::default().info(0, vec![put(1, 5)]).ok(1, (50, 60), vec![read(1, Some(5))]).valid();
    assert_eq!(seen.unknown_applied, 1);
}

#[test]
fn an_unknown_transaction_cannot_come_before_it_was_asked_for() {
    History::default().ok(0, (0, 10), vec![read(1, Some(5))]).info(20, vec![put(1, 5)]).invalid("at position 0");
}

#[test]
fn an_unknown_transaction_happens_as_a_whole() {
    History::default()
        .info(0, vec![put(1, 5), put(2, 5)])
        .ok(0, (50, 60), vec![read(1, Some(5)), read(2, Some(0))])
        .invalid("statement");
}

#[test]
fn an_unknown_transaction_s_own_reads_must_fit_its_place() {
    History::default()
        .ok(1, (0, 10), vec![put(2, 9)])
        .info(20, vec![read(2, Some(0)), put(1, 5)])
        .ok(1, (50, 60), vec![read(1, Some(5))])
        .invalid("");
    // Asked for while the write was under way, it may have come first.
    History::default()
        .ok(1, (0, 30), vec![put(2, 9)])
        .info(20, vec![read(2, Some(0)), put(1, 5)])
        .ok(1, (50, 60), vec![read(1, Some(5))])
        .valid();
}

#[test]
fn an_unknown_transaction_is_found_behind_a_later_blind_write() {
    // It wrote 1 and 2; then 1 was overwritten; then both are read.
    let report = History::default()
        .info(0, vec![put(1, 5), put(2, 5)])
        .ok(1, (10, 20), vec![put(1, 6)])
        .ok(1, (50, 60), vec![read(1, Some(6)), read(2, Some(5))])
        .valid();
    assert_eq!(report.unknown_applied, 1);
}

#[test]
fn two_unknown_transactions_may_explain_each_other() {
    let report = History::default()
        .info(0, vec![put(1, 5)])
        .info(0, vec![read(1, Some(5)), put(2, 6)])
        .ok(0, (50, 60), vec![read(2, Some(6))])
        .valid();
    assert_eq!(report.unknown_applied, 2);
}

#[test]
fn a_wrong_first_choice_is_taken_back() {
    // Both unknown transactions add 1 to key 1; the first also writes key 2, which is later seen untouched.
    let report = History::default()
        .info(0, vec![add(1, 1), put(2, 9)])
        .info(0, vec![add(1, 1)])
        .ok(0, (50, 60), vec![read(1, Some(1))])
        .ok(1, (70, 80), vec![put(3, 1)])
        .ok(1, (90, 99), vec![read(2, Some(0))])
        .valid();
    assert_eq!(report.unknown_applied, 1);
}

#[test]
fn a_violation_is_found_however_many_unknown_transactions_there_are() {
    let mut history = History::default();
    for key in 0..3 {
        for _ in 0..40 {
            history = history.info(0, vec![add(key, 1)]);
        }
    }
    let history =
        history.ok(0, (10, 20), vec![read(0, Some(20)), read(1, Some(20))]).ok(0, (30, 40), vec![read(3, Some(77))]);
    let report = history.check();
    assert!(matches!(report.verdict, Verdict::Invalid(_)), "{report:?}");
    assert!(report.replayed < 3_000, "{} replayed", report.replayed);
}

#[test]
fn a_search_that_is_too_long_says_unknown() {
    // Twenty coins of distinct values, and a sum that none of their subsets makes although each one looks promising.
    let mut history = History::default();
    for coin in 0..20 {
        history = history.info(0, vec![add(0, 2 << coin)]);
    }
    let report = history.ok(0, (10, 20), vec![read(0, Some(12_345))]).check();
    assert!(matches!(report.verdict, Verdict::Unknown(_)), "{report:?}");
}
