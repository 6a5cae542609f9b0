//! What a user finds in the database.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, remove, target};
use commutator_core::{ErrorKind, SyncMode};

use crate::server::fresh;

fn cells(row: &[Option<String>]) -> Vec<&str> {
    row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect()
}

#[tokio::test]
async fn a_table_looks_as_documented() {
    let Some(server) = fresh("a_table_looks_as_documented") else { return };
    let mut table = Table::open(&server.postgres().await, target("Orders")).await;
    let mut row =
        put(1, 5, [("name", Value::text("x")), ("price", Value::number("1.50")), ("doc", Value::json("[1]"))]);
    row.item.insert("raw".to_owned(), Value::binary([1, 2]));
    row.item.insert("big".to_owned(), Value::number("1e100"));
    row.item.insert("ok".to_owned(), Value::Bool(true));
    table.commit(&[row]).await;
    let columns = server
        .query(
            "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
             WHERE attrelid = '\"Orders\"'::regclass AND attnum > 0 ORDER BY attnum",
        )
        .await;
    assert_eq!(
        columns.iter().map(|row| cells(row)).collect::<Vec<_>>(),
        [
            ["id", "bigint", "t"],
            ["big", "numeric", "f"],
            ["doc", "jsonb", "f"],
            ["name", "text", "f"],
            ["ok", "boolean", "f"],
            ["price", "numeric(2,1)", "f"],
            ["raw", "bytea", "f"],
            ["_ct_order", "text", "t"],
            ["_ct_synced_at", "timestamp with time zone", "t"],
            ["_ct_changed_at", "timestamp with time zone", "f"],
        ]
    );
    let row = server
        .query("SELECT _ct_order, _ct_changed_at AT TIME ZONE 'UTC', now() - _ct_synced_at < '1 hour' FROM \"Orders\"");
    let expected = ["000000010000000000000000000000000000000000000005", "2023-11-14 22:13:20", "t"];
    assert_eq!(cells(&row.await[0]), expected);
    let checkpoint = server
        .query("SELECT pipeline, table_name, slice, target, mode, checkpoint->>'epoch', columns->0->>'name' FROM _ct_checkpoints")
        .await;
    assert_eq!(cells(&checkpoint[0]), ["tests", "Orders", "whole", "Orders", "mirror", "1", "id"]);
}

#[tokio::test]
async fn an_append_table_has_operations_and_no_key() {
    let Some(server) = fresh("an_append_table_has_operations_and_no_key") else { return };
    let mut table =
        Table::open(&server.postgres().await, commutator_core::Target { mode: SyncMode::Append, ..target("log") })
            .await;
    table.commit(&[put(1, 2, [("a", Value::int(1))]), remove(1, 3)]).await;
    table.commit(&[put(1, 2, [("a", Value::int(1))])]).await;
    let rows = server.query("SELECT id, a, _ct_op FROM log ORDER BY _ct_order").await;
    assert_eq!(rows.len(), 3);
    assert_eq!(cells(&rows[2]), ["1", "-", "remove"]);
    let error = Table::refused(&server.postgres().await, target("log")).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("setting: mode"), "{error}");
}
