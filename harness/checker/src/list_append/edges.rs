//! What depends on what.

use super::graph::{By, Edge, Graph, Kinds, PROCESS, REALTIME, RW, WR, WW};
use super::list::{List, Lists};
use crate::Map;
use crate::history::{History, Kind, Process};

/// The dependencies of a history.
pub fn graph(history: &History, lists: &Lists<'_>) -> Graph {
    let transactions = history.calls().len() as u32;
    let mut drawing = Drawing { edges: Vec::new(), nodes: transactions };
    for list in lists.lists.iter().filter(|list| list.is_ordered) {
        drawing.versions(list, lists);
        drawing.unseen(list, lists);
    }
    drawing.time(history, &lists.effective);
    Graph::new(transactions, drawing.nodes, &drawing.edges)
}

struct Drawing {
    edges: Vec<(u32, Edge)>,
    nodes: u32,
}

impl Drawing {
    fn draw(&mut self, from: u32, to: u32, kind: Kinds, by: By) {
        if from != to {
            self.edges.push((from, Edge { to, kind, by }));
        }
    }

    /// A node between transactions.
    fn between(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    /// Who appended after whom, who read what, and who did not see what.
    fn versions(&mut self, list: &List<'_>, lists: &Lists<'_>) {
        let writer = |append: u32| lists.appends[append as usize].txn;
        let mut last: Option<u32> = None;
        // The append that comes next at each place, garbage passed over.
        let mut next = vec![None; list.order.len() + 1];
        for (place, append) in list.writers.iter().enumerate().rev() {
            next[place] = append.or(next[place + 1]);
        }
        for append in list.writers.iter().flatten() {
            if let Some(last) = last.replace(*append) {
                self.draw(writer(last), writer(*append), WW, By::Append(*append));
            }
        }
        for read in &list.reads {
            let version = read.version();
            if let Some(append) = version.checked_sub(1).and_then(|place| list.writers[place]) {
                self.draw(writer(append), read.txn, WR, By::Append(append));
            }
            if let Some(append) = next[version] {
                self.draw(read.txn, writer(append), RW, By::Append(append));
            }
        }
    }

    /// Appends that nobody saw came after all that was seen. There may be many, and many that did not see them, so the edges
    /// meet in a node between; a transaction that is on both sides must not meet itself there and has edges of its own. Of
    /// several such, any two are a cycle, so the first two are enough for the others to point to.
    fn unseen(&mut self, list: &List<'_>, lists: &Lists<'_>) {
        if list.unseen.is_empty() {
            return;
        }
        let writer = |append: u32| lists.appends[append as usize].txn;
        let mut writers: Vec<u32> = list.unseen.iter().map(|append| writer(*append)).collect();
        writers.sort_unstable();
        let last = list.writers.iter().rev().find_map(|append| *append).map(|append| (writer(append), WW));
        let tail = list.writers.iter().rposition(Option::is_some).map_or(0, |place| place + 1);
        let is_last = |version: usize| version >= tail;
        let reads = list.reads.iter().filter(|read| is_last(read.version()));
        let between = self.between();
        let mut on_both_sides = 0;
        for (from, kind) in last.into_iter().chain(reads.map(|read| (read.txn, RW))) {
            if writers.binary_search(&from).is_err() {
                self.draw(from, between, kind, By::Time);
                continue;
            }
            on_both_sides += 1;
            let count = if on_both_sides <= 2 { list.unseen.len() } else { list.unseen.len().min(2) };
            for append in &list.unseen[..count] {
                self.draw(from, writer(*append), kind, By::Append(*append));
            }
        }
        for append in &list.unseen {
            self.draw(between, writer(*append), WW, By::Append(*append));
        }
    }

    /// Who ended before whom, and which client ran what.
    fn time(&mut self, history: &History, effective: &[bool]) {
        let mut call = 0;
        let mut running: Map<i64, u32> = Map::default();
        let mut done: Map<i64, u32> = Map::default();
        // The last moment, and whether anything has begun since it came to be.
        let mut moment: Option<(u32, bool)> = None;
        for op in history.ops() {
            let Process::Client(process) = op.process else { continue };
            match op.kind {
                Kind::Invoke => {
                    let number = call;
                    call += 1;
                    running.insert(process, number);
                    if !effective[number as usize] {
                        continue;
                    }
                    if let Some(before) = done.get(&process) {
                        self.draw(*before, number, PROCESS, By::Time);
                    }
                    if let Some((at, has_begun)) = &mut moment {
                        *has_begun = true;
                        let at = *at;
                        self.draw(at, number, REALTIME, By::Time);
                    }
                }
                Kind::Ok => {
                    let number = running[&process];
                    done.insert(process, number);
                    let at = match moment {
                        Some((at, false)) => at,
                        Some((before, true)) => {
                            let at = self.between();
                            self.draw(before, at, REALTIME, By::Time);
                            at
                        }
                        None => self.between(),
                    };
                    moment = Some((at, false));
                    self.draw(number, at, REALTIME, By::Time);
                }
                Kind::Fail | Kind::Info => {}
            }
        }
    }
}
