//! Sizes and times as people write them: `256MiB`, `10s`.

use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

/// A number of bytes, given as `4096`, `64KiB`, `256MiB`, `1GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Bytes, String> {
        let size =
            ByteSize::from_str(text).map_err(|_| format!("`{text}` is not a size; write 4096, 64KiB or 256MiB"))?;
        Ok(Bytes(size.as_u64()))
    }
}

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (value, unit) = match self.0 {
            bytes if bytes >= 1 << 30 && bytes % (1 << 30) == 0 => (bytes >> 30, "GiB"),
            bytes if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => (bytes >> 20, "MiB"),
            bytes if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => (bytes >> 10, "KiB"),
            bytes => (bytes, "B"),
        };
        write!(f, "{value}{unit}")
    }
}

/// A length of time, given as `500ms`, `10s`, `2m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let span = humantime::parse_duration(text);
        span.map(Span).map_err(|_| format!("`{text}` is not a length of time; write 500ms, 10s or 2m"))
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_read_back_as_written() {
        for text in ["256MiB", "64KiB", "1GiB", "17B"] {
            assert_eq!(text.parse::<Bytes>().expect("a size").to_string(), text);
        }
        for text in ["10s", "500ms", "2m"] {
            assert_eq!(text.parse::<Span>().expect("a time").to_string(), text);
        }
    }

    #[test]
    fn nonsense_says_what_to_write_instead() {
        assert!("lots".parse::<Bytes>().expect_err("no size").contains("256MiB"));
        assert!("soon".parse::<Span>().expect_err("no time").contains("10s"));
    }
}
