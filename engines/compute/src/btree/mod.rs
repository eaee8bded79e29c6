//! B+trees over the buffer pool.
//!
//! # Mechanism
//!
//! Rows sit in leaves, which are linked to the right for scans; inner pages hold, for each child, the lowest key it may
//! hold. Reads descend the resident pages and stop at the first that is not there ([`Miss`](crate::pool::Miss)). Writes
//! come as the write set of one transaction: [`commit`] turns them into one [`Group`](crate::Group), all or nothing.
//!
//! `commit` has two ways. When every write fits its leaf, leaves are changed where they are. When one does not, or a leaf
//! becomes too empty, all writes are made on copies, which replace the pool's pages once nothing can fail any more.
//!
//! A full page splits in halves by bytes; at the right edge of a tree the new page gets the new key alone, so that a load
//! in order of key leaves full pages behind. A page below a quarter that fits a sibling together with it, up to three
//! quarters, is merged. The root never moves: splitting pushes its content into two new children, and a last child's
//! content is pulled up again.
//!
//! # Invariants
//!
//! - Keys in the child under separator `s` are at or above `s` and below the next separator; the first separator of an
//!   inner page is empty and stands for whatever the parent says.
//! - All leaves have level 0. The pages of a level are linked to the right in order of key.
//! - No page but a root leaf is empty, and every inner page has at least two children.
//! - What `commit` refuses has changed nothing.
//!
//! # Caveats
//!
//! - Underfull pages are not evened out with their siblings, as InnoDB does not either: occupancy after many removals may
//!   be low, though never a page is left empty.
//! - A split logs the cells that move, about half a page.

mod bounds;
pub mod check;
mod commit;
mod in_place;
mod merge;
mod read;
mod split;
mod workspace;

pub use bounds::{cell_bytes_max, key_bytes_max};
pub use commit::{CommitBounds, CommitError, Write, commit};
pub use read::{ReadError, get, scan};

#[cfg(test)]
mod tests;
