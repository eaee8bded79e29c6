//! From a history to the values of each register.

use super::cluster::{Registered, Writer};
use super::witness;
use crate::Map;
use crate::access::{Access, What, accesses};
use crate::history::{Call, History, Malformed, Outcome, Value};
use crate::prose;
use crate::report::Findings;

/// The registers of a history, in the order they were first mentioned.
pub fn registers<'a>(
    history: &'a History,
    initial: &'a Value,
    findings: &mut Findings,
) -> Result<Vec<Registered<'a>>, Malformed> {
    let mut gathering = Gathering { history, initial, registers: Vec::new(), by_key: Map::default() };
    let mut parts = Vec::new();
    for (number, call) in history.calls().iter().enumerate() {
        accesses(history, call, &mut parts)?;
        if parts.iter().any(|access| matches!(access.what, What::Cas(..))) {
            findings.unsure(|| format!("{}: only the kv model judges it", witness::call(history, number as u32)));
            return Ok(Vec::new());
        }
        match parts.as_slice() {
            [access] => gathering.single(*access, number as u32, call),
            parts => gathering.transaction(parts, number as u32, call, findings),
        }
    }
    Ok(gathering.registers)
}

struct Gathering<'a> {
    history: &'a History,
    initial: &'a Value,
    registers: Vec<Registered<'a>>,
    by_key: Map<&'a Value, u32>,
}

/// What a transaction does to one register, as others see it.
#[derive(Default)]
struct Net<'a> {
    /// What it found there.
    read: Option<&'a Value>,
    /// What it left there.
    written: Option<&'a Value>,
}

impl<'a> Gathering<'a> {
    fn register(&mut self, key: &'a Value) -> &mut Registered<'a> {
        let (registers, initial) = (&mut self.registers, self.initial);
        let at = *self.by_key.entry(key).or_insert_with(|| {
            registers.push(Registered::new(key, initial));
            registers.len() as u32 - 1
        });
        &mut self.registers[at as usize]
    }

    fn single(&mut self, access: Access<'a>, number: u32, call: &Call) {
        let register = self.register(access.key);
        match access.what {
            What::Read(value) if call.outcome == Outcome::Ok => drop(register.read(value, number, call)),
            What::Write(value) => drop(register.write(value, writer(call, number), call)),
            What::Read(_) | What::Cas(..) => {}
        }
    }

    fn transaction(&mut self, parts: &[Access<'a>], number: u32, call: &Call, findings: &mut Findings) {
        for (at, access) in parts.iter().enumerate() {
            let of_key = |part: &&Access<'a>| part.key == access.key;
            if parts[..at].iter().any(|part| of_key(&part)) {
                continue;
            }
            let net = self.net(parts[at..].iter().filter(of_key), number, call, findings);
            let register = self.register(access.key);
            let before = net.read.map(|value| register.read(value, number, call));
            let after = net.written.map(|value| register.write(value, writer(call, number), call));
            let (Some(before), Some(after)) = (before, after) else { continue };
            register.update(before, after, number);
        }
    }

    /// What others see of these accesses of one register; and whether they agree with each other.
    fn net<'p>(
        &mut self,
        parts: impl Iterator<Item = &'p Access<'a>>,
        number: u32,
        call: &Call,
        findings: &mut Findings,
    ) -> Net<'a>
    where
        'a: 'p,
    {
        let mut net = Net::default();
        for part in parts {
            match part.what {
                What::Read(_) if call.outcome != Outcome::Ok => {}
                What::Read(value) => match net.written.or(net.read) {
                    None => net.read = Some(value),
                    Some(known) if known == value => {}
                    Some(known) => findings.add("internal", witness::places(call), || {
                        let who = witness::call(self.history, number);
                        format!(
                            "{who} found {value} at {} where by its own doing it had to find {known}",
                            prose::register(part.key)
                        )
                    }),
                },
                What::Write(value) => {
                    if let Some(earlier) = net.written.replace(value) {
                        self.register(part.key).write(earlier, Writer::Intermediate(number), call);
                    }
                }
                What::Cas(..) => {}
            }
        }
        net
    }
}

fn writer(call: &Call, number: u32) -> Writer {
    match call.outcome {
        Outcome::Ok => Writer::Ok(number),
        Outcome::Fail => Writer::Failed(number),
        Outcome::Info => Writer::Info(number),
    }
}
