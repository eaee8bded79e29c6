//! A value of a register: its write, and the reads that saw it.

use crate::Map;
use crate::history::{Call, Value};

/// A moment: one more than a place in the history, so that 0 is before everything.
pub type Moment = u32;

/// A moment, and the number of the call that makes it matter; none for the register's first value.
pub type Mark = (Moment, Option<u32>);

/// Before any mark.
pub const EARLY: Mark = (0, None);
/// After any mark.
pub const LATE: Mark = (Moment::MAX, None);

/// When a call began.
pub fn began(call: &Call) -> Moment {
    call.began + 1
}

/// When it ended.
pub fn ended(call: &Call) -> Moment {
    call.ended.saturating_add(1)
}

/// Who wrote a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Nobody that is known yet.
    Nobody,
    /// It was there at first.
    Initial,
    /// A call that took effect.
    Ok(u32),
    /// A call that may have.
    Info(u32),
    /// A call that did not.
    Failed(u32),
    /// A call that then wrote another value over it.
    Intermediate(u32),
}

/// The operations of one value.
#[derive(Clone, Debug)]
pub struct Cluster<'a> {
    /// The value.
    pub value: &'a Value,
    /// Its write.
    pub writer: Writer,
    /// How many reads saw it.
    pub reads: u32,
    /// The first of its reads to end.
    pub read_ended: Mark,
    /// The first of its operations to end.
    pub first_ended: Mark,
    /// The last of its operations to begin.
    pub last_began: Mark,
    /// The value that was written right over it, by a transaction that had read it.
    pub next: Option<u32>,
    /// Whether it was itself written over one that its transaction had read.
    pub has_previous: bool,
}

/// A register under judgement.
#[derive(Debug)]
pub struct Registered<'a> {
    /// Its key.
    pub key: &'a Value,
    /// Its values, in the order they were first mentioned.
    pub clusters: Vec<Cluster<'a>>,
    /// Which cluster an integer is. Most values are integers, and comparing them here spares a look at the history.
    by_number: Map<i64, u32>,
    /// Which cluster any other value is.
    by_value: Map<&'a Value, u32>,
    /// Further writes of a value already written: its cluster, and the call.
    pub again: Vec<(u32, u32)>,
    /// Updates of a value that another update has found too: its cluster, and the call.
    pub forks: Vec<(u32, u32)>,
}

impl<'a> Registered<'a> {
    /// A register with its first value.
    pub fn new(key: &'a Value, initial: &'a Value) -> Registered<'a> {
        let (clusters, again, forks) = (Vec::new(), Vec::new(), Vec::new());
        let (by_number, by_value) = (Map::default(), Map::default());
        let mut register = Registered { key, clusters, by_number, by_value, again, forks };
        let first = register.cluster(initial);
        register.clusters[first as usize].writer = Writer::Initial;
        register.clusters[first as usize].first_ended = EARLY;
        register
    }

    /// The cluster of a value.
    pub fn cluster(&mut self, value: &'a Value) -> u32 {
        let clusters = &mut self.clusters;
        let add = || {
            clusters.push(Cluster {
                value,
                writer: Writer::Nobody,
                reads: 0,
                read_ended: LATE,
                first_ended: LATE,
                last_began: EARLY,
                next: None,
                has_previous: false,
            });
            clusters.len() as u32 - 1
        };
        match value {
            Value::Int(number) => *self.by_number.entry(*number).or_insert_with(add),
            value => *self.by_value.entry(value).or_insert_with(add),
        }
    }

    /// A read of a value. Gives its cluster.
    pub fn read(&mut self, value: &'a Value, number: u32, call: &Call) -> u32 {
        let at = self.cluster(value);
        let cluster = &mut self.clusters[at as usize];
        cluster.reads += 1;
        cluster.read_ended = cluster.read_ended.min((ended(call), Some(number)));
        cluster.first_ended = cluster.first_ended.min((ended(call), Some(number)));
        cluster.last_began = cluster.last_began.max((began(call), Some(number)));
        at
    }

    /// A write of a value. Gives its cluster.
    pub fn write(&mut self, value: &'a Value, writer: Writer, call: &Call) -> u32 {
        let at = self.cluster(value);
        let cluster = &mut self.clusters[at as usize];
        match (cluster.writer, writer) {
            // A write that did nothing explains a read only where no other does.
            (Writer::Nobody, Writer::Failed(_) | Writer::Intermediate(_)) => cluster.writer = writer,
            (_, Writer::Failed(_) | Writer::Intermediate(_)) => {}
            (
                Writer::Nobody | Writer::Failed(_) | Writer::Intermediate(_),
                Writer::Ok(number) | Writer::Info(number),
            ) => {
                cluster.writer = writer;
                cluster.first_ended = cluster.first_ended.min((ended(call), Some(number)));
                cluster.last_began = cluster.last_began.max((began(call), Some(number)));
            }
            (_, Writer::Ok(number) | Writer::Info(number)) => self.again.push((at, number)),
            (_, Writer::Nobody | Writer::Initial) => {}
        }
        at
    }

    /// Call `number` found one value and left another, and nothing came in between.
    pub fn update(&mut self, before: u32, after: u32, number: u32) {
        if self.clusters[after as usize].writer != Writer::Ok(number) {
            // A value written again: its blocks do not say what it was written over.
            self.again.push((before, number));
            return;
        }
        match self.clusters[before as usize].next {
            Some(_) => self.forks.push((before, number)),
            None => {
                self.clusters[before as usize].next = Some(after);
                self.clusters[after as usize].has_previous = true;
            }
        }
    }
}
