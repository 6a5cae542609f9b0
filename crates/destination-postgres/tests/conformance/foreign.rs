//! What others do to the tables, and to the connections.

use commutator_conformance::Value;
use commutator_core::{Column, Destination, Error, ErrorKind, LogicalType, PipelineId, TableName, Target};
use commutator_destination_postgres::Config;

use crate::server::{Server, fresh};
use crate::table::{Table, put, remove, seen, target};

async fn refused(server: &Server, target: Target) -> Error {
    Table::try_open(&server.postgres().await, target).await.map(|_| ()).unwrap_err()
}

/// A table with one row, and the statements that someone ran on it since.
async fn meddled(server: &Server, statements: &str) -> Table {
    let mut table = Table::open(server, target("t")).await;
    table.commit(&[put(1, 1, [("a", Value::int(1)), ("b", Value::text("x"))])]).await;
    server.execute(statements).await;
    table
}

#[tokio::test]
async fn a_table_of_another_pipeline_is_refused() {
    let Some(server) = fresh("a_table_of_another_pipeline_is_refused") else { return };
    let mut table = Table::open(&server, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    let other = Target { pipeline: PipelineId::new("other").unwrap(), ..target("t") };
    let twin = Target { table: TableName::new("twin"), ..target("t") };
    for (target, by) in [(other, "by_pipeline: tests"), (twin, "by_table: t")] {
        let error = refused(&server, target).await;
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.to_string().contains(by), "{error}");
    }
    let moved = refused(&server, Target { name: "elsewhere".to_owned(), ..target("t") }).await;
    assert_eq!(moved.kind(), ErrorKind::ConfigInvalid);
    let rekeyed = Target { keys: vec![Column::key("other", LogicalType::Int64)], ..target("t") };
    assert_eq!(refused(&server, rekeyed).await.kind(), ErrorKind::SchemaConflict);
    // None of this took the table over.
    table.commit(&[put(2, 2, [])]).await;
}

#[tokio::test]
async fn a_table_that_nobody_here_made_is_refused_and_left_alone() {
    let Some(server) = fresh("a_table_that_nobody_here_made_is_refused") else { return };
    let mut early = Table::open(&server, target("t")).await;
    server.execute("CREATE TABLE t (id bigint PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'mine')").await;
    let error = refused(&server, target("t")).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("did not make"), "{error}");
    assert_eq!(early.try_commit(&[put(1, 1, [])]).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    assert_eq!(server.query("SELECT a FROM t").await, [[Some("mine".to_owned())]]);
}

