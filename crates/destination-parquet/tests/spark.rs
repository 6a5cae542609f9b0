//! What Spark sees of tables through their plain folders and through the view of the current rows, without an option.
//!
//! One session of it reads everything, as that takes seconds to start; so this is one test.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use commutator_core::{ChangeBatch, Epoch, LogicalType, Op, OrderKey, SyncMode};
use commutator_destination_parquet::{Compaction, Parquet};
use serde_json::{Value as Json, json};

use crate::native::documents;
use crate::readers::Seen;
use crate::table::{SNAPSHOT, Value, Writer, at, batch, connect, schema, snapshot, target};

const MODES: [SyncMode; 4] = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
const DECIMAL: LogicalType = LogicalType::Decimal { precision: 20, scale: 1 };

/// Returns the Python that has Spark; without it the test is skipped, but not where the environment variable `CI` is `true`.
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
fn spark() -> Option<String> {
    let python = std::env::var("COMMUTATOR_TEST_SPARK_PYTHON").ok();
    if python.is_none() {
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "COMMUTATOR_TEST_SPARK_PYTHON is not set");
        eprintln!("skipped: COMMUTATOR_TEST_SPARK_PYTHON is not set");
    }
    python
}

/// Reads places in one session; of each what it holds, or what Spark says.
fn read_all(python: &str, folder: &Path, places: &[String]) -> Vec<Result<Seen, String>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spark.py");
    let folders = places.iter().map(|place| match place.strip_prefix("view:") {
        Some(place) => format!("view:{}", folder.join(place).display()),
        None => folder.join(place).display().to_string(),
    });
    let output = Command::new(python).arg(script).args(folders).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Vec<Json> = serde_json::from_slice(&output.stdout).unwrap();
    let parse = |seen: Json| match seen["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(Seen::parse(seen)),
    };
    seen.into_iter().map(parse).collect()
}

async fn writer(parquet: &Parquet, name: &str, mode: SyncMode) -> Writer {
    Writer::open(parquet, &target(name, mode)).await
}

fn every_type() -> ChangeBatch {
    let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
    let schema = schema(&[
        ("id", LogicalType::Int64),
        ("ok", LogicalType::Bool),
        ("small", decimal(9, 2)),
        ("price", decimal(18, 4)),
        ("long", decimal(38, 10)),
        ("any", LogicalType::Number),
        ("ratio", LogicalType::Float64),
        ("blob", LogicalType::Binary),
        ("doc", LogicalType::Json),
        ("Straße \"x\" `a`=b,.;{}()", LogicalType::Text),
    ]);
    let row = vec![
        i64::MIN.into(),
        Value::Bool(true),
        Value::Decimal(-123_456_789),
        Value::Decimal(999_999_999_999_999_999),
        Value::Decimal(-12_345_678_901_234_567_890_123_456_789_012_345_678),
        "1E-130".into(),
        Value::Float(0.1 + 0.2),
        Value::Binary(vec![0, 255, 128]),
        r#"{"a":[1,2.50]}"#.into(),
        "ä\u{1f980}\0z".into(),
    ];
    batch(&schema, &[(SNAPSHOT, snapshot(), row), (SNAPSHOT, snapshot(), vec![1.into()])])
}

/// Rows of a table whose number becomes wider with each: `Int64`, a decimal, digits, JSON.
fn widening(step: usize) -> ChangeBatch {
    let types = [LogicalType::Int64, DECIMAL, LogicalType::Number, LogicalType::Json];
    let value: Value = match step {
        0 => 10.into(),
        1 => Value::Decimal(15),
        2 => "1E-130".into(),
        _ => "\"text\"".into(),
    };
    let columns = schema(&[("id", LogicalType::Int64), ("n", types[step])]);
    let id = i64::try_from(step).unwrap();
    let order = if step == 0 { (SNAPSHOT, snapshot()) } else { (Op::Insert, at(step as u64)) };
    batch(&columns, &[(order.0, order.1, vec![id.into(), value])])
}

