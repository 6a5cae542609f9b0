//! The decoder against its rules, one by one, and against a second, simple decoder of whatever proptest makes up.

mod apart;
mod differential;
mod generate;
mod hostile;
mod records;
mod scan;
mod sdk;
mod values;

use commutator_core::{ChangeBatch, Column, Epoch, Error, ErrorKind, LogicalType};

use super::reference::{self, render};
use super::{Decoder, RecordFilter};

const EPOCH: Epoch = Epoch(3);

/// The key of most tests' tables: `id` of type `S`.
fn keys() -> Vec<Column> {
    vec![Column::key("id", LogicalType::Text)]
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
