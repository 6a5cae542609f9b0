//! What others do to the tables.

use std::time::Duration;

use commutator_conformance::Value;
use commutator_core::{Column, Destination, Error, ErrorKind, LogicalType, PipelineId, TableName, Target};

use crate::place::File;
use crate::table::{Table, put, remove, seen, target};

async fn refused(place: &File, target: Target) -> Error {
    Table::try_open(&place.duckdb().await, target).await.map(|_| ()).unwrap_err()
}

/// A table with one row, and the statements that someone ran on it since.
async fn meddled(place: &File, statements: &str) -> Table {
    let mut table = Table::open(place, target("t")).await;
    table.commit(&[put(1, 1, [("a", Value::int(1)), ("b", Value::text("x"))])]).await;
    place.execute(statements).await;
    table
}

#[tokio::test]
async fn a_table_of_another_pipeline_is_refused() {
    let place = File::new();
    let mut table = Table::open(&place, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    let other = Target { pipeline: PipelineId::new("other").unwrap(), ..target("t") };
    let twin = Target { table: TableName::new("twin"), ..target("t") };
    for (target, by) in [(other, "by_pipeline: tests"), (twin, "by_table: t")] {
        let error = refused(&place, target).await;
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains(by), "{error}");
    }
    let moved = refused(&place, Target { name: "elsewhere".to_owned(), ..target("t") }).await;
    assert_eq!(moved.kind(), ErrorKind::ConfigInvalid);
    let rekeyed = Target { keys: vec![Column::key("other", LogicalType::Int64)], ..target("t") };
    assert_eq!(refused(&place, rekeyed).await.kind(), ErrorKind::SchemaConflict);
    // None of this took the table over.
    table.commit(&[put(2, 2, [])]).await;
}

/// The call goes on in its thread, and may come to the table after the one that took its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_that_nobody_waits_for_takes_nothing_over() {
    let place = File::new();
    let duckdb = place.duckdb().await;
    for n in 0..20 {
        for _ in 0..8 {
            let given_up = tokio::time::timeout(Duration::ZERO, duckdb.open(&target("t"))).await;
            assert!(given_up.is_err(), "it did not wait for its thread");
        }
        let mut table = Table::try_open(&duckdb, target("t")).await.unwrap();
        table.commit(&[put(n, n.cast_unsigned() + 1, [])]).await;
    }
}

#[tokio::test]
async fn a_table_that_nobody_here_made_is_refused_and_left_alone() {
    let place = File::new();
    let mut early = Table::open(&place, target("t")).await;
    place.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, a VARCHAR); INSERT INTO t VALUES (1, 'mine')").await;
    let error = refused(&place, target("t")).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("did not make"), "{error}");
    assert_eq!(early.try_commit(&[put(1, 1, [])]).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    assert_eq!(place.query("SELECT a FROM t").await, ["mine"]);
}

