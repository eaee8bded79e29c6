//! A readable account of a run, for understanding a failing seed.

use std::fmt;

use node::fault::Fault;
use node::{DiskOp, DiskReply, Effect, Event, Nanos, NodeId};

/// Where lines go.
pub(crate) struct Trace {
    pub(crate) write: Box<dyn FnMut(&str)>,
}

impl Trace {
    pub(crate) fn line(&mut self, line: &Line<'_>) {
        (self.write)(&line.to_string());
    }
}

/// One thing that happened.
pub(crate) enum Line<'a> {
    Event { at: Nanos, node: NodeId, event: &'a Event },
    Effect { at: Nanos, node: NodeId, effect: &'a Effect },
    Fault { at: Nanos, fault: &'a Fault },
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Event { at, node, event } => {
                write!(f, "{at:?} {node:?} <- ")?;
                write_event(f, event)
            }
            Line::Effect { at, node, effect } => {
                write!(f, "{at:?} {node:?}    -> ")?;
                write_effect(f, effect)
            }
            Line::Fault { at, fault } => write!(f, "{at:?} fault {fault:?}"),
        }
    }
}

fn write_event(f: &mut fmt::Formatter<'_>, event: &Event) -> fmt::Result {
    match event {
        Event::Start => write!(f, "start"),
        Event::Frame { from, frame } => {
            write!(f, "frame {:#06x} of {} bytes from {from:?}", frame.kind().0, frame.len_bytes())
        }
        Event::Disk { token, result: Ok(DiskReply::Data(block)) } => {
            write!(f, "disk {:#x} read {} bytes", token.0, block.len())
        }
        Event::Disk { token, result } => write!(f, "disk {:#x} {result:?}", token.0),
        Event::Timer { timer } => write!(f, "timer {:#x}", timer.0),
    }
}

fn write_effect(f: &mut fmt::Formatter<'_>, effect: &Effect) -> fmt::Result {
    match effect {
        Effect::Send { to, frame, class } => {
            write!(f, "send {:#06x} of {} bytes to {to:?} ({})", frame.kind().0, frame.len_bytes(), class.name())
        }
        Effect::Disk { token, op: DiskOp::Write { file, offset, data, durable }, class } => {
            let how = if *durable { "durably " } else { "" };
            let (token, file, len, class) = (token.0, file.0, data.len(), class.name());
            write!(f, "disk {token:#x} write {how}file {file} at {offset} {len} bytes ({class})")
        }
        Effect::Disk { token, op, class } => write!(f, "disk {:#x} {op:?} ({})", token.0, class.name()),
        Effect::SetTimer { timer, after } => write!(f, "set timer {:#x} after {after:?}", timer.0),
        Effect::CancelTimer { timer } => write!(f, "cancel timer {:#x}", timer.0),
        Effect::Charge { work, units } => write!(f, "charge {units} {}", work.name()),
        Effect::Halt { reason } => write!(f, "halt: {reason}"),
    }
}
