//! The dependency graph.

/// Kinds of edges, to be combined.
pub type Kinds = u8;

/// One appended after the other.
pub const WW: Kinds = 1;
/// One read what the other appended.
pub const WR: Kinds = 2;
/// One did not see what the other appended.
pub const RW: Kinds = 4;
/// One client ran both.
pub const PROCESS: Kinds = 8;
/// One ended before the other began.
pub const REALTIME: Kinds = 16;
/// All of them.
pub const ALL: Kinds = 31;

/// An edge.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Where it leads.
    pub to: u32,
    /// What kind it is; one.
    pub kind: Kinds,
    /// What it goes by, for an explanation.
    pub by: By,
}

/// What an edge goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The append, by its number, that came after, was read, or was not seen.
    Append(u32),
    /// Time, or a client.
    Time,
}

/// What nodes there are. Transactions come first, by their call's number.
#[derive(Debug)]
pub struct Graph {
    /// How many nodes are transactions; the others stand between them.
    pub transactions: u32,
    /// Where each node's edges begin; one more than there are nodes.
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    /// The graph of these edges, given with where they come from.
    pub fn new(transactions: u32, nodes: u32, list: &[(u32, Edge)]) -> Graph {
        let mut starts = vec![0u32; nodes as usize + 1];
        list.iter().for_each(|(from, _)| starts[*from as usize + 1] += 1);
        for node in 1..starts.len() {
            starts[node] += starts[node - 1];
        }
        let mut next = starts.clone();
        let mut edges = vec![Edge { to: 0, kind: 0, by: By::Time }; list.len()];
        for (from, edge) in list {
            edges[next[*from as usize] as usize] = *edge;
            next[*from as usize] += 1;
        }
        Graph { transactions, starts, edges }
    }

    /// How many nodes.
    pub fn nodes(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    /// How many edges.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// The numbers of a node's edges.
    pub fn from(&self, node: u32) -> std::ops::Range<u32> {
        self.starts[node as usize]..self.starts[node as usize + 1]
    }

    /// An edge by its number.
    pub fn edge(&self, number: u32) -> &Edge {
        &self.edges[number as usize]
    }

    /// Whether the node is a transaction.
    pub fn is_transaction(&self, node: u32) -> bool {
        node < self.transactions
    }

    /// How much an edge adds to a path's length: a step from transaction to transaction is one, whatever lies between.
    pub fn length(&self, from: u32, edge: &Edge) -> u32 {
        match edge.kind {
            REALTIME => u32::from(self.is_transaction(edge.to)),
            _ => u32::from(self.is_transaction(from)),
        }
    }
}
