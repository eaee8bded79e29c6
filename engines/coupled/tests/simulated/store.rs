//! A node that commits numbered groups through a [`CoupledStorage`], a client that asks for them, and the model that
//! says what each page must hold after the first so many.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::BufMut;
use compute::pool::{Pool, PoolConfig};
use compute::{Context, GroupBuilder, Lsn, Page, PageId, PageKind, Record, RedoOp, Storage, TreeId, Upcall};
use coupled::{Config, CoupledStorage, Probe, Volume, VolumeStatus};
use node::{Digest, Effects, Event, Frame, FrameKind, IoClass, Member, Nanos, Node, NodeId, Rng, Role, TimerId, Zone};
use sim::{Sim, Stop};

pub const CLIENT: NodeId = NodeId(0);
pub const STORE: NodeId = NodeId(1);
const RUN: FrameKind = FrameKind(0x7f01);
const DONE: FrameKind = FrameKind(0x7f02);
const AUDIT: FrameKind = FrameKind(0x7f03);
const RESEND: TimerId = TimerId::new(0, 1);
/// Pages there are before the first group.
const PAGES_AT_START: u64 = 4;
/// Every so many groups bring a new page.
const GROUPS_PER_PAGE: u64 = 5;

pub type Cells = BTreeMap<Vec<u8>, Vec<u8>>;
pub type Content = BTreeMap<PageId, Cells>;

/// How many pages there are once `groups` have committed.
pub fn pages_after(groups: u64) -> u64 {
    PAGES_AT_START + groups.div_ceil(GROUPS_PER_PAGE)
}

/// What group `number` does: page, key, and the value or a removal.
fn changes(seed: u64, number: u64) -> Vec<(PageId, Vec<u8>, Option<Vec<u8>>)> {
    let mut rng = Rng::new(seed).fork("group", number);
    let pages = pages_after(number + 1) - 1;
    (0..rng.between(1, 5))
        .map(|_| {
            let page = PageId(1 + rng.below(pages));
            let key = vec![b'a' + rng.below(6) as u8];
            let value = (!rng.chance(0.25)).then(|| {
                let mut value = vec![0; rng.between(1, 60) as usize];
                rng.fill(&mut value);
                value
            });
            (page, key, value)
        })
        .collect()
}

/// The page group `number` makes, if it makes one.
fn new_page(number: u64) -> Option<PageId> {
    number.is_multiple_of(GROUPS_PER_PAGE).then(|| PageId(pages_after(number + 1) - 1))
}

/// Every page's cells after the first `groups` groups.
pub fn content_after(seed: u64, groups: u64) -> Content {
    let mut content: Content = (0..pages_after(groups)).map(|page| (PageId(page), Cells::new())).collect();
    for number in 0..groups {
        for (page, key, value) in changes(seed, number) {
            let cells = content.get_mut(&page).expect("pages exist");
            match value {
                Some(value) => drop(cells.insert(key, value)),
                None => drop(cells.remove(&key)),
            }
        }
    }
    content.get_mut(&PageId(0)).expect("page 0").insert(b"n".to_vec(), groups.to_le_bytes().to_vec());
    content
}

/// The node. It commits groups in order of number and says how many are durable.
#[derive(Clone)]
pub struct Store {
    storage: CoupledStorage,
    pool: Pool,
    seed: u64,
    next: Option<Lsn>,
    /// Groups in the log.
    count: Option<u64>,
    asked: BTreeSet<u64>,
    client: bool,
    ends: VecDeque<(Lsn, u64)>,
    durable_count: u64,
    fetching: BTreeSet<PageId>,
    homeless: Vec<Page>,
    pinned: Vec<PageId>,
    auditing: Option<Content>,
    pub audited: Option<(u64, Content)>,
    /// Pages that could not be read, as the storage put it.
    pub unreadable: Vec<String>,
    pub evictions_refused: u64,
}

impl Store {
    pub fn new(config: &Config, volume: Box<dyn Volume>) -> Store {
        let pool = PoolConfig { page_bytes: config.compute.page_bytes, cache_bytes: config.compute.cache_bytes };
        Store {
            storage: CoupledStorage::new(config.clone(), volume),
            pool: Pool::new(pool),
            seed: config.seed,
            next: None,
            count: None,
            asked: BTreeSet::new(),
            client: false,
            ends: VecDeque::new(),
            durable_count: 0,
            fetching: BTreeSet::new(),
            homeless: Vec::new(),
            pinned: Vec::new(),
            auditing: None,
            audited: None,
            unreadable: Vec::new(),
            evictions_refused: 0,
        }
    }

