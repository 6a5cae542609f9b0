//! The decoder against its rules, one by one, and against a second, simple decoder of whatever proptest makes up.

mod apart;
mod differential;
mod generate;
mod hostile;
mod records;
mod reference;
mod scan;
mod values;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use commutator_core::schema::write_number;
use commutator_core::{ChangeBatch, Column, Epoch, Error, ErrorKind, LogicalType};

use super::{Decoder, RecordFilter};

const EPOCH: Epoch = Epoch(3);

/// The key of most tests' tables: `id` of type `S`.
fn keys() -> Vec<Column> {
    vec![Column::key("id", LogicalType::Text)]
}

/// Renders a cell: numbers as canonical text, binary in hexadecimal, `None` for null.
fn cell(rows: &RecordBatch, column: usize, ty: LogicalType, row: usize) -> Option<String> {
    let array = rows.column(column);
    if array.is_null(row) {
        return None;
    }
    Some(match ty {
        LogicalType::Bool => array.as_boolean().value(row).to_string(),
        LogicalType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        LogicalType::Decimal { scale, .. } => {
            let mut text = Vec::new();
            write_number(array.as_primitive::<Decimal128Type>().value(row), scale, &mut text);
            String::from_utf8(text).unwrap()
        }
        LogicalType::Binary => hex(array.as_binary::<i32>().value(row)),
        _ => array.as_string::<i32>().value(row).to_owned(),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"))
}

/// Renders a batch: each column's name and type, and its cells.
fn render(changes: &ChangeBatch) -> Vec<(Column, Vec<Option<String>>)> {
    let columns = changes.schema().columns().iter().enumerate();
    columns
        .map(|(i, column)| {
            let cells = (0..changes.len()).map(|row| cell(changes.rows(), i, column.ty, row)).collect();
            (column.clone(), cells)
        })
        .collect()
}

/// Decodes a page whose items are these texts.
fn page(items: &[&str]) -> Result<ChangeBatch, Error> {
    let body = format!(r#"{{"Items":[{}]}}"#, items.join(","));
    Ok(Decoder::new(keys()).scan_page(body.as_bytes(), EPOCH)?.changes.unwrap())
}

/// Decodes a page with an item for each value, in the attribute `v`, and returns that column; `None` leaves it out.
fn column(values: &[Option<&str>]) -> Result<(LogicalType, Vec<Option<String>>), Error> {
    let items: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(i, value)| match value {
            Some(value) => format!(r#"{{"id":{{"S":"{i}"}},"v":{value}}}"#),
            None => format!(r#"{{"id":{{"S":"{i}"}}}}"#),
        })
        .collect();
    let changes = page(&items.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut columns = render(&changes);
    let (column, cells) = columns.remove(1);
    assert_eq!(column.name, "v");
    Ok((column.ty, cells))
}

/// Decodes one value into a column of its own.
fn value(text: &str) -> Result<(LogicalType, String), Error> {
    let (ty, mut cells) = column(&[Some(text)])?;
    Ok((ty, cells.remove(0).unwrap()))
}

/// Asserts that this is an error of the data, and returns its one line.
#[track_caller]
fn invalid<T>(result: Result<T, Error>) -> String {
    let error = result.err().expect("an error");
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error:?}");
    error.to_string()
}

fn records(body: &str, filter: RecordFilter) -> Result<super::RecordsPage, Error> {
    Decoder::new(keys()).records_page(body.as_bytes(), EPOCH, filter)
}
