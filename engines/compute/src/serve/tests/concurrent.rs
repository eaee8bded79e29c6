//! Many clients at once: what committed is replayed against the model in commit order, and real time is respected.

use contract::{
    CommitPosition, Error, Key, Mode, Model, Reply, Request, Response, Row, SessionId, Statement, TableId, TxnSeq, Verb,
};
use node::{NodeId, Rng};

use super::draws::{Draw, schema};
use super::memory::Knobs;
use super::world::{World, tiny};
use crate::Stats;

/// One committed transaction as its client saw it.
#[derive(Clone, Debug)]
struct Committed {
    position: CommitPosition,
    statements: Vec<(Statement, Result<Reply, Error>)>,
    /// Numbers of the events at which it was first sent and finally answered.
    invoked: u64,
    completed: u64,
}

struct Client {
    name: (NodeId, SessionId),
    txn: TxnSeq,
    step: u32,
    mode: Mode,
    statements: Vec<Statement>,
    single: bool,
    rolls_back: bool,
    conflicts: u32,
    replies: Vec<Result<Reply, Error>>,
    invoked: u64,
    left: u32,
}

impl Client {
    fn new(number: u32, transactions: u32) -> Client {
        Client {
            name: (NodeId(10 + number % 3), SessionId(number)),
            txn: TxnSeq(0),
            step: 0,
            mode: Mode::Optimistic,
            statements: Vec::new(),
            single: false,
            rolls_back: false,
            conflicts: 0,
            replies: Vec::new(),
            invoked: 0,
            left: transactions,
        }
    }

    fn draw(&mut self, rng: &mut Rng, draw: Draw) {
        self.single = rng.chance(0.25);
        let count = if self.single { 1 } else { 1 + rng.below(5) };
        self.statements = (0..count).map(|_| draw.statement(rng)).collect();
        self.rolls_back = rng.chance(0.05);
        (self.mode, self.conflicts) = (Mode::Optimistic, 0);
        self.left -= 1;
    }

    fn start(&mut self, world: &mut World) {
        self.txn = TxnSeq(self.txn.0 + 1);
        self.step = 0;
        self.replies.clear();
        self.invoked = world.events;
        let verb = if self.single { Verb::Single(self.statements[0].clone()) } else { Verb::Begin(self.mode) };
        self.send(world, verb);
    }

    fn send(&self, world: &mut World, verb: Verb) {
        let request = Request { session: self.name.1, txn: self.txn, step: self.step, verb };
        world.send(self.name.0, &request);
    }

    /// Takes a reply; `Some` when the transaction is over, with what it was if it committed.
    fn on_reply(&mut self, world: &mut World, response: Response) -> Option<Option<Committed>> {
        if (response.txn, response.step) != (self.txn, self.step) {
            return None;
        }
        let is_last = self.single || self.step as usize == self.statements.len() + 1;
        match &response.result {
            Err(Error::Conflict(_)) => {
                assert!(!self.single, "single statements are run again inside");
                self.conflicts += 1;
                self.mode = if self.conflicts >= 2 { Mode::Locking } else { Mode::Optimistic };
                assert!(self.conflicts < 50, "{:?} starves", self.name);
                self.start(world);
                return None;
            }
            Err(Error::Invalid(_)) => return Some(None),
            Err(Error::DuplicateKey) if self.single => return Some(None),
            Err(Error::DuplicateKey) => {}
            Err(other) => panic!("{other:?}"),
            Ok(_) => {}
        }
        if is_last {
            let position = response.result.as_ref().ok().and_then(Reply::position);
            if self.single {
                self.replies.push(response.result);
            }
            let Some(position) = position else { return Some(None) };
            let statements = self.statements.iter().cloned().zip(self.replies.drain(..)).collect();
            let (invoked, completed) = (self.invoked, world.events);
            return Some(Some(Committed { position, statements, invoked, completed }));
        }
        if self.step > 0 {
            self.replies.push(response.result);
        }
        self.step += 1;
        let verb = match self.statements.get(self.step as usize - 1) {
            Some(statement) => Verb::Execute(statement.clone()),
            None if self.rolls_back => Verb::Rollback,
            None => Verb::Commit,
        };
        self.send(world, verb);
        None
    }
}

