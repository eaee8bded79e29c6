//! Which bugs an engine's nodes are built with: none, unless the chaos command says otherwise.

use compute::Planted;

/// A bug for each crate that may have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plants {
    /// In the compute layer.
    pub compute: Planted<compute::planted::Bug>,
    /// In the coupled engines.
    pub coupled: Planted<coupled::planted::Bug>,
    /// In the decoupled engine, its writer and its storage nodes.
    pub decoupled: Planted<decoupled::planted::Bug>,
}

impl Plants {
    /// No bug anywhere.
    pub const NONE: Plants = Plants { compute: Planted::NONE, coupled: Planted::NONE, decoupled: Planted::NONE };
}
