//! `soft_delete` and `history` as `DuckDB` and pyarrow see them through a plain glob.

use commutator_core::{Epoch, LogicalType, Op, OrderKey, SyncMode};
use serde_json::json;

use crate::readers::{ENGINES, python, read};
use crate::table::{SNAPSHOT, Value, Writer, at, batch_at, connect, schema, snapshot, target};

const NULL: serde_json::Value = serde_json::Value::Null;

#[tokio::test]
async fn a_deleted_row_stays_and_is_marked() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let narrow = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Int64)]);
    let wide = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Text), ("added", LogicalType::Text)]);
    let target = target("orders", SyncMode::SoftDelete);
    let mut writer = Writer::open(&connect(folder.path()).await, &target).await;
    let read_row = |id: i64| (SNAPSHOT, snapshot(), vec![id.into(), (10 * id).into()], None);
    writer.commit(&batch_at(&narrow, &[read_row(1), read_row(2), read_row(3)])).await.unwrap();
    // While the snapshot runs, removals wait for its end.
    let removals = [(Op::Remove, at(5), vec![2.into()], Some(500)), (Op::Expire, at(6), vec![9.into()], Some(600))];
    writer.commit(&batch_at(&narrow, &removals)).await.unwrap();
    let names = ["id", "n", "_ct_deleted", "_ct_changed_at"];
    let row = |id: &str, n: serde_json::Value, deleted: bool, changed_at: serde_json::Value| {
        [json!(id), n, json!(deleted), changed_at]
    };
    for engine in ENGINES {
        let seen = read(&python, engine, &folder.path().join("orders"));
        let live = ["1", "2", "3"].map(|id| row(id, json!(format!("{id}0")), false, NULL));
        assert_eq!(seen.pick(names), live, "{engine}");
    }
    writer.commit_last(None).await.unwrap();
    writer.commit(&batch_at(&wide, &[(Op::Remove, at(7), vec![3.into()], Some(700))])).await.unwrap();
    for engine in ENGINES {
        let seen = read(&python, engine, &folder.path().join("orders"));
        let rows = [
            row("1", json!("10"), false, NULL),
            row("2", json!("20"), true, json!("500")),
            row("3", json!("30"), true, json!("700")),
            row("9", NULL, true, json!("600")),
        ];
        assert_eq!(seen.pick(names), rows, "{engine}");
        assert!(seen.columns.iter().any(|(name, _)| name == "added"));
    }
    // A resync that sees only the second row.
    writer.resync().await;
    let second = OrderKey::snapshot(Epoch(2));
    let again = [(SNAPSHOT, second, vec![2.into(), Value::from("again"), Value::Null], None)];
    writer.commit_last(Some(&batch_at(&wide, &again))).await.unwrap();
    for engine in ENGINES {
        let seen = read(&python, engine, &folder.path().join("orders"));
        let rows = [
            row("1", json!("10"), true, NULL),
            row("2", json!("\"again\""), false, NULL),
            row("3", json!("30"), true, json!("700")),
            row("9", NULL, true, json!("600")),
        ];
        assert_eq!(seen.pick(names), rows, "{engine}");
    }
}

#[tokio::test]
async fn history_has_every_version_with_its_interval() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let columns = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Text)]);
    let target = target("orders", SyncMode::History);
    let parquet = connect(folder.path()).await;
    let mut writer = Writer::open(&parquet, &target).await;
    let change = |op, sequence: u64, id: i64, n: Option<&str>, changed_at| {
        let values = std::iter::once(id.into()).chain(n.map(Value::from)).collect();
        (op, at(sequence), values, Some(changed_at))
    };
    let first = [change(Op::Insert, 1, 1, Some("a"), 100), change(Op::Insert, 2, 2, Some("b"), 200)];
    writer.commit_last(Some(&batch_at(&columns, &first))).await.unwrap();
    // Two changes within one second, of which the later one's clock is behind; then a removal, and a replay of it all.
    let second = [
        change(Op::Modify, 3, 1, Some("c"), 300),
        change(Op::Modify, 4, 1, Some("d"), 290),
        change(Op::Expire, 5, 2, None, 400),
    ];
    writer.commit(&batch_at(&columns, &second)).await.unwrap();
    writer.commit(&batch_at(&columns, &second)).await.unwrap();
    let names = ["id", "n", "_ct_op", "_ct_valid_from", "_ct_valid_to", "_ct_current"];
    let row = |id: &str, n: Option<&str>, op: &str, from: u32, to: Option<u32>, current: bool| {
        let time = |time: u32| json!(time.to_string());
        [json!(id), n.map_or(NULL, |n| json!(n)), json!(op), time(from), to.map_or(NULL, time), json!(current)]
    };
    let mut rows = vec![
        row("1", Some("a"), "insert", 100, Some(290), false),
        row("1", Some("c"), "modify", 290, Some(290), false),
        row("1", Some("d"), "modify", 290, None, true),
        row("2", Some("b"), "insert", 200, Some(400), false),
        row("2", None, "expire", 400, Some(400), false),
    ];
    rows.sort_by_key(|row| format!("{row:?}"));
    for engine in ENGINES {
        let seen = read(&python, engine, &folder.path().join("orders"));
        assert_eq!(seen.pick(names), rows, "{engine}");
    }
    // A resync that sees nothing ends what was current, and takes nothing away.
    writer.resync().await;
    writer.commit_last(None).await.unwrap();
    for engine in ENGINES {
        let seen = read(&python, engine, &folder.path().join("orders"));
        assert_eq!(seen.rows.len(), 6, "{engine}");
        assert!(seen.pick(["_ct_current"]).iter().all(|row| row[0] == json!(false)), "{engine}");
    }
}

#[tokio::test]
async fn a_mirror_may_keep_its_deleted_rows_from_now_on() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let columns = schema(&[("id", LogicalType::Int64), ("n", LogicalType::Text)]);
    let parquet = connect(folder.path()).await;
    let mirror = target("orders", SyncMode::Mirror);
    let mut writer = Writer::open(&parquet, &mirror).await;
    let row = |id: i64| (SNAPSHOT, snapshot(), vec![id.into(), "a".into()], None);
    writer.commit_last(Some(&batch_at(&columns, &[row(1), row(2)]))).await.unwrap();
    writer.commit(&batch_at(&columns, &[(Op::Remove, at(1), vec![1.into()], None)])).await.unwrap();

    let marked = target("orders", SyncMode::SoftDelete);
    let mut writer = Writer::open(&parquet, &marked).await;
    // Nothing is rewritten yet, and a compaction may come first.
    parquet.table(&marked).await.unwrap().unwrap();
    parquet.compact(&marked, commutator_destination_parquet::Compaction::default()).await.unwrap();
    let names = ["id", "n", "_ct_deleted"];
    for engine in ENGINES {
        let seen = read(&python, engine, &folder.path().join("orders"));
        assert_eq!(seen.pick(names), [[json!("2"), json!("a"), json!(false)]], "{engine}");
    }
    writer.commit(&batch_at(&columns, &[(Op::Remove, at(2), vec![2.into()], None)])).await.unwrap();
    for engine in ENGINES {
        let seen = read(&python, engine, &folder.path().join("orders"));
        assert_eq!(seen.pick(names), [[json!("2"), json!("a"), json!(true)]], "{engine}");
    }
    for other in [SyncMode::Mirror, SyncMode::History, SyncMode::Append] {
        let error = Writer::try_open(&parquet, &target("orders", other)).await.err().unwrap();
        assert_eq!(error.kind(), commutator_core::ErrorKind::ConfigInvalid);
    }
}
