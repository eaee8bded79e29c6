//! The engines that store nothing durable: `null` measures the harness, `model` says what is right.

use std::any::Any;

use ::load::reference_engines::{ModelNode, NullNode};
use contract::Model;
use node::{Member, Nanos, Node, NodeId, Role, Topology, Zone};
use serde_json::{Value, json};

use super::{DATABASE, Engine, Gauges, Setup};
use crate::exit::Failure;

/// Answers at once and stores nothing.
#[derive(Debug)]
pub struct Null;

/// One transaction at a time, in memory.
#[derive(Debug)]
pub struct InMemoryModel;

impl Engine for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn about(&self) -> &'static str {
        "answers at once and stores nothing: the cost of the harness itself"
    }

    fn durability_class(&self) -> &'static str {
        "none"
    }

    fn protection(&self) -> &'static str {
        "not protected"
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn topology(&self, _setup: &Setup) -> Result<Topology, Failure> {
        Ok(single(Box::new(|_| Box::new(NullNode::new()))))
    }

    fn parameters(&self, _setup: &Setup) -> Value {
        json!({})
    }

    fn gauge(&self, _id: NodeId, _node: &mut dyn Any, _gauges: &mut Gauges) {}
}

/// A transaction of the model whose client is silent this long gives way.
const PATIENCE: Nanos = Nanos::from_secs(1);

impl Engine for InMemoryModel {
    fn name(&self) -> &'static str {
        "model"
    }

    fn about(&self) -> &'static str {
        "one transaction at a time in memory: what is right, and no more"
    }

    fn durability_class(&self) -> &'static str {
        "none"
    }

    fn protection(&self) -> &'static str {
        "not protected"
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn topology(&self, setup: &Setup) -> Result<Topology, Failure> {
        let schema = setup.schema.clone();
        Ok(single(Box::new(move |_| Box::new(ModelNode::new(Model::new(schema.clone()), PATIENCE)))))
    }

    fn parameters(&self, _setup: &Setup) -> Value {
        json!({ "patience_ns": PATIENCE.0 })
    }

    fn gauge(&self, _id: NodeId, _node: &mut dyn Any, _gauges: &mut Gauges) {}
}

fn single(build: Box<dyn Fn(u64) -> Box<dyn Node> + Send>) -> Topology {
    let (id, role, zone) = (DATABASE, Role::Compute, Zone::A);
    Topology { members: vec![Member { id, name: "compute".into(), role, zone, has_disk: false, build }] }
}
