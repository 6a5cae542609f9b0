//! A second decoder, as plain as can be: a tree of values, one column after the other, core's rules word by word.
//!
//! The tests and the fuzz targets compare the fast one with it.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use base64_simd::STANDARD as BASE64;
use commutator_core::schema::{canonical_number, number_type, write_number};
use commutator_core::{ChangeBatch, Column, LogicalType};
use serde_json::{Map, Value};

/// Columns by name: their type and their cells.
pub(super) type Columns = HashMap<String, (LogicalType, Vec<Option<String>>)>;

/// A top-level value: its type on its own, its text in a column of that type, and its text in a column of documents.
struct Cell {
    ty: LogicalType,
    text: String,
    json: String,
}

/// Returns what [`render`] must show of a page of `Scan`, and how many items it has; `None` if it is none.
pub(super) fn decode(body: &str) -> Option<(Columns, usize)> {
    let page: Value = serde_json::from_str(body).ok()?;
    let page = page.as_object()?;
    let items = page.get("Items")?.as_array()?;
    match page.get("Count") {
        None => {}
        Some(count) => (count.as_u64()? == items.len() as u64).then_some(())?,
    }
    let items: Vec<_> = items.iter().map(Value::as_object).collect::<Option<_>>()?;
    Some((columns(&items)?, items.len()))
}

/// Returns the columns of these items; keys stay in front only in the real decoder.
pub(super) fn columns(items: &[&Map<String, Value>]) -> Option<Columns> {
    let mut columns: HashMap<String, Vec<Option<Cell>>> = HashMap::new();
    for (row, item) in items.iter().enumerate() {
        for (name, value) in item.iter().filter(|(name, _)| !name.starts_with("aws:rep:")) {
            if let Some(cell) = cell(value)? {
                let cells = columns.entry(name.clone()).or_default();
                cells.resize_with(row, || None);
                cells.push(Some(cell));
            }
        }
    }
    let column = |(name, mut cells): (String, Vec<Option<Cell>>)| {
        cells.resize_with(items.len(), || None);
        let ty = cells.iter().flatten().map(|cell| cell.ty).reduce(LogicalType::join)?;
        let shown = |cell: Cell| if ty == LogicalType::Json { cell.json } else { cell.text };
        Some((name, (ty, cells.into_iter().map(|cell| cell.map(shown)).collect())))
    };
    columns.into_iter().map(column).collect()
}

/// The tag and the content of a value.
fn tagged(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object()?;
    let (tag, content) = object.iter().next()?;
    (object.len() == 1).then_some((tag, content))
}

/// Returns `Some(None)` for a null.
#[expect(clippy::option_option, reason = "no value, or a value without a cell")]
fn cell(value: &Value) -> Option<Option<Cell>> {
    let (tag, content) = tagged(value)?;
    let json = json(value)?;
    let (ty, text) = match tag {
        "NULL" => return Some(None),
        "S" => (LogicalType::Text, content.as_str()?.to_owned()),
        "BOOL" => (LogicalType::Bool, content.as_bool()?.to_string()),
        "B" => (LogicalType::Binary, hex(&BASE64.decode_to_vec(content.as_str()?).ok()?)),
        "N" => {
            let text = content.as_str()?;
            let canonical = canonical_number(text)?;
            return Some(Some(Cell { ty: number_type(text)?, text: canonical.clone(), json: canonical }));
        }
        _ => (LogicalType::Json, json.clone()),
    };
    Some(Some(Cell { ty, text, json }))
}

fn json(value: &Value) -> Option<String> {
    let (tag, content) = tagged(value)?;
    let strings = || content.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>();
    Some(match tag {
        "NULL" => (content == &Value::Bool(true)).then(|| "null".to_owned())?,
        "S" => Value::from(content.as_str()?).to_string(),
        "B" => {
            BASE64.check(content.as_str()?.as_bytes()).ok()?;
            content.to_string()
        }
        "BOOL" => content.as_bool()?.to_string(),
        "N" => number(content.as_str()?)?,
        "M" => {
            let member =
                |(name, value): (&String, &Value)| Some(format!("{}:{}", Value::from(name.as_str()), json(value)?));
            format!("{{{}}}", content.as_object()?.iter().map(member).collect::<Option<Vec<_>>>()?.join(","))
        }
        "L" => array(&content.as_array()?.iter().map(json).collect::<Option<Vec<_>>>()?),
        "SS" => {
            let mut all = strings()?;
            all.sort_unstable();
            array(&all.into_iter().map(|s| Value::from(s).to_string()).collect::<Vec<_>>())
        }
        "BS" => {
            let decoded = |s: &str| BASE64.decode_to_vec(s).ok();
            let mut all = strings()?.into_iter().map(|s| Some((decoded(s)?, s))).collect::<Option<Vec<_>>>()?;
            all.sort_unstable();
            array(&all.into_iter().map(|(_, s)| Value::from(s).to_string()).collect::<Vec<_>>())
        }
        "NS" => {
            let mut all = strings()?.into_iter().map(|s| Some((scaled(s)?, number(s)?))).collect::<Option<Vec<_>>>()?;
            all.sort();
            array(&all.into_iter().map(|(_, text)| text).collect::<Vec<_>>())
        }
        _ => return None,
    })
}

fn array(elements: &[String]) -> String {
    format!("[{}]", elements.join(","))
}

/// A number's digits as they were sent if JSON takes them, else in canonical form.
fn number(text: &str) -> Option<String> {
    let canonical = canonical_number(text)?;
    let is_json = serde_json::from_str::<serde_json::Number>(text).is_ok_and(|_| !text.contains(char::is_whitespace));
    Some(if is_json { text.to_owned() } else { canonical })
}

/// A number as text that compares like it: shifted by 400 digits, negative ones complemented.
pub(super) fn scaled(text: &str) -> Option<String> {
    let canonical = canonical_number(text)?;
    let (negative, digits) = canonical.strip_prefix('-').map_or((false, canonical.as_str()), |d| (true, d));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded = format!("{whole:0>400}{fraction:0<400}");
    Some(if negative {
        format!("0{}", padded.bytes().map(|digit| char::from(b'0' + b'9' - digit)).collect::<String>())
    } else {
        format!("1{padded}")
    })
}

/// Renders a batch: each column's name and type, and its cells.
pub(super) fn render(changes: &ChangeBatch) -> Vec<(Column, Vec<Option<String>>)> {
    let columns = changes.schema().columns().iter().enumerate();
    columns
        .map(|(i, column)| {
            let cells = (0..changes.len()).map(|row| shown(changes.rows(), i, column.ty, row)).collect();
            (column.clone(), cells)
        })
        .collect()
}

/// Renders a cell: numbers as canonical text, binary in hexadecimal, `None` for null.
fn shown(rows: &RecordBatch, column: usize, ty: LogicalType, row: usize) -> Option<String> {
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
            String::from_utf8_lossy(&text).into_owned()
        }
        LogicalType::Binary => hex(array.as_binary::<i32>().value(row)),
        _ => array.as_string::<i32>().value(row).to_owned(),
    })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"))
}
