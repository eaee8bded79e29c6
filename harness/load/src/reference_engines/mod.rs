//! Two engines that measure the harness and judge the others.
//!
//! - [`ModelNode`] (`model`): the contract's model behind the client codec. It runs one transaction at a time, in the order
//!   sessions ask, so it is strictly serial: no conflict, no deadlock, nothing durable.
//! - [`NullNode`] (`null`): answers every request at once and stores nothing. What a run against it costs is what the harness
//!   costs.
//!
//! # Invariants
//!
//! - A request that is delivered twice is carried out once.
//!
//! # Caveats
//!
//! - Neither survives a crash. The null engine's replies are well-formed and empty, so a workload that expects its rows
//!   reports findings; a run against it does not look at them.

mod model;
mod null;

pub use model::ModelNode;
pub use null::NullNode;

use contract::codec::{decode_request, encode_response, response_hint_bytes};
use contract::{Error, REQUEST_KIND, RESPONSE_KIND, Reply, Request, Response};
use node::{Effects, Frame, FrameKind, IoClass, NodeId};

fn request_of(frame: &Frame) -> Option<Request> {
    if frame.kind() != FrameKind(REQUEST_KIND) {
        return None;
    }
    decode_request(&frame.slice(0..frame.body().len())).ok()
}

fn answer(to: NodeId, request: &Request, result: Result<Reply, Error>, out: &mut Effects) {
    let response = Response { session: request.session, txn: request.txn, step: request.step, result };
    let hint_bytes = response_hint_bytes(&response);
    let frame = Frame::encode(FrameKind(RESPONSE_KIND), hint_bytes, |body| encode_response(&response, body));
    out.send(to, frame, IoClass::Client);
}
