//! What others do to the tables.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use commutator_core::{Column, Destination, ErrorKind, LogicalType, PipelineId, TableName, Target};

use super::{SqlHarness, Table, forget, put, remove, seen, target};
use crate::Value;

/// A table with one row, and the statements that someone ran on it since.
async fn meddled(place: &dyn SqlHarness, statements: &str) -> Table {
    let mut table = place.open(target("t")).await;
    table.commit(&[put(1, 1, [("a", Value::int(1)), ("b", Value::text("x"))])]).await;
    place.execute(statements).await;
    table
}

/// Drops the table and what is known of it.
async fn reset(place: &dyn SqlHarness) {
    place.execute(&format!("DROP TABLE t; {}", forget(place, "t"))).await;
}

pub(super) async fn a_table_of_another_pipeline_is_refused(place: &dyn SqlHarness) {
    let mut table = place.open(target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    let other = Target { pipeline: PipelineId::new("other").expect("a valid id"), ..target("t") };
    let twin = Target { table: TableName::new("twin"), ..target("t") };
    for (target, by) in [(other, "by_pipeline: tests"), (twin, "by_table: t")] {
        let error = place.refused(target).await;
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains(by), "{error}");
    }
    if place.shares_checkpoints() {
        let moved = place.refused(Target { name: "elsewhere".to_owned(), ..target("t") }).await;
        assert_eq!(moved.kind(), ErrorKind::ConfigInvalid);
    }
    let rekeyed = Target { keys: vec![Column::key("other", LogicalType::Int64)], ..target("t") };
    assert_eq!(place.refused(rekeyed).await.kind(), ErrorKind::SchemaConflict);
    // None of this took the table over.
    table.commit(&[put(2, 2, [])]).await;
}

pub(super) async fn a_table_that_nobody_here_made_is_refused_and_left_alone(place: &dyn SqlHarness) {
    let mut early = place.open(target("t")).await;
    place.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, a VARCHAR); INSERT INTO t VALUES (1, 'mine')").await;
    let error = place.refused(target("t")).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("did not make"), "{error}");
    assert_eq!(early.refusal(&[put(1, 1, [])]).await.kind(), ErrorKind::ConfigInvalid);
    assert_eq!(place.query("SELECT a FROM t").await, ["mine"]);
}

pub(super) async fn a_table_that_was_dropped_is_not_made_anew_half_full(place: &dyn SqlHarness) {
    let mut table = meddled(place, "DROP TABLE t").await;
    assert_eq!(table.refusal(&[put(2, 2, [])]).await.kind(), ErrorKind::NotFound);
    let error = place.refused(target("t")).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("checkpoints"), "{error}");
    // The way out that the error names.
    place.execute(&forget(place, "t")).await;
    place.open(target("t")).await.commit(&[put(1, 1, [])]).await;
}

pub(super) async fn removals_of_a_table_that_was_dropped_keep_no_row_of_the_next_away(place: &dyn SqlHarness) {
    let mut table = place.open(target("t")).await;
    table.commit(&[put(1, 1, []), remove(7, 2)]).await;
    reset(place).await;
    place.open(target("t")).await.commit(&[seen(7, [])]).await;
    assert_eq!(place.query("SELECT id FROM t").await, ["7"]);
}

pub(super) async fn columns_that_were_changed_are_conflicts(place: &dyn SqlHarness) {
    let everywhere = [
        "ALTER TABLE t ALTER COLUMN a TYPE INTEGER",
        "ALTER TABLE t ALTER COLUMN a TYPE VARCHAR",
        "ALTER TABLE t DROP COLUMN _ct_order",
        "ALTER TABLE t RENAME COLUMN id TO key",
    ];
    for statement in everywhere.iter().chain(place.conflicts()) {
        let mut table = meddled(place, statement).await;
        let error = table.refusal(&[put(2, 2, [("a", Value::int(2))])]).await;
        assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{statement}: {error:?}");
        assert_eq!(place.refused(target("t")).await.kind(), ErrorKind::SchemaConflict, "{statement}");
        reset(place).await;
    }
}

pub(super) async fn a_number_is_never_rounded_because_a_column_was_changed_under_an_open_session(
    place: &dyn SqlHarness,
) {
    for (ty, kind) in [
        ("DOUBLE PRECISION", ErrorKind::SchemaConflict),
        ("DECIMAL(10,1)", ErrorKind::SchemaConflict),
        // Wider, so the table is opened again and goes on with it.
        ("DECIMAL(12,4)", ErrorKind::Unavailable),
    ] {
        let mut table = place.open(target("t")).await;
        table.commit(&[put(1, 1, [("a", Value::number("1.25"))])]).await;
        let change = put(1, 2, [("a", Value::number("2.75"))]);
        // As the pipeline, which looks at the columns when it opens the table and not again.
        let rows = table.prepare(slice::from_ref(&change)).await.expect("the columns are there");
        place.execute(&format!("ALTER TABLE t ALTER COLUMN a TYPE {ty}")).await;
        let checkpoint = table.checkpoint.clone();
        let mut transaction = table.session.begin().await.expect("a transaction begins");
        transaction.write(&rows).await.expect("rows are staged");
        let error = transaction.commit(&checkpoint).await.expect_err("the column was changed");
        assert_eq!(error.kind(), kind, "{ty}: {error:?}");
        assert!(error.to_string().contains("table: t"), "{error}");
        assert_eq!(place.query("SELECT count(*) FROM t WHERE a > 2").await, ["0"], "{ty}");
        if kind == ErrorKind::Unavailable {
            place.open(target("t")).await.commit(&[change]).await;
            assert_eq!(place.query("SELECT a FROM t").await, ["2.7500"]);
        }
        reset(place).await;
    }
}

