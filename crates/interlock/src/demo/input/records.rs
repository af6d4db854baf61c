//! RFC 4180 records from any bytes: bounded, never a panic, and a quote that is never closed costs one line, not the file.

use std::io::{self, BufRead};

/// Longest record. The format's longest real one has about 120 bytes.
pub(crate) const RECORD_MAX: usize = 4 * 1024;

/// One record's fields in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes of a field; empty when there are fewer fields.
    pub(crate) fn field(&self, index: usize) -> &[u8] {
        let end = self.ends.get(index).copied().unwrap_or(0);
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before).copied()).unwrap_or(0);
        self.bytes.get(start..end).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn end_field(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A record.
    Whole,
    /// A line that is too long, or whose quotes do not close. Its fields mean nothing.
    Broken,
}

enum State {
    Start,
    Plain,
    Quoted,
    QuoteInQuoted,
}

/// Reads records.
pub(crate) struct Records<R> {
    source: R,
    /// Bytes that were read for a record that turned out broken, and are read again behind its first line.
    again: Vec<u8>,
    again_at: usize,
    raw: Vec<u8>,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, again: Vec::new(), again_at: 0, raw: Vec::new() }
    }

    fn byte(&mut self) -> io::Result<Option<u8>> {
        if let Some(byte) = self.again.get(self.again_at) {
            self.again_at += 1;
            return Ok(Some(*byte));
        }
        let byte = self.source.fill_buf()?.first().copied();
        if byte.is_some() {
            self.source.consume(1);
        }
        Ok(byte)
    }

    /// The next record, blank lines left out; `None` at the end.
    pub(crate) fn next(&mut self, record: &mut Record) -> io::Result<Option<Shape>> {
        loop {
            match self.one(record)? {
                Some(Shape::Whole) if record.len() == 1 && record.field(0).trim_ascii().is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    fn one(&mut self, record: &mut Record) -> io::Result<Option<Shape>> {
        record.clear();
        self.raw.clear();
        let mut state = State::Start;
        loop {
            let Some(byte) = self.byte()? else {
                return match state {
                    State::Start if self.raw.is_empty() => Ok(None),
                    State::Quoted => Ok(Some(self.broken(record))),
                    _ => {
                        record.end_field();
                        Ok(Some(Shape::Whole))
                    }
                };
            };
            self.raw.push(byte);
            if self.raw.len() > RECORD_MAX {
                return match state {
                    State::Quoted if self.raw.contains(&b'\n') => Ok(Some(self.broken(record))),
                    _ => self.skip_line(byte),
                };
            }
            state = match (state, byte) {
                (State::Start, b'"') => State::Quoted,
                (State::Quoted, b'"') => State::QuoteInQuoted,
                (State::Quoted, _) => {
                    record.bytes.push(byte);
                    State::Quoted
                }
                (State::QuoteInQuoted, b'"') => {
                    record.bytes.push(b'"');
                    State::Quoted
                }
                (_, b',') => {
                    record.end_field();
                    State::Start
                }
                (_, b'\n') => {
                    let start = record.ends.last().copied().unwrap_or(0);
                    if record.bytes.len() > start && record.bytes.last() == Some(&b'\r') {
                        record.bytes.pop();
                    }
                    record.end_field();
                    return Ok(Some(Shape::Whole));
                }
                (_, byte) => {
                    record.bytes.push(byte);
                    State::Plain
                }
            };
        }
    }

    /// Gives up the first line of what was read; what follows it is read again.
    fn broken(&mut self, record: &mut Record) -> Shape {
        record.clear();
        let rest = self.raw.iter().position(|byte| *byte == b'\n').map_or(&[][..], |at| &self.raw[at + 1..]);
        let mut again = rest.to_vec();
        again.extend_from_slice(self.again.get(self.again_at..).unwrap_or_default());
        self.again = again;
        self.again_at = 0;
        Shape::Broken
    }

    fn skip_line(&mut self, last: u8) -> io::Result<Option<Shape>> {
        let mut byte = Some(last);
        while byte.is_some_and(|byte| byte != b'\n') {
            byte = self.byte()?;
        }
        Ok(Some(Shape::Broken))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Vec<Option<Vec<String>>> {
        let mut records = Records::new(bytes);
        let mut record = Record::default();
        let mut all = Vec::new();
        while let Some(shape) = records.next(&mut record).expect("memory does not fail") {
            let fields = (0..record.len()).map(|index| String::from_utf8_lossy(record.field(index)).into_owned());
            all.push((shape == Shape::Whole).then(|| fields.collect()));
        }
        all
    }

    #[test]
    fn quotes_line_ends_and_blank_lines_are_understood() {
        let rows = read(b"a,\"b,\"\"c\"\"\",d\r\n\r\n\"two\nlines\",,x\nlast,1,2");
        let row = |fields: [&str; 3]| Some(fields.map(str::to_owned).to_vec());
        assert_eq!(rows, [row(["a", "b,\"c\"", "d"]), row(["two\nlines", "", "x"]), row(["last", "1", "2"])]);
    }

    #[test]
    fn an_unclosed_quote_costs_its_own_line_only() {
        let mut text = b"a,\"never closed\n".to_vec();
        for _ in 0..2_000 {
            text.extend_from_slice(b"b,c\n");
        }
        let rows = read(&text);
        assert_eq!(rows.len(), 2_001);
        assert_eq!(rows.iter().filter(|row| row.is_none()).count(), 1);
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut text = vec![b'x'; 3 * RECORD_MAX];
        text.extend_from_slice(b"\na,b\n");
        assert_eq!(read(&text), [None, Some(vec!["a".to_owned(), "b".to_owned()])]);
    }

    proptest! {
        #[test]
        fn any_bytes_give_records_and_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..9_000)) {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            prop_assert!(read(&bytes).len() <= lines);
        }

        #[test]
        fn quote_heavy_bytes_give_records_and_an_end(text in "[\",\n\ra]{0,6000}") {
            let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
            prop_assert!(read(text.as_bytes()).len() <= lines);
        }
    }
}
