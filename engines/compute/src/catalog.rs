//! The catalog: page 0, which says where everything else is.
//!
//! Cells: `free` the first page of the free list, `u64`, 0 for none (page 0 is never free); `next` the first page id never
//! used, `u64`; `roots` the trees' root pages from tree 1 on, `u64` each; `schema` bytes for the caller. Free pages are
//! linked by their right sibling.
//!
//! # Invariants
//!
//! - Roots are fixed for life: a tree grows and shrinks below its root.
//! - Every page below `next` is the catalog, reachable from exactly one root, or on the free list.
//!
//! # Caveats
//!
//! - Every group that allocates or frees a page changes page 0, once. Splits are a few in a thousand inserts; a bulk load
//!   pays one record of 38 bytes per split, and a storage node one longer chain on page 0.
//! - Taking a page off the free list reads that page, for the next one's id.

use thiserror::Error;

use crate::pool::Full;
use crate::{Group, GroupBuilder, Lsn, Page, PageId, PageKind, Pool, Record, RedoOp, TreeId};

/// The page of the catalog.
pub const CATALOG_PAGE: PageId = PageId(0);
pub(crate) const FREE_KEY: &[u8] = b"free";
pub(crate) const NEXT_KEY: &[u8] = b"next";
const ROOTS_KEY: &[u8] = b"roots";
const SCHEMA_KEY: &[u8] = b"schema";

/// Why there is no catalog.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CatalogError {
    /// The page is whole but does not hold what a catalog holds.
    #[error("page 0 is not a catalog: {0}")]
    Corrupt(&'static str),
    /// Schema and roots do not fit one page; use larger pages.
    #[error("a schema of {schema_bytes} bytes with {trees} trees does not fit a catalog page of {page_bytes} bytes")]
    TooLarge {
        /// The schema, in bytes.
        schema_bytes: usize,
        /// Trees.
        trees: u16,
        /// The page, in bytes.
        page_bytes: usize,
    },
    /// The catalog and a root for each tree do not fit the pool; give it more memory.
    #[error(transparent)]
    Full(#[from] Full),
}

/// The roots of the trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    roots: Vec<PageId>,
}

impl Roots {
    /// The root of a tree; `None` for the catalog and for trees there are not.
    #[inline]
    pub fn of(&self, tree: TreeId) -> Option<PageId> {
        self.roots.get(usize::from(tree.0).checked_sub(1)?).copied()
    }

    /// The trees with their roots, from tree 1 on.
    pub fn iter(&self) -> impl Iterator<Item = (TreeId, PageId)> + '_ {
        (1..).map(TreeId).zip(self.roots.iter().copied())
    }
}

/// Makes an empty database of `trees` trees, numbered from 1: pages 0 to `trees`, which [`reserve`] has been asked
/// for. The group is the log's first.
///
/// [`reserve`]: crate::Storage::reserve
pub fn bootstrap(pool: &mut Pool, trees: u16, schema_bytes: &[u8], next: Lsn) -> Result<Group, CatalogError> {
    let page_bytes = pool.page_bytes();
    let roots: Vec<u8> = (1..=u64::from(trees)).flat_map(u64::to_le_bytes).collect();
    let next_unused = (u64::from(trees) + 1).to_le_bytes();
    let cells = [(FREE_KEY, &[0; 8][..]), (NEXT_KEY, &next_unused), (ROOTS_KEY, &roots), (SCHEMA_KEY, schema_bytes)];

    let mut group = GroupBuilder::new(next);
    let mut catalog = Page::empty(CATALOG_PAGE, page_bytes);
    let format = RedoOp::Format { kind: PageKind::Catalog, level: 0, tree: TreeId(0) };
    let mut fits = append(&mut group, &mut catalog, format);
    for (key, value) in cells {
        fits = fits && append(&mut group, &mut catalog, RedoOp::Insert { key, value });
    }
    if !fits {
        return Err(CatalogError::TooLarge { schema_bytes: schema_bytes.len(), trees, page_bytes });
    }
    let mut pages = vec![catalog];
    for tree in 1..=trees {
        let mut root = Page::empty(PageId(u64::from(tree)), page_bytes);
        append(&mut group, &mut root, RedoOp::Format { kind: PageKind::Leaf, level: 0, tree: TreeId(tree) });
        pages.push(root);
    }
    pool.make_room(pages.len(), |_, _| false)?;
    for page in pages {
        pool.put_back(page);
    }
    Ok(group.finish())
}

fn append(group: &mut GroupBuilder, page: &mut Page, op: RedoOp<'_>) -> bool {
    let lsn = group.push(page.id(), &op);
    crate::apply::apply(page, &Record { lsn, page: page.id(), cpl: false, op }).is_ok()
}

/// What the catalog says: the trees' roots and the schema bytes.
pub fn open_catalog(catalog: &Page) -> Result<(Roots, Vec<u8>), CatalogError> {
    if catalog.id() != CATALOG_PAGE || catalog.kind() != PageKind::Catalog {
        return Err(CatalogError::Corrupt("another kind of page"));
    }
    Allocation::read(catalog).ok_or(CatalogError::Corrupt("page allocation is missing"))?;
    let roots = catalog.get(ROOTS_KEY).ok_or(CatalogError::Corrupt("the roots are missing"))?;
    let schema = catalog.get(SCHEMA_KEY).ok_or(CatalogError::Corrupt("the schema is missing"))?;
    let (roots, rest) = roots.as_chunks::<8>();
    if !rest.is_empty() || roots.len() > usize::from(u16::MAX) {
        return Err(CatalogError::Corrupt("the roots are not page ids"));
    }
    let roots = roots.iter().map(|root| PageId(u64::from_le_bytes(*root))).collect();
    Ok((Roots { roots }, schema.to_vec()))
}

/// Which pages are unused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allocation {
    /// The first page of the free list; page 0 for none.
    pub free: PageId,
    /// The first page id never used.
    pub next: PageId,
}

impl Allocation {
    /// What a catalog page says, `None` when it does not.
    pub fn read(catalog: &Page) -> Option<Allocation> {
        let id = |key| Some(PageId(u64::from_le_bytes(catalog.get(key)?.try_into().ok()?)));
        Some(Allocation { free: id(FREE_KEY)?, next: id(NEXT_KEY)? })
    }
}
