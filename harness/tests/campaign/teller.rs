//! A client whose work is known in advance, so that what must be stored after any number of its transactions is known too.
//! It can be copied, so that crash explorers can fork its world.

use std::collections::BTreeMap;

use contract::codec::{decode_response, encode_request, request_hint_bytes};
use contract::{
    Change, Error, Key, Mode, Projection, REQUEST_KIND, RESPONSE_KIND, Reply, Request, Row, Schema, SessionId,
    Statement, Table, TableId, TxnSeq, Verb,
};
use harness::campaign::Console;
use harness::engines::DATABASE;
use node::{Digest, Effects, Event, Frame, FrameKind, IoClass, Member, Nanos, Node, NodeId, Role, TimerId, Zone};
use sim::Sim;

/// The teller's node.
pub const TELLER: NodeId = NodeId(50);
const LEDGER: TableId = TableId(0);
const AGAIN: TimerId = TimerId::new(0, 1);
/// A reply later than this is lost.
const PATIENCE: Nanos = Nanos::from_millis(40);
/// The pause after a refusal.
const PAUSE: Nanos = Nanos::from_millis(2);
/// Rows that each transaction adds.
const ROWS: u64 = 3;

/// One table.
pub fn schema() -> Schema {
    Schema { tables: vec![Table { name: "ledger".into(), indexes: Vec::new() }] }
}

fn row(number: u64) -> Row {
    Row::new([&number.to_be_bytes()[..], &[number as u8; 60]])
}

/// What the table holds after the first `count` transactions: a counter under key 0, the rows each added, without those
/// that every third removed.
pub fn content_after(count: u64) -> BTreeMap<Key, Row> {
    let mut content = BTreeMap::new();
    for number in 1..=count {
        content.insert(Key::from_u64(0), row(number));
        for at in 0..ROWS {
            content.insert(Key::from_u64(number * 10 + at), row(number));
        }
        if number.is_multiple_of(3) {
            content.remove(&Key::from_u64((number - 1) * 10));
        }
    }
    content
}

fn statements(number: u64) -> Vec<Statement> {
    let put = |key, row| Statement::Put { table: LEDGER, key: Key::from_u64(key), row };
    let mut statements = vec![put(0, row(number))];
    statements.extend((0..ROWS).map(|at| put(number * 10 + at, row(0))));
    let changes = |row: Row| {
        let field = |field: u16| row.field(usize::from(field)).map(bytes::Bytes::copy_from_slice).unwrap_or_default();
        (0..2).map(|number| Change::Set { field: number, value: field(number) }).collect()
    };
    statements.extend((0..ROWS).map(|at| Statement::Update {
        table: LEDGER,
        key: Key::from_u64(number * 10 + at),
        changes: changes(row(number)),
    }));
    if number.is_multiple_of(3) {
        statements.push(Statement::Delete { table: LEDGER, key: Key::from_u64((number - 1) * 10) });
    }
    statements
}

/// Commits numbered transactions one after the other. Where a reply is lost it asks the counter what became of the
/// transaction.
#[derive(Clone, Debug)]
pub struct Teller {
    count: u64,
    /// Transactions known to be committed.
    acknowledged: u64,
    session: u32,
    txn: u64,
    step: u32,
    asking: bool,
    /// Whether the reply under way would say that the transaction is committed.
    committing: bool,
}

impl Teller {
    /// The topology's member: a teller of `count` transactions.
    pub fn member(count: u64) -> Member {
        let build = move |_| -> Box<dyn Node> {
            Box::new(Teller { count, acknowledged: 0, session: 1, txn: 0, step: 0, asking: true, committing: false })
        };
        let (role, zone) = (Role::Load, Zone::A);
        Member { id: TELLER, name: "teller".into(), role, zone, has_disk: false, build: Box::new(build) }
    }

    fn send(&self, verb: Verb, out: &mut Effects) {
        let (session, txn) = (SessionId(self.session), TxnSeq(self.txn));
        let request = Request { session, txn, step: self.step, verb };
        let hint_bytes = request_hint_bytes(&request);
        let frame = Frame::encode(FrameKind(REQUEST_KIND), hint_bytes, |body| encode_request(&request, body));
        out.send(DATABASE, frame, IoClass::Client);
        out.set_timer(AGAIN, PATIENCE);
    }

