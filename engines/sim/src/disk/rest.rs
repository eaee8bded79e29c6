//! The disk between operations: looking at stored bytes, and damaging them.

use node::{Digest, FileName};

use super::operation::Operation;
use super::{Inode, SimDisk};

impl SimDisk {
    /// The directory as names and lengths, sorted by name.
    pub fn list(&self) -> Vec<(FileName, u64)> {
        self.names.iter().map(|(name, inode)| (name.clone(), self.files[inode].1.len_bytes())).collect()
    }

    /// Whether a write is in flight to a file whose name begins with `files`.
    pub fn is_writing(&self, files: &str) -> bool {
        self.in_flight.iter().flatten().any(|flying| match &flying.operation {
            Operation::Write { inode, .. } => self.files[inode].0.as_str().starts_with(files),
            _ => false,
        })
    }

    /// The bytes of `name` as a read would see them, or `None` when there is no such file.
    pub fn contents(&self, name: &FileName) -> Option<Vec<u8>> {
        let file = &self.files[self.names.get(name)?].1;
        let mut bytes = vec![0; file.len_bytes() as usize];
        file.read(0, &mut bytes);
        Some(bytes)
    }

    /// Chains all that the node's next life could see into `digest`. Equal disks may differ in it where one was written
    /// with zeroes that the other holds unwritten.
    pub fn digest(&self, digest: &mut Digest) {
        for (name, inode) in &self.names {
            digest.bytes(name.as_str().as_bytes());
            self.files[inode].1.digest(digest);
        }
    }

    /// Replaces stored bytes behind the node's back, durably: rot, a misdirected write, an operator. Returns whether
    /// the range exists.
    pub fn damage(&mut self, name: &FileName, offset: u64, bytes: &[u8]) -> bool {
        match self.inode_of(name) {
            Some(inode) => {
                let file = &mut self.files.get_mut(&inode).expect("named").1;
                let fits = offset.checked_add(bytes.len() as u64).is_some_and(|end| end <= file.len_bytes());
                if fits {
                    file.write_at_rest(offset, bytes);
                }
                fits
            }
            None => false,
        }
    }

    /// Loses everything, as a reformatted or replaced device. Operations in flight fail with it; call it on the disk of
    /// a crashed node.
    pub fn wipe(&mut self) {
        assert_eq!(self.in_flight(), 0, "a disk is wiped while its node is down");
        let counts = self.counts;
        *self = SimDisk { counts, ..SimDisk::new(self.model.clone(), self.rng.clone()) };
    }

    fn inode_of(&self, name: &FileName) -> Option<Inode> {
        self.names.get(name).copied()
    }
}
