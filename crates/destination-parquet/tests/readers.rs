//! What `DuckDB` and pyarrow see of a table through a plain glob; they share no code with ours.

use std::path::Path;
use std::process::Command;

use arrow_array::cast::AsArray as _;
use commutator_core::{LogicalType, Op, SyncMode};
use serde_json::{Value as Json, json};

use crate::table::{SNAPSHOT, Value, Writer, at, batch, connect, schema, snapshot, target};

/// Two by a plain glob, and `DuckDB` by the newest manifest's list of files.
pub(crate) const ENGINES: [&str; 3] = ["duckdb", "pyarrow", "manifest"];

/// A table as a reader sees it: columns with their types, and rows in the order of the first column's text.
pub(crate) struct Seen {
    pub(crate) columns: Vec<(String, String)>,
    pub(crate) rows: Vec<Vec<Json>>,
}

impl Seen {
    /// What the Python programs print of a table.
    pub(crate) fn parse(mut seen: Json) -> Self {
        let columns = serde_json::from_value(seen["columns"].take()).unwrap();
        let mut rows: Vec<Vec<Json>> = serde_json::from_value(seen["rows"].take()).unwrap();
        rows.sort_by_key(|row| row[0].to_string());
        Self { columns, rows }
    }

    /// Returns the rows without the system columns.
    pub(crate) fn own(&self) -> Vec<Vec<Json>> {
        let own = self.columns.iter().filter(|(name, _)| !name.starts_with("_ct_")).count();
        self.rows.iter().map(|row| row[..own].to_vec()).collect()
    }

    /// Returns some columns of the rows, sorted.
    pub(crate) fn pick<const N: usize>(&self, names: [&str; N]) -> Vec<[Json; N]> {
        let at = names.map(|name| self.columns.iter().position(|(column, _)| column == name).unwrap());
        let mut rows: Vec<_> = self.rows.iter().map(|row| at.map(|at| row[at].clone())).collect();
        rows.sort_by_key(|row| format!("{row:?}"));
        rows
    }

    pub(crate) fn ty(&self, column: &str) -> &str {
        &self.columns.iter().find(|(name, _)| name == column).unwrap().1
    }
}

/// Returns the Python that has the readers; without it the test is skipped, but not where the environment variable `CI` is `true`.
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
pub(crate) fn python() -> Option<String> {
    let python = std::env::var("COMMUTATOR_TEST_PYTHON").ok();
    if python.is_none() {
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "COMMUTATOR_TEST_PYTHON is not set");
        eprintln!("skipped: COMMUTATOR_TEST_PYTHON is not set");
    }
    python
}

pub(crate) fn read(python: &str, engine: &str, folder: &Path) -> Seen {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/read.py");
    let output = Command::new(python).arg(script).arg(engine).arg(folder).output().unwrap();
    assert!(output.status.success(), "{engine}: {}", String::from_utf8_lossy(&output.stderr));
    Seen::parse(serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test]
async fn every_type_arrives_exactly() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
    let schema = schema(&[
        ("id", LogicalType::Text),
        ("ok", LogicalType::Bool),
        ("count", LogicalType::Int64),
        ("small", decimal(9, 2)),
        ("price", decimal(18, 4)),
        ("long", decimal(38, 10)),
        ("any", LogicalType::Number),
        ("ratio", LogicalType::Float64),
        ("blob", LogicalType::Binary),
        ("doc", LogicalType::Json),
        ("Straße \"x\" a=b", LogicalType::Text),
    ]);
    let row = vec![
        "ä\u{1f980}\0z".into(),
        Value::Bool(true),
        i64::MIN.into(),
        Value::Decimal(-123_456_789),
        Value::Decimal(999_999_999_999_999_999),
        Value::Decimal(-12_345_678_901_234_567_890_123_456_789_012_345_678),
        "0.00000000000000000000000000000000000000000001".into(),
        Value::Float(0.1 + 0.2),
        Value::Binary(vec![0, 255, 128]),
        r#"{"a":[1,2.50,12345678901234567890123456789012345678],"b":"x\n"}"#.into(),
        "".into(),
    ];
    let nulls = vec!["a".into()];
    for mode in [SyncMode::Mirror, SyncMode::Append] {
        let target = target(mode.as_str(), mode);
        let mut writer = Writer::open(&connect(folder.path()).await, &target).await;
        let rows = [(SNAPSHOT, snapshot(), row.clone()), (SNAPSHOT, snapshot(), nulls.clone())];
        writer.commit_last(Some(&batch(&schema, &rows))).await.unwrap();
        for engine in ENGINES {
            let seen = read(&python, engine, &folder.path().join(&target.name));
            let expected = [
                vec![json!("a"); 1].into_iter().chain(std::iter::repeat_n(Json::Null, 10)).collect::<Vec<_>>(),
                vec![
                    json!("ä\u{1f980}\0z"),
                    json!(true),
                    json!(i64::MIN.to_string()),
                    json!("-1234567.89"),
                    json!("99999999999999.9999"),
                    json!("-1234567890123456789012345678.9012345678"),
                    json!("0.00000000000000000000000000000000000000000001"),
                    json!("0.30000000000000004"),
                    json!("00ff80"),
                    json!(r#"{"a":[1,2.50,12345678901234567890123456789012345678],"b":"x\n"}"#),
                    json!(""),
                ],
            ];
            assert_eq!(seen.own(), expected, "{mode} {engine}");
            let (json, timestamp, double) = match engine {
                "pyarrow" => ("string", "timestamp[us, tz=UTC]", "double"),
                _ => ("JSON", "TIMESTAMP WITH TIME ZONE", "DOUBLE"),
            };
            assert_eq!(
                (seen.ty("doc"), seen.ty("_ct_synced_at"), seen.ty("ratio")),
                (json, timestamp, double),
                "{mode}"
            );
            let changed_at = seen.columns.iter().position(|(name, _)| name == "_ct_changed_at").unwrap();
            assert_eq!(seen.rows[0][changed_at], json!("1700000000000000"), "{mode} {engine}");
        }
    }
}

#[tokio::test]
async fn a_table_has_the_same_columns_in_every_file_after_it_evolved() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let narrow = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Int64)]);
    let wide = schema(&[
        ("id", LogicalType::Decimal { precision: 20, scale: 1 }),
        ("n", LogicalType::Text),
        ("added", LogicalType::Text),
    ]);
    for mode in [SyncMode::Mirror, SyncMode::Append] {
        let target = target(mode.as_str(), mode);
        let mut writer = Writer::open(&connect(folder.path()).await, &target).await;
        let first =
            [(SNAPSHOT, snapshot(), vec![1.into(), 10.into()]), (SNAPSHOT, snapshot(), vec![2.into(), 20.into()])];
        writer.commit(&batch(&narrow, &first)).await.unwrap();
        writer.commit_last(None).await.unwrap();
        let second = [(Op::Modify, at(1), vec![Value::Decimal(15), "text".into(), "new".into()])];
        writer.commit(&batch(&wide, &second)).await.unwrap();
        for engine in ENGINES {
            let seen = read(&python, engine, &folder.path().join(&target.name));
            let row = |id: &str, n: &str, added: Json| vec![json!(id), json!(n), added];
            let expected =
                [row("1.0", "10", Json::Null), row("1.5", "\"text\"", json!("new")), row("2.0", "20", Json::Null)];
            assert_eq!(seen.own(), expected, "{mode} {engine}");
        }
    }
}