pub(super) async fn a_checkpoint_that_was_deleted_is_named_and_is_no_other_writer(place: &dyn SqlHarness) {
    let mut table = meddled(place, &format!("DELETE FROM {}", place.checkpoints("t"))).await;
    let error = table.refusal(&[put(2, 2, [])]).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.to_string().contains("checkpoints"), "{error}");
    assert_eq!(place.query("SELECT id FROM t").await, ["1"]);
    // The way out that the error names.
    if !place.shares_checkpoints() {
        assert_eq!(place.refused(target("t")).await.kind(), ErrorKind::NotFound);
        place.execute(&forget(place, "t")).await;
    }
    assert_eq!(place.refused(target("t")).await.kind(), ErrorKind::ConfigInvalid);
    place.execute("DROP TABLE t").await;
    place.open(target("t")).await.commit(&[put(1, 1, [])]).await;
}

pub(super) async fn a_column_that_was_dropped_is_not_added_again_in_silence(place: &dyn SqlHarness) {
    let mut table = meddled(place, "ALTER TABLE t DROP COLUMN b").await;
    table.commit(&[put(2, 2, [("a", Value::int(2))])]).await;
    let mut table = place.open(target("t")).await;
    let error = table.refusal(&[put(3, 3, [("b", Value::text("y"))])]).await;
    assert_eq!(error.kind(), ErrorKind::SchemaConflict);
    assert!(error.to_string().contains("column: b"), "{error}");
}

pub(super) async fn harmless_changes_are_lived_with(place: &dyn SqlHarness) {
    let statements = "ALTER TABLE t ADD COLUMN note TEXT DEFAULT 'n'; ALTER TABLE t ALTER COLUMN a TYPE DECIMAL(25,2); \
                      CREATE INDEX i ON t (b)";
    let mut table = meddled(place, statements).await;
    table.commit(&[put(1, 2, [("a", Value::number("1.5"))]), put(2, 3, [])]).await;
    assert_eq!(place.query("SELECT a, note FROM t ORDER BY id").await, ["1.50 n", "- n"]);
    let error = table.refusal(&[put(3, 4, [("note", Value::text("theirs"))])]).await;
    assert!(matches!(error.kind(), ErrorKind::ConfigInvalid | ErrorKind::SchemaConflict), "{error:?}");
}

pub(super) async fn many_tables_share_a_database(place: &dyn SqlHarness) {
    let destination = place.connect().await;
    let name = |n| format!("t{n}");
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let destination = Arc::clone(&destination);
            tokio::spawn(async move {
                let mut table = opened(&*destination, target(&name(n))).await;
                for sequence in 1..5 {
                    table.commit(&[put(1, sequence, [("a", Value::int(n))])]).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a table is written to");
    }
    for n in 0..12 {
        assert_eq!(place.query(&format!("SELECT a FROM {}", name(n))).await, [n.to_string()]);
        assert!(destination.peek(&target(&name(n))).await.expect("it can be looked at").is_some());
    }
    assert!(destination.peek(&target("t99")).await.expect("it can be looked at").is_none());
}

/// Opens a table as the pipeline does: of two that make the schema at once, one may be told to try again.
async fn opened(destination: &dyn Destination, target: Target) -> Table {
    for _ in 0..12 {
        match Table::try_open(destination, target.clone()).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => tokio::time::sleep(Duration::from_millis(20)).await,
            opened => return opened.expect("the table opens"),
        }
    }
    panic!("the table does not open, however often it is tried");
}

/// Whoever drops a table and its checkpoint begins anew; a session that was open all along must not be taken for the next one.
pub(super) async fn a_session_from_before_a_reset_has_not_the_number_of_the_next_owner(place: &dyn SqlHarness) {
    let row = |sequence| put(1, sequence, [("a", Value::int(1))]);
    let mut before = place.open(target("t")).await;
    before.commit(&[row(1)]).await;
    reset(place).await;
    let mut after = place.open(target("t")).await;
    after.commit(&[row(2)]).await;
    assert_eq!(before.refusal(&[row(3)]).await.kind(), ErrorKind::Fenced);
    after.commit(&[row(4)]).await;
}
