//! Cycles, by kind.

use std::collections::VecDeque;

use super::graph::{ALL, By, Graph, Kinds, PROCESS, REALTIME, RW, WR, WW};
use super::scc::{ALONE, components};

/// A cycle between transactions.
#[derive(Debug)]
pub struct Cycle {
    /// The field's name for its kind.
    pub kind: &'static str,
    /// Its steps, each beginning where the one before ends, and the first where the last ends.
    pub steps: Vec<Step>,
}

/// A step from one transaction to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The transaction that comes first, by its call's number.
    pub from: u32,
    /// The one that comes then.
    pub to: u32,
    /// Why.
    pub kind: Kinds,
    /// The append that it goes by.
    pub by: By,
}

/// A kind of cycle: it takes `anchor`, and for the rest `path`.
struct Sought {
    /// Its name alone, with an edge between transactions of a client, and with one of real time.
    names: [&'static str; 3],
    anchor: Kinds,
    path: Kinds,
    /// Whether the path must take another `anchor`.
    again: bool,
}

const SOUGHT: [Sought; 4] = [
    Sought { names: ["G0", "G0-process", "G0-realtime"], anchor: WW, path: WW, again: false },
    Sought { names: ["G1c", "G1c-process", "G1c-realtime"], anchor: WR, path: WW | WR, again: false },
    Sought { names: ["G-single", "G-single-process", "G-single-realtime"], anchor: RW, path: WW | WR, again: false },
    Sought { names: ["G2-item", "G2-item-process", "G2-item-realtime"], anchor: RW, path: WW | WR | RW, again: true },
];

impl Sought {
    fn name(&self, steps: &[Step]) -> &'static str {
        let takes = |kind| steps.iter().any(|step| step.kind == kind);
        self.names[if takes(REALTIME) { 2 } else { usize::from(takes(PROCESS)) }]
    }
}

/// Edges looked at for one kind before its search ends with what it has.
const EDGES_MAX: u64 = 20_000_000;

/// For each kind, a shortest cycle in each component that has one. Kinds with process or realtime edges are looked for only
/// where there is none without.
pub fn cycles(graph: &Graph) -> Vec<Cycle> {
    let (all, count) = components(graph, ALL, None);
    let mut found = Vec::new();
    if count == 0 {
        return found;
    }
    for sought in &SOUGHT {
        for more in [0, PROCESS, REALTIME] {
            let (parts, count) = components(graph, sought.anchor | sought.path | more, Some(&all));
            let mut search = Search::new(graph, &parts, sought, more);
            let shortest = search.shortest(count);
            if !shortest.is_empty() {
                found.extend(shortest.into_iter().map(|steps| Cycle { kind: sought.name(&steps), steps }));
                break;
            }
        }
    }
    found
}

/// A node, and whether the path to it took another anchor where it must.
type Place = usize;

struct Search<'g> {
    graph: &'g Graph,
    parts: &'g [u32],
    sought: &'g Sought,
    /// What the path may take.
    path: Kinds,
    /// The edge by which each place was reached, and the place before it; of this search when `stamp` says so.
    came: Vec<(u32, Place)>,
    length: Vec<u32>,
    stamp: Vec<u32>,
    searches: u32,
    edges_left: u64,
}

impl<'g> Search<'g> {
    fn new(graph: &'g Graph, parts: &'g [u32], sought: &'g Sought, more: Kinds) -> Search<'g> {
        let places = 2 * graph.nodes() as usize;
        Search {
            graph,
            parts,
            sought,
            path: sought.path | more,
            came: vec![(0, 0); places],
            length: vec![0; places],
            stamp: vec![0; places],
            searches: 0,
            edges_left: EDGES_MAX,
        }
    }

    /// A shortest cycle in each of the `count` components that has one.
    fn shortest(&mut self, count: u32) -> Vec<Vec<Step>> {
        let mut best: Vec<Option<Vec<Step>>> = vec![None; count as usize];
        for from in 0..self.graph.transactions {
            let part = self.parts[from as usize];
            if part == ALONE {
                continue;
            }
            for number in self.graph.from(from) {
                let edge = self.graph.edge(number);
                if edge.kind != self.sought.anchor || self.parts[edge.to as usize] != part {
                    continue;
                }
                let best = &mut best[part as usize];
                // Two steps are the fewest there can be.
                let at_most = best.as_ref().map_or(u32::MAX, |steps| steps.len() as u32 - 1);
                if at_most < 2 || self.edges_left == 0 {
                    continue;
                }
                if let Some(steps) = self.through(from, number, at_most) {
                    *best = Some(steps);
                }
            }
        }
        best.into_iter().flatten().collect()
    }

    /// A shortest cycle through an edge, of no more than `at_most` steps.
    fn through(&mut self, from: u32, anchor: u32, at_most: u32) -> Option<Vec<Step>> {
        self.searches += 1;
        let first = self.graph.edge(anchor);
        let start = 2 * first.to as usize;
        let goal = 2 * from as usize + usize::from(self.sought.again);
        self.reach(start, self.graph.length(from, first), (anchor, usize::MAX));
        let mut left = VecDeque::from([start]);
        while let Some(place) = left.pop_front() {
            let (node, again) = ((place / 2) as u32, place % 2);
            if place == goal {
                let steps = self.steps(from, goal);
                return (steps.len() as u32 <= at_most && is_simple(&steps)).then_some(steps);
            }
            for number in self.graph.from(node) {
                self.edges_left = self.edges_left.saturating_sub(1);
                let edge = self.graph.edge(number);
                if edge.kind & self.path == 0 || self.parts[edge.to as usize] != self.parts[from as usize] {
                    continue;
                }
                let again = again | usize::from(self.sought.again && edge.kind == self.sought.anchor);
                let to = 2 * edge.to as usize + again;
                let step = self.graph.length(node, edge);
                let length = self.length[place] + step;
                let is_known = self.stamp[to] == self.searches && self.length[to] <= length;
                if is_known || length > at_most || self.edges_left == 0 {
                    continue;
                }
                self.reach(to, length, (number, place));
                if step == 0 { left.push_front(to) } else { left.push_back(to) }
            }
        }
        None
    }

    fn reach(&mut self, place: Place, length: u32, came: (u32, Place)) {
        (self.stamp[place], self.length[place], self.came[place]) = (self.searches, length, came);
    }

    /// The steps from transaction to transaction, around from `from`.
    fn steps(&self, from: u32, goal: Place) -> Vec<Step> {
        let mut edges = Vec::new();
        let mut place = goal;
        while place != usize::MAX {
            let (edge, before) = self.came[place];
            edges.push(*self.graph.edge(edge));
            place = before;
        }
        edges.reverse();
        let mut steps: Vec<Step> = Vec::new();
        // What leads from a transaction to a node between is the step's kind; what leads on from there says by what it goes.
        let (mut at, mut open) = (from, None);
        for edge in edges {
            let kind = open.unwrap_or(edge.kind);
            open = (!self.graph.is_transaction(edge.to)).then_some(kind);
            if open.is_none() {
                match steps.last_mut() {
                    Some(last) if last.kind == PROCESS && kind == PROCESS => last.to = edge.to,
                    _ => steps.push(Step { from: at, to: edge.to, kind, by: edge.by }),
                }
                at = edge.to;
            }
        }
        steps
    }
}

/// Whether no transaction occurs twice: otherwise it is several cycles.
fn is_simple(steps: &[Step]) -> bool {
    let mut from: Vec<u32> = steps.iter().map(|step| step.from).collect();
    from.sort_unstable();
    from.windows(2).all(|pair| pair[0] != pair[1])
}
