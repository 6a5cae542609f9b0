//! Reads a table back, through queries that share nothing with the destination but the names of its tables.

use std::collections::BTreeMap;

use commutator_conformance::{Row, Validity, Value};
use commutator_core::Target;
use commutator_sql::{BIGQUERY, TargetCheckpoint};

use crate::emulator::Emulator;

/// Returns all rows of a target's table; none if there is no table.
pub(crate) async fn rows(emulator: &Emulator, dataset: &str, target: &Target) -> Vec<Row> {
    let path = format!("/bigquery/v2/projects/{}/datasets/{dataset}/tables/{}", emulator.project, target.name);
    let (status, table) = emulator.send(http::Method::GET, &path, None).await;
    if status == 404 {
        return Vec::new();
    }
    assert_eq!(status, 200, "{table}");
    let logical = logical(emulator, dataset, target).await;
    let fields = table["schema"]["fields"].as_array().expect("columns");
    let columns: Vec<(String, String)> = fields
        .iter()
        .map(|field| {
            let name = field["name"].as_str().expect("a name").to_owned();
            // Text, documents and numbers without a type are all STRING.
            let ty =
                logical.get(&name).map_or_else(|| field["type"].as_str().expect("a type").to_owned(), Clone::clone);
            (name, ty)
        })
        .collect();
    let list: Vec<_> = fields
        .iter()
        .map(|field| {
            let name = field["name"].as_str().expect("a name");
            match field["type"].as_str() {
                Some("TIMESTAMP") => format!("CAST(UNIX_MICROS(`{name}`) AS STRING)"),
                Some("BYTES") => format!("TO_HEX(`{name}`)"),
                // Of NULL it would make the text `null`.
                Some("JSON") => format!("IF(`{name}` IS NULL, NULL, TO_JSON_STRING(`{name}`))"),
                Some("STRING") => format!("`{name}`"),
                _ => format!("CAST(`{name}` AS STRING)"),
            }
        })
        .collect();
    let query = format!("SELECT {} FROM `{}`.`{dataset}`.`{}`", list.join(", "), emulator.project, target.name);
    emulator.query(&query).await.iter().map(|row| row_of(&columns, row)).collect()
}

/// The logical types of the user's columns, as the table of checkpoints says for whoever reads it.
async fn logical(emulator: &Emulator, dataset: &str, target: &Target) -> BTreeMap<String, String> {
    let table = TargetCheckpoint::table_name(&BIGQUERY, &target.name);
    let query = format!(
        "SELECT content FROM `{}`.`{dataset}`.`{table}` WHERE part = 'columns' ORDER BY piece",
        emulator.project
    );
    let pieces: String = emulator.query(&query).await.into_iter().flatten().flatten().collect();
    let columns: serde_json::Value = serde_json::from_str(&pieces).expect("the columns");
    let text = |column: &serde_json::Value, key: &str| column[key].as_str().expect("text").to_owned();
    let columns = columns.as_array().expect("the columns").iter();
    columns.map(|column| (text(column, "name"), text(column, "type"))).collect()
}

fn row_of(columns: &[(String, String)], cells: &[Option<String>]) -> Row {
    let mut read = Row::new(BTreeMap::new(), "0".repeat(48).parse().expect("an order key"));
    let mut times = BTreeMap::new();
    let mut current = None;
    for ((name, ty), text) in columns.iter().zip(cells) {
        match (name.as_str(), text) {
            ("_ct_order", Some(text)) => read.order = text.parse().expect("an order key"),
            ("_ct_op", text) => read.op.clone_from(text),
            ("_ct_deleted", text) => read.deleted = text.as_ref().map(|text| text == "true"),
            ("_ct_current", text) => current = text.as_ref().map(|text| text == "true"),
            (time, text) if time.starts_with("_ct_") => {
                times.extend(text.as_ref().map(|micros| (time, micros.parse::<i64>().expect("microseconds"))));
            }
            (_, text) => {
                read.columns.insert(name.clone(), text.as_ref().map_or(Value::Null, |text| value(ty, text)));
            }
        }
    }
    let time = |name: &str| times.get(name).copied();
    if let (Some(synced_at), Some(from), Some(current)) = (time("_ct_synced_at"), time("_ct_valid_from"), current) {
        let (changed_at, to) = (time("_ct_changed_at"), time("_ct_valid_to"));
        read.validity = Some(Validity { changed_at, synced_at, from, to, current });
    }
    read
}

fn value(ty: &str, text: &str) -> Value {
    match ty {
        "bool" | "BOOLEAN" => Value::Bool(text == "true"),
        "json" | "JSON" => Value::json(text),
        "text" | "STRING" => Value::text(text),
        "binary" | "BYTES" => {
            let byte = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).expect("hex");
            Value::binary((0..text.len()).step_by(2).map(byte).collect::<Vec<_>>())
        }
        // A number below one may come without the nought before its point.
        _ if text.starts_with('.') => Value::number(&format!("0{text}")),
        _ if text.starts_with("-.") => Value::number(&format!("-0{}", &text[1..])),
        _ => Value::number(text),
    }
}
