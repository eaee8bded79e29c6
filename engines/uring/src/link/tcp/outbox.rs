//! Frames that wait for the connection of one pair of nodes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What one local node has to say to one remote node. Runtime threads put frames in and never wait; the connection's task
/// takes them all.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    ready: Notify,
    bytes_max: usize,
}

#[derive(Debug)]
struct Waiting {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// Whether there is, or is about to be, a connection to wait for.
    open: bool,
    /// Who carries this pair now; another connection of the pair takes its place.
    carried_by: Option<AbortHandle>,
    /// Counts the connections of this pair, so that an old one's end does not close a newer one's outbox.
    connection: u64,
}

impl Outbox {
    pub(super) fn new(bytes_max: usize, open: bool) -> Outbox {
        let waiting = Waiting { frames: VecDeque::new(), bytes: 0, open, carried_by: None, connection: 0 };
        Outbox { waiting: Mutex::new(waiting), ready: Notify::new(), bytes_max }
    }

    /// Puts a frame in. Returns whether there was a connection, and room.
    pub(super) fn put(&self, frame: Bytes) -> bool {
        let mut waiting = self.lock();
        if !waiting.open || waiting.bytes + frame.len() > self.bytes_max {
            return false;
        }
        waiting.bytes += frame.len();
        waiting.frames.push_back(frame);
        let is_first = waiting.frames.len() == 1;
        drop(waiting);
        if is_first {
            self.ready.notify_one();
        }
        true
    }

    /// Takes everything there is into `empty`, once there is something.
    pub(super) async fn take(&self, empty: &mut VecDeque<Bytes>) {
        loop {
            {
                let mut waiting = self.lock();
                if !waiting.frames.is_empty() {
                    waiting.bytes = 0;
                    std::mem::swap(&mut waiting.frames, empty);
                    return;
                }
            }
            self.ready.notified().await;
        }
    }

    /// Waits until there is something to take.
    pub(super) async fn wait(&self) {
        while self.lock().frames.is_empty() {
            self.ready.notified().await;
        }
    }

    /// Frames are taken from now on, for a connection of the returned number; an older connection ends.
    pub(super) fn open(&self, carried_by: Option<AbortHandle>) -> u64 {
        let mut waiting = self.lock();
        waiting.open = true;
        waiting.connection += 1;
        if let Some(older) = std::mem::replace(&mut waiting.carried_by, carried_by) {
            older.abort();
        }
        waiting.connection
    }

    /// Takes no more frames, unless a newer connection than `connection` took over. Gives how many are lost.
    pub(super) fn close(&self, connection: u64) -> u64 {
        let mut waiting = self.lock();
        if waiting.connection != connection {
            return 0;
        }
        waiting.open = false;
        waiting.bytes = 0;
        std::mem::take(&mut waiting.frames).len() as u64
    }

    /// Takes no more frames until a connection is there. Gives how many are lost.
    pub(super) fn shut(&self) -> u64 {
        let connection = self.lock().connection;
        self.close(connection)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Whoever panicked cannot have left a vector half pushed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Bytes = Bytes::from_static(&[7; 40]);

    #[test]
    fn frames_beyond_the_bytes_that_may_wait_are_not_taken() {
        let outbox = Outbox::new(100, true);
        assert!(outbox.put(FRAME) && outbox.put(FRAME));
        assert!(!outbox.put(FRAME), "a third would be 120 bytes");
    }

    #[test]
    fn the_end_of_an_old_connection_leaves_the_newer_ones_frames_alone() {
        let outbox = Outbox::new(100, false);
        assert!(!outbox.put(FRAME), "nobody carries it");
        let old = outbox.open(None);
        assert!(outbox.put(FRAME));
        let new = outbox.open(None);
        assert_eq!(outbox.close(old), 0);
        assert!(outbox.put(FRAME));
        assert_eq!(outbox.close(new), 2);
        assert!(!outbox.put(FRAME));
    }
}
