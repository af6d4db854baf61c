//! Rows from a file in the Online Retail format, plain or compressed.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use model::Problem;

use super::records::{Record, Records, Shape};
use super::row::{COLUMNS, Row};

/// Where rows come from.
pub(crate) trait RowSource {
    /// Fills in the next row. `Some(false)` is a row that cannot be read as one; `None` is the end.
    ///
    /// # Errors
    /// When the source itself cannot be read.
    fn next(&mut self, row: &mut Row) -> Result<Option<bool>, Problem>;
}

/// Rows of a CSV file.
pub(crate) struct FileRows {
    name: String,
    records: Records<Box<dyn BufRead + Send>>,
    record: Record,
    /// Place of each column of [`COLUMNS`] in the file.
    places: [usize; 8],
    width: usize,
    rows: u64,
}

impl FileRows {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When it cannot be read, or its columns are not those of the format.
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
        let mut reader = BufReader::with_capacity(64 * 1024, file);
        // Told by its first bytes and not by its name.
        let compressed = reader.fill_buf().map_err(|error| unreadable(&name, &error))?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead + Send> = if compressed {
            Box::new(BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(reader)))
        } else {
            Box::new(reader)
        };
        Self::from_reader(name, reader)
    }

    fn from_reader(name: String, mut reader: Box<dyn BufRead + Send>) -> Result<Self, Problem> {
        let start = reader.fill_buf().map_err(|error| unreadable(&name, &error))?;
        if start.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
        }
        let mut records = Records::new(reader);
        let mut record = Record::default();
        let shape = records.next(&mut record).map_err(|error| unreadable(&name, &error))?;
        let header: Vec<String> = match shape {
            Some(Shape::Whole) => (0..record.len()).map(|index| text(record.field(index))).collect(),
            _ => Vec::new(),
        };
        let places = columns(&name, &header)?;
        Ok(Self { name, records, record, places, width: header.len(), rows: 0 })
    }
}

impl RowSource for FileRows {
    fn next(&mut self, row: &mut Row) -> Result<Option<bool>, Problem> {
        let shape = self.records.next(&mut self.record).map_err(|error| {
            let message = format!("{} cannot be read after row {}: {error}", self.name, self.rows);
            Problem::new("IL-DATA-003", message, "Copy or download the file again: it is cut off or damaged")
        })?;
        let Some(shape) = shape else { return Ok(None) };
        self.rows += 1;
        if shape == Shape::Broken || self.record.len() != self.width {
            return Ok(Some(false));
        }
        for (column, place) in self.places.iter().enumerate() {
            let field = row.field(column);
            field.clear();
            push_text(self.record.field(*place), field);
        }
        Ok(Some(true))
    }
}

fn unreadable(name: &str, error: &io::Error) -> Problem {
    Problem::new("IL-DATA-001", format!("{name} cannot be read: {error}"), "Check the path after --data")
}

fn columns(name: &str, header: &[String]) -> Result<[usize; 8], Problem> {
    let place = |column: &str| header.iter().position(|given| given.eq_ignore_ascii_case(column));
    let missing: Vec<&str> = COLUMNS.into_iter().filter(|column| place(column).is_none()).collect();
    let known = |given: &str| COLUMNS.iter().any(|column| column.eq_ignore_ascii_case(given));
    let unknown: Vec<String> = header.iter().filter(|given| !known(given)).map(|given| shortened(given)).collect();
    let twice = header.len() > COLUMNS.len() && unknown.is_empty();
    if missing.is_empty() && unknown.is_empty() && !twice {
        return Ok(COLUMNS.map(|column| place(column).unwrap_or_default()));
    }
    let mut faults = Vec::new();
    if !missing.is_empty() {
        faults.push(format!("it lacks {}", missing.join(", ")));
    }
    if !unknown.is_empty() {
        let more = unknown.len().saturating_sub(8);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        faults.push(format!("it has unknown {}{more}", unknown[..unknown.len().min(8)].join(", ")));
    }
    if twice {
        faults.push("it names a column twice".to_owned());
    }
    let message = format!("the columns of {name} are not those of the Online Retail format: {}", faults.join("; "));
    Err(Problem::new("IL-DATA-002", message, format!("Its first line should read {}", COLUMNS.join(","))))
}

fn shortened(text: &str) -> String {
    let cut: String = text.chars().filter(|character| !character.is_control()).take(40).collect();
    format!("`{cut}`")
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    push_text(bytes, &mut text);
    text
}

/// UTF-8 where it is, else Latin-1, which any bytes are; trimmed.
fn push_text(bytes: &[u8], text: &mut String) {
    match std::str::from_utf8(bytes) {
        Ok(valid) => text.push_str(valid.trim()),
        Err(_) => text.extend(bytes.trim_ascii().iter().map(|byte| char::from(*byte))),
    }
}

#[cfg(test)]
pub(super) fn from_bytes(bytes: &[u8]) -> Result<FileRows, Problem> {
    FileRows::from_reader("test.csv".to_owned(), Box::new(io::Cursor::new(bytes.to_vec())))
}
