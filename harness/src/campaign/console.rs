//! A serial client of a simulated world, driven from outside: one request at a time, asked until it is answered.
//!
//! Meant for phases without faults: loading the first rows, reading everything back, mirroring. It also receives what other
//! nodes say to it, for questions that no client can put.

use std::collections::VecDeque;

use contract::codec::{decode_response, encode_request, request_hint_bytes};
use contract::{
    Error, Outcome, Projection, REQUEST_KIND, RESPONSE_KIND, Reply, Request, Schema, SessionId, Statement, TableId,
    Transaction, TxnSeq, Verb,
};
use node::{Digest, Effects, Event, Frame, FrameKind, Member, Nanos, Node, NodeId, Role, Zone};
use sim::{Sim, Stop};

/// The console's node.
pub const CONSOLE: NodeId = NodeId(99);
/// Its session, above any load's.
const SESSION: SessionId = SessionId(1 << 30);
/// How long an answer may take before the request is taken for stuck, and how long a transaction is tried again before the engine
/// is taken for unable.
pub const PATIENCE: Nanos = Nanos::from_secs(20);
/// The pause before another attempt at what was refused.
const PAUSE: Nanos = Nanos::from_millis(2);

/// Keeps every frame that comes.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    frames: VecDeque<(NodeId, Frame)>,
}

impl Mailbox {
    /// The topology's member that holds the mailbox.
    pub fn member() -> Member {
        Mailbox::named("console", CONSOLE)
    }

    /// A member that holds a mailbox of that name.
    pub fn named(name: &str, id: NodeId) -> Member {
        let build = |_| -> Box<dyn Node> { Box::new(Mailbox::default()) };
        let (role, zone) = (Role::Load, Zone::A);
        Member { id, name: name.into(), role, zone, has_disk: false, build: Box::new(build) }
    }

    /// Takes the oldest frame of `kind`, and who sent it.
    pub fn take(&mut self, kind: FrameKind) -> Option<(NodeId, Frame)> {
        let at = self.frames.iter().position(|(_, frame)| frame.kind() == kind)?;
        self.frames.remove(at)
    }

    /// Whether there is a frame of `kind`.
    pub fn has(&self, kind: FrameKind) -> bool {
        self.frames.iter().any(|(_, frame)| frame.kind() == kind)
    }
}

impl Node for Mailbox {
    fn handle(&mut self, _now: Nanos, event: Event, _out: &mut Effects) {
        if let Event::Frame { from, frame } = event {
            self.frames.push_back((from, frame));
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.frames.len() as u64);
    }
}

/// The client.
#[derive(Debug)]
pub struct Console {
    database: NodeId,
    txn: u64,
    step: u32,
    open: bool,
    /// Waits for recoveries count here.
    pub refusals: u64,
    /// What the engine said was damaged, if it did.
    pub corrupt: Option<String>,
}

impl Console {
    /// A client of `database`.
    pub fn new(database: NodeId) -> Console {
        Console { database, txn: 0, step: 0, open: false, refusals: 0, corrupt: None }
    }

    /// Another client in the place of an earlier one: it goes on where that one cannot have come.
    pub fn again(database: NodeId, sim: &Sim) -> Console {
        Console { txn: sim.events(), ..Console::new(database) }
    }

    /// Asks, and runs the world until the answer comes.
    ///
    /// # Errors
    ///
    /// There is no answer within [`PATIENCE`]; the text says what the world was doing.
    pub fn ask(&mut self, sim: &mut Sim, verb: Verb) -> Result<Result<Reply, Error>, String> {
        let asked = format!("{verb:?}");
        self.ask_within(sim, verb, PATIENCE)
            .ok_or_else(|| format!("{asked} was not answered by {:?}, halts {:?}", sim.now(), sim.halts()))
    }

    /// Asks, and runs the world until the answer comes or `patience` is over. A request given up like that leaves its
    /// session unusable, except for another transaction.
    pub fn ask_within(&mut self, sim: &mut Sim, verb: Verb, patience: Nanos) -> Option<Result<Reply, Error>> {
        if !self.open {
            (self.txn, self.step) = (self.txn + 1, 0);
        }
        let begins = matches!(verb, Verb::Begin(_));
        let ends = matches!(verb, Verb::Commit | Verb::Rollback | Verb::Single(_));
        let request = Request { session: SESSION, txn: TxnSeq(self.txn), step: self.step, verb };
        let hint_bytes = request_hint_bytes(&request);
        let frame = Frame::encode(FrameKind(REQUEST_KIND), hint_bytes, |body| encode_request(&request, body));
        sim.inject(CONSOLE, self.database, frame);
        let result = self.answer(sim, &request, patience);
        self.open = match &result {
            None => false,
            Some(Ok(_)) => (self.open || begins) && !ends,
            Some(Err(error)) => self.open && error.keeps_transaction(),
        };
        self.step += 1;
        result
    }

