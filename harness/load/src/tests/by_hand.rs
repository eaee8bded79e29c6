//! Replies fed to a core one by one.

use contract::{
    CommitPosition, ConflictKind, Effect, Error, Key, Mode, Outcome, Program, Programs, Reply, Request, Response, Row,
    Statement, Step, TableId, Verb,
};
use node::{Nanos, NodeId};

use crate::{Arrivals, Config, Core, Failure, Phase, Retry};

/// Puts, each in a transaction or alone.
struct Puts {
    alone: bool,
}

struct PutOne {
    alone: bool,
    at: u32,
}

fn put() -> Statement {
    Statement::Put { table: TableId(0), key: Key::from_u64(1), row: Row::new([&b"v"[..]]) }
}

impl Programs for Puts {
    fn next(&mut self, _client: u32) -> Box<dyn Program> {
        Box::new(PutOne { alone: self.alone, at: 0 })
    }
}

impl Program for PutOne {
    fn name(&self) -> &'static str {
        "put"
    }

    fn step(&mut self, last: Option<&Result<Reply, Error>>) -> Result<Step, String> {
        if let Some(Ok(Reply::Affected { rows: 7, .. })) = last {
            return Err("seven rows".into());
        }
        self.at += 1;
        Ok(match self.at {
            _ if self.alone => Step::Single(put()),
            1 => Step::Begin,
            2 => Step::Execute(put()),
            _ => Step::Commit,
        })
    }

    fn restart(&mut self) {
        self.at = 0;
    }

    fn finish(&mut self, _last: &Result<Reply, Error>) -> Result<(), String> {
        Ok(())
    }
}

struct Hand {
    core: Core,
    now: Nanos,
}

const MILLI: Nanos = Nanos::from_millis(1);

impl Hand {
    fn new(alone: bool, change: impl FnOnce(&mut Config)) -> Hand {
        let mut config = Config::closed(NodeId(1), 1);
        (config.phase, config.acks_max, config.history_max) = (Phase::Measure, 100, 100);
        change(&mut config);
        Hand { core: Core::new(config, Box::new(Puts { alone })), now: Nanos::from_secs(1) }
    }

    fn poll(&mut self) -> Vec<Request> {
        let mut out = Vec::new();
        self.core.poll(self.now, &mut out);
        out
    }

    /// Answers `request` one millisecond later and gives what is sent then.
    fn answer(&mut self, request: &Request, result: Result<Reply, Error>) -> Vec<Request> {
        self.now += MILLI;
        let response = Response { session: request.session, txn: request.txn, step: request.step, result };
        let mut out = Vec::new();
        self.core.response(self.now, response, &mut out);
        out
    }
}

fn only(requests: Vec<Request>) -> Request {
    let [request] = <[Request; 1]>::try_from(requests).expect("one request");
    request
}

fn affected(rows: u64, position: Option<u64>) -> Result<Reply, Error> {
    Ok(Reply::Affected { rows, position: position.map(CommitPosition) })
}

fn committed(position: u64) -> Result<Reply, Error> {
    Ok(Reply::Committed { position: CommitPosition(position) })
}

const CONFLICT: Error = Error::Conflict(ConflictKind::Validation);

#[test]
fn service_time_covers_every_attempt_and_the_third_one_locks() {
    let mut hand = Hand::new(false, |_| ());
    let mut begin = only(hand.poll());
    assert_eq!(begin.verb, Verb::Begin(Mode::Optimistic));
    for mode in [Mode::Optimistic, Mode::Locking] {
        let execute = only(hand.answer(&begin, Ok(Reply::Begun)));
        assert_eq!(execute.verb, Verb::Execute(put()));
        let commit = only(hand.answer(&execute, affected(1, None)));
        let again = only(hand.answer(&commit, Err(CONFLICT)));
        assert_eq!((again.txn.0, again.step), (begin.txn.0 + 1, 0), "a new attempt has a new number");
        assert_eq!(again.verb, Verb::Begin(mode));
        begin = again;
    }
    let execute = only(hand.answer(&begin, Ok(Reply::Begun)));
    let commit = only(hand.answer(&execute, affected(1, None)));
    let next = only(hand.answer(&commit, committed(5)));
    assert_eq!(next.verb, Verb::Begin(Mode::Optimistic), "a closed loop goes on at once");
    let interval = hand.core.take_interval(hand.now);
    let op = &interval.ops[0];
    assert_eq!((op.ok, op.retries[Retry::Validation as usize]), (1, 2));
    assert_eq!(op.changed_bytes, 9, "a key of eight bytes and a field of one, once for all attempts");
    assert!(op.service.equivalent(op.service.max(), 9_000_000), "nine replies of a millisecond: {}", op.service.max());
    assert_eq!(interval.statements, 3);
    let acks = hand.core.take_acks();
    assert_eq!(acks.len(), 1, "failed attempts acknowledge nothing");
    assert_eq!(acks[0].position, Some(CommitPosition(5)));
    assert!(matches!(acks[0].writes[0].effect, Effect::Row(_)));
    let outcomes: Vec<Outcome> = hand.core.take_history().into_iter().map(|txn| txn.outcome).collect();
    assert_eq!(outcomes, [Outcome::Fail, Outcome::Fail, Outcome::Ok(CommitPosition(5))]);
}

