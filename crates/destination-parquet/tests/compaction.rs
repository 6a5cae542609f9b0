//! A compacted table as `DuckDB` and pyarrow see it through a plain glob.

use std::path::Path;
use std::time::Duration;

use commutator_core::{LogicalType, Op, SyncMode};
use commutator_destination_parquet::Compaction;
use serde_json::json;

use crate::readers::{ENGINES, python, read};
use crate::table::{SNAPSHOT, Value, Writer, at, batch, connect, schema, snapshot, target};

fn files(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "parquet")).count()
}

#[tokio::test]
async fn a_table_reads_the_same_before_and_after() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let parquet = connect(folder.path()).await;
    let columns = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Text)]);
    for mode in [SyncMode::Append, SyncMode::History] {
        let target = target(mode.as_str(), mode);
        let mut writer = Writer::open(&parquet, &target).await;
        writer
            .commit_last(Some(&batch(&columns, &[(SNAPSHOT, snapshot(), vec![1.into(), "a".into()])])))
            .await
            .unwrap();
        for i in 2..6_u64 {
            let row = (Op::Modify, at(i), vec![i.cast_signed().into(), "b".into()]);
            writer.commit(&batch(&columns, &[row])).await.unwrap();
        }
        let place = folder.path().join(&target.name);
        let before: Vec<_> = ENGINES.iter().map(|engine| read(&python, engine, &place)).collect();
        let done = parquet.compact(&target, Compaction::default()).await.unwrap();
        assert_eq!(files(&place), 1, "{mode} {done:?}");
        for (engine, before) in ENGINES.iter().zip(before) {
            let after = read(&python, engine, &place);
            assert_eq!((after.columns, after.rows), (before.columns, before.rows), "{mode} {engine}");
        }
        writer.commit(&batch(&columns, &[(Op::Remove, at(9), vec![1.into()])])).await.unwrap();
        assert_eq!(read(&python, "duckdb", &place).rows.len(), 6, "{mode}");
    }
}

/// While the first snapshot runs, files of an `append` table may differ in their columns; a compaction makes them one dataset.
#[tokio::test]
async fn a_first_load_with_new_columns_becomes_one_dataset() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let parquet = connect(folder.path()).await;
    let narrow = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Int64)]);
    let wide = schema(&[
        ("id", LogicalType::Int64),
        ("n", LogicalType::Decimal { precision: 20, scale: 1 }),
        ("added", LogicalType::Text),
    ]);
    let target = target("orders", SyncMode::Append);
    let mut writer = Writer::open(&parquet, &target).await;
    writer.commit(&batch(&narrow, &[(SNAPSHOT, snapshot(), vec![1.into(), 10.into()])])).await.unwrap();
    let row = vec![2.into(), Value::Decimal(15), "new".into()];
    writer.commit(&batch(&wide, &[(SNAPSHOT, snapshot(), row)])).await.unwrap();
    let done = parquet.compact(&target, Compaction { grace: Duration::ZERO }).await.unwrap();
    assert_eq!((done.replaced, done.written, done.files), (2, 1, 1));
    for engine in ENGINES {
        let seen = read(&python, engine, &folder.path().join("orders"));
        let rows = [[json!("1"), json!("10.0"), json!(null)], [json!("2"), json!("1.5"), json!("new")]];
        assert_eq!(seen.own(), rows, "{engine}");
    }
}

#[tokio::test]
async fn a_table_on_s3_is_compacted() {
    let Some(config) = crate::s3::config_or_skip() else { return };
    let parquet = config.connect().await.unwrap();
    let columns = schema(&[("id", LogicalType::Int64)]);
    let target = target("orders", SyncMode::Append);
    let mut writer = Writer::open(&parquet, &target).await;
    for i in 0..5_u64 {
        writer.commit(&batch(&columns, &[(Op::Insert, at(i), vec![i.cast_signed().into()])])).await.unwrap();
    }
    let done = parquet.compact(&target, Compaction::default()).await.unwrap();
    assert_eq!((done.replaced, done.written, done.files), (5, 1, 1));
    writer.commit(&batch(&columns, &[(Op::Insert, at(9), vec![9.into()])])).await.unwrap();
    assert_eq!(parquet.compact(&target, Compaction { grace: Duration::ZERO }).await.unwrap().files, 1);
    assert_eq!(parquet.rows(&target).await.unwrap().unwrap().len(), 6);
}
