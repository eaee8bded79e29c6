//! How much damage to its files a node has found, in process after process.

/// Damage that the processes of one node have found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    process: u32,
    /// By this process.
    latest: u64,
    /// By earlier ones.
    before: u64,
    /// Something rotted that every start reads from end to end: superblock, log or index.
    awaits_start: bool,
}

impl Found {
    /// A process, by the system's number, says how much it has found so far.
    pub(super) fn take(&mut self, process: u32, damaged: u64) {
        if self.process != process {
            self.before += self.latest;
            self.process = process;
        }
        self.latest = damaged;
    }

    /// A file rots. Pages are found when they are read; everything else is read by the next start.
    pub(super) fn rots(&mut self, file: &str) {
        self.awaits_start |= !file.starts_with("pages");
    }

    /// The node starts again.
    pub(super) fn starts(&mut self) {
        self.before += u64::from(std::mem::take(&mut self.awaits_start));
    }

    /// How much in all.
    pub(super) fn total(&self) -> u64 {
        self.before + self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_found_still_counts_in_the_next() {
        let mut found = Found::default();
        found.take(10, 2);
        found.take(10, 3);
        assert_eq!(found.total(), 3);
        found.take(11, 0);
        found.take(11, 1);
        assert_eq!(found.total(), 4);
    }

    #[test]
    fn a_start_finds_what_it_reads_and_once() {
        let mut found = Found::default();
        found.rots("pages");
        found.starts();
        assert_eq!(found.total(), 0, "no start reads all pages");
        for file in ["superblock", "log-00000001", "index-0"] {
            found.rots(file);
        }
        found.starts();
        found.starts();
        assert_eq!(found.total(), 1);
    }
}
