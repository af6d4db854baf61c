//! Findings as CSV, for spreadsheets and scripts.

use std::io::BufWriter;
use std::path::Path;

use tempfile::NamedTempFile;

use crate::ReconcileError;
use crate::line::COLUMNS;

/// A file of comma-separated values with a line of names.
pub(super) struct CsvFile {
    writer: csv::Writer<BufWriter<NamedTempFile>>,
}

impl CsvFile {
    pub(super) fn create(file: NamedTempFile, path: &Path) -> Result<Self, ReconcileError> {
        let mut writer = csv::Writer::from_writer(BufWriter::new(file));
        writer.write_record(COLUMNS).map_err(failed(path))?;
        Ok(Self { writer })
    }

    pub(super) fn line(&mut self, cells: &[Option<String>], path: &Path) -> Result<(), ReconcileError> {
        let cells = cells.iter().map(|cell| guarded(cell.as_deref().unwrap_or_default()));
        self.writer.write_record(cells).map_err(failed(path))
    }

    pub(super) fn finish(self, path: &Path) -> Result<NamedTempFile, ReconcileError> {
        let inner = self.writer.into_inner().map_err(|error| ReconcileError::writing(path)(error.into_error()))?;
        inner.into_inner().map_err(|error| ReconcileError::writing(path)(error.into_error()))
    }
}

fn failed(path: &Path) -> impl FnOnce(csv::Error) -> ReconcileError {
    let path = path.to_owned();
    move |error| ReconcileError::writing(&path)(error.into())
}

/// A spreadsheet takes some texts for formulas, and values come from outside: these get an apostrophe in front. Numbers stay.
fn guarded(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<model::Decimal>().is_err();
    if formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_texts_and_numbers_stay() {
        for (text, guarded_text) in
            [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("-2.50", "-2.50"), ("a=b", "a=b"), ("", "")]
        {
            assert_eq!(guarded(text), guarded_text);
        }
    }
}