#[tokio::test]
async fn a_table_that_was_dropped_is_not_made_anew_half_full() {
    let Some(server) = fresh("a_table_that_was_dropped_is_not_made_anew") else { return };
    let mut table = meddled(&server, "DROP TABLE t").await;
    assert_eq!(table.try_commit(&[put(2, 2, [])]).await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = refused(&server, target("t")).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("_ct_checkpoints"), "{error}");
    // The way out that the error names.
    server.execute("DELETE FROM _ct_checkpoints").await;
    let mut table = Table::open(&server, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
}

#[tokio::test]
async fn removals_of_a_table_that_was_dropped_keep_no_row_of_the_next_away() {
    let Some(server) = fresh("removals_of_a_dropped_table") else { return };
    let mut table = Table::open(&server, target("t")).await;
    table.commit(&[put(1, 1, []), remove(7, 2)]).await;
    server.execute("DROP TABLE t; DELETE FROM _ct_checkpoints").await;
    let mut table = Table::open(&server, target("t")).await;
    table.commit(&[seen(7, [])]).await;
    assert_eq!(server.query("SELECT id::text FROM t").await, [[Some("7".to_owned())]]);
}

#[tokio::test]
async fn columns_that_were_changed_are_conflicts() {
    for statements in [
        "ALTER TABLE t ALTER COLUMN b TYPE varchar(10)",
        "ALTER TABLE t ALTER COLUMN a TYPE integer",
        "ALTER TABLE t DROP COLUMN _ct_order",
        "ALTER TABLE t RENAME COLUMN id TO key",
    ] {
        let Some(server) = fresh("columns_that_were_changed_are_conflicts") else { return };
        let mut table = meddled(&server, statements).await;
        let error = table.try_commit(&[put(2, 2, [("a", Value::int(2))])]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{statements}: {error:?}");
        assert_eq!(refused(&server, target("t")).await.kind(), ErrorKind::SchemaConflict, "{statements}");
    }
}

#[tokio::test]
async fn a_number_is_never_rounded_because_a_column_was_changed_under_an_open_session() {
    for (statements, kind) in [
        ("ALTER TABLE t ALTER COLUMN a TYPE double precision", ErrorKind::SchemaConflict),
        ("ALTER TABLE t ALTER COLUMN a TYPE numeric(10,1)", ErrorKind::SchemaConflict),
        // Wider, so the table is opened again and goes on with it.
        ("ALTER TABLE t ALTER COLUMN a TYPE numeric", ErrorKind::Unavailable),
    ] {
        let Some(server) = fresh("a_number_is_never_rounded") else { return };
        let mut table = Table::open(&server, target("t")).await;
        table.commit(&[put(1, 1, [("a", Value::number("1.25"))])]).await;
        let changes = [put(1, 2, [("a", Value::number("2.75"))])];
        // As the pipeline, which looks at the columns when it opens the table and not again.
        let rows = table.prepare(&changes).await.unwrap();
        server.execute(statements).await;
        let checkpoint = table.checkpoint.clone();
        let mut transaction = table.session.begin().await.unwrap();
        transaction.write(&rows).await.unwrap();
        let error = transaction.commit(&checkpoint).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{statements}: {error:?}");
        assert!(error.to_string().contains("table: t"), "{error}");
        assert_eq!(server.query("SELECT a::numeric(9,2)::text FROM t WHERE a > 2").await.len(), 0, "{statements}");
        if kind == ErrorKind::Unavailable {
            let mut table = Table::open(&server, target("t")).await;
            table.commit(&changes).await;
            assert_eq!(server.query("SELECT a::text FROM t").await, [[Some("2.75".to_owned())]]);
        }
    }
}

#[tokio::test]
async fn a_checkpoint_that_was_deleted_is_named_and_is_no_other_writer() {
    let Some(server) = fresh("a_checkpoint_that_was_deleted_is_named") else { return };
    let mut table = meddled(&server, "DELETE FROM _ct_checkpoints").await;
    let early = table.try_commit(&[put(2, 2, [])]).await.unwrap_err();
    let Some(server) = fresh("a_checkpoint_that_was_deleted_between") else { return };
    let mut open = Table::open(&server, target("t")).await;
    open.commit(&[put(1, 1, [])]).await;
    let rows = open.prepare(&[put(2, 2, [])]).await.unwrap();
    let checkpoint = open.checkpoint.clone();
    let mut transaction = open.session.begin().await.unwrap();
    transaction.write(&rows).await.unwrap();
    server.execute("DELETE FROM _ct_checkpoints").await;
    let late = transaction.commit(&checkpoint).await.unwrap_err();
    for error in [early, late] {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
        assert!(error.to_string().contains("_ct_checkpoints"), "{error}");
    }
    assert_eq!(server.query("SELECT id FROM t").await, [[Some("1".to_owned())]]);
    // The way out that the error names.
    assert_eq!(refused(&server, target("t")).await.kind(), ErrorKind::ConfigInvalid);
    server.execute("DROP TABLE t").await;
    Table::open(&server, target("t")).await.commit(&[put(1, 1, [])]).await;
}

#[tokio::test]
async fn a_column_that_was_dropped_is_not_added_again_in_silence() {
    let Some(server) = fresh("a_column_that_was_dropped_is_not_added_again") else { return };
    let mut table = meddled(&server, "ALTER TABLE t DROP COLUMN b").await;
    table.commit(&[put(2, 2, [("a", Value::int(2))])]).await;
    let mut table = Table::open(&server, target("t")).await;
    let error = table.try_commit(&[put(3, 3, [("b", Value::text("y"))])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict);
    assert!(error.to_string().contains("column: b"), "{error}");
}

#[tokio::test]
async fn harmless_changes_are_lived_with() {
    let Some(server) = fresh("harmless_changes_are_lived_with") else { return };
    let statements =
        "ALTER TABLE t ADD COLUMN note text DEFAULT 'n', ALTER COLUMN a TYPE numeric; CREATE INDEX ON t (b)";
    let mut table = meddled(&server, statements).await;
    table.commit(&[put(1, 2, [("a", Value::number("1.5"))]), put(2, 3, [])]).await;
    let rows = server.query("SELECT a, note FROM t ORDER BY id").await;
    let note = || Some("n".to_owned());
    assert_eq!(rows, [[Some("1.5".to_owned()), note()], [None, note()]]);
    let error = table.try_commit(&[put(3, 4, [("note", Value::text("theirs"))])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{error:?}");
    let mut table = Table::open(&server, target("t")).await;
    server.execute("ALTER TABLE t DROP CONSTRAINT t_pkey").await;
    let error = table.try_commit(&[put(3, 4, [])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict);
    assert!(error.to_string().contains("primary key"), "{error}");
}

/// Ends the other connections that work in the schema, as an administrator or a failover does.
async fn cut(server: &Server) {
    let schema = server.schema();
    let cut = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{schema}'");
    server.query(&cut).await;
}

#[tokio::test]
async fn a_connection_that_breaks_leaves_nothing_and_the_session_goes_on() {
    let Some(server) = fresh("a_connection_that_breaks_leaves_nothing") else { return };
    let mut table = Table::open(&server, target("t")).await;
    table.commit(&[seen(1, [("a", Value::int(1))])]).await;
    for change in [seen(2, [("a", Value::int(2))]), put(3, 7, [("a", Value::int(3))])] {
        let rows = table.prepare(std::slice::from_ref(&change)).await.unwrap();
        let checkpoint = table.checkpoint.clone();
        let mut transaction = table.session.begin().await.unwrap();
        transaction.write(&rows).await.unwrap();
        cut(&server).await;
        let error = match transaction.write(&rows).await {
            Ok(()) => transaction.commit(&checkpoint).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_eq!(server.query("SELECT count(*) FROM t").await[0][0].as_deref(), Some("1"));
    }
    table.commit(&[put(4, 8, [("a", Value::int(4))])]).await;
    assert_eq!(server.query("SELECT count(*) FROM t").await[0][0].as_deref(), Some("2"));
}

#[tokio::test]
async fn a_transaction_dropped_while_rows_are_copied_leaves_nothing() {
    let Some(server) = fresh("a_transaction_dropped_while_rows_are_copied_leaves_nothing") else { return };
    let mut table = Table::open(&server, target("t")).await;
    let text = "x".repeat(50_000);
    let rows: Vec<_> = (1..400).map(|id| put(id, 1, [("a", Value::text(text.as_str()))])).collect();
    let batch = table.prepare(&rows).await.unwrap();
    let mut transaction = table.session.begin().await.unwrap();
    transaction.write(&batch).await.unwrap();
    drop(transaction);
    table.commit(&[put(1, 2, [("a", Value::text("y"))])]).await;
    assert_eq!(server.query("SELECT a FROM t").await, [[Some("y".to_owned())]]);
}

#[tokio::test]
async fn a_takeover_does_not_wait_for_an_open_transaction_and_its_owner_learns_why() {
    let Some(server) = fresh("a_takeover_does_not_wait_for_an_open_transaction") else { return };
    let mut older = Table::open(&server, target("t")).await;
    // The table is created in a transaction that stays open, which locks its name.
    let rows = older.prepare(&[seen(1, [])]).await.unwrap();
    let checkpoint = older.checkpoint.clone();
    let mut transaction = older.session.begin().await.unwrap();
    transaction.write(&rows).await.unwrap();
    let mut newer = Table::open(&server, target("t")).await;
    newer.commit(&[seen(2, [("a", Value::int(1))])]).await;
    let error = transaction.commit(&checkpoint).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error:?}");
    let mut late = older.session.begin().await.unwrap();
    assert_eq!(late.write(&rows).await.unwrap_err().kind(), ErrorKind::Fenced);
    drop(late);
    let late = older.session.begin().await.unwrap();
    assert_eq!(late.commit(&checkpoint).await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(server.query("SELECT id FROM t").await, [[Some("2".to_owned())]]);
}

#[tokio::test]
async fn many_tables_share_few_connections() {
    let Some(server) = fresh("many_tables_share_few_connections") else { return };
    let destination = Config { max_connections: 2, ..server.config() }.connect().await.unwrap();
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
    assert_eq!(server.query("SELECT count(*) FROM _ct_checkpoints").await[0][0].as_deref(), Some("12"));
    assert!(destination.peek(&target("t3")).await.unwrap().is_some());
    assert!(destination.peek(&target("t99")).await.unwrap().is_none());
}

/// Whoever drops a table and its checkpoint begins anew; a session that was open all along must not be taken for the next one.
#[tokio::test]
async fn a_session_from_before_a_reset_has_not_the_number_of_the_next_owner() {
    let Some(server) = fresh("a_session_from_before_a_reset_has_not_the_number_of_the_next_owner") else { return };
    let row = |sequence| put(1, sequence, [("a", Value::int(1))]);
    let mut before = Table::open(&server, target("t")).await;
    before.commit(&[row(1)]).await;
    server.execute("DROP TABLE t; DELETE FROM _ct_checkpoints").await;
    let mut after = Table::open(&server, target("t")).await;
    after.commit(&[row(2)]).await;
    assert_eq!(before.try_commit(&[row(3)]).await.unwrap_err().kind(), ErrorKind::Fenced);
    after.commit(&[row(4)]).await;
}