/// The same changes in `append` and in `mirror`: versions out of order, removals, a wider column, and a resync that sees three items.
async fn live(parquet: &Parquet, name: &str, mode: SyncMode) {
    let narrow = schema(&[("id", LogicalType::Int64), ("it's `n`", LogicalType::Int64)]);
    let wide = schema(&[("id", LogicalType::Int64), ("it's `n`", LogicalType::Number), ("added", LogicalType::Text)]);
    let mut writer = writer(parquet, name, mode).await;
    let rows: Vec<_> = (0..10_i64).map(|id| (SNAPSHOT, snapshot(), vec![id.into(), (id * 2).into()])).collect();
    writer.commit_last(Some(&batch(&narrow, &rows))).await.unwrap();
    let changes = [
        (Op::Modify, at(1), vec![1.into(), 100.into()]),
        (Op::Modify, at(3), vec![1.into(), 300.into()]),
        (Op::Modify, at(2), vec![1.into(), 200.into()]),
        (Op::Remove, at(4), vec![2.into()]),
        (Op::Remove, at(5), vec![3.into()]),
        (Op::Insert, at(6), vec![3.into(), 7.into()]),
        (Op::Expire, at(7), vec![4.into()]),
    ];
    writer.commit(&batch(&narrow, &changes)).await.unwrap();
    writer.commit(&batch(&wide, &[(Op::Insert, at(8), vec![20.into(), "1E-130".into(), "new".into()])])).await.unwrap();
    if name.contains("resync") {
        writer.resync().await;
        let second = OrderKey::snapshot(Epoch(2));
        let rows: Vec<_> = (0..3_i64).map(|id| (SNAPSHOT, second, vec![id.into(), "10".into()])).collect();
        writer.commit_last(Some(&batch(&wide, &rows))).await.unwrap();
    }
}

/// Columns that came and were widened while the first snapshot of an `append` table runs, whose files differ until a compaction.
async fn compacted(parquet: &Parquet, name: &str) {
    let mut writer = writer(parquet, name, SyncMode::Append).await;
    let first = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Int64)]);
    writer.commit(&batch(&first, &[(SNAPSHOT, snapshot(), vec![1.into(), 10.into()])])).await.unwrap();
    let second = schema(&[("id", LogicalType::Int64), ("n", DECIMAL), ("added", LogicalType::Text)]);
    let row = vec![2.into(), Value::Decimal(15), "new".into()];
    writer.commit(&batch(&second, &[(SNAPSHOT, snapshot(), row)])).await.unwrap();
    parquet.compact(&target(name, SyncMode::Append), Compaction::default()).await.unwrap();
}

const FIRST_DOCUMENT: &str = r#"{"name":"a","geo":{"lat":51.5},"tags":["x",null],"Straße \"x\".a=b":[[1],[]]}"#;
const GROWN_DOCUMENT: &str =
    r#"{"name":7,"geo":{"lat":1.25,"lon":-9007199254740993},"items":[{"sku":"a","n":1},{"sku":"b"}]}"#;

