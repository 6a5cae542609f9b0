//! Columns of rows that are there already become what `conform` makes of rows that are still to come.

use std::sync::Arc;

use commutator_core::rules::{Numbers, OnTypeConflict, Rules, TableRules, TypeJoin};
use commutator_core::schema::{conform, plan_by};
use commutator_core::{ChangeBatch, Column, LogicalType, Result, TableSchema};

use super::{SqlHarness, Table, put, target};
use crate::{Value, batch};

fn values(nul_in_text: bool) -> Vec<(LogicalType, Vec<Value>)> {
    let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
    let numbers = |texts: &[&str]| texts.iter().map(|text| Value::number(text)).collect::<Vec<_>>();
    let (text, json) = if nul_in_text {
        ("a\"\\\n\t\u{1}\u{1f980}\0", "\"a\\\"\\u0000\"")
    } else {
        ("a\"\\\n\t\u{1}\u{1f980}", "\"a\\\"\"")
    };
    vec![
        (LogicalType::Bool, vec![Value::Bool(true), Value::Bool(false)]),
        (LogicalType::Int64, [0, -1, i64::MAX, i64::MIN, 100].map(Value::int).to_vec()),
        (decimal(5, 2), numbers(&["1.5", "-123.45", "100.25", "0.01"])),
        (decimal(21, 2), numbers(&["1.5", "-123.45", "100", "-100", "0"])),
        (decimal(20, 0), numbers(&["10", "-100", "12345678901234567890"])),
        (decimal(38, 38), numbers(&["0.1", &format!("-0.{}", "9".repeat(38))])),
        (LogicalType::Number, numbers(&["0", "1e-130", "-9.99e125", "12.5", "100"])),
        (
            LogicalType::Float64,
            numbers(&[
                "0",
                "-0.1",
                "0.30000000000000004",
                "1e-130",
                "-9.99e125",
                "1e16",
                "0.00001",
                "9007199254740992",
                "123456789.12345679",
            ]),
        ),
        (LogicalType::Text, ["", "null", "1", text, "{}"].map(Value::text).to_vec()),
        (
            LogicalType::Binary,
            vec![Value::binary([]), Value::binary([0, 255]), Value::binary((0..200).collect::<Vec<u8>>())],
        ),
        (LogicalType::Json, [json, "{\"a\": 1.10}", "[1e-130]", "1.50", "true"].map(Value::json).to_vec()),
    ]
}

/// Batches of the same values, in a column of this type and then in one of the wider type.
fn pair(from: LogicalType, to: LogicalType, values: &[Value]) -> Result<(ChangeBatch, ChangeBatch)> {
    let changes: Vec<_> = (0..).zip(values).map(|(id, value)| put(id, 1, [("v", value.clone())])).collect();
    let keys = [Column::key("id", LogicalType::Int64)];
    let schema = |ty| TableSchema::new(vec![keys[0].clone(), Column::new("v", ty)]).map(Arc::new);
    let sent = batch(&keys, &changes)?;
    let narrow = if from == LogicalType::Float64 { rounded(&sent)? } else { conform(&sent, &schema(from)?)? };
    let wide = conform(&narrow, &schema(to)?)?;
    Ok((narrow, wide))
}

/// Numbers are doubles in no column but that of a rule.
fn rounded(batch: &ChangeBatch) -> Result<ChangeBatch> {
    let said = TableRules::default().numbers(Numbers::Float);
    let rules = Rules::new(&said, batch.schema().keys(), None)?;
    Ok(rules.admit(batch, &|_: &str| None, false)?.0)
}

async fn write(table: &mut Table, batch: &ChangeBatch) -> Result<()> {
    let actual = table.session.describe().await?;
    let becomes_text = batch.schema().get("v").is_some_and(|(_, column)| column.ty == LogicalType::Text);
    let text = TypeJoin::of(&TableRules::default().on_type_conflict(OnTypeConflict::Text));
    let by = if becomes_text { text } else { TypeJoin::default() };
    let plan = plan_by(actual.as_ref(), batch.schema(), by)?;
    table.session.evolve(&plan).await?;
    let mut transaction = table.session.begin().await?;
    transaction.write(batch).await?;
    transaction.commit(&table.checkpoint).await
}

/// The column's type and values; JSON by its meaning, since one and the same string can be written in several ways, and spaces may go.
async fn texts(place: &dyn SqlHarness, table: &str, is_json: bool) -> Vec<String> {
    let query = format!(
        "SELECT replace(data_type, ' ', '_'), numeric_precision, numeric_scale, CAST(v AS VARCHAR) \
         FROM \"{table}\", information_schema.columns \
         WHERE table_schema = current_schema() AND table_name = '{table}' AND column_name = 'v' ORDER BY id"
    );
    let canonical = |row: &String| {
        let Some((ty, text)) = row.match_indices(' ').nth(2).map(|(at, _)| row.split_at(at)) else { panic!("{row}") };
        match text.trim_start() {
            text if is_json && serde_json::from_str::<serde_json::Value>(text).is_ok() => {
                format!("{ty} {:?}", Value::json(text))
            }
            _ => row.clone(),
        }
    };
    place.query(&query).await.iter().map(canonical).collect()
}

pub(super) async fn a_widened_column_holds_what_conform_would_have_sent(place: &dyn SqlHarness) {
    let types = [
        LogicalType::Decimal { precision: 21, scale: 2 },
        LogicalType::Decimal { precision: 7, scale: 2 },
        LogicalType::Decimal { precision: 9, scale: 4 },
        LogicalType::Number,
        LogicalType::Json,
        LogicalType::Text,
    ];
    let nul_in_text = place.connect().await.capabilities().nul_in_text;
    let mut pairs = 0;
    for (from, values) in values(nul_in_text) {
        for to in types.into_iter().filter(|&to| to != from && (from.fits_in(to) || to == LogicalType::Text)) {
            let (narrow, wide) = pair(from, to, &values).expect("the values fit");
            let nothing = wide.filter(&vec![false; wide.len()]).expect("no rows are a batch");
            let mut widened = place.open(target(&format!("{from} {to} widened"))).await;
            let mut sent = place.open(target(&format!("{from} {to} sent"))).await;
            for batch in [&narrow, &nothing] {
                write(&mut widened, batch).await.unwrap_or_else(|e| panic!("{from} to {to}: {e:?}"));
            }
            write(&mut sent, &wide).await.unwrap_or_else(|e| panic!("{to}: {e:?}"));
            let is_json = [from, to].contains(&LogicalType::Json);
            let expected = texts(place, &sent.target.name, is_json).await;
            assert_eq!(expected.len(), values.len());
            assert_eq!(texts(place, &widened.target.name, is_json).await, expected, "{from} to {to}");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 30);
}
