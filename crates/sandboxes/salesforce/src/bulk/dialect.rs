//! The CSV that a job speaks: how its columns and lines end.

use bytes::Bytes;
use csv::{Reader, ReaderBuilder, StringRecord, Terminator};

use crate::errors::Refusal;

/// Column delimiters by the vendor's words.
const DELIMITERS: [(&str, u8); 6] =
    [("COMMA", b','), ("TAB", b'\t'), ("PIPE", b'|'), ("SEMICOLON", b';'), ("CARET", b'^'), ("BACKQUOTE", b'`')];

/// How columns and lines of a job end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    delimiter: u8,
    crlf: bool,
}

fn unknown(what: &str, word: &str) -> Refusal {
    Refusal::new("JSON_PARSER_ERROR", format!("{what} '{word}' is not one that bulk jobs have"))
}

impl Dialect {
    /// From the members of a job; what is not given is comma and line feed.
    pub(super) fn read(delimiter: Option<&str>, line_ending: Option<&str>) -> Result<Self, Refusal> {
        let word = delimiter.unwrap_or("COMMA");
        let delimiter = DELIMITERS.iter().find(|(known, _)| *known == word).map(|(_, byte)| *byte);
        let delimiter = delimiter.ok_or_else(|| unknown("columnDelimiter", word))?;
        match line_ending.unwrap_or("LF") {
            "LF" => Ok(Self { delimiter, crlf: false }),
            "CRLF" => Ok(Self { delimiter, crlf: true }),
            other => Err(unknown("lineEnding", other)),
        }
    }

    /// The vendor's word for the delimiter.
    pub(super) fn delimiter_word(self) -> &'static str {
        DELIMITERS.iter().find(|(_, byte)| *byte == self.delimiter).map_or("COMMA", |(word, _)| word)
    }

    /// The vendor's word for the line ending.
    pub(super) fn line_ending_word(self) -> &'static str {
        if self.crlf { "CRLF" } else { "LF" }
    }

    /// Whether the first line of data ends as the job says; the vendor refuses the whole job otherwise.
    pub(super) fn fits(self, data: &[u8]) -> bool {
        let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return true };
        let before = end.checked_sub(1).and_then(|at| data.get(at));
        (before == Some(&b'\r')) == self.crlf
    }

    /// Reads data of this dialect, the header first.
    pub(super) fn reader(self, data: Bytes) -> Reader<std::io::Cursor<Bytes>> {
        ReaderBuilder::new()
            .delimiter(self.delimiter)
            .terminator(if self.crlf { Terminator::CRLF } else { Terminator::Any(b'\n') })
            .flexible(true)
            .from_reader(std::io::Cursor::new(data))
    }

    /// Appends one line, every value in quotes, as the vendor writes its results.
    pub(super) fn write<'a>(self, values: impl IntoIterator<Item = &'a str>, text: &mut String) {
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                text.push(char::from(self.delimiter));
            }
            text.push('"');
            for (index, part) in value.split('"').enumerate() {
                if index > 0 {
                    text.push_str("\"\"");
                }
                text.push_str(part);
            }
            text.push('"');
        }
        text.push_str(if self.crlf { "\r\n" } else { "\n" });
    }
}

/// The columns that a header names, without a byte order mark.
pub(super) fn names(header: &StringRecord) -> Vec<String> {
    header.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_the_vendors_and_others_are_refused() {
        let dialect = Dialect::read(Some("PIPE"), Some("CRLF")).expect("a dialect");
        assert_eq!((dialect.delimiter_word(), dialect.line_ending_word()), ("PIPE", "CRLF"));
        assert!(Dialect::read(Some(","), None).is_err() && Dialect::read(None, Some("CR")).is_err());
    }

    #[test]
    fn line_endings_are_judged_by_the_first_line() {
        let (lf, crlf) = (Dialect::read(None, None), Dialect::read(None, Some("CRLF")));
        let (lf, crlf) = (lf.expect("a dialect"), crlf.expect("a dialect"));
        assert!(lf.fits(b"A,B\n1,\"x\r\ny\"\n") && !crlf.fits(b"A,B\n1,2\n"));
        assert!(crlf.fits(b"A\r\n1\r\n") && !lf.fits(b"A\r\n1\r\n") && lf.fits(b"A"));
    }

    #[test]
    fn a_line_is_read_back() {
        let dialect = Dialect::read(Some("SEMICOLON"), None).expect("a dialect");
        let values = [" a;b", "say \"x\"", "", "two\r\nlines", "é"];
        let mut text = String::from("1;2;3;4;5\n");
        dialect.write(values, &mut text);
        let mut reader = dialect.reader(Bytes::from(text));
        let row = reader.records().next().expect("a row").expect("CSV");
        assert_eq!(row.iter().collect::<Vec<_>>(), values);
    }
}
