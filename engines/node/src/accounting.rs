//! What an I/O was for, and the counts a runtime keeps of it.

/// Why a disk operation or a frame happened. Runtimes count operations and bytes by node and class; the classes
/// are those of the comparison (SIGMOD 2017, section 3.1 and figure 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum IoClass {
    /// Write-ahead log of a coupled engine.
    Redo,
    /// Statement log of a coupled engine, kept for archiving.
    Binlog,
    /// A data page of a coupled engine, written or read in place.
    DataPage,
    /// The second write of a data page, against torn pages.
    DoubleWrite,
    /// Superblocks, checkpoints, indexes, directories.
    Metadata,
    /// Redo from the writer to a storage node, and its acknowledgement.
    LogShipping,
    /// Redo persisted by a storage node.
    HotLog,
    /// Storage nodes filling each other's holes.
    Gossip,
    /// Rebuilding a damaged, lost or lagging copy.
    Repair,
    /// A page a storage node made from log.
    CoalescedPage,
    /// A page asked of a storage node.
    PageRead,
    /// Recovery: promises, truncation, log scan.
    Recovery,
    /// Block mirroring between a volume and its mirror or standby.
    Mirror,
    /// Client statements and replies.
    Client,
    /// Leases, read points, epochs and other small talk.
    Control,
    /// Zeroes that make and extend files, so that later durable writes move no metadata; whatever the file is for.
    ZeroFill,
}

impl IoClass {
    /// All classes, in the order of their `repr`.
    pub const ALL: [IoClass; 16] = [
        IoClass::Redo,
        IoClass::Binlog,
        IoClass::DataPage,
        IoClass::DoubleWrite,
        IoClass::Metadata,
        IoClass::LogShipping,
        IoClass::HotLog,
        IoClass::Gossip,
        IoClass::Repair,
        IoClass::CoalescedPage,
        IoClass::PageRead,
        IoClass::Recovery,
        IoClass::Mirror,
        IoClass::Client,
        IoClass::Control,
        IoClass::ZeroFill,
    ];

    /// The class's name in records.
    pub const fn name(self) -> &'static str {
        match self {
            IoClass::Redo => "redo",
            IoClass::Binlog => "binlog",
            IoClass::DataPage => "data_page",
            IoClass::DoubleWrite => "double_write",
            IoClass::Metadata => "metadata",
            IoClass::LogShipping => "log_shipping",
            IoClass::HotLog => "hot_log",
            IoClass::Gossip => "gossip",
            IoClass::Repair => "repair",
            IoClass::CoalescedPage => "coalesced_page",
            IoClass::PageRead => "page_read",
            IoClass::Recovery => "recovery",
            IoClass::Mirror => "mirror",
            IoClass::Client => "client",
            IoClass::Control => "control",
            IoClass::ZeroFill => "zero_fill",
        }
    }
}

/// Operations and bytes of one class at one node. All counts are since the runtime's start, over all lives
/// of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Disk reads submitted.
    pub reads: u64,
    /// Bytes of those reads.
    pub read_bytes: u64,
    /// Disk writes submitted.
    pub writes: u64,
    /// Bytes of those writes.
    pub write_bytes: u64,
    /// Durability points asked of the disk: syncs, directory syncs, durable writes, and files made or extended.
    pub syncs: u64,
    /// Frames sent to other nodes; a six-way ship is six.
    pub sends: u64,
    /// Bytes of those frames, headers included.
    pub send_bytes: u64,
}

impl Counts {
    /// The sum of two counts.
    pub fn plus(&self, other: &Counts) -> Counts {
        self.combine(other, |a, b| a + b)
    }

    /// What was counted since `earlier`.
    pub fn since(&self, earlier: &Counts) -> Counts {
        self.combine(earlier, u64::saturating_sub)
    }

    fn combine(&self, other: &Counts, of: impl Fn(u64, u64) -> u64) -> Counts {
        Counts {
            reads: of(self.reads, other.reads),
            read_bytes: of(self.read_bytes, other.read_bytes),
            writes: of(self.writes, other.writes),
            write_bytes: of(self.write_bytes, other.write_bytes),
            syncs: of(self.syncs, other.syncs),
            sends: of(self.sends, other.sends),
            send_bytes: of(self.send_bytes, other.send_bytes),
        }
    }
}

/// The [`Counts`] of one node by [`IoClass`], and the CPU work it declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// One entry for each of [`IoClass::ALL`].
    pub by_class: [Counts; IoClass::ALL.len()],
    /// Units of work declared with `charge`, one entry for each of [`crate::Work::ALL`].
    pub work: [u64; crate::Work::ALL.len()],
    /// Frames dropped at this node because their bytes were damaged.
    pub frames_refused: u64,
    /// Disk operations that the device or the file system refused: no space, no permission, an I/O error. Counted on real
    /// disks; simulated ones fail on purpose.
    pub disk_refused: u64,
}

impl Ledger {
    /// Counts one effect as it is carried out. What an extension adds depends on the file: see [`Ledger::fill`].
    #[inline]
    pub fn count(&mut self, effect: &crate::Effect) {
        use crate::{DiskOp, Effect};
        match effect {
            Effect::Send { frame, class, .. } => {
                let counts = &mut self.by_class[*class as usize];
                counts.sends += 1;
                counts.send_bytes += frame.len_bytes() as u64;
            }
            Effect::Disk { op, class, .. } => {
                let counts = &mut self.by_class[*class as usize];
                match op {
                    DiskOp::Read { len_bytes, .. } => {
                        counts.reads += 1;
                        counts.read_bytes += *len_bytes as u64;
                    }
                    DiskOp::Write { data, durable, .. } => {
                        counts.writes += 1;
                        counts.write_bytes += data.len() as u64;
                        counts.syncs += u64::from(*durable);
                    }
                    DiskOp::Sync { .. } | DiskOp::SyncDir => counts.syncs += 1,
                    DiskOp::Create { len_bytes, .. } => self.fill(*len_bytes),
                    DiskOp::Open { .. } | DiskOp::Extend { .. } | DiskOp::Remove { .. } | DiskOp::List => {}
                }
            }
            Effect::Charge { work, units } => self.work[*work as usize] += units,
            Effect::SetTimer { .. } | Effect::CancelTimer { .. } | Effect::Halt { .. } => {}
        }
    }

    /// Counts zeroes that are written and made durable, in one piece, to make or extend a file.
    pub fn fill(&mut self, len_bytes: u64) {
        let counts = &mut self.by_class[IoClass::ZeroFill as usize];
        counts.writes += u64::from(len_bytes > 0);
        counts.write_bytes += len_bytes;
        counts.syncs += 1;
    }

    /// Adds what another ledger counted.
    pub fn add(&mut self, other: &Ledger) {
        self.by_class.iter_mut().zip(&other.by_class).for_each(|(sum, counts)| *sum = sum.plus(counts));
        self.work.iter_mut().zip(&other.work).for_each(|(sum, units)| *sum += units);
        self.frames_refused += other.frames_refused;
        self.disk_refused += other.disk_refused;
    }

    /// The counts of one class.
    pub fn class(&self, class: IoClass) -> &Counts {
        &self.by_class[class as usize]
    }
}
