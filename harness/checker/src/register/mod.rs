//! Registers whose writes are all different: exact, and as fast as sorting.
//!
//! # Mechanism
//!
//! P. B. Gibbons and E. Korach, *Testing shared memories*, SIAM J. Comput. 26 (1997), section 4.3. Where every write has a
//! value of its own, a read names the write that it saw, so the operations of a register fall into *clusters*: a write and
//! its reads. A cluster is contiguous in every serial order. Its *zone* lies between the moment when the first of its
//! operations ended and the moment when the last of them began: cluster A must come before B exactly when A's zone ends
//! before B's begins, that is when some operation of A ended before some operation of B began. The history is linearizable
//! if and only if no cluster has a read that ended before its write began, and no two clusters must each come
//! before the other; zones sorted once show such a pair.
//!
//! A transaction that reads a register and then writes it joins two clusters: nothing fits between them. Chains of such
//! clusters are contiguous too and have a zone as a whole, so the same argument judges them (`block`).
//!
//! A write of unknown outcome that nobody read is taken not to have happened; one that was read has happened, at any time
//! after it was asked for. Operations that failed did nothing; a read that saw one is a violation.
//!
//! # Invariants
//!
//! - Invalid and valid are exact for each register by itself.
//!
//! # Caveats
//!
//! - Transactions over several registers are judged on each register apart: that they were atomic is not judged here.
//! - A value written twice *and* read makes the verdict unknown; so does a compare-and-set. The `kv` model judges both.

mod block;
mod cluster;
mod gather;
#[cfg(test)]
mod tests;
mod witness;
mod zone;

use crate::Report;
use crate::history::{History, Malformed, Value};
use crate::report::Findings;

/// What is known of the registers beforehand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// What every register holds at first.
    pub initial: Value,
}

impl Register {
    /// Judges a history of reads and writes.
    ///
    /// # Errors
    ///
    /// An operation is none of a register's.
    pub fn check(&self, history: &History) -> Result<Report, Malformed> {
        let mut findings = Findings::default();
        let registers = gather::registers(history, &self.initial, &mut findings)?;
        let mut counts = vec![("calls", history.calls().len() as u64), ("registers", registers.len() as u64)];
        let (mut reads, mut values) = (0, 0);
        for register in registers {
            reads += register.clusters.iter().map(|cluster| u64::from(cluster.reads)).sum::<u64>();
            values += register.clusters.len() as u64;
            let blocks = block::blocks(history, &register, &mut findings);
            if let Some((a, b)) = zone::conflict(&blocks) {
                let ops = witness::ops(history, &blocks[a], &blocks[b]);
                findings.add("stale-value", ops, || witness::crossing(history, &register, &blocks[a], &blocks[b]));
            }
        }
        counts.extend([("reads", reads), ("values", values)]);
        Ok(findings.report(counts))
    }
}