#[test]
fn a_lone_statement_that_conflicts_twice_becomes_a_locking_transaction() {
    let mut hand = Hand::new(true, |_| ());
    let single = only(hand.poll());
    let again = only(hand.answer(&single, Err(CONFLICT)));
    assert_eq!(again.verb, Verb::Single(put()));
    let begin = only(hand.answer(&again, Err(Error::Conflict(ConflictKind::Deadlock))));
    assert_eq!(begin.verb, Verb::Begin(Mode::Locking));
    let execute = only(hand.answer(&begin, Ok(Reply::Begun)));
    assert_eq!(execute.verb, Verb::Execute(put()));
    let commit = only(hand.answer(&execute, affected(1, None)));
    assert_eq!(commit.verb, Verb::Commit);
    hand.answer(&commit, committed(8));
    let op = hand.core.take_interval(hand.now).ops.remove(0);
    assert_eq!((op.ok, op.retries), (1, [1, 1, 0]));
    assert_eq!(hand.core.take_acks()[0].position, Some(CommitPosition(8)));
}

#[test]
fn a_statement_that_affects_nothing_changes_no_bytes() {
    let mut hand = Hand::new(true, |_| ());
    let single = only(hand.poll());
    let next = only(hand.answer(&single, affected(0, Some(1))));
    hand.answer(&next, affected(1, Some(2)));
    let op = hand.core.take_interval(hand.now).ops.remove(0);
    assert_eq!((op.ok, op.changed_bytes), (2, 9));
}

#[test]
fn a_lost_commit_is_unknown_and_never_asked_again() {
    let mut hand = Hand::new(false, |config| config.timeout = Nanos::from_millis(50));
    let begin = only(hand.poll());
    let execute = only(hand.answer(&begin, Ok(Reply::Begun)));
    let commit = only(hand.answer(&execute, affected(1, None)));
    hand.now += Nanos::from_millis(60);
    let sent = hand.poll();
    assert_eq!((sent[0].verb.clone(), sent[0].session), (Verb::Rollback, commit.session), "the old session hangs up");
    assert_eq!(sent[1].verb, Verb::Begin(Mode::Optimistic));
    assert_ne!(sent[1].session, commit.session);
    // The reply comes after all: nobody listens on that session.
    assert!(hand.answer(&commit, committed(3)).is_empty());
    let interval = hand.core.take_interval(hand.now);
    assert_eq!(interval.ops[0].failed[Failure::Unknown as usize], 1);
    assert_eq!(interval.stray_replies, 1);
    let ack = hand.core.take_acks().remove(0);
    assert_eq!((ack.position, ack.writes.len()), (None, 1));
    assert_eq!(hand.core.take_history()[0].completed_ns, None);
}

#[test]
fn a_reply_lost_before_the_commit_is_a_certain_failure() {
    let mut hand = Hand::new(false, |config| config.timeout = Nanos::from_millis(50));
    let begin = only(hand.poll());
    only(hand.answer(&begin, Ok(Reply::Begun)));
    hand.now += Nanos::from_millis(60);
    hand.poll();
    let interval = hand.core.take_interval(hand.now);
    assert_eq!(interval.ops[0].failed[Failure::Timeout as usize], 1);
    assert!(hand.core.take_acks().is_empty());
    assert_eq!(hand.core.take_history()[0].outcome, Outcome::Fail);
}

#[test]
fn a_lost_lone_write_is_unknown_with_its_write() {
    let mut hand = Hand::new(true, |config| config.timeout = Nanos::from_millis(50));
    only(hand.poll());
    hand.now += Nanos::from_millis(60);
    hand.poll();
    let ack = hand.core.take_acks().remove(0);
    assert_eq!((ack.position, ack.writes.len()), (None, 1));
    assert_eq!(hand.core.take_history()[0].calls, [(put(), None)]);
}