#[tokio::test]
async fn changes_show_once_the_snapshot_has_ended() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let columns = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Text)]);
    let target = target("orders", SyncMode::Mirror);
    let parquet = connect(folder.path()).await;
    let mut writer = Writer::open(&parquet, &target).await;
    let ids = |seen: Seen| seen.own().into_iter().map(|row| (row[0].clone(), row[1].clone())).collect::<Vec<_>>();
    let see = |engine| ids(read(&python, engine, &folder.path().join("orders")));
    let pair = |id: &str, n: &str| (json!(id), json!(n));

    let rows = [(SNAPSHOT, snapshot(), vec![1.into(), "a".into()]), (SNAPSHOT, snapshot(), vec![2.into(), "b".into()])];
    writer.commit(&batch(&columns, &rows)).await.unwrap();
    let changes = [
        (Op::Modify, at(5), vec![1.into(), "changed".into()]),
        (Op::Remove, at(6), vec![3.into()]),
        (Op::Insert, at(7), vec![4.into(), "inserted".into()]),
    ];
    writer.commit(&batch(&columns, &changes)).await.unwrap();
    assert_eq!(see("duckdb"), [pair("1", "a"), pair("2", "b")]);
    let mut read = rows_of(&parquet, &target).await;
    assert_eq!(read, [(1, "changed".to_owned()), (2, "b".to_owned()), (4, "inserted".to_owned())]);

    let rows = [(SNAPSHOT, snapshot(), vec![3.into(), "removed".into()])];
    writer.commit_last(Some(&batch(&columns, &rows))).await.unwrap();
    let settled = [pair("1", "changed"), pair("2", "b"), pair("4", "inserted")];
    for engine in ENGINES {
        assert_eq!(see(engine), settled, "{engine}");
    }
    writer.resync().await;
    let epoch = commutator_core::Epoch(2);
    let rows = [(SNAPSHOT, commutator_core::OrderKey::snapshot(epoch), vec![2.into(), "again".into()])];
    writer.commit(&batch(&columns, &rows)).await.unwrap();
    assert_eq!(see("duckdb"), settled);
    read = rows_of(&parquet, &target).await;
    assert_eq!(read[1], (2, "again".to_owned()));
    writer.commit_last(None).await.unwrap();
    assert_eq!(see("duckdb"), [pair("2", "again")]);
}

async fn rows_of(
    parquet: &commutator_destination_parquet::Parquet,
    target: &commutator_core::Target,
) -> Vec<(i64, String)> {
    let rows = parquet.rows(target).await.unwrap().unwrap();
    let ids = rows.rows().column(0).as_primitive::<arrow_array::types::Int64Type>().values().to_vec();
    let texts = rows.rows().column(1).as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned());
    let mut pairs: Vec<_> = ids.into_iter().zip(texts).collect();
    pairs.sort();
    pairs
}

#[tokio::test]
async fn a_table_without_rows_has_its_columns() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let columns = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Text)]);
    for mode in [SyncMode::Mirror, SyncMode::Append] {
        let target = target(mode.as_str(), mode);
        let mut writer = Writer::open(&connect(folder.path()).await, &target).await;
        writer.commit_last(Some(&batch(&columns, &[]))).await.unwrap();
        for engine in ENGINES {
            let seen = read(&python, engine, &folder.path().join(&target.name));
            assert_eq!((seen.rows.len(), seen.columns[1].0.as_str()), (0, "n"), "{mode} {engine}");
        }
        writer.commit(&batch(&columns, &[(Op::Insert, at(1), vec![1.into(), "a".into()])])).await.unwrap();
        let seen = read(&python, "duckdb", &folder.path().join(&target.name));
        assert_eq!(seen.own(), [[json!("1"), json!("a")]], "{mode}");
    }
}
