//! What the journal says of one key.

use std::collections::{BTreeMap, BTreeSet};

use contract::acks::marks;
use contract::{Ack, Effect, Key, Mark, Row, TableId};

/// The writes to one key.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Acknowledged effects in serial order.
    pub acknowledged: Vec<Effect>,
    /// Effects of transactions of unknown outcome, without those that the same transaction overwrote.
    pub unknown: Vec<Effect>,
}

impl Log {
    /// The journal by key.
    pub fn by_key(mut acks: Vec<Ack>) -> BTreeMap<(TableId, Key), Log> {
        acks.sort_by_key(|ack| ack.position);
        let mut logs: BTreeMap<(TableId, Key), Log> = BTreeMap::new();
        for ack in acks {
            let known = ack.position.is_some();
            let mut own: BTreeMap<(TableId, Key), Vec<Effect>> = BTreeMap::new();
            for write in ack.writes {
                let effects = own.entry((write.table, write.key)).or_default();
                if matches!(write.effect, Effect::Row(_) | Effect::Delete) {
                    effects.clear();
                }
                effects.push(write.effect);
            }
            for (place, effects) in own {
                let log = logs.entry(place).or_default();
                if known { &mut log.acknowledged } else { &mut log.unknown }.extend(effects);
            }
        }
        logs
    }

    pub fn is_acknowledged(&self) -> bool {
        !self.acknowledged.is_empty()
    }
}

/// What a key should hold if no unknown transaction took effect, and what it held before.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    pub exists: bool,
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Clone, Debug, Default)]
pub struct Field {
    /// The last value written as a whole.
    pub base: u64,
    /// What was added since, in order.
    pub added: Vec<u64>,
    /// Values known to have been overwritten.
    pub older: BTreeSet<Mark>,
    /// Whether it was written in a row that only a transaction of unknown outcome can have inserted.
    pub in_unknown_row: bool,
}

impl Field {
    /// The value.
    pub fn value(&self) -> u64 {
        self.added.iter().fold(self.base, |sum, delta| sum.wrapping_add(*delta))
    }

    fn set(&mut self, mark: Mark) {
        let value = Mark(self.value());
        if value != mark {
            self.older.insert(value);
        }
        self.older.remove(&mark);
        self.base = mark.0;
        self.added.clear();
        self.in_unknown_row = false;
    }
}

impl Expected {
    /// The first row, and then every acknowledged effect in order.
    pub fn new(initial: Option<&Row>, acknowledged: &[Effect]) -> Expected {
        let mut expected = Expected::default();
        if let Some(row) = initial {
            expected.replace(&marks(row));
        }
        for effect in acknowledged {
            expected.apply(effect);
        }
        expected
    }

    fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Row(marks) => self.replace(marks),
            Effect::Delete => self.exists = false,
            Effect::Set { field, mark } => {
                let exists = self.exists;
                if let Some(field) = self.field(*field) {
                    field.set(*mark);
                    field.in_unknown_row = !exists;
                }
            }
            Effect::Add { field, delta } => {
                if let Some(field) = self.field(*field) {
                    field.added.push(*delta);
                }
            }
        }
    }

    /// A field that was written. Where no acknowledged transaction left a row, one of unknown outcome inserted it before.
    fn field(&mut self, at: u16) -> Option<&mut Field> {
        let at = usize::from(at);
        if !self.exists && at >= self.fields.len() {
            self.fields.resize_with(at + 1, Field::default);
        }
        self.fields.get_mut(at)
    }

    fn replace(&mut self, marks: &[Mark]) {
        // A row's fields start without a past; later values push theirs into it.
        let known = self.fields.len();
        self.fields.resize_with(marks.len(), Field::default);
        for (at, (field, mark)) in self.fields.iter_mut().zip(marks).enumerate() {
            if at < known {
                field.set(*mark);
            } else {
                field.base = mark.0;
            }
        }
        self.exists = true;
    }
}
