//! What a transaction has read and what it is going to write.
//!
//! Writes stay private until commit ([`WriteSet`]), and overlay the trees for the transaction's own reads. Reads are
//! remembered as cells and ranges with the LSN as of which they were read ([`ReadSet`]), and validated at commit.

mod reads;
mod writes;

pub use reads::{ReadMark, ReadSet};
pub use writes::WriteSet;
