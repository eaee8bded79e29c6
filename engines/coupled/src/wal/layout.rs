//! Where a log position lies in the ring of segment files.

use crate::config::LogConfig;
use crate::ids::LogPos;

/// The shape of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of one segment file, a multiple of `align_bytes`.
    pub segment_bytes: u64,
    /// How many segment files there are.
    pub segments: u32,
    /// Blocks start at multiples of this.
    pub align_bytes: u32,
}

impl Layout {
    /// The ring of a configured log.
    pub fn of(log: &LogConfig) -> Layout {
        Layout { segment_bytes: log.segment_bytes, segments: log.segments, align_bytes: log.align_bytes }
    }

    /// Bytes of the whole ring.
    pub fn capacity_bytes(&self) -> u64 {
        self.segment_bytes * u64::from(self.segments)
    }

    /// The segment file and the offset in it.
    pub fn locate(&self, pos: LogPos) -> (u32, u64) {
        let segment = (pos.0 / self.segment_bytes) % u64::from(self.segments);
        (segment as u32, pos.0 % self.segment_bytes)
    }

    /// Bytes from `pos` to the end of its segment; never zero.
    pub fn room_bytes(&self, pos: LogPos) -> u64 {
        self.segment_bytes - pos.0 % self.segment_bytes
    }

    /// The bytes a block of `header + payload` bytes takes.
    pub fn padded_bytes(&self, len_bytes: usize) -> usize {
        len_bytes.next_multiple_of(self.align_bytes as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_wrap_around_the_ring() {
        let layout = Layout { segment_bytes: 4096, segments: 3, align_bytes: 512 };
        assert_eq!(layout.capacity_bytes(), 12288);
        assert_eq!(layout.locate(LogPos(0)), (0, 0));
        assert_eq!(layout.locate(LogPos(4096 + 512)), (1, 512));
        assert_eq!(layout.locate(LogPos(12288 + 8192)), (2, 0));
        assert_eq!(layout.room_bytes(LogPos(4096)), 4096);
        assert_eq!(layout.room_bytes(LogPos(8192 - 512)), 512);
        assert_eq!(layout.padded_bytes(513), 1024);
    }
}
