//! A second decoder, as plain as can be: a tree of values, one column after the other, core's rules word by word.

use std::collections::HashMap;

use base64_simd::STANDARD as BASE64;
use commutator_core::schema::{canonical_number, number_type};
use serde_json::Value;

use super::*;

/// A top-level value: its type on its own, its text in a column of that type, and its text in a column of documents.
struct Cell {
    ty: LogicalType,
    text: String,
    json: String,
}

/// Returns what [`render`] must show of a page, columns by name; keys stay in front only in the real decoder.
pub(super) fn decode(body: &str) -> HashMap<String, (LogicalType, Vec<Option<String>>)> {
    let page: Value = serde_json::from_str(body).unwrap();
    let items = page["Items"].as_array().unwrap();
    let mut columns: HashMap<String, Vec<Option<Cell>>> = HashMap::new();
    for (row, item) in items.iter().enumerate() {
        for (name, value) in item.as_object().unwrap() {
            if let Some(cell) = cell(value) {
                let cells = columns.entry(name.clone()).or_default();
                cells.resize_with(row, || None);
                cells.push(Some(cell));
            }
        }
    }
    let column = |(name, mut cells): (String, Vec<Option<Cell>>)| {
        cells.resize_with(items.len(), || None);
        let ty = cells.iter().flatten().map(|cell| cell.ty).reduce(LogicalType::join).unwrap();
        let shown = |cell: Cell| if ty == LogicalType::Json { cell.json } else { cell.text };
        (name, (ty, cells.into_iter().map(|cell| cell.map(shown)).collect()))
    };
    columns.into_iter().map(column).collect()
}

fn cell(value: &Value) -> Option<Cell> {
    let (tag, content) = value.as_object().unwrap().iter().next().unwrap();
    let json = json(value);
    let (ty, text) = match tag.as_str() {
        "NULL" => return None,
        "S" => (LogicalType::Text, content.as_str().unwrap().to_owned()),
        "BOOL" => (LogicalType::Bool, content.as_bool().unwrap().to_string()),
        "B" => (LogicalType::Binary, hex(&BASE64.decode_to_vec(content.as_str().unwrap()).unwrap())),
        "N" => {
            let text = content.as_str().unwrap();
            let canonical = canonical_number(text).unwrap();
            return Some(Cell { ty: number_type(text).unwrap(), text: canonical.clone(), json: canonical });
        }
        _ => (LogicalType::Json, json.clone()),
    };
    Some(Cell { ty, text, json })
}

fn json(value: &Value) -> String {
    let (tag, content) = value.as_object().unwrap().iter().next().unwrap();
    let strings = || content.as_array().unwrap().iter().map(|v| v.as_str().unwrap());
    match tag.as_str() {
        "NULL" => "null".to_owned(),
        "S" | "B" | "BOOL" => content.to_string(),
        "N" => number(content.as_str().unwrap()),
        "M" => {
            let member = |(name, value): (&String, &Value)| format!("{}:{}", Value::from(name.as_str()), json(value));
            format!("{{{}}}", content.as_object().unwrap().iter().map(member).collect::<Vec<_>>().join(","))
        }
        "L" => array(&content.as_array().unwrap().iter().map(json).collect::<Vec<_>>()),
        "SS" => {
            let mut all: Vec<_> = strings().collect();
            all.sort_unstable();
            array(&all.into_iter().map(|s| Value::from(s).to_string()).collect::<Vec<_>>())
        }
        "BS" => {
            let mut all: Vec<_> = strings().map(|s| (BASE64.decode_to_vec(s).unwrap(), s)).collect();
            all.sort_unstable();
            array(&all.into_iter().map(|(_, s)| Value::from(s).to_string()).collect::<Vec<_>>())
        }
        "NS" => {
            let mut all: Vec<_> = strings().map(|s| (scaled(s), number(s))).collect();
            all.sort();
            array(&all.into_iter().map(|(_, text)| text).collect::<Vec<_>>())
        }
        other => panic!("{other}"),
    }
}

fn array(elements: &[String]) -> String {
    format!("[{}]", elements.join(","))
}

/// A number's digits as they were sent if JSON takes them, else in canonical form.
fn number(text: &str) -> String {
    let is_json = serde_json::from_str::<serde_json::Number>(text).is_ok() && !text.starts_with(char::is_whitespace);
    if is_json { text.to_owned() } else { canonical_number(text).unwrap() }
}

/// A number as text that compares like it: shifted by 400 digits, negative ones complemented.
fn scaled(text: &str) -> String {
    let canonical = canonical_number(text).unwrap();
    let (negative, digits) = canonical.strip_prefix('-').map_or((false, canonical.as_str()), |d| (true, d));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padded = format!("{whole:0>400}{fraction:0<400}");
    if negative {
        format!("0{}", padded.bytes().map(|digit| char::from(b'0' + b'9' - digit)).collect::<String>())
    } else {
        format!("1{padded}")
    }
}
