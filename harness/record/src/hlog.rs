//! `latency.hlog`: the HdrHistogram interval log, format 1.2, readable by every HdrHistogram library.
//!
//! One line per interval, operation type and latency kind of the measured window, `Tag=engine/op/kind`, with the
//! interval's histogram compressed (V2, deflate, base64). Start times are seconds from the start of the run, which
//! the header states; they tell the repeats of one engine apart.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use jiff::Timestamp;

use crate::{LatencyKind, RecordError, seconds};

/// The file's name.
pub const FILE: &str = "latency.hlog";

/// By convention the readable maximum in each line is in milliseconds.
const NS_PER_MS: f64 = 1e6;

/// Appends to the log. Each line goes to the operating system at once.
pub struct HlogWriter {
    path: PathBuf,
    file: File,
    serializer: V2DeflateSerializer,
    payload: Vec<u8>,
    line: String,
}

impl fmt::Debug for HlogWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HlogWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl HlogWriter {
    /// Creates the log with its header.
    pub fn create(dir: &Path, start: Timestamp) -> Result<HlogWriter, RecordError> {
        let path = dir.join(FILE);
        let mut file = File::create(&path).map_err(RecordError::io(&path, "create the log"))?;
        let epoch_s = start.as_millisecond() as f64 / 1e3;
        let header = format!(
            "#[Sextant latencies in nanoseconds; tags are engine/op/kind]\n\
             #[Histogram log format version 1.2]\n\
             #[StartTime: {epoch_s:.3} (seconds since epoch), {start}]\n\
             #[BaseTime: {epoch_s:.3} (seconds since epoch)]\n\
             \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
        );
        file.write_all(header.as_bytes()).map_err(RecordError::io(&path, "write the header"))?;
        let serializer = V2DeflateSerializer::new();
        Ok(HlogWriter { path, file, serializer, payload: Vec::new(), line: String::new() })
    }

    /// Appends one interval's histogram. Times are nanoseconds from the start of the run.
    pub fn append(
        &mut self,
        tag: &str,
        t_start_ns: u64,
        t_len_ns: u64,
        histogram: &Histogram<u64>,
    ) -> Result<(), RecordError> {
        self.payload.clear();
        self.serializer
            .serialize(histogram, &mut self.payload)
            .map_err(|error| RecordError::malformed(&self.path, format!("a histogram does not encode: {error}")))?;
        // Rounded as every table has it: whoever looks for an interval's line compares the two.
        let start_s = seconds(t_start_ns);
        let len_s = seconds(t_len_ns);
        let max_ms = histogram.max() as f64 / NS_PER_MS;
        self.line.clear();
        self.line.push_str(&format!("Tag={tag},{start_s:.6},{len_s:.6},{max_ms:.6},"));
        STANDARD.encode_string(&self.payload, &mut self.line);
        self.line.push('\n');
        self.file.write_all(self.line.as_bytes()).map_err(RecordError::io(&self.path, "append an interval"))
    }
}

/// The tag of an engine's operation type and latency kind. Commas, spaces and slashes inside a name become `_`.
pub fn tag(engine: &str, op: &str, kind: LatencyKind) -> String {
    let clean = |name: &str| name.replace([',', ' ', '/', '\n', '\r'], "_");
    format!("{}/{}/{}", clean(engine), clean(op), kind.name())
}

/// One line of the log, decoded.
#[derive(Debug)]
pub struct HlogInterval {
    /// `engine/op/kind`.
    pub tag: String,
    /// Start, seconds from the start of the run.
    pub t_start_s: f64,
    /// Length in seconds.
    pub t_len_s: f64,
    /// The latencies.
    pub histogram: Histogram<u64>,
}

/// Reads a log. A last line cut short by a crash is left out; anything else that does not parse is an error.
pub fn read(path: &Path) -> Result<Vec<HlogInterval>, RecordError> {
    let bytes = std::fs::read(path).map_err(RecordError::io(path, "read the log"))?;
    let whole_lines = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut deserializer = Deserializer::new();
    let mut intervals = Vec::new();
    for entry in IntervalLogIterator::new(&bytes[..whole_lines]) {
        let entry = entry.map_err(|error| RecordError::malformed(path, format!("{error:?}")))?;
        let LogEntry::Interval(line) = entry else { continue };
        let bad = |what: String| {
            RecordError::malformed(path, format!("the interval at {:?}: {what}", line.start_timestamp()))
        };
        let payload = STANDARD.decode(line.encoded_histogram()).map_err(|error| bad(error.to_string()))?;
        let histogram = deserializer.deserialize(&mut payload.as_slice()).map_err(|error| bad(error.to_string()))?;
        intervals.push(HlogInterval {
            tag: line.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default(),
            t_start_s: Duration::as_secs_f64(&line.start_timestamp()),
            t_len_s: Duration::as_secs_f64(&line.duration()),
            histogram,
        });
    }
    Ok(intervals)
}
