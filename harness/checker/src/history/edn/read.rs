//! Reading EDN.

use std::sync::Arc;

use super::super::names::Names;
use super::super::value::{Real, Value};
use super::{is_keyword, is_word_byte};

/// How deep forms may nest.
const DEPTH_MAX: u32 = 100;

/// What is wrong, and at which byte.
pub type Fault = (usize, String);

/// Operations of an EDN text, one after the other.
#[derive(Debug)]
pub struct Forms<'a> {
    bytes: &'a [u8],
    at: usize,
    names: Names,
    /// The bracket that closes the sequence around all operations.
    around: Option<(u8, usize)>,
    started: bool,
}

impl<'a> Forms<'a> {
    /// Reads from the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Forms<'a> {
        Forms { bytes, at: 0, names: Names::default(), around: None, started: false }
    }

    /// The only form of `bytes`.
    pub fn single(bytes: &'a [u8]) -> Result<Value, Fault> {
        let mut forms = Forms::new(bytes);
        forms.skip_space(0)?;
        let form = forms.form(0)?;
        forms.skip_space(0)?;
        match forms.peek() {
            None => Ok(form),
            Some(_) => Err(forms.fault("something follows the form")),
        }
    }

    /// How many bytes are read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next operation's first byte and form.
    pub fn next(&mut self) -> Result<Option<(usize, Value)>, Fault> {
        self.skip_space(0)?;
        if !self.started {
            self.started = true;
            if let Some(open @ (b'[' | b'(')) = self.peek() {
                self.around = Some((if open == b'[' { b']' } else { b')' }, self.at));
                self.at += 1;
                self.skip_space(0)?;
            }
        }
        match (self.peek(), self.around) {
            (Some(byte), Some((close, _))) if byte == close => {
                self.at += 1;
                self.skip_space(0)?;
                self.around = None;
                match self.peek() {
                    None => Ok(None),
                    Some(_) => Err(self.fault("something follows the end of the history")),
                }
            }
            (None, Some((close, open))) => Err((open, format!("it has no closing {}", char::from(close)))),
            (None, None) => Ok(None),
            (Some(_), _) => {
                let start = self.at;
                Ok(Some((start, self.form(0)?)))
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn fault<T: Into<String>>(&self, reason: T) -> Fault {
        (self.at, reason.into())
    }

    /// White space, commas, comments and discarded forms.
    fn skip_space(&mut self, depth: u32) -> Result<(), Fault> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | 0x0c) => self.at += 1,
                Some(b';') => {
                    let rest = &self.bytes[self.at..];
                    self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                }
                Some(b'#') if self.bytes.get(self.at + 1) == Some(&b'_') => {
                    self.at += 2;
                    self.nested(depth)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn nested(&mut self, depth: u32) -> Result<Value, Fault> {
        if depth >= DEPTH_MAX {
            return Err(self.fault(format!("forms nest deeper than {DEPTH_MAX}")));
        }
        self.skip_space(depth + 1)?;
        self.form(depth + 1)
    }

    fn form(&mut self, depth: u32) -> Result<Value, Fault> {
        let Some(byte) = self.peek() else { return Err(self.fault("the text ends where a form is due")) };
        match byte {
            b'{' => self.map(depth),
            b'[' => self.sequence(b']', depth),
            b'(' => self.sequence(b')', depth),
            b'"' => self.string(),
            b':' => self.keyword(),
            b'\\' => self.character(),
            b'#' => self.dispatch(depth),
            b'}' | b']' | b')' => Err(self.fault(format!("{} closes nothing", char::from(byte)))),
            b'0'..=b'9' => self.number(),
            b'+' | b'-' if self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) => self.number(),
            _ => self.symbol(),
        }
    }

    fn sequence(&mut self, close: u8, depth: u32) -> Result<Value, Fault> {
        let open = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space(depth)?;
            match self.peek() {
                None => return Err((open, format!("it has no closing {}", char::from(close)))),
                Some(byte) if byte == close => break,
                Some(_) => items.push(self.nested(depth)?),
            }
        }
        self.at += 1;
        Ok(Value::List(items.into()))
    }

    fn map(&mut self, depth: u32) -> Result<Value, Fault> {
        let open = self.at;
        self.at += 1;
        let mut entries: Vec<(Value, Value)> = Vec::new();
        loop {
            self.skip_space(depth)?;
            match self.peek() {
                None => return Err((open, "it has no closing }".to_owned())),
                Some(b'}') => break,
                Some(_) => {}
            }
            let start = self.at;
            let key = self.nested(depth)?;
            self.skip_space(depth)?;
            if self.peek() == Some(b'}') {
                return Err((start, format!("key {key} has no value")));
            }
            let value = self.nested(depth)?;
            entries.push((key, value));
        }
        self.at += 1;
        match super::super::repeated(&entries) {
            Some(key) => Err((open, format!("key {key} occurs twice"))),
            None => Ok(Value::Map(entries.into())),
        }
    }

    fn dispatch(&mut self, depth: u32) -> Result<Value, Fault> {
        match self.bytes.get(self.at + 1) {
            Some(b'{') => {
                self.at += 1;
                self.sequence(b'}', depth)
            }
            Some(b'#') => {
                let start = self.at;
                self.at += 2;
                match self.word() {
                    "Inf" | "-Inf" | "NaN" => Ok(Value::Text(self.text_from(start)?)),
                    other => Err((start, format!("##{other} is no number"))),
                }
            }
            Some(byte) if byte.is_ascii_alphabetic() || *byte == b':' => {
                self.at += 1;
                self.word();
                self.nested(depth)
            }
            _ => Err(self.fault("after # comes a tag, a set, or _")),
        }
    }

    /// The bytes of a symbol, from here on.
    fn word(&mut self) -> &'a str {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|byte| !is_word_byte(*byte)).unwrap_or(rest.len());
        // A word that is not UTF-8 is cut where it stops being so, and what follows is then refused as a form of its own.
        let word = rest[..len].utf8_chunks().next().map_or("", |chunk| chunk.valid());
        self.at += word.len();
        word
    }

    fn text_from(&mut self, start: usize) -> Result<Arc<str>, Fault> {
        match std::str::from_utf8(&self.bytes[start..self.at]) {
            Ok(text) => Ok(self.names.share(text)),
            Err(_) => Err((start, "this is not UTF-8".to_owned())),
        }
    }

    fn keyword(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        self.at += 1;
        let word = self.word();
        if !is_keyword(word) {
            return Err((start, format!(":{word} is no keyword")));
        }
        Ok(Value::Keyword(self.names.share(word)))
    }

    fn symbol(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        match self.word() {
            "" => Err((start, format!("byte 0x{:02x} begins no form", self.bytes[start]))),
            "nil" => Ok(Value::Nil),
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            word if word.starts_with([':', '#', '\'']) => Err((start, format!("{word} is no symbol"))),
            word => Ok(Value::Text(self.names.share(word))),
        }
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        let word = self.word();
        let unsigned = word.trim_start_matches(['+', '-']);
        let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
        let malformed = || (start, format!("{word} is no number"));
        if digits > 1 && unsigned.starts_with('0') {
            return Err((start, format!("{word} has leading zeros")));
        }
        match &unsigned[digits..] {
            "" | "N" => {
                let number = word.trim_end_matches('N').parse();
                number.map(Value::Int).map_err(|_| (start, format!("{word} does not fit in 64 bits")))
            }
            rest => {
                let rest = rest.strip_suffix('M').unwrap_or(rest);
                if !is_fraction(rest) {
                    return Err(malformed());
                }
                let number = word.trim_end_matches('M').parse().ok().and_then(Real::new);
                number.map(Value::Real).ok_or_else(malformed)
            }
        }
    }

    fn character(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        self.at += 1;
        let first = self.bytes[self.at..].utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
        let Some(first) = first else { return Err((start, "a character is due after \\".to_owned())) };
        self.at += first.len_utf8();
        let rest_start = self.at;
        let rest = if first.is_alphanumeric() { self.word() } else { "" };
        let named = match (first, rest) {
            (_, "") => Some(first),
            ('n', "ewline") => Some('\n'),
            ('r', "eturn") => Some('\r'),
            ('s', "pace") => Some(' '),
            ('t', "ab") => Some('\t'),
            ('b', "ackspace") => Some('\u{8}'),
            ('f', "ormfeed") => Some('\u{c}'),
            ('u', code) if code.len() == 4 && code.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                u32::from_str_radix(code, 16).ok().and_then(char::from_u32)
            }
            _ => None,
        };
        let named = named.ok_or_else(|| (rest_start, format!("\\{first}{rest} is no character")))?;
        Ok(Value::Text(self.names.share(named.encode_utf8(&mut [0; 4]))))
    }

    fn string(&mut self) -> Result<Value, Fault> {
        let open = self.at;
        self.at += 1;
        let mut unescaped: Option<Vec<u8>> = None;
        let mut from = self.at;
        loop {
            match self.peek() {
                None => return Err((open, "the string has no end".to_owned())),
                Some(b'"') => break,
                Some(b'\\') => {
                    let text = unescaped.get_or_insert_default();
                    text.extend_from_slice(&self.bytes[from..self.at]);
                    let escaped = self.escape()?;
                    let text = unescaped.get_or_insert_default();
                    text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                    from = self.at;
                }
                Some(_) => self.at += 1,
            }
        }
        let tail = &self.bytes[from..self.at];
        self.at += 1;
        let whole = match &mut unescaped {
            None => tail,
            Some(text) => {
                text.extend_from_slice(tail);
                text
            }
        };
        match std::str::from_utf8(whole) {
            Ok(text) => Ok(Value::Text(self.names.share(text))),
            Err(_) => Err((open, "the string is not UTF-8".to_owned())),
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 2;
        let escaped = match self.bytes.get(start + 1) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\')) => char::from(*byte),
            Some(b'u') => {
                self.at += 4;
                let code = self.bytes.get(start + 2..start + 6).filter(|code| code.iter().all(u8::is_ascii_hexdigit));
                let code = code.and_then(|code| std::str::from_utf8(code).ok());
                let escaped = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
                escaped.ok_or((start, "\\u is followed by four hexadecimal digits".to_owned()))?
            }
            _ => return Err((start, "this is no escape".to_owned())),
        };
        Ok(escaped)
    }
}

/// `.5`, `.5e3`, `e3`: what may follow the whole part of a number.
pub fn is_fraction(rest: &str) -> bool {
    let (fraction, exponent) = match rest.split_once(['e', 'E']) {
        Some((fraction, exponent)) => (fraction, Some(exponent)),
        None => (rest, None),
    };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction_fits = fraction.is_empty() || fraction.strip_prefix('.').is_some_and(are_digits);
    let exponent_fits = exponent.is_none_or(|text| are_digits(text.strip_prefix(['+', '-']).unwrap_or(text)));
    fraction_fits && exponent_fits
}