    pub fn probe(&self) -> Option<Probe> {
        self.storage.probe()
    }

    pub fn status(&self) -> VolumeStatus {
        self.storage.volume_status()
    }

    pub fn is_settled(&self) -> bool {
        self.storage.is_settled()
    }

    fn upcalls(&mut self, now: Nanos, out: &mut Effects, up: Vec<Upcall>) {
        for upcall in up {
            match upcall {
                Upcall::Opened(opened) => {
                    self.next = Some(opened.next);
                    if opened.created {
                        self.bootstrap(now, out);
                    }
                }
                Upcall::Durable(lsn) => {
                    while let Some((_, count)) = self.ends.front().filter(|(end, _)| *end <= lsn) {
                        self.durable_count = *count;
                        self.ends.pop_front();
                    }
                    self.tell(out);
                }
                Upcall::Fetched { page, result } => {
                    self.fetching.remove(&page);
                    match result {
                        Ok(page) => self.homeless.push(page),
                        Err(error) => self.unreadable.push(error.to_string()),
                    }
                }
                Upcall::Reserved(_) | Upcall::Full | Upcall::Admits | Upcall::Evictable | Upcall::FencePassed(_) => {}
            }
        }
        let storage = &self.storage;
        let pool = &mut self.pool;
        let homeless = std::mem::take(&mut self.homeless);
        for page in homeless {
            if pool.install(page.clone(), |id, lsn| storage.evictable(id, lsn)).is_err() {
                self.evictions_refused += 1;
                self.homeless.push(page);
            }
        }
    }

    fn tell(&self, out: &mut Effects) {
        if self.client {
            let frame = Frame::encode(DONE, 8, |body| body.put_u64_le(self.durable_count));
            out.send(CLIENT, frame, IoClass::Client);
        }
    }