    /// Sends the next step of what is to be done.
    fn go_on(&mut self, out: &mut Effects) {
        if self.acknowledged == self.count {
            out.cancel_timer(AGAIN);
            return;
        }
        if self.asking {
            let get = Statement::Get { table: LEDGER, key: Key::from_u64(0) };
            return self.send(Verb::Single(get), out);
        }
        let statements = statements(self.acknowledged + 1);
        let verb = match (self.step as usize).checked_sub(1) {
            None => Verb::Begin(Mode::Optimistic),
            Some(at) if at < statements.len() => Verb::Execute(statements[at].clone()),
            Some(_) => Verb::Commit,
        };
        self.committing = verb == Verb::Commit;
        self.send(verb, out);
    }

    fn start_over(&mut self, asking: bool, out: &mut Effects) {
        (self.txn, self.step, self.asking, self.committing) = (self.txn + 1, 0, asking, false);
        self.go_on(out);
    }

    fn on_reply(&mut self, result: Result<Reply, Error>, out: &mut Effects) {
        match result {
            Ok(Reply::Row { row, .. }) if self.asking => {
                let counter = row.and_then(|row| row.field(0).and_then(|field| field.try_into().ok()));
                let counter = counter.map_or(0, u64::from_be_bytes);
                assert!(
                    counter == self.acknowledged || counter == self.acknowledged + 1,
                    "counter {counter}: {self:?}"
                );
                self.acknowledged = counter;
                self.start_over(false, out);
            }
            Ok(Reply::Committed { .. }) => {
                self.acknowledged += 1;
                self.start_over(false, out);
            }
            Ok(_) => {
                self.step += 1;
                self.go_on(out);
            }
            // Refused, or unknown: after a pause, look what became of it.
            Err(_) => {
                (self.step, self.committing) = (u32::MAX, false);
                out.set_timer(AGAIN, PAUSE);
            }
        }
    }
}

impl Node for Teller {
    fn handle(&mut self, _now: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Start => self.start_over(true, out),
            Event::Timer { .. } => {
                self.session += 1;
                self.start_over(true, out);
            }
            Event::Frame { frame, .. } => {
                let Ok(response) = decode_response(&frame.slice(0..frame.body().len())) else { return };
                let name = (response.session.0, response.txn.0, response.step);
                if frame.kind() == FrameKind(RESPONSE_KIND) && name == (self.session, self.txn, self.step) {
                    self.on_reply(response.result, out);
                }
            }
            Event::Disk { .. } => {}
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.acknowledged);
        digest.word(u64::from(self.step));
    }
}

/// Transactions acknowledged so far.
pub fn acknowledged(sim: &Sim) -> u64 {
    sim.node::<Teller>(TELLER).map_or(0, |teller| teller.acknowledged)
}

/// Whether all transactions are acknowledged.
pub fn finished(sim: &Sim) -> bool {
    sim.node::<Teller>(TELLER).is_some_and(|teller| teller.acknowledged == teller.count)
}

/// Chains all that the teller knows.
pub fn fingerprint(sim: &Sim, digest: &mut Digest) {
    let Some(teller) = sim.node::<Teller>(TELLER) else { return };
    let Teller { count, acknowledged, session, txn, step, asking, committing } = *teller;
    for word in [count, acknowledged, txn, u64::from(session) << 32 | u64::from(step)] {
        digest.word(word);
    }
    digest.word(u64::from(asking) << 1 | u64::from(committing));
}

/// Reads the table in one transaction: all that was acknowledged before is there, at most one transaction more, and nothing
/// by halves.
pub fn audit(sim: &mut Sim) -> Result<u64, String> {
    let acknowledged = acknowledged(sim);
    let (from, projection) = (Key::copy(&[]), Projection::Rows);
    let scan = Statement::Scan { table: LEDGER, from, to: None, limit: u32::MAX, projection };
    let found: BTreeMap<Key, Row> = match Console::again(DATABASE, sim).single(sim, &scan)? {
        Reply::Rows { rows, .. } => rows.into_iter().collect(),
        other => return Err(format!("a scan gives {other:?}")),
    };
    let counter = found.get(&Key::from_u64(0)).and_then(|row| row.field(0)?.try_into().ok());
    let count = counter.map_or(0, u64::from_be_bytes);
    if count < acknowledged {
        return Err(format!("{acknowledged} transactions were acknowledged and {count} are there"));
    }
    if found != content_after(count) {
        return Err(format!("{count} transactions are there in part: {found:?}"));
    }
    Ok(count)
}
