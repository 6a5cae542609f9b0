//! What a user finds in the database.

use commutator_conformance::Value;
use commutator_core::{Destination, ErrorKind, SchemaAction, SchemaPlan, SyncMode, Target};

use crate::place::File;
use crate::table::{Table, put, remove, seen, target};

#[tokio::test]
async fn a_table_looks_as_documented() {
    let place = File::new();
    let mut table = Table::open(&place, target("Orders")).await;
    let mut row =
        put(1, 5, [("name", Value::text("x")), ("price", Value::number("1.50")), ("doc", Value::json("[1]"))]);
    row.item.insert("raw".to_owned(), Value::binary([1, 2]));
    row.item.insert("big".to_owned(), Value::number("1e100"));
    row.item.insert("ok".to_owned(), Value::Bool(true));
    table.commit(&[row]).await;
    let columns = "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE table_name = 'Orders' \
                   ORDER BY column_index";
    assert_eq!(
        place.query(columns).await,
        [
            "id BIGINT false",
            "big VARCHAR true",
            "doc JSON true",
            "name VARCHAR true",
            "ok BOOLEAN true",
            "price DECIMAL(2,1) true",
            "raw BLOB true",
            "_ct_order VARCHAR false",
            "_ct_synced_at TIMESTAMP WITH TIME ZONE false",
            "_ct_changed_at TIMESTAMP WITH TIME ZONE true",
        ]
    );
    let row = "SELECT _ct_order, epoch(_ct_changed_at), now() - _ct_synced_at < INTERVAL 1 HOUR, price, doc, length(big) FROM Orders";
    assert_eq!(
        place.query(row).await,
        ["000000010000000000000000000000000000000000000005 1700000000.0 true 1.5 [1] 101"]
    );
    let checkpoint = "SELECT pipeline, table_name, slice, target, mode, owner > 1600000000000000, checkpoint->>'$.epoch', columns->>'$[0].name' \
                      FROM _ct_checkpoints";
    assert_eq!(place.query(checkpoint).await, ["tests Orders whole Orders mirror true 1 id"]);
    let changes =
        "SELECT action, column_name, from_type, to_type, epoch FROM _ct_schema_changes WHERE column_name <> 'id'";
    assert_eq!(place.query(changes).await[..2], ["create_table big - VARCHAR 1", "create_table doc - JSON 1"]);
}

#[tokio::test]
async fn tombstones_are_there_only_while_a_snapshot_runs() {
    let place = File::new();
    let mut table = Table::open(&place, target("t")).await;
    let tombstones = async || {
        let query = "SELECT count(*) FROM duckdb_tables() WHERE table_name = '_ct_tombstones_t'";
        place.query(query).await == ["1"]
    };
    table.commit(&[seen(1, []), put(2, 3, [])]).await;
    assert!(!tombstones().await);
    table.commit(&[remove(2, 4)]).await;
    assert!(tombstones().await);
    table.end_snapshot().await;
    assert!(!tombstones().await);
    table.commit(&[remove(1, 5)]).await;
    assert!(!tombstones().await);
    assert_eq!(place.query("SELECT count(*) FROM t").await, ["0"]);
}

#[tokio::test]
async fn an_append_table_has_operations_and_every_change() {
    let place = File::new();
    let mut table = Table::open(&place, Target { mode: SyncMode::Append, ..target("log") }).await;
    table.commit(&[put(1, 2, [("a", Value::int(1))]), remove(1, 3)]).await;
    table.commit(&[put(1, 2, [("a", Value::int(1))])]).await;
    let rows = place.query("SELECT id, a, _ct_op FROM log ORDER BY _ct_order").await;
    assert_eq!(rows, ["1 1 modify", "1 1 modify", "1 - remove"]);
}

/// A database, its schema and a table of one name, in which every part has to be said.
#[tokio::test]
async fn names_are_whole() {
    let place = File::new();
    let shop = commutator_destination_duckdb::Config { schema: "shop".to_owned(), ..place.config() };
    let duckdb = shop.connect().await.unwrap();
    let mut table = Table::try_open(&duckdb, target("shop")).await.unwrap();
    table.commit(&[put(1, 1, [("a", Value::int(1))])]).await;
    assert_eq!(place.query("SELECT a FROM shop.shop.shop").await, ["1"]);
    let plan = SchemaPlan {
        actions: vec![SchemaAction::AddColumn {
            column: commutator_core::Column::new("b", commutator_core::LogicalType::Number),
        }],
        result: table.session.describe().await.unwrap().unwrap(),
    };
    let shown = duckdb.preview(&target("shop"), &plan);
    assert_eq!(shown, ["ALTER TABLE \"shop\".\"shop\".\"shop\" ADD COLUMN \"b\" VARCHAR"]);
}

#[tokio::test]
async fn names_that_differ_only_in_case_are_one_table_and_refused() {
    let place = File::new();
    let mut table = Table::open(&place, target("Orders")).await;
    table.commit(&[put(1, 1, [])]).await;
    let error = Table::try_open(&place.duckdb().await, target("ORDERS")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("by_table: Orders"), "{error}");
    table.commit(&[put(2, 2, [])]).await;
}
