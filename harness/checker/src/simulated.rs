//! Histories of a store that keeps its promise: clients overlap, and every operation takes effect at one moment between its
//! beginning and its end. Tests and benchmarks of checkers begin with these.

use crate::history::{Kind, Op, Value};

/// A seeded generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Draw(u64);

impl Draw {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Draw {
        Draw(seed)
    }

    /// Uniform in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * u128::from(bound)) >> 64) as u64
    }
}

/// How clients behave.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Clients at a time.
    pub clients: u64,
    /// Operations in all.
    pub calls: u64,
    /// How many in a thousand lose their reply: *info*, half of them without effect.
    pub lost_per_mille: u64,
    /// How many in a thousand are refused: *fail*.
    pub refused_per_mille: u64,
    /// What decides everything.
    pub seed: u64,
}

enum Client {
    Idle,
    /// It has asked.
    Asked(&'static str, Value),
    /// It took effect, with this result.
    Done(&'static str, Value, Value),
}

impl Plan {
    /// Runs it. `request` gives what a client asks for, given a number that no other request has; `apply` carries it out and
    /// gives the result.
    pub fn run(
        &self,
        mut request: impl FnMut(&mut Draw, i64) -> (&'static str, Value),
        mut apply: impl FnMut(&'static str, &Value) -> Value,
    ) -> Vec<Op> {
        let mut draw = Draw::new(self.seed);
        let mut clients: Vec<(i64, Client)> = (0..self.clients).map(|at| (at as i64, Client::Idle)).collect();
        let (mut asked, mut busy) = (0, 0);
        let mut ops: Vec<Op> = Vec::with_capacity(2 * self.calls as usize);
        while asked < self.calls || busy > 0 {
            let (process, client) = &mut clients[draw.below(self.clients) as usize];
            let fate = draw.below(1000);
            *client = match std::mem::replace(client, Client::Idle) {
                Client::Idle if asked == self.calls => Client::Idle,
                Client::Idle => {
                    (asked, busy) = (asked + 1, busy + 1);
                    let (f, value) = request(&mut draw, asked as i64);
                    ops.push(Op::new(*process, Kind::Invoke, f, value.clone()));
                    Client::Asked(f, value)
                }
                Client::Asked(f, value) if fate < self.refused_per_mille => {
                    busy -= 1;
                    ops.push(Op::new(*process, Kind::Fail, f, value));
                    Client::Idle
                }
                Client::Asked(f, value) | Client::Done(f, value, _) if fate >= 1000 - self.lost_per_mille / 2 => {
                    busy -= 1;
                    ops.push(Op::new(*process, Kind::Info, f, value));
                    *process += self.clients as i64;
                    Client::Idle
                }
                Client::Asked(f, value) => {
                    let result = apply(f, &value);
                    Client::Done(f, value, result)
                }
                Client::Done(f, _, result) => {
                    busy -= 1;
                    ops.push(Op::new(*process, Kind::Ok, f, result));
                    Client::Idle
                }
            };
        }
        (0..).zip(&mut ops).for_each(|(index, op)| op.index = Some(index));
        ops
    }

    /// Reads and writes of `keys` registers, nil at first; every write has its own value, and one operation in
    /// `update_every` reads and writes in a transaction; none when it is 0.
    pub fn registers(&self, keys: u64, update_every: u64) -> Vec<Op> {
        let mut held = vec![Value::Nil; keys as usize];
        let request = |draw: &mut Draw, number: i64| {
            let key = Value::Int(draw.below(keys) as i64);
            if update_every > 0 && draw.below(update_every) == 0 {
                let read = Value::list([Value::keyword("r"), key.clone(), Value::Nil]);
                return ("txn", Value::list([read, Value::list([Value::keyword("w"), key, number.into()])]));
            }
            match draw.below(2) {
                0 => ("read", Value::list([key, Value::Nil])),
                _ => ("write", Value::list([key, number.into()])),
            }
        };
        let apply = |f: &'static str, value: &Value| {
            let items = value.as_list().expect("as requested");
            let (key, new) = match f {
                "txn" => (
                    &items[0].as_list().expect("as requested")[1],
                    items[1].as_list().expect("as requested")[2].clone(),
                ),
                _ => (&items[0], items[1].clone()),
            };
            let place = &mut held[key.as_int().expect("as requested") as usize];
            match f {
                "read" => Value::list([key.clone(), place.clone()]),
                "write" => {
                    *place = new;
                    value.clone()
                }
                _ => {
                    let read = Value::list([Value::keyword("r"), key.clone(), std::mem::replace(place, new)]);
                    Value::list([read, items[1].clone()])
                }
            }
        };
        self.run(request, apply)
    }

    /// Transactions of one to `parts` appends and reads, on `lists` lists at a time; a list is given up for a new one when it has
    /// had about `appends` appends.
    pub fn lists(&self, lists: u64, parts: u64, appends: u64) -> Vec<Op> {
        let mut held: Vec<Vec<Value>> = Vec::new();
        // Half of the parts are appends.
        let each = (2 * lists * appends / (parts + 1).div_ceil(2)).max(1);
        let request = |draw: &mut Draw, number: i64| {
            let first = number as u64 / each * lists;
            let part = |at: u64, draw: &mut Draw| {
                let key = Value::Int((first + draw.below(lists)) as i64);
                match draw.below(2) {
                    0 => Value::list([Value::keyword("r"), key, Value::Nil]),
                    _ => Value::list([Value::keyword("append"), key, Value::Int(number * parts as i64 + at as i64)]),
                }
            };
            let count = 1 + draw.below(parts);
            ("txn", Value::list((0..count).map(|at| part(at, draw)).collect::<Vec<_>>()))
        };
        let apply = |_: &'static str, value: &Value| {
            let carry_out = |part: &Value| {
                let [f, key, element] = part.as_list().expect("as requested") else { unreachable!("as requested") };
                let at = key.as_int().expect("as requested") as usize;
                if held.len() <= at {
                    held.resize(at + 1, Vec::new());
                }
                if *element == Value::Nil {
                    return Value::list([f.clone(), key.clone(), Value::list(held[at].iter().cloned())]);
                }
                held[at].push(element.clone());
                part.clone()
            };
            Value::list(value.as_list().expect("as requested").iter().map(carry_out).collect::<Vec<_>>())
        };
        self.run(request, apply)
    }
}
