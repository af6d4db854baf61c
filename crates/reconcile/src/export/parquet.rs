//! Findings as Parquet, for analysts: each column a text that may be missing, the totals among the file's own properties.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use model::{Value, json};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use tempfile::NamedTempFile;

use crate::ReconcileError;
use crate::export::Heading;
use crate::finding::Totals;
use crate::line::COLUMNS;
use crate::verdict::Judge;

/// How many lines, or bytes of them, are held until they are written.
const LINES_MAX: usize = 20_000;
const BYTES_MAX: usize = 8 << 20;

/// A file that is written group by group.
pub(super) struct ParquetFile {
    file: NamedTempFile,
    writer: SerializedFileWriter<File>,
    columns: Vec<Column>,
    lines: usize,
    bytes: usize,
    heading: Heading,
}

#[derive(Default)]
struct Column {
    /// The cells that there are.
    values: Vec<ByteArray>,
    /// For each line whether there is one.
    levels: Vec<i16>,
}

impl ParquetFile {
    pub(super) fn create(file: NamedTempFile, path: &Path, heading: Heading) -> Result<Self, ReconcileError> {
        let column = |name: &&str| {
            let column = Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(Some(LogicalType::String));
            column.build().map(Arc::new)
        };
        let columns = COLUMNS.iter().map(column).collect::<Result<Vec<_>, _>>().map_err(failed(path))?;
        let schema = Type::group_type_builder("findings").with_fields(columns).build().map_err(failed(path))?;
        let opened = file.as_file().try_clone().map_err(ReconcileError::writing(path))?;
        let properties = Arc::new(WriterProperties::builder().build());
        let writer = SerializedFileWriter::new(opened, Arc::new(schema), properties).map_err(failed(path))?;
        let columns = COLUMNS.iter().map(|_| Column::default()).collect();
        Ok(Self { file, writer, columns, lines: 0, bytes: 0, heading })
    }

    pub(super) fn line(&mut self, cells: [Option<String>; COLUMNS.len()], path: &Path) -> Result<(), ReconcileError> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.levels.push(i16::from(cell.is_some()));
            if let Some(cell) = cell {
                self.bytes += cell.len();
                column.values.push(cell.into_bytes().into());
            }
        }
        self.lines += 1;
        if self.lines >= LINES_MAX || self.bytes >= BYTES_MAX { self.group().map_err(failed(path)) } else { Ok(()) }
    }

    fn group(&mut self) -> Result<(), ParquetError> {
        if self.lines == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else { break };
            writer.typed::<ByteArrayType>().write_batch(&column.values, Some(&column.levels), None)?;
            writer.close()?;
            *column = Column::default();
        }
        group.close()?;
        (self.lines, self.bytes) = (0, 0);
        Ok(())
    }

    pub(super) fn finish(
        mut self,
        totals: &Totals,
        judge: &Judge,
        path: &Path,
    ) -> Result<NamedTempFile, ReconcileError> {
        self.group().map_err(failed(path))?;
        let heading = Value::object([
            ("title", Value::from(self.heading.title.as_str())),
            ("at", Value::from(self.heading.at.to_string())),
            ("totals", totals.to_value(judge)),
        ]);
        self.writer.append_key_value_metadata(KeyValue::new("interlock".to_owned(), json::to_string(&heading)));
        self.writer.close().map_err(failed(path))?;
        Ok(self.file)
    }
}

fn failed(path: &Path) -> impl FnOnce(ParquetError) -> ReconcileError {
    let path = path.to_owned();
    move |error| ReconcileError::Parquet { path, cause: error.to_string() }
}
