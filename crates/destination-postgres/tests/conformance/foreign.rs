//! What others do to the tables, and to the connections.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, seen, target};
use commutator_core::{Destination as _, ErrorKind};
use commutator_destination_postgres::Config;

use crate::server::{Server, fresh};

#[tokio::test]
async fn a_checkpoint_that_is_deleted_under_an_open_transaction_is_named() {
    let Some(server) = fresh("a_checkpoint_that_is_deleted_under_an_open_transaction_is_named") else { return };
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    let rows = table.prepare(&[put(2, 2, [])]).await.unwrap();
    let checkpoint = table.checkpoint.clone();
    let mut transaction = table.session.begin().await.unwrap();
    transaction.write(&rows).await.unwrap();
    server.execute("DELETE FROM _ct_checkpoints").await;
    let error = transaction.commit(&checkpoint).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.to_string().contains("_ct_checkpoints"), "{error}");
    assert_eq!(server.query("SELECT id FROM t").await, [[Some("1".to_owned())]]);
}

#[tokio::test]
async fn a_primary_key_that_was_dropped_is_named() {
    let Some(server) = fresh("a_primary_key_that_was_dropped_is_named") else { return };
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    let mut table = Table::open(&server.postgres().await, target("t")).await;
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
    let mut table = Table::open(&server.postgres().await, target("t")).await;
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
    let mut table = Table::open(&server.postgres().await, target("t")).await;
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
    let mut older = Table::open(&server.postgres().await, target("t")).await;
    // The table is created in a transaction that stays open, which locks its name.
    let rows = older.prepare(&[seen(1, [])]).await.unwrap();
    let checkpoint = older.checkpoint.clone();
    let mut transaction = older.session.begin().await.unwrap();
    transaction.write(&rows).await.unwrap();
    let mut newer = Table::open(&server.postgres().await, target("t")).await;
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
