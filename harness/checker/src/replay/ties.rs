//! Which of several transactions at one position was the one that changed something.
//!
//! A transaction whose writes cancel out, like a row put and deleted again, has changed nothing. It has the position of
//! the last commit before it, as a reader has, although its replies say that it wrote. Which one made the commit shows in
//! the replay: all the others change nothing after it.
//!
//! Where two of them could be the first, it makes no difference which is: when each changes nothing after the other, both
//! leave the same rows. So the first choice that fits is kept, and choices do not multiply over a history.

use std::collections::BTreeSet;

use super::order::{position, wrote};
use super::search::{Failure, Search};
use super::timeline::Misfit;

impl Search<'_> {
    /// Carries out the next transaction; where several claim to have made the commit at its position, all of these, in an
    /// order that explains them. When that does not go, the head is where it stopped, in the order given.
    pub(super) fn forward(&mut self) -> Result<(), Misfit> {
        let head = self.timeline.len();
        let count = self.claimants(head);
        if count < 2 {
            return self.carry_out(head + 1);
        }
        let claimants = self.order[head..head + count].to_vec();
        for first in 0..count {
            self.put_first(head, &claimants, first);
            if self.carry_out(head + count).is_ok() {
                return Ok(());
            }
            self.timeline.rewind(head);
        }
        self.put_first(head, &claimants, 0);
        self.carry_out(head + count)
    }

    /// What begins at `head` does not go as it is: looks for unknown transactions that explain it, whoever was first.
    pub(super) fn explain(&mut self, head: usize, misfit: &Misfit) -> Result<(), Failure> {
        let count = self.claimants(head);
        if count < 2 {
            return self.branch(misfit);
        }
        let claimants = self.order[head..head + count].to_vec();
        let mut blamed = BTreeSet::new();
        for first in 0..count {
            self.timeline.rewind(head);
            while self.timeline.len() < head {
                self.forward().expect("it fitted before");
            }
            self.put_first(head, &claimants, first);
            let misfit = self.carry_out(head + count).expect_err("no order fitted before");
            match self.branch(&misfit) {
                Err(Failure::Conflict(causes)) => blamed.extend(causes),
                end => return end,
            }
        }
        Err(Failure::Conflict(blamed))
    }

    /// Whether the transaction at `at` is the first at its position.
    pub(super) fn begins_position(&self, at: usize) -> bool {
        at == 0 || position(self.at(at - 1)).is_none_or(|before| position(self.at(at)) != Some(before))
    }

    /// How many transactions from `head` on claim to have made the commit at their position, if the position begins there.
    fn claimants(&self, head: usize) -> usize {
        let Some(here) = position(self.at(head)).filter(|_| self.begins_position(head)) else { return 0 };
        let claims = |at: &usize| position(self.at(*at)) == Some(here) && wrote(self.at(*at));
        (head..self.order.len()).take_while(claims).count()
    }

    fn put_first(&mut self, head: usize, claimants: &[usize], first: usize) {
        let others = claimants.iter().enumerate().filter(|(at, _)| *at != first).map(|(_, txn)| *txn);
        let in_order: Vec<usize> = std::iter::once(claimants[first]).chain(others).collect();
        self.order[head..head + claimants.len()].copy_from_slice(&in_order);
    }

    /// Goes forward as ordered until `end` transactions are done.
    fn carry_out(&mut self, end: usize) -> Result<(), Misfit> {
        while self.timeline.len() < end {
            let at = self.timeline.len();
            self.timeline.push(self.at(at))?;
            if !self.begins_position(at) && self.timeline.changed(at) {
                self.timeline.rewind(at);
                return Err(Misfit::Change);
            }
        }
        Ok(())
    }
}
