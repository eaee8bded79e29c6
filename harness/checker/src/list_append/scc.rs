//! Strongly connected components.

use super::graph::{Graph, Kinds};

/// The component of each node, by number, in the graph of edges of these kinds between nodes that `part` puts together; only
/// components of several nodes are numbered, the others are [`ALONE`].
///
/// R. Tarjan, *Depth-first search and linear graph algorithms* (1972), with its recursion unrolled.
pub fn components(graph: &Graph, kinds: Kinds, part: Option<&[u32]>) -> (Vec<u32>, u32) {
    let mut search = Search {
        graph,
        kinds,
        part,
        index: vec![0; graph.nodes() as usize],
        low: vec![0; graph.nodes() as usize],
        component: vec![OPEN; graph.nodes() as usize],
        stack: Vec::new(),
        path: Vec::new(),
        visited: 0,
        found: 0,
    };
    for node in 0..graph.nodes() {
        if search.index[node as usize] == 0 && part.is_none_or(|part| part[node as usize] != ALONE) {
            search.from(node);
        }
    }
    search.component.iter_mut().filter(|component| **component == OPEN).for_each(|component| *component = ALONE);
    (search.component, search.found)
}

/// A node in no cycle.
pub const ALONE: u32 = u32::MAX;
const OPEN: u32 = u32::MAX - 1;

struct Search<'g> {
    graph: &'g Graph,
    kinds: Kinds,
    part: Option<&'g [u32]>,
    /// When each node was first seen, from 1.
    index: Vec<u32>,
    /// The earliest node on the stack that is known to be reached from it.
    low: Vec<u32>,
    component: Vec<u32>,
    stack: Vec<u32>,
    /// The nodes being visited, each with its next edge.
    path: Vec<(u32, u32)>,
    visited: u32,
    found: u32,
}

impl Search<'_> {
    fn enter(&mut self, node: u32) {
        self.visited += 1;
        self.index[node as usize] = self.visited;
        self.low[node as usize] = self.visited;
        self.stack.push(node);
        self.path.push((node, self.graph.from(node).start));
    }

    fn from(&mut self, root: u32) {
        self.enter(root);
        while let Some((node, next)) = self.path.last_mut() {
            let node = *node;
            if *next == self.graph.from(node).end {
                self.leave(node);
                continue;
            }
            let edge = self.graph.edge(*next);
            *next += 1;
            let to = edge.to as usize;
            let is_inside = self.part.is_none_or(|part| part[to] == part[node as usize]);
            if edge.kind & self.kinds == 0 || !is_inside {
                continue;
            }
            if self.index[to] == 0 {
                self.enter(edge.to);
            } else if self.component[to] == OPEN {
                self.low[node as usize] = self.low[node as usize].min(self.index[to]);
            }
        }
    }

    fn leave(&mut self, node: u32) {
        self.path.pop();
        let low = self.low[node as usize];
        if let Some((parent, _)) = self.path.last() {
            self.low[*parent as usize] = self.low[*parent as usize].min(low);
        }
        if low != self.index[node as usize] {
            return;
        }
        let start = self.stack.iter().rposition(|open| *open == node).expect("a visited node is on the stack");
        let number = if self.stack.len() - start > 1 {
            self.found += 1;
            self.found - 1
        } else {
            ALONE
        };
        for member in self.stack.drain(start..) {
            self.component[member as usize] = number;
        }
    }
}
