//! Who wrote a value.

use std::fmt;

/// Names the transaction that wrote a value: the run, the client, and which of the client's transactions it was. Ordered
/// by run, then client, then transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

const CLIENT_BITS: u32 = 20;
const NUMBER_BITS: u32 = 34;

impl Stamp {
    /// What the load writes.
    pub const LOADED: Stamp = Stamp(0);
    /// The highest run number.
    pub const ERA_MAX: u16 = (1 << (64 - CLIENT_BITS - NUMBER_BITS)) - 1;

    /// The stamp of transaction `number` of `client` in run `era`. Panics when one of them is out of range: 1,023 runs,
    /// 1,048,576 clients, 17 billion transactions a client.
    pub fn new(era: u16, client: u32, number: u64) -> Stamp {
        assert!(era <= Stamp::ERA_MAX && client < 1 << CLIENT_BITS && number < 1 << NUMBER_BITS, "stamps are used up");
        Stamp(u64::from(era) << (CLIENT_BITS + NUMBER_BITS) | u64::from(client) << NUMBER_BITS | number)
    }

    /// The stamp as a number.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// The stamp of a number.
    pub fn from_u64(value: u64) -> Stamp {
        Stamp(value)
    }

    /// The run; 0 is the load.
    pub fn era(self) -> u16 {
        (self.0 >> (CLIENT_BITS + NUMBER_BITS)) as u16
    }

    /// The client.
    pub fn client(self) -> u32 {
        (self.0 >> NUMBER_BITS) as u32 & ((1 << CLIENT_BITS) - 1)
    }

    /// Which of the client's transactions.
    pub fn number(self) -> u64 {
        self.0 & ((1 << NUMBER_BITS) - 1)
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} client {} transaction {}", self.era(), self.client(), self.number())
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