/// Writes the tables, each with what Spark must see of it: the types of its columns and its rows, without the system columns.
async fn write(parquet: &Parquet) -> Vec<(String, Vec<&'static str>, Vec<Vec<Json>>)> {
    let mut expected = Vec::new();
    for mode in MODES {
        let name = format!("types_{mode}");
        writer(parquet, &name, mode).await.commit_last(Some(&every_type())).await.unwrap();
        let types = ["bigint", "boolean", "decimal(9,2)", "decimal(18,4)", "decimal(38,10)", "string", "double"];
        let row = json!([
            i64::MIN.to_string(),
            true,
            "-1234567.89",
            "99999999999999.9999",
            "-1234567890123456789012345678.9012345678",
            "1E-130",
            "0.30000000000000004",
            "00ff80",
            r#"{"a":[1,2.50]}"#,
            "ä\u{1f980}\0z"
        ]);
        let nulls = std::iter::once(json!("1")).chain(std::iter::repeat_n(Json::Null, 9)).collect();
        let rows = vec![row.as_array().unwrap().clone(), nulls];
        expected.push((name, [&types[..], &["binary", "string", "string"]].concat(), rows));

        // The other modes keep their rows in the same buckets as `mirror`.
        let shown = if matches!(mode, SyncMode::Mirror | SyncMode::Append) { 1..4 } else { 3..4 };
        for steps in shown {
            let name = format!("widened_{mode}_{steps}");
            let mut writer = writer(parquet, &name, mode).await;
            writer.commit_last(Some(&widening(0))).await.unwrap();
            for step in 1..=steps {
                writer.commit(&widening(step)).await.unwrap();
            }
            let ty = ["decimal(20,1)", "string", "string"][steps - 1];
            let values = [if steps == 1 { "10.0" } else { "10" }, "1.5", "1E-130", "\"text\""];
            let rows = values[..=steps].iter().enumerate().map(|(id, value)| vec![json!(id.to_string()), json!(value)]);
            expected.push((name, vec!["bigint", ty], rows.collect()));
        }

        let name = format!("native_{mode}");
        let mut native = writer(parquet, &name, mode).await;
        native.commit_last(Some(&documents(&[(SNAPSHOT, snapshot(), 1, FIRST_DOCUMENT)]))).await.unwrap();
        native.commit(&documents(&[(Op::Insert, at(5), 2, GROWN_DOCUMENT)])).await.unwrap();
        expected.push((name, NATIVE.to_vec(), native_rows()));
    }
    let empty = batch(&Arc::clone(every_type().schema()), &[]);
    for mode in [SyncMode::Mirror, SyncMode::Append] {
        let name = format!("empty_{mode}");
        writer(parquet, &name, mode).await.commit_last(Some(&empty)).await.unwrap();
        expected.push((name, expected[0].1.clone(), Vec::new()));
    }
    for name in ["it's live", "resync"] {
        for mode in [SyncMode::Append, SyncMode::Mirror] {
            live(parquet, &format!("{name} {mode}"), mode).await;
        }
        let ids: &[(&str, &str)] = if name == "resync" {
            &[("0", "10"), ("1", "10"), ("2", "10")]
        } else {
            &[
                ("0", "0"),
                ("1", "300"),
                ("20", "1E-130"),
                ("3", "7"),
                ("5", "10"),
                ("6", "12"),
                ("7", "14"),
                ("8", "16"),
                ("9", "18"),
            ]
        };
        let row =
            |&(id, n): &(&str, &str)| vec![json!(id), json!(n), if id == "20" { json!("new") } else { Json::Null }];
        let rows: Vec<_> = ids.iter().map(row).collect();
        for place in [format!("view:{name} append"), format!("{name} mirror")] {
            expected.push((place, vec!["bigint", "string", "string"], rows.clone()));
        }
    }
    compacted(parquet, "compacted").await;
    let rows = vec![vec![json!("1"), json!("10.0"), Json::Null], vec![json!("2"), json!("1.5"), json!("new")]];
    for place in ["compacted", "view:compacted"] {
        expected.push((place.to_owned(), vec!["bigint", "decimal(20,1)", "string"], rows.clone()));
    }
    expected.push(("view:native_append".to_owned(), NATIVE.to_vec(), native_rows()));
    expected.push(("view:empty_append".to_owned(), expected[0].1.clone(), Vec::new()));
    expected
}

const NATIVE: [&str; 2] = [
    "bigint",
    "struct<Straße \"x\".a=b:array<array<bigint>>,geo:struct<lat:decimal(4,2),lon:bigint>,\
     items:array<struct<n:bigint,sku:string>>,name:string,tags:array<string>>",
];

fn native_rows() -> Vec<Vec<Json>> {
    let first = json!({
        "Straße \"x\".a=b": [["1"], []],
        "geo": {"lat": "51.50", "lon": null},
        "items": null,
        // Text and number agree as JSON text only.
        "name": "\"a\"",
        "tags": ["x", null],
    });
    let grown = json!({
        "Straße \"x\".a=b": null,
        "geo": {"lat": "1.25", "lon": "-9007199254740993"},
        "items": [{"n": "1", "sku": "a"}, {"n": null, "sku": "b"}],
        "name": "7",
        "tags": null,
    });
    vec![vec![json!("1"), first], vec![json!("2"), grown]]
}

#[tokio::test]
async fn spark_reads_every_table_without_an_option() {
    let Some(python) = spark() else { return };
    let folder = tempfile::tempdir().unwrap();
    let expected = write(&connect(folder.path()).await).await;
    let places: Vec<String> = expected.iter().map(|(place, ..)| place.clone()).collect();
    for ((place, types, rows), seen) in expected.iter().zip(read_all(&python, folder.path(), &places)) {
        let seen = seen.unwrap_or_else(|error| panic!("{place}: {error}"));
        let own = seen.columns.iter().filter(|(name, _)| !name.starts_with("_ct_"));
        assert_eq!(own.map(|(_, ty)| ty.as_str()).collect::<Vec<_>>(), *types, "{place}");
        assert_eq!(seen.own(), *rows, "{place}");
        let times = ["_ct_changed_at", "_ct_synced_at"].map(|name| seen.ty(name));
        assert_eq!((times, seen.ty("_ct_order")), (["timestamp"; 2], "string"), "{place}");
    }
}
