//! Which page leaves next.

use std::collections::VecDeque;

use super::FrameIndex;
use crate::{Map, PageId};

/// What the policy must know of a frame it considers.
pub(super) struct Standing {
    /// The page in it.
    pub page: PageId,
    /// Whether it was used since it was last considered.
    pub used: bool,
    /// Whether it is neither pinned nor waiting for its changes to be safe.
    pub may_leave: bool,
}

/// The queues of 2Q.
#[derive(Clone, Debug)]
pub(super) struct Replacement {
    recent: VecDeque<FrameIndex>,
    recent_max: usize,
    hot: VecDeque<FrameIndex>,
    remembered: VecDeque<(PageId, u64)>,
    remembered_max: usize,
    /// The number under which a page was last remembered; entries of `remembered` with another are stale.
    remembered_as: Map<PageId, u64>,
    remembered_count: u64,
}

impl Replacement {
    pub fn new(capacity: usize) -> Replacement {
        Replacement {
            recent: VecDeque::new(),
            recent_max: capacity / 4,
            hot: VecDeque::new(),
            remembered: VecDeque::new(),
            remembered_max: capacity / 2,
            remembered_as: Map::default(),
            remembered_count: 0,
        }
    }

    /// A page entered a frame. `structural` pages are hot at once.
    pub fn admit(&mut self, at: FrameIndex, page: PageId, structural: bool) {
        let again = self.remembered_as.remove(&page).is_some();
        if again || structural { self.hot.push_back(at) } else { self.recent.push_back(at) }
    }

    /// Takes the frame that should be emptied out of its queue, `None` when no frame may be.
    pub fn victim(&mut self, consider: impl Fn(FrameIndex) -> Standing) -> Option<FrameIndex> {
        if self.recent.len() > self.recent_max {
            self.oldest_recent(&consider).or_else(|| self.cold(&consider))
        } else {
            self.cold(&consider).or_else(|| self.oldest_recent(&consider))
        }
    }

    fn oldest_recent(&mut self, consider: impl Fn(FrameIndex) -> Standing) -> Option<FrameIndex> {
        for _ in 0..self.recent.len() {
            let at = self.recent.pop_front()?;
            let standing = consider(at);
            if standing.may_leave {
                self.remember(standing.page);
                return Some(at);
            }
            self.recent.push_back(at);
        }
        None
    }

    /// Two rounds of the clock: the first may only take marks away.
    fn cold(&mut self, consider: impl Fn(FrameIndex) -> Standing) -> Option<FrameIndex> {
        for _ in 0..2 * self.hot.len() {
            let at = self.hot.pop_front()?;
            let standing = consider(at);
            if standing.may_leave && !standing.used {
                return Some(at);
            }
            self.hot.push_back(at);
        }
        None
    }

    fn remember(&mut self, page: PageId) {
        self.remembered_count += 1;
        self.remembered.push_back((page, self.remembered_count));
        self.remembered_as.insert(page, self.remembered_count);
        while self.remembered.len() > self.remembered_max {
            let Some((oldest, number)) = self.remembered.pop_front() else { return };
            if self.remembered_as.get(&oldest) == Some(&number) {
                self.remembered_as.remove(&oldest);
            }
        }
    }
}
