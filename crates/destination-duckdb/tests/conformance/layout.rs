//! What a user finds in the database.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::{Destination as _, ErrorKind, SchemaAction, SchemaPlan};

use crate::place::File;

#[tokio::test]
async fn a_table_looks_as_documented() {
    let place = File::new();
    let mut table = Table::open(&place.duckdb().await, target("Orders")).await;
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
    let mut table = Table::open(&place.duckdb().await, target("Orders")).await;
    table.commit(&[put(1, 1, [])]).await;
    let error = Table::refused(&place.duckdb().await, target("ORDERS")).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.to_string().contains("by_table: Orders"), "{error}");
    table.commit(&[put(2, 2, [])]).await;
}
