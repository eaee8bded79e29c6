//! Strangers who ask a database for more sessions than it has room for.
//!
//! They write nothing, so that no history need tell of them: half of them begin a transaction and never come back, the others
//! read one row. What they are told is counted: whoever finds no room must be refused, and nobody else.

use contract::codec::{decode_response, encode_request, request_hint_bytes};
use contract::{Error, Key, Mode, REQUEST_KIND, RESPONSE_KIND, Request, SessionId, Statement, TableId, TxnSeq, Verb};
use node::{Frame, FrameKind, Member, NodeId};
use sim::Sim;

use super::console::Mailbox;

/// Where strangers come from.
const STRANGERS: NodeId = NodeId(98);
/// How a database says that it has no room for another session.
const NO_ROOM: &str = "sessions are in use";

/// The topology's member that strangers speak through.
pub fn strangers() -> Member {
    Mailbox::named("strangers", STRANGERS)
}

/// So many strangers come to `database` at once. Each has a session that nobody had before.
pub fn crowd(sim: &mut Sim, database: NodeId, sessions: u32) {
    let first = sim.events() << 16;
    for number in 0..u64::from(sessions) {
        let verb = if number.is_multiple_of(2) {
            Verb::Begin(Mode::Optimistic)
        } else {
            Verb::Single(Statement::Get { table: TableId(0), key: Key::from_u64(number) })
        };
        let request = Request { session: SessionId((first + number) as u32), txn: TxnSeq(1), step: 0, verb };
        let hint_bytes = request_hint_bytes(&request);
        let frame = Frame::encode(FrameKind(REQUEST_KIND), hint_bytes, |body| encode_request(&request, body));
        sim.inject(STRANGERS, database, frame);
    }
}

/// How many strangers found no room since the last call.
pub fn refused(sim: &mut Sim) -> u64 {
    let Some(mailbox) = sim.node_mut::<Mailbox>(STRANGERS) else { return 0 };
    let mut refused = 0;
    while let Some((_, frame)) = mailbox.take(FrameKind(RESPONSE_KIND)) {
        let response = decode_response(&frame.slice(0..frame.body().len()));
        let no_room = |error: &Error| matches!(error, Error::Unavailable(why) if why.contains(NO_ROOM));
        refused += u64::from(response.is_ok_and(|response| response.result.is_err_and(|error| no_room(&error))));
    }
    refused
}
