//! Clusters that must stand next to each other, as one.

use super::cluster::{Cluster, EARLY, LATE, Mark, Registered, Writer, began, ended};
use super::witness;
use crate::Set;
use crate::history::{History, Outcome};
use crate::prose;
use crate::report::Findings;

/// A cluster, or a chain of clusters each written right over the one before.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its first cluster.
    pub head: u32,
    /// The first of its operations to end.
    pub first_ended: Mark,
    /// The last of its operations to begin.
    pub last_began: Mark,
}

/// The blocks of a register. What is wrong inside a cluster or a chain is found on the way; where the reads of a cluster are
/// not explained, or not known to be of one write, there are no zones to compare.
pub fn blocks(history: &History, register: &Registered<'_>, findings: &mut Findings) -> Vec<Block> {
    let Some(mut blocks) = written_again(history, register, findings) else {
        let again: Set<u32> = register.again.iter().map(|(at, _)| *at).collect();
        for (at, cluster) in (0u32..).zip(&register.clusters) {
            if !again.contains(&at) {
                explains_its_reads(history, register, cluster, findings);
            }
        }
        return Vec::new();
    };
    let mut is_sound = true;
    for cluster in &register.clusters {
        is_sound &= explains_its_reads(history, register, cluster, findings);
    }
    for (before, number) in &register.forks {
        lost_update(history, register, &register.clusters[*before as usize], *number, findings);
    }
    if !is_sound || !register.forks.is_empty() {
        return Vec::new();
    }
    let mut placed = 0;
    for head in 0..register.clusters.len() as u32 {
        let cluster = &register.clusters[head as usize];
        if cluster.has_previous {
            continue;
        }
        placed += 1;
        if happened(cluster) {
            let (block, clusters) = chain(history, register, head, findings);
            placed += clusters - 1;
            blocks.push(block);
        }
    }
    if placed < register.clusters.len() {
        let closed = register.clusters.iter().find(|cluster| cluster.has_previous).expect("one of the circle");
        let ops = witness::places_of(history, closed.writer);
        findings.add("update-circle", ops, || {
            format!(
                "the updates of {} form a circle, {} in it or after it",
                prose::register(register.key),
                closed.value
            )
        });
    }
    blocks
}

/// Whether its write must have taken effect.
fn happened(cluster: &Cluster<'_>) -> bool {
    match cluster.writer {
        Writer::Initial | Writer::Ok(_) => true,
        Writer::Info(_) => cluster.reads > 0,
        Writer::Nobody | Writer::Failed(_) | Writer::Intermediate(_) => false,
    }
}

/// Values written more than once. While nobody reads them, each write is a block of its own; `None` when somebody does.
fn written_again(history: &History, register: &Registered<'_>, findings: &mut Findings) -> Option<Vec<Block>> {
    let mut blocks = Vec::new();
    for (at, number) in &register.again {
        let cluster = &register.clusters[*at as usize];
        let call = &history.calls()[*number as usize];
        if cluster.reads > 0 || cluster.has_previous || cluster.next.is_some() {
            findings.unsure(|| {
                let (value, key) = (cluster.value, prose::register(register.key));
                format!("{value} is written to {key} more than once and read: only the kv model judges that")
            });
            return None;
        }
        if call.outcome == Outcome::Ok {
            let mark = |moment| (moment, Some(*number));
            blocks.push(Block { head: *at, first_ended: mark(ended(call)), last_began: mark(began(call)) });
        }
    }
    Some(blocks)
}

/// Call `number` found a value that an earlier call had found and written over.
fn lost_update(
    history: &History,
    register: &Registered<'_>,
    cluster: &Cluster<'_>,
    number: u32,
    findings: &mut Findings,
) {
    let other = cluster.next.map_or(Writer::Nobody, |next| register.clusters[next as usize].writer);
    let mut ops = witness::places(&history.calls()[number as usize]);
    ops.extend(witness::places_of(history, other));
    findings.add("lost-update", ops, || {
        let (who, other) = (witness::call(history, number), witness::writer(history, other));
        let (value, key) = (cluster.value, prose::register(register.key));
        format!("{who} and {other} both found {value} at {key} and wrote over it: one update is lost")
    });
}

/// Whether the cluster's reads can be reads of its write.
fn explains_its_reads(
    history: &History,
    register: &Registered<'_>,
    cluster: &Cluster<'_>,
    findings: &mut Findings,
) -> bool {
    let (_, Some(reader)) = cluster.read_ended else { return true };
    let (kind, why) = match cluster.writer {
        Writer::Initial => return true,
        Writer::Ok(writer) | Writer::Info(writer) => {
            if cluster.read_ended.0 >= began(&history.calls()[writer as usize]) {
                return true;
            }
            ("future-read", "ended before")
        }
        Writer::Nobody => ("garbage-read", "found what nobody wrote"),
        Writer::Failed(_) => ("aborted-read", "found what took no effect:"),
        Writer::Intermediate(_) => ("intermediate-read", "found what was already written over, inside"),
    };
    let mut ops = witness::places(&history.calls()[reader as usize]);
    ops.extend(witness::places_of(history, cluster.writer));
    findings.add(kind, ops, || {
        let reader = witness::call(history, reader);
        let writer = match cluster.writer {
            Writer::Nobody => String::new(),
            writer => format!(" {}", witness::writer(history, writer)),
        };
        let began = if kind == "future-read" { " began" } else { "" };
        format!("{reader} {why}{writer}{began}, at {}: {}", register.key, cluster.value)
    });
    false
}

/// The chain from `head` on, and how many clusters it has.
fn chain(history: &History, register: &Registered<'_>, head: u32, findings: &mut Findings) -> (Block, usize) {
    let mut links = vec![head];
    while let Some(next) = register.clusters[links[links.len() - 1] as usize].next {
        links.push(next);
    }
    let mut block = Block { head, first_ended: LATE, last_began: EARLY };
    for link in links.iter().rev() {
        let cluster = &register.clusters[*link as usize];
        // Everything in `block` so far comes later in the chain.
        if block.first_ended < cluster.last_began {
            let ops = witness::ops_of_marks(history, [block.first_ended, cluster.last_began]);
            findings.add("stale-value", ops, || witness::inside(history, register, &block, cluster));
            break;
        }
        block.first_ended = block.first_ended.min(cluster.first_ended);
        block.last_began = block.last_began.max(cluster.last_began);
    }
    (block, links.len())
}