struct Load {
    clients: u32,
    transactions: u32,
    draw: Draw,
    link_us_max: u64,
    duplicates: f64,
    /// Rows there are when the clients start.
    loaded: u64,
}

fn run(seed: u64, load: &Load, knobs: Knobs) -> (Stats, usize) {
    let mut world = World::new(tiny(schema(), knobs.page_bytes), knobs, seed);
    let mut model = Model::new(schema());
    for key in 0..load.loaded {
        let row = Row::new([&(key % 20).to_be_bytes()[..], &[b'x'; 30]]);
        let (table, key) = (TableId(0), Key::from_u64(key));
        let loaded = world.call(9_999, Verb::Single(Statement::Put { table, key: key.clone(), row: row.clone() }));
        assert!(loaded.is_ok(), "{loaded:?}");
        model.load(table, key, row);
    }
    (world.link_us_max, world.duplicates) = (load.link_us_max, load.duplicates);
    let mut rng = Rng::new(seed).fork("clients", 0);
    let mut clients: Vec<Client> = (0..load.clients).map(|number| Client::new(number, load.transactions)).collect();
    for client in &mut clients {
        client.draw(&mut rng, load.draw);
        client.start(&mut world);
    }
    let mut history = Vec::new();
    let mut active = clients.len();
    while active > 0 {
        assert!(world.step(), "seed {seed}: {active} clients wait for ever; {:?}", world.node.stats());
        assert!(world.events < 3_000_000, "seed {seed}: no end; {:?}", world.node.stats());
        while let Some((to, response)) = world.receive() {
            let client = &mut clients[response.session.0 as usize];
            assert_eq!((to, response.session), client.name);
            let Some(ended) = client.on_reply(&mut world, response) else { continue };
            history.extend(ended);
            if client.left == 0 {
                active -= 1;
                // Whatever comes twice from here on is for nobody.
                client.step = u32::MAX;
                continue;
            }
            client.draw(&mut rng, load.draw);
            client.start(&mut world);
        }
    }
    while world.step() {}
    assert!(world.node.is_idle(), "seed {seed}: something is left behind");
    check_real_time(seed, &history);
    replay(seed, &mut model, &mut history);
    check_end(&mut world, &model);
    (world.node.stats(), history.len())
}

/// A transaction sent after another was answered does not come before it.
fn check_real_time(seed: u64, history: &[Committed]) {
    let mut by_end: Vec<&Committed> = history.iter().collect();
    by_end.sort_by_key(|txn| txn.completed);
    let mut by_start: Vec<&Committed> = history.iter().collect();
    by_start.sort_by_key(|txn| txn.invoked);
    let mut ended = by_end.into_iter().peekable();
    let mut highest = CommitPosition(0);
    for txn in by_start {
        while let Some(before) = ended.next_if(|before| before.completed < txn.invoked) {
            highest = highest.max(before.position);
        }
        assert!(txn.position >= highest, "seed {seed}: {txn:?} comes before {highest:?}, which was answered earlier");
    }
}

fn replay(seed: u64, model: &mut Model, history: &mut [Committed]) {
    history.sort_by_key(|txn| (txn.position, !may_have_written(txn)));
    for same_position in history.chunk_by(|a, b| a.position == b.position) {
        // The writer first. One that undid its own writes wrote nothing, and may be any of the others.
        let writers = same_position.iter().filter(|txn| may_have_written(txn)).count().max(1);
        let found = (0..writers).find_map(|first| {
            let mut trial = model.clone();
            let order = std::iter::once(first).chain((0..same_position.len()).filter(|index| *index != first));
            let fits = order.into_iter().all(|index| apply(&mut trial, &same_position[index]).is_ok());
            fits.then_some(trial)
        });
        *model = found.unwrap_or_else(|| {
            let detail = apply(&mut model.clone(), &same_position[0]);
            panic!("seed {seed}: no serial order explains {same_position:#?}: {detail:?}")
        });
    }
}

