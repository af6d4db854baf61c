//! Findings in files that other programs and people read. A file is there when it is complete, and not before.

mod csv;
mod html;
mod parquet;

use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::ReconcileError;
use crate::finding::Totals;
use crate::line::Line;
use crate::verdict::Judge;

/// What stands above the findings.
#[derive(Debug, Clone)]
pub struct Heading {
    /// What was compared, such as `customer: crm and erp`.
    pub title: String,
    /// When.
    pub at: jiff::Timestamp,
}

/// A file that findings are written to.
pub struct Export {
    path: PathBuf,
    form: Form,
}

enum Form {
    Csv(Box<csv::CsvFile>),
    Html(Box<html::Page>),
    Parquet(Box<parquet::ParquetFile>),
}

impl Export {
    /// Begins a file; the end of its name says its form: `.csv`, `.html` or `.parquet`.
    ///
    /// # Errors
    /// When the name says something else, or its folder cannot be written.
    pub fn create(path: &Path, heading: Heading) -> Result<Self, ReconcileError> {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let form = match extension.to_ascii_lowercase().as_str() {
            "csv" => Form::Csv(Box::new(csv::CsvFile::create(beside(path)?, path)?)),
            "html" | "htm" => Form::Html(Box::new(html::Page::new(beside(path)?, heading))),
            "parquet" => Form::Parquet(Box::new(parquet::ParquetFile::create(beside(path)?, path, heading)?)),
            _ => return Err(ReconcileError::Format { path: path.to_owned() }),
        };
        Ok(Self { path: path.to_owned(), form })
    }

    /// One line more.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn line(&mut self, line: &Line, judge: &Judge) -> Result<(), ReconcileError> {
        let cells = line.cells(judge);
        match &mut self.form {
            Form::Csv(file) => file.line(&cells, &self.path),
            Form::Html(page) => {
                page.line(cells);
                Ok(())
            }
            Form::Parquet(file) => file.line(cells, &self.path),
        }
    }

    /// Closes the file; one of this name is replaced.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn finish(self, totals: &Totals, judge: &Judge) -> Result<(), ReconcileError> {
        let Self { path, form } = self;
        let file = match form {
            Form::Csv(file) => file.finish(&path)?,
            Form::Html(page) => page.finish(totals, judge, &path)?,
            Form::Parquet(file) => file.finish(totals, judge, &path)?,
        };
        match file.persist(&path) {
            Ok(_) => Ok(()),
            Err(error) => Err(ReconcileError::writing(&path)(error.error)),
        }
    }
}

/// A file in the same folder, so that it can take the place of the one that is meant.
fn beside(path: &Path) -> Result<NamedTempFile, ReconcileError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".interlock-export-").tempfile_in(folder).map_err(ReconcileError::writing(path))
}