#[tokio::test]
async fn a_table_that_was_dropped_is_not_made_anew_half_full() {
    let place = File::new();
    let mut table = meddled(&place, "DROP TABLE t").await;
    assert_eq!(table.try_commit(&[put(2, 2, [])]).await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = refused(&place, target("t")).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("_ct_checkpoints"), "{error}");
    // The way out that the error names.
    place.execute("DELETE FROM _ct_checkpoints").await;
    let mut table = Table::open(&place, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
}

#[tokio::test]
async fn removals_of_a_table_that_was_dropped_keep_no_row_of_the_next_away() {
    let place = File::new();
    let mut table = Table::open(&place, target("t")).await;
    table.commit(&[put(1, 1, []), remove(7, 2)]).await;
    place.execute("DROP TABLE t; DELETE FROM _ct_checkpoints").await;
    let mut table = Table::open(&place, target("t")).await;
    table.commit(&[seen(7, [])]).await;
    assert_eq!(place.query("SELECT id FROM t").await, ["7"]);
}

#[tokio::test]
async fn columns_that_were_changed_are_conflicts() {
    for statements in [
        "ALTER TABLE t ALTER COLUMN b TYPE BLOB USING encode(b)",
        "ALTER TABLE t ALTER COLUMN a TYPE INTEGER",
        "ALTER TABLE t ALTER COLUMN a TYPE VARCHAR",
        "ALTER TABLE t DROP COLUMN _ct_order",
        "ALTER TABLE t RENAME COLUMN id TO key",
    ] {
        let place = File::new();
        let mut table = meddled(&place, statements).await;
        let error = table.try_commit(&[put(2, 2, [("a", Value::int(2))])]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{statements}: {error:?}");
        assert_eq!(refused(&place, target("t")).await.kind(), ErrorKind::SchemaConflict, "{statements}");
    }
}

#[tokio::test]
async fn a_number_is_never_rounded_because_a_column_was_changed_under_an_open_session() {
    for (statements, kind) in [
        ("ALTER TABLE t ALTER COLUMN a TYPE DOUBLE", ErrorKind::SchemaConflict),
        ("ALTER TABLE t ALTER COLUMN a TYPE DECIMAL(10,1)", ErrorKind::SchemaConflict),
        // Wider, so the table is opened again and goes on with it.
        ("ALTER TABLE t ALTER COLUMN a TYPE DECIMAL(12,4)", ErrorKind::Unavailable),
    ] {
        let place = File::new();
        let mut table = Table::open(&place, target("t")).await;
        table.commit(&[put(1, 1, [("a", Value::number("1.25"))])]).await;
        let changes = [put(1, 2, [("a", Value::number("2.75"))])];
        // As the pipeline, which looks at the columns when it opens the table and not again.
        let rows = table.prepare(&changes).await.unwrap();
        place.execute(statements).await;
        let checkpoint = table.checkpoint.clone();
        let mut transaction = table.session.begin().await.unwrap();
        transaction.write(&rows).await.unwrap();
        let error = transaction.commit(&checkpoint).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{statements}: {error:?}");
        assert!(error.to_string().contains("table: t"), "{error}");
        assert_eq!(place.query("SELECT count(*) FROM t WHERE a > 2").await, ["0"], "{statements}");
        if kind == ErrorKind::Unavailable {
            let mut table = Table::open(&place, target("t")).await;
            table.commit(&changes).await;
            assert_eq!(place.query("SELECT a FROM t").await, ["2.7500"]);
        }
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_deleted_is_named_and_is_no_other_writer() {
    let place = File::new();
    let mut table = meddled(&place, "DELETE FROM _ct_checkpoints").await;
    let error = table.try_commit(&[put(2, 2, [])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.to_string().contains("_ct_checkpoints"), "{error}");
    assert_eq!(place.query("SELECT id FROM t").await, ["1"]);
    // The way out that the error names.
    assert_eq!(refused(&place, target("t")).await.kind(), ErrorKind::ConfigInvalid);
    place.execute("DROP TABLE t").await;
    Table::open(&place, target("t")).await.commit(&[put(1, 1, [])]).await;
}

#[tokio::test]
async fn a_column_that_was_dropped_is_not_added_again_in_silence() {
    let place = File::new();
    let mut table = meddled(&place, "ALTER TABLE t DROP COLUMN b").await;
    table.commit(&[put(2, 2, [("a", Value::int(2))])]).await;
    let mut table = Table::open(&place, target("t")).await;
    let error = table.try_commit(&[put(3, 3, [("b", Value::text("y"))])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict);
    assert!(error.to_string().contains("column: b"), "{error}");
}

#[tokio::test]
async fn harmless_changes_are_lived_with() {
    let place = File::new();
    let statements = "ALTER TABLE t ADD COLUMN note VARCHAR DEFAULT 'n'; ALTER TABLE t ALTER COLUMN a TYPE DECIMAL(25,2); CREATE INDEX i ON t (b)";
    let mut table = meddled(&place, statements).await;
    table.commit(&[put(1, 2, [("a", Value::number("1.5"))]), put(2, 3, [])]).await;
    assert_eq!(place.query("SELECT a, note FROM t ORDER BY id").await, ["1.50 n", "- n"]);
    let error = table.try_commit(&[put(3, 4, [("note", Value::text("theirs"))])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
}

#[tokio::test]
async fn an_error_keeps_the_class_and_never_the_value() {
    let place = File::new();
    let mut table = meddled(&place, "CREATE UNIQUE INDEX one ON t (b)").await;
    let twice = |id| put(id, 3, [("b", Value::text("hunter2"))]);
    let error = table.try_commit(&[twice(2), twice(3)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{error:?}");
    let said = format!("{} {error:?}", error.report());
    assert!(said.contains("Constraint Error") && !said.contains("hunter2"), "{said}");
    table.commit(&[twice(2)]).await;
    assert_eq!(place.query("SELECT count(*) FROM t").await, ["2"]);
}

#[tokio::test]
async fn many_tables_share_a_database() {
    let place = File::new();
    let destination = place.duckdb().await;
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let destination = destination.clone();
            tokio::spawn(async move {
                let mut table = Table::try_open(&destination, target(&format!("t{n}"))).await.unwrap();
                for sequence in 1..5 {
                    table.commit(&[put(1, sequence, [("a", Value::int(n))])]).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(place.query("SELECT count(*) FROM _ct_checkpoints").await, ["12"]);
    assert!(destination.peek(&target("t3")).await.unwrap().is_some());
    assert!(destination.peek(&target("t99")).await.unwrap().is_none());
}

/// Whoever drops a table and its checkpoint begins anew; a session that was open all along must not be taken for the next one.
#[tokio::test]
async fn a_session_from_before_a_reset_has_not_the_number_of_the_next_owner() {
    let place = File::new();
    let row = |sequence| put(1, sequence, [("a", Value::int(1))]);
    let mut before = Table::open(&place, target("t")).await;
    before.commit(&[row(1)]).await;
    place.execute("DROP TABLE t; DELETE FROM _ct_checkpoints").await;
    let mut after = Table::open(&place, target("t")).await;
    after.commit(&[row(2)]).await;
    assert_eq!(before.try_commit(&[row(3)]).await.unwrap_err().kind(), ErrorKind::Fenced);
    after.commit(&[row(4)]).await;
}
