//! Bugs planted on purpose, to see whether the instrument finds them.
//!
//! A node is told at its construction which bug it has: [`Planted::NONE`], in every measured run and by default, or the one
//! that [`Planted::plant`] was given, which nobody but the harness's chaos command calls. They are values rather than cargo
//! features: features unify over a workspace, and would leak into binaries that are measured.
//!
//! Each bug is one condition at the decision that it breaks, evaluated where that decision is made.

/// A bug of one crate, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted<B>(Option<B>);

impl<B> Default for Planted<B> {
    fn default() -> Planted<B> {
        Planted::NONE
    }
}

impl<B> Planted<B> {
    /// No bug.
    pub const NONE: Planted<B> = Planted(None);

    /// This bug. For the chaos command alone.
    pub const fn plant(bug: B) -> Planted<B> {
        Planted(Some(bug))
    }
}

impl<B: Copy + PartialEq> Planted<B> {
    /// Whether it is this bug.
    #[inline]
    pub fn is(self, bug: B) -> bool {
        self.0 == Some(bug)
    }
}

/// What may be planted in the compute layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A scan guards its range up to the last row it saw, and not the gap behind that.
    Phantom,
    /// A reply that depends on another transaction's commit does not wait until that is durable.
    EarlyReply,
    /// A commit whose LSN is just the durable one is not woken by it.
    LostWakeUp,
}
