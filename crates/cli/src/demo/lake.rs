//! A look at the Parquet files of a local folder, as any reader of such files sees them.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field};
use commutator::{Error, ErrorKind, Result, TableName};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::output::{Grid, count};

const SHOWN_ROWS: usize = 4;
const SHOWN_COLUMNS: usize = 6;
const SHOWN_WIDTH: usize = 26;

/// What a table's files hold.
#[derive(Debug)]
pub struct Arrived {
    /// The table.
    pub table: TableName,
    /// Rows in all files.
    pub rows: u64,
    /// Files.
    pub files: usize,
    /// Columns and their types, system columns included.
    pub columns: Vec<(String, String)>,
    /// A few rows, without system columns.
    pub sample: Grid,
}

/// Reads every table's folder in `folder`, in alphabetical order.
pub fn look(folder: &Path) -> Result<Vec<Arrived>> {
    let mut tables = Vec::new();
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let mut files = Vec::new();
        find_files(&path, &mut files)?;
        if let (Some(name), false) = (path.file_name(), files.is_empty()) {
            tables.push(table(TableName::new(name.to_string_lossy()), &files)?);
        }
    }
    Ok(tables)
}

fn table(table: TableName, files: &[PathBuf]) -> Result<Arrived> {
    let mut arrived = Arrived { table, rows: 0, files: files.len(), columns: Vec::new(), sample: Grid::new::<0>([]) };
    let mut shown = 0;
    for path in files {
        let file = File::open(path).map_err(|error| unreadable(path, error))?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| unreadable(path, error))?;
        arrived.rows += u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let schema = Arc::clone(builder.schema());
        let visible: Vec<usize> = (0..schema.fields().len())
            .filter(|&i| !schema.field(i).name().starts_with("_ct_"))
            .take(SHOWN_COLUMNS)
            .collect();
        if arrived.columns.is_empty() {
            arrived.columns = schema.fields().iter().map(|field| (field.name().clone(), type_name(field))).collect();
            arrived.sample.row(visible.iter().map(|&i| schema.field(i).name().clone()));
        }
        if shown == SHOWN_ROWS {
            continue;
        }
        let reader = builder.with_limit(SHOWN_ROWS - shown).build().map_err(|error| unreadable(path, error))?;
        for batch in reader {
            let batch = batch.map_err(|error| unreadable(path, error))?;
            shown += batch.num_rows();
            let options = FormatOptions::default();
            let cells = visible.iter().map(|&i| ArrayFormatter::try_new(batch.column(i), &options));
            let cells = cells.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| unreadable(path, error))?;
            for row in 0..batch.num_rows() {
                arrived.sample.row(cells.iter().map(|column| shorten(&column.value(row).to_string())));
            }
        }
    }
    Ok(arrived)
}

fn find_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for path in entries(folder)? {
        if path.is_dir() {
            find_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = read.map_err(|error: std::io::Error| unreadable(folder, error))?;
    paths.sort();
    Ok(paths)
}

fn type_name(field: &Field) -> String {
    let extension = field.metadata().get("ARROW:extension:name").map(String::as_str);
    match field.data_type() {
        DataType::Utf8 if extension == Some("arrow.json") => "json".to_owned(),
        DataType::Utf8 => "text".to_owned(),
        DataType::Int64 => "int64".to_owned(),
        DataType::Float64 => "float64".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Binary => "binary".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        other => other.to_string(),
    }
}

fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_WIDTH).collect();
    if short.len() < text.len() {
        short.pop();
        short.push('…');
    }
    short
}

fn unreadable(path: &Path, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::DataInvalid, "A file of the destination cannot be read")
        .with("path", path.display())
        .with_source(error)
}

impl fmt::Display for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, rows, files, columns, sample } = self;
        let plural = if *files == 1 { "" } else { "s" };
        writeln!(f, "{table}: {} rows in {files} file{plural}", count(*rows))?;
        let columns: Vec<_> = columns.iter().map(|(name, ty)| format!("{name} {ty}")).collect();
        writeln!(f, "  columns: {}", columns.join(", "))?;
        for line in sample.to_string().lines().filter(|line| !line.is_empty()) {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}
