//! Configuration: every size, checked once.

use compute::{ComputeConfig, Planted};
use contract::Schema;
use node::{Nanos, SECTOR_BYTES};
use thiserror::Error;

use crate::binlog;
use crate::doublewrite::SlotFile;
use crate::ids::{LogId, LogKind, VolumeId};
use crate::planted::Bug;
use crate::superblock::Geometry;
use crate::wal::{AppenderConfig, HEADER_BYTES, Layout};

/// The coupled engine's configuration. Sizes are bytes unless named otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Identity of the database's files.
    pub volume: VolumeId,
    /// Seed of whatever the nodes draw.
    pub seed: u64,
    /// The compute layer: schema, page size, cache, bounds of a transaction.
    pub compute: ComputeConfig,
    /// How the log is written.
    pub log: LogConfig,
    /// Whether there is a log of row changes besides, and how it is written. Fixed when the database is made.
    pub binlog: Option<LogConfig>,
    /// When dirty pages go out.
    pub flush: FlushConfig,
    /// The page file grows by this much.
    pub page_file_chunk_bytes: u64,
    /// How recovery reads.
    pub recovery: RecoveryConfig,
    /// Whether a database that does not exist is created, or its absence an error.
    pub create: bool,
    /// A disk operation of the database node or of a volume that takes longer halts the node; 30 s by default.
    pub io_timeout: Nanos,
    /// The mirrored topology's part.
    pub mirror: MirrorConfig,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
}

/// A log: the write-ahead log, or the binlog.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// Bytes of a segment file.
    pub segment_bytes: u64,
    /// How many segment files the ring has.
    pub segments: u32,
    /// Blocks start at multiples of this: the device's physical sector, 4096 by default.
    pub align_bytes: u32,
    /// The longest block.
    pub block_bytes_max: u32,
    /// Log writes in flight together.
    pub writes_max: u32,
    /// With a write in flight, another starts only when this much waits.
    pub eager_bytes: u32,
}

/// The flusher and the checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct FlushConfig {
    /// Slots of the double-write buffer, which is the most pages in a batch.
    pub slots: u32,
    /// The part of the log (0 to 1) behind the oldest dirty page below which the flusher rests.
    pub log_low: f64,
    /// The part of the log at which it no longer pauses between batches.
    pub log_high: f64,
    /// The part of the pool that may be dirty before it no longer pauses.
    pub dirty_high: f64,
    /// How often it looks while idle.
    pub interval: Nanos,
}

/// Recovery.
#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryConfig {
    /// Reads in flight together.
    pub reads_max: u32,
    /// Bytes of one read of the log.
    pub chunk_bytes: u32,
}

/// What happens when the standby's zone does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneLoss {
    /// Writes wait until it answers again. Nothing is lost, nothing goes on.
    Stop,
    /// After this long, writes go on without it; the durability class drops visibly. When it answers again it is resynced
    /// and attached.
    Detach(Nanos),
}

/// The mirrored topology.
#[derive(Clone, Debug, PartialEq)]
pub struct MirrorConfig {
    /// What to do without the standby's zone.
    pub zone_loss: ZoneLoss,
    /// A call not answered for this long is sent again.
    pub retransmit: Nanos,
    /// The unit of comparison and copying in a resync.
    pub region_bytes: u32,
    /// Regions in a resync's window: compared, copied and shut to writes together. Each is read at four copies, and commits wait
    /// behind those reads.
    pub window: u32,
    /// The same when the database node starts: nothing waits but the start.
    pub start_window: u32,
}

impl MirrorConfig {
    /// Regions compared or copied at once.
    pub(crate) fn window(&self, startup: bool) -> usize {
        (if startup { self.start_window } else { self.window }) as usize
    }
}

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("configuration: {field} = {value}: {rule}")]
pub struct ConfigError {
    /// Which field.
    pub field: &'static str,
    /// What it says.
    pub value: u64,
    /// What it must be.
    pub rule: String,
}

impl LogConfig {
    /// The least bytes of a ring for commits of up to `txn_bytes`: such a commit fits twice, however it is cut into blocks.
    pub fn ring_bytes_min(&self, txn_bytes: usize) -> u64 {
        let config = AppenderConfig::of(self);
        (config.blocks_bytes(txn_bytes) + config.repeat_bytes(txn_bytes)).max(4 * txn_bytes as u64)
    }
}

impl Config {
    /// The defaults for `schema`: 16 KiB pages, 256 MiB of cache and of log.
    pub fn new(schema: Schema, seed: u64) -> Config {
        Config {
            volume: VolumeId(0x005e_7c0d ^ seed.rotate_left(20)),
            seed,
            compute: ComputeConfig::new(schema),
            log: LogConfig {
                segment_bytes: 16 << 20,
                segments: 16,
                align_bytes: 4096,
                block_bytes_max: 256 << 10,
                writes_max: 2,
                eager_bytes: 16 << 10,
            },
            binlog: None,
            flush: FlushConfig {
                slots: 128,
                log_low: 0.25,
                log_high: 0.75,
                dirty_high: 0.9,
                interval: Nanos::from_millis(20),
            },
            page_file_chunk_bytes: 16 << 20,
            recovery: RecoveryConfig { reads_max: 32, chunk_bytes: 1 << 20 },
            create: true,
            io_timeout: Nanos::from_secs(30),
            mirror: MirrorConfig {
                zone_loss: ZoneLoss::Stop,
                retransmit: Nanos::from_millis(50),
                region_bytes: 256 << 10,
                window: 2,
                start_window: 8,
            },
            planted: Planted::NONE,
        }
    }

