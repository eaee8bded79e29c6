//! The node's own disk, with a watchdog for operations that never complete.

use std::collections::VecDeque;

use node::{Digest, DiskOp, DiskResult, Effects, Event, IoClass, Nanos, TimerId, Token, Watchdog};

use crate::volume::{Volume, VolumeStatus};

/// Passes operations through to the node's disk.
#[derive(Clone, Debug)]
pub struct LocalVolume {
    watchdog: Watchdog,
    completions: VecDeque<(Token, DiskResult)>,
}

impl LocalVolume {
    /// A local disk. An operation not completed within `timeout` halts the node; `timer` is the watchdog's.
    pub fn new(timeout: Nanos, timer: TimerId) -> LocalVolume {
        LocalVolume { watchdog: Watchdog::new(timer, timeout), completions: VecDeque::new() }
    }
}

impl Volume for LocalVolume {
    fn start(&mut self, _: Nanos, _: &mut Effects) {}

    fn is_ready(&self) -> bool {
        true
    }

    fn submit(&mut self, now: Nanos, token: Token, op: DiskOp, class: IoClass, out: &mut Effects) {
        let first = out.len();
        out.disk(token, op, class);
        self.watchdog.watch(now, first, out);
    }

    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Disk { token, result } if self.watchdog.completed(token) => {
                self.completions.push_back((token, result));
            }
            Event::Timer { timer } => {
                if let Err(stuck) = self.watchdog.timer(now, timer, out) {
                    out.halt(stuck);
                }
            }
            _ => {}
        }
    }

    fn next_completion(&mut self) -> Option<(Token, DiskResult)> {
        self.completions.pop_front()
    }

    fn status(&self) -> VolumeStatus {
        VolumeStatus::Local
    }

    fn digest(&self, digest: &mut Digest) {
        digest.word(self.watchdog.under_way() as u64);
    }

    fn copy(&self) -> Box<dyn Volume> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use node::{DiskReply, Effect, FileId};

    use super::*;

    const WATCHDOG: TimerId = TimerId::new(1, 1);

    #[test]
    fn a_stuck_operation_halts_the_node_and_a_finished_one_does_not() {
        let mut volume = LocalVolume::new(Nanos(100), WATCHDOG);
        let mut out = Effects::new();
        let sync = DiskOp::Sync { file: FileId(1) };
        volume.submit(Nanos(0), Token::new(1, 1), sync.clone(), IoClass::Redo, &mut out);
        volume.submit(Nanos(60), Token::new(1, 2), sync, IoClass::Redo, &mut out);
        volume.handle(Nanos(70), Event::Disk { token: Token::new(1, 1), result: Ok(DiskReply::Done) }, &mut out);
        assert!(volume.next_completion().is_some());
        let mut look = |now| {
            out.drain();
            volume.handle(Nanos(now), Event::Timer { timer: WATCHDOG }, &mut out);
            matches!(out.as_slice(), [Effect::Halt { .. }])
        };
        assert!(![85, 110, 135, 160].into_iter().any(&mut look));
        assert!(look(185));
    }
}
