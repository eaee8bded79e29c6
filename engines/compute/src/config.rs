//! Configuration of a compute node.

use contract::Schema;
use node::Nanos;
use thiserror::Error;

use crate::page::{PAGE_BYTES_MAX, PAGE_BYTES_MIN};
use crate::planted::{Bug, Planted};
use crate::serve::Layout;
use crate::{Lsn, Pool, PoolConfig, catalog};

/// What a compute node is built with. Every size can be small, so that tests split, evict and throttle early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputeConfig {
    /// The tables and indexes. An empty database gets them; any other must have exactly these.
    pub schema: Schema,
    /// The size of a page, in bytes: a multiple of 512, 512 to 32,768.
    pub page_bytes: usize,
    /// The size of the buffer pool, in bytes.
    pub cache_bytes: usize,
    /// The most pages one commit may change or add.
    pub txn_pages_max: usize,
    /// The most bytes of keys and new values one transaction may hold, and of redo one commit may make.
    pub txn_bytes_max: usize,
    /// The most bytes a transaction's read set may take.
    pub reads_bytes_max: usize,
    /// The most bytes of rows in one reply.
    pub reply_bytes_max: usize,
    /// The most rows a scan visits before it lets other sessions go on.
    pub scan_rows_max: u32,
    /// The most sessions, open or not.
    pub sessions_max: usize,
    /// How long a transaction may be left waiting for its client before it is dropped with its locks.
    pub idle_timeout: Nanos,
    /// How many durable writes are remembered for the validation of long transactions; those that need more fail.
    pub recent_writes_max: usize,
    /// A bug, for the chaos command.
    pub planted: Planted<Bug>,
}

/// A configuration that cannot work. The message says what to change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The page size.
    #[error(
        "pages of {page_bytes} bytes are not supported: use a multiple of 512 from {PAGE_BYTES_MIN} to {PAGE_BYTES_MAX}"
    )]
    PageSize {
        /// As configured.
        page_bytes: usize,
    },
    /// The cache cannot hold what one transaction may touch.
    #[error(
        "a cache of {cache_bytes} bytes is too small: transactions of {txn_pages_max} pages of {page_bytes} bytes need \
         {needed_bytes} bytes; enlarge the cache or bound transactions to fewer pages"
    )]
    CacheTooSmall {
        /// As configured.
        cache_bytes: usize,
        /// As configured.
        txn_pages_max: usize,
        /// As configured.
        page_bytes: usize,
        /// The smallest cache for these bounds.
        needed_bytes: usize,
    },
    /// A bound below what any transaction needs.
    #[error("{name} is {value}, and must be at least {least}")]
    Bound {
        /// The field.
        name: &'static str,
        /// As configured.
        value: usize,
        /// The least that works.
        least: usize,
    },
    /// Replies that no frame could carry.
    #[error("reply_bytes_max is {reply_bytes_max}, and must be at most {most} to fit a frame")]
    ReplyTooLarge {
        /// As configured.
        reply_bytes_max: usize,
        /// The most that works.
        most: usize,
    },
    /// The schema does not fit.
    #[error("the schema does not fit: {0}")]
    Schema(String),
}

/// Frames beside those of the oldest committer: a descent of another session, the catalog, pages on their way in.
const SPARE_PAGES: usize = 8;

impl ComputeConfig {
    /// Sizes for measurements: 16 KiB pages, 256 MiB of cache, 64 MiB of transaction.
    pub fn new(schema: Schema) -> ComputeConfig {
        ComputeConfig {
            schema,
            page_bytes: 16 << 10,
            cache_bytes: 256 << 20,
            txn_pages_max: 2048,
            txn_bytes_max: 16 << 20,
            reads_bytes_max: 64 << 20,
            reply_bytes_max: 8 << 20,
            scan_rows_max: 4096,
            sessions_max: 16 << 10,
            idle_timeout: Nanos::from_secs(30),
            recent_writes_max: 1 << 20,
            planted: Planted::NONE,
        }
    }

    /// The smallest cache that works with this page size and bound, in bytes: the pages a commit finds and those it adds.
    pub fn cache_bytes_min(page_bytes: usize, txn_pages_max: usize) -> usize {
        (2 * txn_pages_max + SPARE_PAGES) * page_bytes
    }

    /// The pool's own configuration.
    pub(crate) fn pool(&self) -> PoolConfig {
        PoolConfig { page_bytes: self.page_bytes, cache_bytes: self.cache_bytes }
    }

    /// Checks everything that can be known before the first event, and gives the first group's records and bytes.
    pub(crate) fn check(&self, layout: &Layout) -> Result<(u64, usize), ConfigError> {
        let page_bytes = self.page_bytes;
        if !page_bytes.is_multiple_of(512) || !(PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes) {
            return Err(ConfigError::PageSize { page_bytes });
        }
        for (name, value, least) in [
            ("txn_pages_max", self.txn_pages_max, 4),
            ("txn_bytes_max", self.txn_bytes_max, 4 * page_bytes),
            ("reads_bytes_max", self.reads_bytes_max, 4096),
            ("sessions_max", self.sessions_max, 1),
            ("scan_rows_max", self.scan_rows_max as usize, 1),
        ] {
            if value < least {
                return Err(ConfigError::Bound { name, value, least });
            }
        }
        // Lengths and keys come on top of the rows.
        let most = node::frame::BODY_BYTES_MAX / 2;
        if self.reply_bytes_max > most {
            return Err(ConfigError::ReplyTooLarge { reply_bytes_max: self.reply_bytes_max, most });
        }
        let needed_bytes = ComputeConfig::cache_bytes_min(page_bytes, self.txn_pages_max);
        if self.cache_bytes < needed_bytes {
            let (cache_bytes, txn_pages_max) = (self.cache_bytes, self.txn_pages_max);
            return Err(ConfigError::CacheTooSmall { cache_bytes, txn_pages_max, page_bytes, needed_bytes });
        }
        let trial = catalog::bootstrap(&mut Pool::new(self.pool()), layout.trees(), layout.encoded(), Lsn(1));
        let group = trial.map_err(|error| ConfigError::Schema(error.to_string()))?;
        Ok((group.count() as u64, group.bytes().len()))
    }
}
