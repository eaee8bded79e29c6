//! Reading JSON lines.

use super::super::edn::{self, Fault, Forms};
use super::super::names::Names;
use super::super::value::{Real, Value};
use super::as_integer;

/// How deep values may nest.
const DEPTH_MAX: u32 = 100;

/// Operations of a text, one a line.
#[derive(Debug)]
pub struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    names: Names,
}

impl<'a> Lines<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Lines<'a> {
        Lines { bytes, at: 0, names: Names::default() }
    }

    /// How many bytes are read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next operation's first byte and value. Empty lines are passed over.
    pub fn next(&mut self) -> Result<Option<(usize, Value)>, Fault> {
        loop {
            self.skip_space();
            match self.peek() {
                None => return Ok(None),
                Some(b'\n') => self.at += 1,
                Some(_) => break,
            }
        }
        let start = self.at;
        let value = self.value(0)?;
        self.skip_space();
        match self.peek() {
            None | Some(b'\n') => Ok(Some((start, value))),
            Some(_) => Err(self.fault("something follows the value on its line")),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault<T: Into<String>>(&self, reason: T) -> Fault {
        (self.at, reason.into())
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: u32) -> Result<Value, Fault> {
        if depth > DEPTH_MAX {
            return Err(self.fault(format!("values nest deeper than {DEPTH_MAX}")));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                let text = self.string()?;
                Ok(self.word(&text))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.literal("null", Value::Nil),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            None | Some(b'\n') => Err(self.fault("the line ends where a value is due")),
            Some(_) => Err(self.fault("this begins no JSON value")),
        }
    }

    fn literal(&mut self, text: &str, value: Value) -> Result<Value, Fault> {
        if !self.bytes[self.at..].starts_with(text.as_bytes()) {
            return Err(self.fault("this begins no JSON value"));
        }
        self.at += text.len();
        Ok(value)
    }

    fn array(&mut self, depth: u32) -> Result<Value, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items.into()));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            if self.separator(b']')? {
                return Ok(Value::List(items.into()));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<Value, Fault> {
        let open = self.at;
        self.at += 1;
        let mut entries: Vec<(Value, Value)> = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Map(entries.into()));
        }
        loop {
            self.skip_space();
            let key = self.key()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.fault("a colon is due after a key"));
            }
            self.at += 1;
            self.skip_space();
            entries.push((key, self.value(depth + 1)?));
            if self.separator(b'}')? {
                break;
            }
        }
        match super::super::repeated(&entries) {
            Some(key) => Err((open, format!("key {key} occurs twice"))),
            None => Ok(Value::Map(entries.into())),
        }
    }

    /// A comma, or the end; whether it was the end.
    fn separator(&mut self, close: u8) -> Result<bool, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(true)
            }
            None | Some(b'\n') => Err(self.fault(format!("the line ends before {}", char::from(close)))),
            Some(_) => Err(self.fault(format!("a comma or {} is due", char::from(close)))),
        }
    }

    fn key(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.fault("a key is a string"));
        }
        let text = self.string()?;
        if let Some(number) = as_integer(&text) {
            return Ok(Value::Int(number));
        }
        let Some(notation) = text.strip_prefix('#') else { return Ok(self.word(&text)) };
        let form = Forms::single(notation.as_bytes());
        form.map_err(|(_, reason)| (start, format!("after # in a key comes one form of EDN: {reason}")))
    }

    fn word(&mut self, text: &str) -> Value {
        match text.strip_prefix(':') {
            Some(rest) if rest.starts_with(':') => Value::Text(self.names.share(rest)),
            Some(rest) if edn::is_keyword(rest) => Value::Keyword(self.names.share(rest)),
            _ => Value::Text(self.names.share(text)),
        }
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        let rest = &self.bytes[start..];
        let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let len = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        self.at += len;
        let text = std::str::from_utf8(&rest[..len]).expect("digits and signs are ASCII");
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || (digits > 1 && unsigned.starts_with('0')) {
            return Err((start, format!("{text} is no number")));
        }
        if digits == unsigned.len() {
            return text.parse().map(Value::Int).map_err(|_| (start, format!("{text} does not fit in 64 bits")));
        }
        let number = edn::is_fraction(&unsigned[digits..]).then(|| text.parse().ok()).flatten().and_then(Real::new);
        number.map(Value::Real).ok_or_else(|| (start, format!("{text} is no number")))
    }

    fn string(&mut self) -> Result<std::borrow::Cow<'a, str>, Fault> {
        let open = self.at;
        self.at += 1;
        let mut unescaped: Option<Vec<u8>> = None;
        let mut from = self.at;
        loop {
            match self.peek() {
                None | Some(b'\n') => return Err((open, "the string has no end on its line".to_owned())),
                Some(b'"') => break,
                Some(b'\\') => {
                    unescaped.get_or_insert_default().extend_from_slice(&self.bytes[from..self.at]);
                    let escaped = self.escape()?;
                    let text = unescaped.get_or_insert_default();
                    text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                    from = self.at;
                }
                Some(0..0x20) => return Err(self.fault("a control character stands in the string")),
                Some(_) => self.at += 1,
            }
        }
        let tail = &self.bytes[from..self.at];
        self.at += 1;
        let not_text = || (open, "the string is not UTF-8".to_owned());
        match unescaped {
            None => std::str::from_utf8(tail).map(Into::into).map_err(|_| not_text()),
            Some(mut text) => {
                text.extend_from_slice(tail);
                String::from_utf8(text).map(Into::into).map_err(|_| not_text())
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 2;
        Ok(match self.bytes.get(start + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'u') => {
                let first = self.four_digits(start)?;
                let code = match first {
                    0xd800..0xdc00 if self.bytes[self.at..].starts_with(b"\\u") => {
                        self.at += 2;
                        match self.four_digits(start)? {
                            second @ 0xdc00..0xe000 => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                            _ => first,
                        }
                    }
                    first => first,
                };
                char::from_u32(code).ok_or((start, "this is half a character".to_owned()))?
            }
            _ => return Err((start, "this is no escape".to_owned())),
        })
    }

    fn four_digits(&mut self, start: usize) -> Result<u32, Fault> {
        let code = self.bytes.get(self.at..self.at + 4).filter(|code| code.iter().all(u8::is_ascii_hexdigit));
        self.at += 4;
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
        code.ok_or((start, "\\u is followed by four hexadecimal digits".to_owned()))
    }
}
