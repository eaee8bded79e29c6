//! Whether a database's trees are whole: the invariants of [`btree`](super), checked on every page.

use std::borrow::Cow;
use std::collections::BTreeSet;

use thiserror::Error;

use crate::catalog::{Allocation, CATALOG_PAGE, open_catalog};
use crate::{Page, PageId, PageKind, TreeId};

/// A page that breaks an invariant.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("page {page}: {reason}")]
pub struct Violation {
    /// The page.
    pub page: PageId,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What a tree consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeCensus {
    /// Levels, 1 for a tree that is one leaf.
    pub levels: u32,
    /// Leaves.
    pub leaves: u64,
    /// Inner pages.
    pub inner_pages: u64,
    /// Cells in leaves.
    pub cells: u64,
    /// Bytes used in leaves, slots included and page headers left out.
    pub leaf_bytes: u64,
}

/// What a database consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The trees, from tree 1 on.
    pub trees: Vec<TreeCensus>,
    /// Pages on the free list.
    pub free_pages: u64,
    /// Pages ever used.
    pub pages: u64,
}

/// Walks every page of a database. `read` gives the pages, all as of one LSN at the end of a group.
pub fn check<'p>(read: impl FnMut(PageId) -> Option<Cow<'p, Page>>) -> Result<Census, Violation> {
    let mut walk = Walk { read, seen: BTreeSet::new() };
    let catalog = walk.visit(CATALOG_PAGE)?;
    let (roots, _) = open_catalog(&catalog).map_err(|_| violation(CATALOG_PAGE, "it is not a catalog"))?;
    let allocation = Allocation::read(&catalog).ok_or(violation(CATALOG_PAGE, "page allocation is missing"))?;
    let mut census = Census { pages: allocation.next.0, ..Census::default() };
    for (tree, root) in roots.iter() {
        census.trees.push(walk.tree(tree, root)?);
    }
    let mut free = Some(allocation.free).filter(|free| free.0 != 0);
    while let Some(id) = free {
        let page = walk.visit(id)?;
        if page.kind() != PageKind::Free || page.count() > 0 {
            return Err(violation(id, "it is on the free list and in use"));
        }
        census.free_pages += 1;
        free = page.right();
    }
    match (0..allocation.next.0).map(PageId).find(|id| !walk.seen.contains(id)) {
        Some(id) => Err(violation(id, "it is neither in a tree nor on the free list")),
        None if walk.seen.len() as u64 != allocation.next.0 => {
            Err(violation(CATALOG_PAGE, "a page at or above the first never used is used"))
        }
        None => Ok(census),
    }
}

fn violation(page: PageId, reason: &'static str) -> Violation {
    Violation { page, reason }
}

struct Walk<R> {
    read: R,
    seen: BTreeSet<PageId>,
}

/// A tree while it is walked.
struct Tree {
    id: TreeId,
    census: TreeCensus,
    /// The last page seen on each level, and its right sibling.
    last: Vec<Option<(PageId, Option<PageId>)>>,
}

/// Where keys must lie: at or above the first, below the second.
type Range<'k> = (&'k [u8], Option<&'k [u8]>);

impl<'p, R: FnMut(PageId) -> Option<Cow<'p, Page>>> Walk<R> {
    fn visit(&mut self, id: PageId) -> Result<Cow<'p, Page>, Violation> {
        if !self.seen.insert(id) {
            return Err(violation(id, "it is in use twice"));
        }
        let page = (self.read)(id).ok_or(violation(id, "it cannot be read"))?;
        if page.id() == id { Ok(page) } else { Err(violation(id, "another page is in its place")) }
    }

    fn tree(&mut self, id: TreeId, root: PageId) -> Result<TreeCensus, Violation> {
        let page = self.visit(root)?;
        let levels = u32::from(page.level()) + 1;
        let census = TreeCensus { levels, ..TreeCensus::default() };
        let mut tree = Tree { id, census, last: vec![None; levels as usize] };
        if page.kind() == PageKind::Inner && page.count() < 2 {
            return Err(violation(root, "an inner page has fewer than two children"));
        }
        self.subtree(&mut tree, &page, (&[], None))?;
        match tree.last.iter().flatten().find(|(_, right)| right.is_some()) {
            Some((page, _)) => Err(violation(*page, "the last page of its level has a right sibling")),
            None => Ok(tree.census),
        }
    }

    fn subtree(&mut self, tree: &mut Tree, page: &Page, range: Range<'_>) -> Result<(), Violation> {
        tree.link(page)?;
        if page.kind() == PageKind::Leaf {
            return tree.leaf(page, range);
        }
        tree.census.inner_pages += 1;
        for index in 0..page.count() {
            let (separator, value) = page.cell(index);
            let low = if index == 0 { range.0 } else { separator };
            let high = if index + 1 < page.count() { Some(page.key(index + 1)) } else { range.1 };
            if (index == 0) != separator.is_empty() || low < range.0 || range.1.is_some_and(|high| low >= high) {
                return Err(violation(page.id(), "a separator is not where it should be"));
            }
            let child = value.try_into().map_err(|_| violation(page.id(), "a child is not a page id"))?;
            let below = self.visit(PageId(u64::from_le_bytes(child)))?;
            let count_min = if page.level() == 1 { 1 } else { 2 };
            if below.level() + 1 != page.level() || below.count() < count_min {
                return Err(violation(below.id(), "it is of the wrong level or too small"));
            }
            self.subtree(tree, &below, (low, high))?;
        }
        Ok(())
    }
}

impl Tree {
    /// Checks kind and tree of a page, and that its left neighbour points at it.
    fn link(&mut self, page: &Page) -> Result<(), Violation> {
        let kind = if page.level() == 0 { PageKind::Leaf } else { PageKind::Inner };
        if page.kind() != kind || page.tree() != self.id {
            return Err(violation(page.id(), "it is of the wrong kind or of another tree"));
        }
        let last = self.last[usize::from(page.level())].replace((page.id(), page.right()));
        match last {
            Some((left, right)) if right != Some(page.id()) => {
                Err(violation(left, "its right sibling is not the next page of its level"))
            }
            _ => Ok(()),
        }
    }

    fn leaf(&mut self, page: &Page, (low, high): Range<'_>) -> Result<(), Violation> {
        self.census.leaves += 1;
        self.census.cells += page.count() as u64;
        self.census.leaf_bytes += page.used_bytes() as u64;
        let within = |key: &[u8]| key >= low && high.is_none_or(|high| key < high);
        if page.count() > 0 && !(within(page.key(0)) && within(page.key(page.count() - 1))) {
            return Err(violation(page.id(), "a key is outside what the separators allow"));
        }
        if page.cells().zip(page.cells().skip(1)).any(|(a, b)| a.0 >= b.0) {
            return Err(violation(page.id(), "its keys are out of order"));
        }
        Ok(())
    }
}