#[test]
fn unavailable_is_tried_again_after_a_pause() {
    let mut hand = Hand::new(true, |_| ());
    let single = only(hand.poll());
    let refused = Err(Error::Unavailable("recovering".into()));
    assert!(hand.answer(&single, refused.clone()).is_empty());
    hand.now += Nanos::from_millis(5);
    assert!(hand.poll().is_empty(), "the pause is not over");
    hand.now += Nanos::from_millis(20);
    let again = only(hand.poll());
    hand.answer(&again, affected(1, Some(2)));
    let op = hand.core.take_interval(hand.now).ops.remove(0);
    assert_eq!((op.ok, op.retries[Retry::Unavailable as usize]), (1, 1));
    assert!(op.service.min() >= 25_000_000, "the pause is part of the service time");

    let mut hand = Hand::new(true, |config| config.attempts_max = 1);
    let single = only(hand.poll());
    hand.answer(&single, refused);
    assert_eq!(hand.core.take_interval(hand.now).ops[0].failed[Failure::Unavailable as usize], 1);
}

#[test]
fn a_broken_connection_ends_a_commit_with_an_unknown_outcome_long_before_the_timeout() {
    let mut hand = Hand::new(false, |_| ());
    let begin = only(hand.poll());
    let execute = only(hand.answer(&begin, Ok(Reply::Begun)));
    let commit = only(hand.answer(&execute, affected(1, None)));
    hand.core.disconnect(hand.now);
    let sent = hand.poll();
    assert_eq!((&sent[0].verb, sent[0].session), (&Verb::Rollback, commit.session), "the old session hangs up");
    assert_eq!(sent[1].verb, Verb::Begin(Mode::Optimistic), "the next transaction");
    assert_ne!(sent[1].session, commit.session);
    assert!(hand.answer(&commit, committed(3)).is_empty(), "nobody listens on the old session");
    let interval = hand.core.take_interval(hand.now);
    assert_eq!((interval.ops[0].failed[Failure::Unknown as usize], interval.stray_replies), (1, 1));
    let kept = hand.core.take_history().remove(0);
    assert_eq!((kept.session, kept.txn, kept.outcome), (commit.session, commit.txn, Outcome::Info));
    assert_eq!(hand.core.take_acks()[0].session, commit.session);
}

#[test]
fn a_broken_connection_before_the_commit_is_a_refusal_that_is_retried() {
    let mut hand = Hand::new(false, |_| ());
    let begin = only(hand.poll());
    let execute = only(hand.answer(&begin, Ok(Reply::Begun)));
    hand.core.disconnect(hand.now);
    assert_eq!(only(hand.poll()).session, execute.session, "the old session hangs up");
    assert!(!hand.core.is_quiet(), "the transaction goes on after a pause");
    hand.now += hand.core.config().unavailable_pause;
    let again = only(hand.poll());
    assert_eq!(again.verb, Verb::Begin(Mode::Optimistic));
    assert_ne!(again.session, execute.session);
    hand.core.disconnect(hand.now + MILLI);
    assert_eq!(only(hand.answer(&again, Ok(Reply::Begun))).verb, Verb::Execute(put()), "a reply that came after all");
    assert!(hand.poll().is_empty(), "and what is asked after it is asked over the new connection");
    let interval = hand.core.take_interval(hand.now);
    assert_eq!((interval.ops[0].retries[Retry::Unavailable as usize], interval.all().errors()), (1, 0));
}

#[test]
fn a_client_that_pauses_notices_no_broken_connection() {
    let mut hand = Hand::new(false, |_| ());
    let begin = only(hand.poll());
    assert!(hand.answer(&begin, Err(Error::Unavailable("opening".into()))).is_empty());
    hand.core.disconnect(hand.now);
    assert!(hand.poll().is_empty());
    hand.now += hand.core.config().unavailable_pause;
    assert_eq!(only(hand.poll()).session, begin.session);
}

