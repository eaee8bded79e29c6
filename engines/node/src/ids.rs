//! Names for nodes, zones, operations and timers.

use std::fmt;

/// One node of a topology. Ids are small and dense: a runtime may index by them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// An availability zone. The writer lives in [`Zone::A`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// `az-a`, the writer's zone.
    A,
    /// `az-b`, the mirrored standby's zone.
    B,
    /// `az-c`.
    C,
}

impl Zone {
    /// All zones in order.
    pub const ALL: [Zone; 3] = [Zone::A, Zone::B, Zone::C];

    /// The zone's name as written in configuration and records.
    pub const fn name(self) -> &'static str {
        match self {
            Zone::A => "az-a",
            Zone::B => "az-b",
            Zone::C => "az-c",
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names one disk operation of one node until its completion.
///
/// The top byte says which machine inside the node the completion belongs to; the rest is that machine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// Names one timer of one node. Setting a timer that is set moves it.
///
/// The top byte says which machine inside the node the timer belongs to, as for [`Token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u64);

const OWNER_SHIFT: u32 = 56;
const OWN_MASK: u64 = (1 << OWNER_SHIFT) - 1;

macro_rules! owned_id {
    ($name:ident) => {
        impl $name {
            /// The id `own` of the machine `owner`. Panics when `own` needs more than 56 bits.
            pub const fn new(owner: u8, own: u64) -> $name {
                assert!(own <= OWN_MASK, "the machine's own part has 56 bits");
                $name(((owner as u64) << OWNER_SHIFT) | own)
            }

            /// The machine this belongs to.
            pub const fn owner(self) -> u8 {
                (self.0 >> OWNER_SHIFT) as u8
            }

            /// The machine's own 56 bits.
            pub const fn own(self) -> u64 {
                self.0 & OWN_MASK
            }
        }
    };
}

owned_id!(Token);
owned_id!(TimerId);