    fn with<T>(
        &mut self,
        now: Nanos,
        out: &mut Effects,
        call: impl FnOnce(&mut CoupledStorage, &mut Context<'_>) -> T,
    ) -> T {
        let mut up = Vec::new();
        let mut cx = Context { now, out, pool: &mut self.pool, up: &mut up };
        let result = call(&mut self.storage, &mut cx);
        if !up.is_empty() {
            self.upcalls(now, out, up);
        }
        result
    }

    fn bootstrap(&mut self, now: Nanos, out: &mut Effects) {
        let mut builder = GroupBuilder::new(Lsn(1));
        for page in 0..PAGES_AT_START {
            self.pool.install(Page::empty(PageId(page), self.pool.page_bytes()), |_, _| false).expect("an empty pool");
            builder.push(PageId(page), &RedoOp::Format { kind: PageKind::Leaf, level: 0, tree: TreeId(1) });
        }
        builder.push(PageId(0), &RedoOp::Insert { key: b"n", value: &0u64.to_le_bytes() });
        self.append(now, out, builder, 0);
    }

    fn append(&mut self, now: Nanos, out: &mut Effects, builder: GroupBuilder, count: u64) {
        let group = builder.finish();
        for record in Record::decode_all(group.bytes()) {
            let applied = self.pool.apply(&record.expect("just made")).expect("fits");
            assert!(applied, "the page is here and lacks the record");
        }
        self.next = Some(group.last().next());
        self.count = Some(count);
        self.ends.push_back((group.last(), count));
        self.with(now, out, |storage, cx| storage.append(cx, group));
    }

    /// Has `page` in the pool, or asks for it.
    fn have(&mut self, now: Nanos, out: &mut Effects, page: PageId) -> bool {
        if self.pool.get(page).is_some() {
            return true;
        }
        let waiting = self.homeless.iter().any(|homeless| homeless.id() == page);
        if !waiting && self.unreadable.is_empty() && self.fetching.insert(page) {
            self.with(now, out, |storage, cx| storage.fetch(cx, page));
        }
        false
    }

    fn advance(&mut self, now: Nanos, out: &mut Effects) {
        if self.next.is_none() {
            return;
        }
        if self.count.is_none() {
            if !self.have(now, out, PageId(0)) {
                return;
            }
            let stored = self.pool.peek(PageId(0)).and_then(|page| page.get(b"n")).expect("page 0 counts");
            let count = u64::from_le_bytes(stored.try_into().expect("eight bytes"));
            self.count = Some(count);
            self.durable_count = count;
            self.tell(out);
        }
        while self.auditing.is_none() && self.step(now, out) {}
        self.audit(now, out);
    }

    fn step(&mut self, now: Nanos, out: &mut Effects) -> bool {
        let number = self.count.expect("known by now");
        if !self.asked.contains(&number) {
            return false;
        }
        let new = new_page(number);
        let mut pages: Vec<PageId> = changes(self.seed, number).iter().map(|change| change.0).collect();
        pages.push(PageId(0));
        let mut missing = Vec::new();
        for &page in &pages {
            if Some(page) != new && !self.pinned.contains(&page) && !self.have(now, out, page) {
                missing.push(page);
            }
        }
        for page in pages {
            if !missing.contains(&page) && !self.pinned.contains(&page) && self.pool.pin(page) {
                self.pinned.push(page);
            }
        }
        if !missing.is_empty() {
            return false;
        }
        if let Some(page) = new {
            if !self.with(now, out, |storage, cx| storage.reserve(cx, page)) {
                return false;
            }
            let storage = &self.storage;
            let empty = Page::empty(page, self.pool.page_bytes());
            if self.pool.peek(page).is_none() && self.pool.install(empty, |id, lsn| storage.evictable(id, lsn)).is_err()
            {
                return false;
            }
        }
        let builder = self.build(number, new);
        let next = self.next.expect("open");
        if !self.storage.admits(Lsn(next.0 + 8), builder.len_bytes()) {
            return false;
        }
        for page in std::mem::take(&mut self.pinned) {
            self.pool.unpin(page);
        }
        self.asked.remove(&number);
        self.append(now, out, builder, number + 1);
        true
    }

    fn build(&self, number: u64, new: Option<PageId>) -> GroupBuilder {
        let mut builder = GroupBuilder::new(self.next.expect("open"));
        if let Some(page) = new {
            builder.push(page, &RedoOp::Format { kind: PageKind::Leaf, level: 0, tree: TreeId(1) });
        }
        let mut present: BTreeMap<(PageId, Vec<u8>), bool> = BTreeMap::new();
        for (page, key, value) in changes(self.seed, number) {
            let stored = || Some(page) != new && self.pool.peek(page).expect("fetched").get(&key).is_some();
            let has = present.get(&(page, key.clone())).copied().unwrap_or_else(stored);
            match &value {
                Some(value) if has => drop(builder.push(page, &RedoOp::Replace { key: &key, value })),
                Some(value) => drop(builder.push(page, &RedoOp::Insert { key: &key, value })),
                None if has => drop(builder.push(page, &RedoOp::Remove { key: &key })),
                None => {}
            }
            present.insert((page, key), value.is_some());
        }
        builder.push(PageId(0), &RedoOp::Replace { key: b"n", value: &(number + 1).to_le_bytes() });
        builder
    }

    fn audit(&mut self, now: Nanos, out: &mut Effects) {
        let Some(mut content) = self.auditing.take() else { return };
        let count = self.count.expect("known by now");
        while (content.len() as u64) < pages_after(count) {
            let page = PageId(content.len() as u64);
            if !self.have(now, out, page) {
                self.auditing = Some(content);
                return;
            }
            let cells = self.pool.peek(page).expect("here").cells();
            content.insert(page, cells.map(|(key, value)| (key.to_vec(), value.to_vec())).collect());
        }
        self.audited = Some((count, content));
    }
}

impl Node for Store {
    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Frame { frame, .. } if frame.kind() == RUN => {
                let number = |at: usize| u64::from_le_bytes(frame.body()[at..at + 8].try_into().expect("eight bytes"));
                self.client = true;
                self.asked
                    .extend((number(0)..number(8)).filter(|number| self.count.is_none_or(|count| *number >= count)));
                self.tell(out);
            }
            Event::Frame { frame, .. } if frame.kind() == AUDIT => {
                self.audited = None;
                self.auditing = Some(Content::new());
            }
            event => self.with(now, out, |storage, cx| storage.handle(cx, event)),
        }
        self.advance(now, out);
    }

    fn digest(&self, digest: &mut Digest) {
        self.storage.digest(digest);
        digest.word(self.durable_count);
    }
}

