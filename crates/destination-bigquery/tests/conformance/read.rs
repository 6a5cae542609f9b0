//! Reads a table back, through queries that share nothing with the destination but the names of its tables.

use std::collections::BTreeMap;

use commutator_conformance::{Row, Value, row_of_texts};
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
    let rows = emulator.query(&query).await;
    let row = |cells: &Vec<Option<String>>| {
        let cells = columns.iter().zip(cells).map(|((name, ty), cell)| (name.as_str(), ty.as_str(), cell.as_deref()));
        row_of_texts(cells, |micros| micros.parse().expect("microseconds"), value)
    };
    rows.iter().map(row).collect()
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

fn value(ty: &str, text: &str) -> Value {
    match ty {
        "bool" | "BOOLEAN" => Value::Bool(text == "true"),
        "json" | "JSON" => Value::json(text),
        "text" | "STRING" => Value::text(text),
        "binary" | "BYTES" => Value::hex(text),
        // A number below one may come without the nought before its point.
        _ if text.starts_with('.') => Value::number(&format!("0{text}")),
        _ if text.starts_with("-.") => Value::number(&format!("-0{}", &text[1..])),
        _ => Value::number(text),
    }
}