    /// With a binlog, in a ring like that of the write-ahead log.
    pub fn with_binlog(self) -> Config {
        Config { binlog: Some(self.log.clone()), ..self }
    }

    /// Small everything, so that a short run splits, evicts, wraps the log, checkpoints and throttles.
    pub fn tiny(schema: Schema, seed: u64) -> Config {
        let compute = ComputeConfig {
            page_bytes: 512,
            cache_bytes: 64 * 512,
            txn_pages_max: 24,
            txn_bytes_max: 24 << 10,
            recent_writes_max: 1024,
            ..ComputeConfig::new(schema.clone())
        };
        Config {
            compute,
            log: LogConfig {
                segment_bytes: 16 << 10,
                segments: 16,
                align_bytes: 512,
                block_bytes_max: 4096,
                writes_max: 2,
                eager_bytes: 512,
            },
            binlog: None,
            flush: FlushConfig {
                slots: 4,
                log_low: 0.1,
                log_high: 0.4,
                dirty_high: 0.5,
                interval: Nanos::from_millis(1),
            },
            page_file_chunk_bytes: 8 * 512,
            recovery: RecoveryConfig { reads_max: 3, chunk_bytes: 4096 },
            mirror: MirrorConfig {
                zone_loss: ZoneLoss::Stop,
                retransmit: Nanos::from_millis(5),
                region_bytes: 16 << 10,
                window: 4,
                start_window: 4,
            },
            ..Config::new(schema, seed)
        }
    }

    /// Says what cannot work, or nothing.
    pub fn check(&self) -> Result<(), ConfigError> {
        let sector = SECTOR_BYTES as u64;
        check_log(&self.log, &LOG_FIELDS)?;
        if let Some(binlog) = &self.binlog {
            check_log(binlog, &BINLOG_FIELDS)?;
            let (ring, needed) = (Layout::of(binlog).capacity_bytes(), 4 * self.binlog_entry_bytes_max() as u64);
            let rule = format!("at least {needed}: four entries of the largest commit");
            require("binlog.segments × binlog.segment_bytes", ring, ring >= needed, rule)?;
        }
        multiple("page_bytes", self.compute.page_bytes as u64, sector)?;
        let pages = compute::page::PAGE_BYTES_MIN..=compute::page::PAGE_BYTES_MAX;
        require(
            "page_bytes",
            self.compute.page_bytes as u64,
            pages.contains(&self.compute.page_bytes),
            format!("within {pages:?}"),
        )?;
        let slots = u64::from(self.flush.slots);
        require("flush.slots", slots, (1..=512).contains(&slots), "within 1..=512".into())?;
        let ordered =
            0.0 <= self.flush.log_low && self.flush.log_low < self.flush.log_high && self.flush.log_high < 1.0;
        let percent = (self.flush.log_high * 100.0) as u64;
        require("flush.log_high (percent)", percent, ordered, "0 <= log_low < log_high < 1".into())?;
        let interval = self.flush.interval.0;
        require("flush.interval", interval, interval > 0, "longer than nothing".into())?;
        multiple("page_file_chunk_bytes", self.page_file_chunk_bytes, self.compute.page_bytes as u64)?;
        let reads = u64::from(self.recovery.reads_max);
        require("recovery.reads_max", reads, reads > 0, "at least 1".into())?;
        let chunk = u64::from(self.recovery.chunk_bytes);
        for log in std::iter::once(&self.log).chain(&self.binlog) {
            multiple("recovery.chunk_bytes", chunk, u64::from(log.align_bytes))?;
        }
        require("io_timeout", self.io_timeout.0, self.io_timeout.0 > 0, "longer than nothing".into())?;
        multiple("mirror.region_bytes", u64::from(self.mirror.region_bytes), sector)?;
        let region = u64::from(self.mirror.region_bytes);
        require("mirror.region_bytes", region, region <= 8 << 20, "at most 8 MiB, to fit a frame".into())?;
        let needed = self.log.ring_bytes_min(self.compute.txn_bytes_max);
        let ring = Layout::of(&self.log).capacity_bytes();
        let rule = format!("at least {needed}: the largest commit twice, and four times compute.txn_bytes_max");
        require("log.segments × log.segment_bytes", ring, ring >= needed, rule)?;
        for (field, window) in
            [("mirror.window", self.mirror.window), ("mirror.start_window", self.mirror.start_window)]
        {
            require(field, u64::from(window), window > 0, "at least 1".into())?;
        }
        let batch = self.slot_file().file_bytes();
        require("flush.slots", slots, batch <= 15 << 20, "a batch of at most 15 MiB, to fit a frame".into())
    }