/// Asks for groups `0..total`, a window at a time, again and again until they are durable.
#[derive(Clone, Debug)]
pub struct Client {
    pub total: u64,
    pub window: u64,
    pub acknowledged: u64,
    pub asked: u64,
}

impl Client {
    fn ask(&mut self, out: &mut Effects) {
        let end = self.total.min(self.acknowledged + self.window);
        let frame = Frame::encode(RUN, 16, |body| {
            body.put_u64_le(self.acknowledged);
            body.put_u64_le(end);
        });
        out.send(STORE, frame, IoClass::Client);
        self.asked = self.asked.max(end);
        if self.acknowledged < self.total {
            out.set_timer(RESEND, Nanos::from_millis(4));
        }
    }
}

impl Node for Client {
    fn handle(&mut self, _: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Frame { frame, .. } if frame.kind() == DONE => {
                let count = u64::from_le_bytes(frame.body().try_into().expect("eight bytes"));
                if count > self.acknowledged {
                    self.acknowledged = count;
                    self.ask(out);
                }
            }
            Event::Start | Event::Timer { .. } => self.ask(out),
            _ => {}
        }
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.acknowledged);
    }
}

/// The client and the store on `volume`; further members may be added.
pub fn members(
    config: &Config,
    total: u64,
    has_disk: bool,
    volume: impl Fn(&Config, u64) -> Box<dyn Volume> + Send + 'static,
) -> Vec<Member> {
    let config = config.clone();
    vec![
        Member {
            id: CLIENT,
            name: "client".into(),
            role: Role::Load,
            zone: Zone::A,
            has_disk: false,
            build: Box::new(move |_| Box::new(Client { total, window: 12, acknowledged: 0, asked: 0 })),
        },
        Member {
            id: STORE,
            name: "store".into(),
            role: Role::Compute,
            zone: Zone::A,
            has_disk,
            build: Box::new(move |starts| Box::new(Store::new(&config, volume(&config, starts)))),
        },
    ]
}

/// Whether the client has everything.
pub fn finished(sim: &Sim) -> bool {
    sim.node::<Client>(CLIENT).is_some_and(|client| client.acknowledged == client.total)
}

/// Whether the store serves.
pub fn serving(sim: &Sim) -> bool {
    sim.node::<Store>(STORE).is_some_and(|store| store.count.is_some())
}

/// Asks the store to read every page.
pub fn audit_frame() -> Frame {
    Frame::encode(AUDIT, 0, |_| ())
}

/// Reads every page and compares with the model: everything acknowledged there, nothing half, nothing never asked for.
pub fn audit(sim: &mut Sim, seed: u64) -> Result<u64, String> {
    sim.node_mut::<Store>(STORE).ok_or("the store is down")?.audited = None;
    sim.inject(CLIENT, STORE, audit_frame());
    let audited = |sim: &Sim| sim.node::<Store>(STORE).is_some_and(|store| store.audited.is_some());
    let stop = sim.run_until(Nanos::from_secs(20), audited);
    if stop != Stop::Reached {
        return Err(format!("the audit ended with {stop:?}; halts: {:?}", sim.halts()));
    }
    let client = sim.node::<Client>(CLIENT).expect("never crashed");
    let (acknowledged, asked) = (client.acknowledged, client.asked);
    let store = sim.node::<Store>(STORE).expect("serving");
    let (count, content) = store.audited.as_ref().expect("waited for");
    if !(acknowledged..=asked).contains(count) {
        return Err(format!("{count} groups, {acknowledged} acknowledged, {asked} asked for"));
    }
    if *count < acknowledged {
        return Err(format!("{acknowledged} groups were acknowledged, {count} are there"));
    }
    let expected = content_after(seed, *count);
    for (page, cells) in &expected {
        if content.get(page) != Some(cells) {
            return Err(format!("page {page} after {count} groups: {:?}, expected {cells:?}", content.get(page)));
        }
    }
    Ok(*count)
}
