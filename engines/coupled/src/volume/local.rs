//! The node's own disk, with a watchdog for operations that never complete.

use std::collections::{BTreeMap, VecDeque};

use node::{Digest, DiskOp, DiskResult, Effects, Event, IoClass, Nanos, TimerId, Token};

use crate::volume::{Volume, VolumeStatus};

/// Passes operations through to the node's disk.
#[derive(Clone, Debug)]
pub struct LocalVolume {
    timeout: Nanos,
    watchdog: TimerId,
    armed: bool,
    submitted: BTreeMap<Token, Nanos>,
    completions: VecDeque<(Token, DiskResult)>,
}

impl LocalVolume {
    /// A local disk. An operation not completed within `timeout` halts the node; `watchdog` is the timer used for it.
    pub fn new(timeout: Nanos, watchdog: TimerId) -> LocalVolume {
        LocalVolume { timeout, watchdog, armed: false, submitted: BTreeMap::new(), completions: VecDeque::new() }
    }
}

impl Volume for LocalVolume {
    fn start(&mut self, _: Nanos, _: &mut Effects) {}

    fn is_ready(&self) -> bool {
        true
    }

    fn submit(&mut self, now: Nanos, token: Token, op: DiskOp, class: IoClass, out: &mut Effects) {
        self.submitted.insert(token, now);
        if !self.armed {
            self.armed = true;
            out.set_timer(self.watchdog, self.timeout);
        }
        out.disk(token, op, class);
    }

    fn handle(&mut self, now: Nanos, event: Event, out: &mut Effects) {
        match event {
            Event::Disk { token, result } if self.submitted.remove(&token).is_some() => {
                self.completions.push_back((token, result));
            }
            Event::Timer { timer } if timer == self.watchdog => {
                let oldest = self.submitted.values().min().copied();
                self.armed = oldest.is_some();
                let Some(oldest) = oldest else { return };
                let waited = now.saturating_sub(oldest);
                if waited >= self.timeout {
                    out.halt(format!(
                        "a disk operation has not completed for {waited:?}: the device is stuck; check it and restart"
                    ));
                } else {
                    out.set_timer(self.watchdog, self.timeout.saturating_sub(waited));
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
        digest.word(self.submitted.len() as u64);
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
        out.drain();
        volume.handle(Nanos(100), Event::Timer { timer: WATCHDOG }, &mut out);
        assert!(matches!(out.as_slice(), [Effect::SetTimer { after: Nanos(60), .. }]), "{out:?}");
        out.drain();
        volume.handle(Nanos(160), Event::Timer { timer: WATCHDOG }, &mut out);
        assert!(matches!(out.as_slice(), [Effect::Halt { .. }]), "{out:?}");
    }
}