    fn answer(&self, sim: &mut Sim, request: &Request, patience: Nanos) -> Option<Result<Reply, Error>> {
        let kind = FrameKind(RESPONSE_KIND);
        let deadline = sim.now() + patience;
        loop {
            let left = deadline.saturating_sub(sim.now());
            let stop = sim.run_until(left, |sim| sim.node::<Mailbox>(CONSOLE).is_some_and(|mailbox| mailbox.has(kind)));
            if stop != Stop::Reached {
                return None;
            }
            let taken = sim.node_mut::<Mailbox>(CONSOLE).and_then(|mailbox| mailbox.take(kind));
            let Some((_, frame)) = taken.filter(|(from, _)| *from == self.database) else { continue };
            let Ok(response) = decode_response(&frame.slice(0..frame.body().len())) else { continue };
            let name = (response.session, response.txn, response.step);
            if name == (request.session, request.txn, request.step) {
                return Some(response.result);
            }
        }
    }

    /// Runs one statement as a transaction, again while the engine is unavailable or has a conflict.
    ///
    /// # Errors
    ///
    /// No answer, or none but refusals, within [`PATIENCE`]; or another error.
    pub fn single(&mut self, sim: &mut Sim, statement: &Statement) -> Result<Reply, String> {
        let deadline = sim.now() + PATIENCE;
        loop {
            match self.ask(sim, Verb::Single(statement.clone()))? {
                Ok(reply) => return Ok(reply),
                Err(Error::Unavailable(_) | Error::Conflict(_)) if sim.now() < deadline => {
                    self.refusals += 1;
                    let _ = sim.run_for(PAUSE);
                }
                Err(error @ (Error::Unavailable(_) | Error::Conflict(_))) => {
                    return Err(format!("{statement:?}: {error}, for {PATIENCE:?}"));
                }
                Err(error) => {
                    if let Error::Corrupt(what) = &error {
                        self.corrupt = Some(what.clone());
                    }
                    return Err(format!("{statement:?}: {error}"));
                }
            }
        }
    }

    /// Reads every table from end to end, each in one read-only transaction as a history has it.
    ///
    /// # Errors
    ///
    /// No answer.
    pub fn read_all(&mut self, sim: &mut Sim, schema: &Schema) -> Result<Vec<Transaction>, String> {
        let tables = (0..schema.tables.len()).map(|table| TableId(table as u16));
        tables.map(|table| self.read_table(sim, table)).collect()
    }

    fn read_table(&mut self, sim: &mut Sim, table: TableId) -> Result<Transaction, String> {
        let from = contract::Key::copy(&[]);
        let projection = Projection::Rows;
        let statement = Statement::Scan { table, from, to: None, limit: u32::MAX, projection };
        let invoked_ns = sim.now().0;
        let reply = self.single(sim, &statement)?;
        let position = reply.position().ok_or("a single statement's reply names its position")?;
        Ok(Transaction {
            client: u32::MAX,
            session: SESSION,
            txn: TxnSeq(self.txn),
            name: "read-all",
            invoked_ns,
            completed_ns: Some(sim.now().0),
            calls: vec![(statement, Some(Ok(reply)))],
            outcome: Outcome::Ok(position),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::codec::{decode_request, encode_response};
    use contract::{Key, Response};
    use node::{IoClass, TimerId, Topology};
    use sim::SimConfig;

    const DATABASE: NodeId = NodeId(1);
    const THINKS_FOR: Nanos = Nanos::from_millis(700);

    /// A database that thinks about every request, and serves none.
    #[derive(Default)]
    struct Unwilling {
        asked: VecDeque<Frame>,
    }

    impl Node for Unwilling {
        fn handle(&mut self, _now: Nanos, event: Event, out: &mut Effects) {
            match event {
                Event::Frame { frame, .. } => {
                    self.asked.push_back(frame);
                    out.set_timer(TimerId(self.asked.len() as u64), THINKS_FOR);
                }
                Event::Timer { .. } => {
                    let frame = self.asked.pop_front().expect("asked");
                    let Request { session, txn, step, .. } =
                        decode_request(&frame.slice(0..frame.body().len())).expect("whole");
                    let result = Err(Error::Unavailable("not in the mood".into()));
                    let response = Response { session, txn, step, result };
                    let frame = Frame::encode(FrameKind(RESPONSE_KIND), 64, |body| encode_response(&response, body));
                    out.send(CONSOLE, frame, IoClass::Client);
                }
                Event::Start | Event::Disk { .. } => {}
            }
        }

        fn digest(&self, digest: &mut Digest) {
            digest.word(self.asked.len() as u64);
        }
    }

    /// Refusals that take long came 5,000 times before anybody gave up: an hour of a world's time, half a minute of a core's.
    #[test]
    fn a_database_that_refuses_is_asked_for_as_long_as_one_that_is_silent() {
        let build = |_| -> Box<dyn Node> { Box::new(Unwilling::default()) };
        let member = Member {
            id: DATABASE,
            name: "unwilling".into(),
            role: Role::Compute,
            zone: Zone::A,
            has_disk: false,
            build: Box::new(build),
        };
        let mut sim = Sim::new(Topology { members: vec![member, Mailbox::member()] }, SimConfig::shuffled(1));
        let mut console = Console::new(DATABASE);
        let get = Statement::Get { table: TableId(0), key: Key::from_u64(1) };
        let told = console.single(&mut sim, &get).expect_err("nobody serves it");
        assert!(told.contains("not in the mood") && told.ends_with("for 20.000000000s"), "{told}");
        assert!(console.refusals > 20 && sim.now() < PATIENCE + THINKS_FOR + THINKS_FOR, "{:?}", sim.now());
    }
}