    /// The sizes fixed when the database is made.
    pub fn geometry(&self) -> Geometry {
        Geometry {
            page_bytes: self.compute.page_bytes as u32,
            log: Layout::of(&self.log),
            slots: self.flush.slots,
            binlog: self.binlog.as_ref().map(Layout::of),
        }
    }

    pub(crate) fn layout(&self) -> Layout {
        Layout::of(&self.log)
    }

    /// The logs there are, each with its settings.
    pub(crate) fn logs(&self) -> impl Iterator<Item = (LogKind, &LogConfig)> {
        let binlog = self.binlog.iter().map(|log| (LogKind::Binlog, log));
        std::iter::once((LogKind::Redo, &self.log)).chain(binlog)
    }

    pub(crate) fn log_id(&self, kind: LogKind) -> LogId {
        LogId { volume: self.volume, kind }
    }

    /// The most bytes that the row changes of one commit take in the binlog (see
    /// [`append_with_changes`](compute::Storage::append_with_changes)).
    pub(crate) fn binlog_entry_bytes_max(&self) -> usize {
        binlog::ENTRY_HEADER_BYTES + self.compute.txn_bytes_max / 4 * 5
    }

    pub(crate) fn slot_file(&self) -> SlotFile {
        SlotFile { volume: self.volume, slots: self.flush.slots, page_bytes: self.compute.page_bytes }
    }

    pub(crate) fn cache_pages(&self) -> u64 {
        self.compute.cache_bytes as u64 / self.compute.page_bytes as u64
    }
}

/// The names of a log's settings.
struct LogFields {
    align_bytes: &'static str,
    segment_bytes: &'static str,
    segments: &'static str,
    block_bytes_max: &'static str,
    writes_max: &'static str,
}

const LOG_FIELDS: LogFields = LogFields {
    align_bytes: "log.align_bytes",
    segment_bytes: "log.segment_bytes",
    segments: "log.segments",
    block_bytes_max: "log.block_bytes_max",
    writes_max: "log.writes_max",
};

const BINLOG_FIELDS: LogFields = LogFields {
    align_bytes: "binlog.align_bytes",
    segment_bytes: "binlog.segment_bytes",
    segments: "binlog.segments",
    block_bytes_max: "binlog.block_bytes_max",
    writes_max: "binlog.writes_max",
};

fn check_log(log: &LogConfig, fields: &LogFields) -> Result<(), ConfigError> {
    let align = u64::from(log.align_bytes);
    multiple(fields.align_bytes, align, SECTOR_BYTES as u64)?;
    multiple(fields.segment_bytes, log.segment_bytes, align)?;
    let segments = u64::from(log.segments);
    require(fields.segments, segments, (2..=9999).contains(&segments), "within 2..=9999".into())?;
    let block = u64::from(log.block_bytes_max);
    multiple(fields.block_bytes_max, block, align)?;
    require(fields.block_bytes_max, block, block >= 2 * HEADER_BYTES as u64, "more than its header".into())?;
    require(fields.block_bytes_max, block, block <= 8 << 20, "at most 8 MiB".into())?;
    require(fields.writes_max, u64::from(log.writes_max), log.writes_max >= 1, "at least 1".into())
}

fn multiple(field: &'static str, value: u64, of: u64) -> Result<(), ConfigError> {
    require(field, value, value > 0 && value.is_multiple_of(of), format!("a positive multiple of {of}"))
}

fn require(field: &'static str, value: u64, holds: bool, rule: String) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError { field, value, rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_are_sound_and_bad_sizes_are_named() {
        assert_eq!(Config::new(Schema::default(), 1).check(), Ok(()));
        assert_eq!(Config::new(Schema::default(), 1).with_binlog().check(), Ok(()));
        let tiny = Config::tiny(Schema::default(), 1);
        assert_eq!(tiny.check(), Ok(()));
        assert_eq!(tiny.clone().with_binlog().check(), Ok(()));
        let mut odd = tiny.clone();
        odd.compute.page_bytes = 700;
        assert_eq!(odd.check().map_err(|error| error.field), Err("page_bytes"));
        let mut odd = tiny.clone();
        odd.log.segment_bytes = 1000;
        assert_eq!(odd.check().map_err(|error| error.field), Err("log.segment_bytes"));
        let mut odd = tiny.clone();
        odd.binlog = Some(LogConfig { segments: 1, ..tiny.log.clone() });
        assert_eq!(odd.check().map_err(|error| error.field), Err("binlog.segments"));
        let mut odd = tiny.clone();
        odd.binlog = Some(LogConfig { segments: 2, ..tiny.log.clone() });
        assert_eq!(odd.check().map_err(|error| error.field), Err("binlog.segments × binlog.segment_bytes"));
        let mut odd = tiny;
        odd.flush.slots = 0;
        assert_eq!(odd.check().map_err(|error| error.field), Err("flush.slots"));
    }
}