fn may_have_written(txn: &Committed) -> bool {
    txn.statements.iter().any(|(_, reply)| matches!(reply, Ok(Reply::Affected { rows: 1.., .. })))
}

fn apply(model: &mut Model, txn: &Committed) -> Result<(), String> {
    model.begin().expect("the last one was ended");
    for (statement, seen) in &txn.statements {
        let expected = model.execute(statement).map(Reply::without_position);
        let seen = seen.clone().map(Reply::without_position);
        if expected != seen {
            let _ = model.rollback();
            return Err(format!("{statement:?} gave {seen:?}, and should have given {expected:?}"));
        }
    }
    model.commit().map(|_| ()).map_err(|error| error.to_string())
}

fn check_end(world: &mut World, model: &Model) {
    (world.link_us_max, world.duplicates) = (0, 0.0);
    for table in [TableId(0), TableId(1)] {
        let all = Statement::Scan {
            table,
            from: Key::copy(b""),
            to: None,
            limit: u32::MAX,
            projection: contract::Projection::Rows,
        };
        let Ok(Reply::Rows { rows, .. }) = world.call(9_999, Verb::Single(all)) else { panic!("rows") };
        let expected: Vec<_> = model.rows(table).map(|(key, row)| (key.clone(), row.clone())).collect();
        assert_eq!(rows, expected);
    }
}

fn add(total: &mut Stats, more: Stats) {
    total.commits += more.commits;
    total.commits_read_only += more.commits_read_only;
    total.aborts_validation += more.aborts_validation;
    total.aborts_deadlock += more.aborts_deadlock;
    total.deadlocks += more.deadlocks;
    total.lock_waits += more.lock_waits;
    total.singles_rerun += more.singles_rerun;
    total.parks_page += more.parks_page;
    total.parks_admission += more.parks_admission;
    total.parks_reservation += more.parks_reservation;
    total.parks_room += more.parks_room;
    total.reads_delayed += more.reads_delayed;
    total.reads_fenced += more.reads_fenced;
    total.duplicates += more.duplicates;
    total.evictions += more.evictions;
}

#[test]
fn hundreds_of_seeds_of_contended_sessions_are_strictly_serializable() {
    let mut total = Stats::default();
    let mut committed = 0;
    for seed in 0..300 {
        let load = Load {
            clients: 2 + (seed % 9) as u32,
            transactions: 12,
            draw: Draw { keys: 8 + seed % 40, text_bytes_max: 20, writes_of_ten: 3 + seed % 5 },
            link_us_max: [0, 30, 300][(seed % 3) as usize],
            duplicates: if seed % 2 == 0 { 0.2 } else { 0.0 },
            loaded: 0,
        };
        let (stats, count) = run(seed, &load, Knobs { fence_waits: 0.2, ..Knobs::quick(512) });
        add(&mut total, stats);
        committed += count;
    }
    assert!(committed > 15_000);
    assert!(total.aborts_validation > 500 && total.aborts_deadlock > 50 && total.lock_waits > 2_000, "{total:?}");
    assert!(total.singles_rerun > 5 && total.reads_delayed > 500 && total.duplicates > 500, "{total:?}");
}

#[test]
fn seeds_with_more_data_than_cache_and_a_throttled_log_are_strictly_serializable() {
    let mut total = Stats::default();
    for seed in 1000..1030 {
        let load = Load {
            clients: 3 + (seed % 12) as u32,
            transactions: 25,
            draw: Draw { keys: 500, text_bytes_max: 40, writes_of_ten: 6 },
            link_us_max: 20,
            duplicates: 0.05,
            loaded: 400,
        };
        let knobs = Knobs {
            flush_us_max: 4_000,
            allocation_limit: 4 + seed % 10,
            reserve_pages: 3,
            fence_waits: 0.2,
            ..Knobs::quick(512)
        };
        add(&mut total, run(seed, &load, knobs).0);
    }
    assert!(total.parks_page > 10_000 && total.evictions > 10_000, "{total:?}");
    assert!(total.parks_admission > 200 && total.parks_reservation > 500 && total.parks_room > 20, "{total:?}");
}
