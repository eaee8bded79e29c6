//! Memory for direct I/O, aligned as its length asks for.
//!
//! Long blocks lie at multiples of 4096 bytes. Blocks shorter than that are for devices with sectors of 512 bytes, which ask for
//! no more than that; at multiples of 4096 all their first lines would fall into the same few sets of a processor's caches, and a
//! world of small pages would have the use of an eighth of them.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::{ALIGN_BYTES, SECTOR_BYTES};

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(512))]
struct Sector([u8; SECTOR_BYTES]);

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
struct Aligned([u8; ALIGN_BYTES]);

/// The memory of one block, of at least its length.
pub(super) struct Memory(Units);

enum Units {
    Short(Box<[Sector]>),
    Long(Box<[Aligned]>),
}

impl Memory {
    /// Of `len_bytes`, or up to a whole unit more.
    pub(super) fn zeroed(len_bytes: usize) -> Memory {
        const ROOM: &str = "memory for a block";
        Memory(if len_bytes < ALIGN_BYTES {
            Units::Short(<[Sector]>::new_box_zeroed_with_elems(len_bytes.div_ceil(SECTOR_BYTES)).expect(ROOM))
        } else {
            Units::Long(<[Aligned]>::new_box_zeroed_with_elems(len_bytes.div_ceil(ALIGN_BYTES)).expect(ROOM))
        })
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Units::Short(sectors) => sectors.as_bytes(),
            Units::Long(pages) => pages.as_bytes(),
        }
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Units::Short(sectors) => sectors.as_mut_bytes(),
            Units::Long(pages) => pages.as_mut_bytes(),
        }
    }
}

impl Default for Memory {
    /// None.
    fn default() -> Memory {
        Memory(Units::Short(Box::default()))
    }
}