#[test]
fn a_finding_inside_a_transaction_rolls_it_back() {
    let mut hand = Hand::new(false, |_| ());
    let begin = only(hand.poll());
    let execute = only(hand.answer(&begin, Ok(Reply::Begun)));
    let rollback = only(hand.answer(&execute, affected(7, None)));
    assert_eq!(rollback.verb, Verb::Rollback);
    hand.answer(&rollback, Ok(Reply::RolledBack));
    let interval = hand.core.take_interval(hand.now);
    assert_eq!((interval.findings_count, &interval.findings[..]), (1, &["seven rows".to_owned()][..]));
    assert_eq!(interval.ops[0].failed[Failure::Finding as usize], 1);
}

#[test]
fn replies_of_other_attempts_and_duplicates_are_strays() {
    let mut hand = Hand::new(false, |_| ());
    let begin = only(hand.poll());
    let execute = only(hand.answer(&begin, Ok(Reply::Begun)));
    assert!(hand.answer(&begin, Ok(Reply::Begun)).is_empty(), "the begin's reply again");
    let early = Request { step: 9, ..execute.clone() };
    assert!(hand.answer(&early, affected(1, None)).is_empty());
    let other = Request { txn: contract::TxnSeq(99), ..execute.clone() };
    assert!(hand.answer(&other, affected(1, None)).is_empty());
    assert_eq!(hand.core.take_interval(hand.now).stray_replies, 3);
    assert_eq!(only(hand.answer(&execute, affected(1, None))).verb, Verb::Commit);
}

#[test]
fn an_open_loop_queues_drops_and_counts_from_the_intended_start() {
    let arrivals = Arrivals::Constant { rate_per_s: 1_000.0, queue_max: 3 };
    let mut hand = Hand::new(true, |config| config.arrivals = arrivals);
    assert!(hand.poll().is_empty(), "the first intends to start a gap later");
    assert_eq!(hand.core.next_poll(hand.now), hand.now + MILLI);
    // Ten milliseconds pass unnoticed: ten starts are due, one client is free, three may wait.
    hand.now += Nanos::from_millis(10);
    let first = only(hand.poll());
    assert_eq!(hand.core.queued(), 3);
    let second = only(hand.answer(&first, affected(1, Some(1))));
    assert_eq!(second.txn.0, first.txn.0 + 1);
    let interval = hand.core.take_interval(hand.now);
    assert_eq!((interval.offered, interval.dropped), (10, 6));
    let op = &interval.ops[0];
    // It was meant to start nine milliseconds before it did, and took one.
    assert!(op.response.equivalent(op.response.max(), 10_000_000));
    assert!(op.service.equivalent(op.service.max(), 1_000_000));
    assert_eq!(op.late, 2);
    assert!(interval.lag.equivalent(interval.lag.max(), 9_000_000));
}

#[test]
fn what_ends_after_the_measured_phase_counts_and_what_began_before_does_not() {
    let mut hand = Hand::new(true, |config| config.phase = Phase::Warmup);
    let warm = only(hand.poll());
    hand.core.set_phase(Phase::Measure);
    assert!(hand.poll().is_empty());
    let measured = only(hand.answer(&warm, affected(1, Some(1))));
    hand.core.set_phase(Phase::Idle);
    hand.poll();
    assert!(hand.answer(&measured, affected(1, Some(2))).is_empty(), "idle starts nothing");
    let interval = hand.core.take_interval(hand.now);
    assert_eq!((interval.offered, interval.ops[0].ok), (1, 1));
    assert!(hand.core.is_quiet());
    let milli = u128::from(MILLI.0);
    assert_eq!((interval.busy_ns, interval.in_flight_ns), (milli, milli), "Little's law, exactly, for what counts");
}

#[test]
fn buffers_are_bounded_and_say_so() {
    let mut hand = Hand::new(true, |config| (config.acks_max, config.history_max) = (1, 2));
    let mut request = only(hand.poll());
    for position in 1..=4 {
        request = only(hand.answer(&request, affected(1, Some(position))));
    }
    let interval = hand.core.take_interval(hand.now);
    assert_eq!((interval.acks_dropped, interval.history_dropped), (3, 2));
    hand.core.abandon(hand.now);
    assert!(hand.core.is_quiet());
}

/// A run was ended with a time read on another thread a moment before the load's last event; a debug build panicked, a release
/// build kept a latency of centuries.
#[test]
fn a_run_may_be_ended_by_a_clock_that_is_behind() {
    let mut hand = Hand::new(true, |_| {});
    hand.now = Nanos(2_000);
    let _in_flight = only(hand.poll());
    hand.core.abandon(Nanos(1_000));
    assert!(hand.core.is_quiet());
    assert_eq!(hand.core.take_interval(hand.now).all().errors(), 1);
}
