//! The view of an `append` table's current rows, run by `DuckDB` and compared with `mirror`.

use commutator_core::{ChangeBatch, Epoch, LogicalType, Op, OrderKey, SyncMode};

use crate::readers::{python, read};
use crate::table::{SNAPSHOT, Value, Writer, at, batch, connect, schema, snapshot, target};

/// Commits the same to both tables.
async fn both(writers: &mut [Writer; 2], batch: &ChangeBatch, last: bool) {
    for writer in writers {
        if last {
            writer.commit_last(Some(batch)).await.unwrap();
        } else {
            writer.commit(batch).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_view_of_the_current_rows_is_what_mirror_holds() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let parquet = connect(folder.path()).await;
    let narrow = schema(&[("id", LogicalType::Int64), ("it's \"n\"", LogicalType::Int64)]);
    let decimal = LogicalType::Decimal { precision: 20, scale: 1 };
    let wide = schema(&[("id", LogicalType::Int64), ("it's \"n\"", decimal), ("added", LogicalType::Text)]);
    let targets = [target("it's append", SyncMode::Append), target("mirror", SyncMode::Mirror)];
    let mut writers = [Writer::open(&parquet, &targets[0]).await, Writer::open(&parquet, &targets[1]).await];
    let compare = || {
        let view = read(&python, "view", &folder.path().join(&targets[0].name));
        let mirror = read(&python, "duckdb", &folder.path().join(&targets[1].name));
        assert_eq!(view.columns, mirror.columns);
        let own = |seen: crate::readers::Seen| {
            let names = ["id", "it's \"n\"", "_ct_order", "_ct_changed_at"];
            seen.pick(names)
        };
        let (view, mirror) = (own(view), own(mirror));
        assert_eq!(view, mirror);
        view.len()
    };
    let rows: Vec<_> = (0..10_i64).map(|id| (SNAPSHOT, snapshot(), vec![id.into(), (id * 2).into()])).collect();
    both(&mut writers, &batch(&narrow, &rows), true).await;
    assert_eq!(compare(), 10);
    let changes = [
        (Op::Modify, at(1), vec![1.into(), 100.into()]),
        (Op::Modify, at(3), vec![1.into(), 300.into()]),
        (Op::Modify, at(2), vec![1.into(), 200.into()]),
        (Op::Remove, at(4), vec![2.into()]),
        (Op::Remove, at(5), vec![3.into()]),
        (Op::Insert, at(6), vec![3.into(), 7.into()]),
        (Op::Expire, at(7), vec![4.into()]),
    ];
    both(&mut writers, &batch(&narrow, &changes), false).await;
    assert_eq!(compare(), 8);
    let wider = [(Op::Insert, at(8), vec![20.into(), Value::Decimal(15), "new".into()])];
    both(&mut writers, &batch(&wide, &wider), false).await;
    assert_eq!(compare(), 9);
    // What a resync does not see is gone.
    for writer in &mut writers {
        writer.resync().await;
    }
    let second = OrderKey::snapshot(Epoch(2));
    let again: Vec<_> =
        (0..3_i64).map(|id| (SNAPSHOT, second, vec![id.into(), Value::Decimal(10), Value::Null])).collect();
    both(&mut writers, &batch(&wide, &again), true).await;
    assert_eq!(compare(), 3);
    parquet.compact(&targets[0], commutator_destination_parquet::Compaction::default()).await.unwrap();
    assert_eq!(compare(), 3);
}
