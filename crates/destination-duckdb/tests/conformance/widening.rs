//! Columns of rows that are there already become what `conform` makes of rows that are still to come.

use std::sync::Arc;

use commutator_conformance::{Value, batch};
use commutator_core::rules::{Numbers, OnTypeConflict, Rules, TableRules, TypeJoin};
use commutator_core::schema::{conform, plan_by};
use commutator_core::{ChangeBatch, Column, ErrorKind, LogicalType, TableSchema};

use crate::place::File;
use crate::table::{Table, put, seen, target};

fn values() -> Vec<(LogicalType, Vec<Value>)> {
    let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
    let numbers = |texts: &[&str]| texts.iter().map(|text| Value::number(text)).collect::<Vec<_>>();
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
        (LogicalType::Text, ["", "null", "1", "a\"\\\n\t\u{1}\u{1f980}\0", "{}"].map(Value::text).to_vec()),
        (
            LogicalType::Binary,
            vec![Value::binary([]), Value::binary([0, 255]), Value::binary((0..200).collect::<Vec<u8>>())],
        ),
        (
            LogicalType::Json,
            ["\"a\\\"\\u0000\"", "{\"a\": 1.10}", "[1e-130]", "1.50", "true"].map(Value::json).to_vec(),
        ),
    ]
}

/// Batches of the same values, in a column of this type and then in one of the wider type.
fn pair(from: LogicalType, to: LogicalType, values: &[Value]) -> (ChangeBatch, ChangeBatch) {
    let changes: Vec<_> = (0..).zip(values).map(|(id, value)| put(id, 1, [("v", value.clone())])).collect();
    let keys = [Column::key("id", LogicalType::Int64)];
    let schema = |ty| Arc::new(TableSchema::new(vec![keys[0].clone(), Column::new("v", ty)]).unwrap());
    let sent = batch(&keys, &changes).unwrap();
    let narrow = if from == LogicalType::Float64 { rounded(&sent) } else { conform(&sent, &schema(from)).unwrap() };
    let wide = conform(&narrow, &schema(to)).unwrap();
    (narrow, wide)
}

/// Numbers are doubles in no column but that of a rule.
fn rounded(batch: &ChangeBatch) -> ChangeBatch {
    let said = TableRules::default().numbers(Numbers::Float);
    let rules = Rules::new(&said, batch.schema().keys(), None).unwrap();
    rules.admit(batch, &|_: &str| None, false).unwrap().0
}

async fn write(table: &mut Table, batch: &ChangeBatch) {
    let actual = table.session.describe().await.unwrap();
    let becomes_text = batch.schema().get("v").is_some_and(|(_, column)| column.ty == LogicalType::Text);
    let text = TypeJoin::of(&TableRules::default().on_type_conflict(OnTypeConflict::Text));
    let by = if becomes_text { text } else { TypeJoin::default() };
    let plan = plan_by(actual.as_ref(), batch.schema(), by).unwrap();
    table.session.evolve(&plan).await.unwrap();
    let mut transaction = table.session.begin().await.unwrap();
    transaction.write(batch).await.unwrap();
    transaction.commit(&table.checkpoint).await.unwrap();
}

/// The values as text; JSON by its meaning, since one and the same string can be written in several ways.
async fn texts(place: &File, table: &str, to: LogicalType) -> Vec<String> {
    let rows = place.query(&format!("SELECT typeof(v), v FROM \"{table}\" ORDER BY id")).await;
    let canonical = |row: &String| {
        let (ty, text) = row.split_once(' ').expect("two columns");
        if to == LogicalType::Json { format!("{ty} {:?}", Value::json(text)) } else { row.clone() }
    };
    rows.iter().map(canonical).collect()
}

#[tokio::test]
async fn a_widened_column_holds_what_conform_would_have_sent() {
    let place = File::new();
    let types = [
        LogicalType::Decimal { precision: 21, scale: 2 },
        LogicalType::Decimal { precision: 7, scale: 2 },
        LogicalType::Decimal { precision: 9, scale: 4 },
        LogicalType::Number,
        LogicalType::Json,
        LogicalType::Text,
    ];
    let mut pairs = 0;
    for (from, values) in values() {
        for to in types.into_iter().filter(|&to| to != from && (from.fits_in(to) || to == LogicalType::Text)) {
            let (narrow, wide) = pair(from, to, &values);
            let mut widened = Table::open(&place, target(&format!("{from} {to} widened"))).await;
            write(&mut widened, &narrow).await;
            write(&mut widened, &wide.filter(&vec![false; wide.len()]).unwrap()).await;
            let mut sent = Table::open(&place, target(&format!("{from} {to} sent"))).await;
            write(&mut sent, &wide).await;
            let expected = texts(&place, &sent.target.name, to).await;
            assert_eq!(expected.len(), values.len());
            assert_eq!(texts(&place, &widened.target.name, to).await, expected, "{from} to {to}");
            pairs += 1;
        }
    }
    assert_eq!(pairs, 30);
}

#[tokio::test]
async fn an_index_on_the_table_stands_in_the_way_and_the_way_out_works() {
    let place = File::new();
    let mut table = Table::open(&place, target("t")).await;
    table.commit(&[seen(1, [("v", Value::int(1))])]).await;
    place.execute("CREATE INDEX mine ON t (id); CREATE VIEW report AS SELECT v FROM t").await;
    table.commit(&[seen(3, [("w", Value::int(1))])]).await;
    let error = table.try_commit(&[seen(2, [("v", Value::text("x"))])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{error:?}");
    assert!(error.to_string().contains("index") && error.to_string().contains("class: Dependency Error"), "{error}");
    place.execute("DROP INDEX mine").await;
    let mut table = Table::open(&place, target("t")).await;
    table.commit(&[seen(2, [("v", Value::text("x"))])]).await;
    place.execute("CREATE INDEX mine ON t (id)").await;
    assert_eq!(place.query("SELECT v FROM t WHERE v IS NOT NULL ORDER BY id").await, ["1", "\"x\""]);
}

/// More changes of columns than one transaction bears are made in several, whether the rows are committed then or taken back.
#[tokio::test]
async fn hundreds_of_columns_change_in_transactions_of_their_own() {
    let place = File::new();
    let mut table = Table::open(&place, target("t")).await;
    let wide = |id: i64, sequence: u64, columns: std::ops::Range<i64>, value: &str| {
        let mut change = put(id, sequence, []);
        change.item.extend(columns.map(|at| (format!("a{at:03}"), Value::number(value))));
        change
    };
    table.commit(&[wide(1, 1, 0..100, "1")]).await;
    let second = [wide(2, 2, 0..100, "2.5"), wide(3, 3, 100..200, "3")];
    let batch = table.prepare(&second).await.unwrap();
    let mut transaction = table.session.begin().await.unwrap();
    transaction.write(&batch).await.unwrap();
    transaction.rehearse().await.unwrap();
    table.commit(&second).await;
    let values = "SELECT id, a000, a099, a100, a199 FROM t ORDER BY id";
    assert_eq!(place.query(values).await, ["1 1.0 1.0 - -", "2 2.5 2.5 - -", "3 - - 3 3"]);
    let changes =
        "SELECT action, count(*), count(DISTINCT changed_at) > 1 FROM _ct_schema_changes GROUP BY ALL ORDER BY action";
    assert_eq!(place.query(changes).await, ["add_column 100 true", "create_table 101 false", "widen_column 100 true"]);
    // The next session finds what was recorded.
    Table::open(&place, target("t")).await.commit(&[wide(1, 4, 0..1, "7")]).await;
}
