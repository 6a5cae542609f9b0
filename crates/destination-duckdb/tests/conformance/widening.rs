//! What stands in the way of a column that widens, and what does not.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, seen, target};
use commutator_core::ErrorKind;

use crate::place::File;

#[tokio::test]
async fn an_index_on_the_table_stands_in_the_way_and_the_way_out_works() {
    let place = File::new();
    let mut table = Table::open(&place.duckdb().await, target("t")).await;
    table.commit(&[seen(1, [("v", Value::int(1))])]).await;
    place.execute("CREATE INDEX mine ON t (id); CREATE VIEW report AS SELECT v FROM t").await;
    table.commit(&[seen(3, [("w", Value::int(1))])]).await;
    let error = table.try_commit(&[seen(2, [("v", Value::text("x"))])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{error:?}");
    assert!(error.to_string().contains("index") && error.to_string().contains("class: Dependency Error"), "{error}");
    place.execute("DROP INDEX mine").await;
    let mut table = Table::open(&place.duckdb().await, target("t")).await;
    table.commit(&[seen(2, [("v", Value::text("x"))])]).await;
    place.execute("CREATE INDEX mine ON t (id)").await;
    assert_eq!(place.query("SELECT v FROM t WHERE v IS NOT NULL ORDER BY id").await, ["1", "\"x\""]);
}

/// More changes of columns than one transaction bears are made in several, whether the rows are committed then or taken back.
#[tokio::test]
async fn hundreds_of_columns_change_in_transactions_of_their_own() {
    let place = File::new();
    let mut table = Table::open(&place.duckdb().await, target("t")).await;
    let wide = |id: i64, sequence: u64, columns: std::ops::Range<i64>, value: &str| {
        let mut change = put(id, sequence, []);
        change.item.extend(columns.map(|at| (format!("a{at:03}"), Value::number(value))));
        change
    };
    table.commit(&[wide(1, 1, 0..100, "1")]).await;
    let second = [wide(2, 2, 0..100, "2.5"), wide(3, 3, 100..200, "3")];
    let batch = table.prepare(&second).await.unwrap();
    let mut transaction = table.session.begin().await.unwrap();
    transaction.write(&batch).await.unwrap();
    transaction.rehearse().await.unwrap();
    table.commit(&second).await;
    let values = "SELECT id, a000, a099, a100, a199 FROM t ORDER BY id";
    assert_eq!(place.query(values).await, ["1 1.0 1.0 - -", "2 2.5 2.5 - -", "3 - - 3 3"]);
    let changes =
        "SELECT action, count(*), count(DISTINCT changed_at) > 1 FROM _ct_schema_changes GROUP BY ALL ORDER BY action";
    assert_eq!(place.query(changes).await, ["add_column 100 true", "create_table 101 false", "widen_column 100 true"]);
    // The next session finds what was recorded.
    Table::open(&place.duckdb().await, target("t")).await.commit(&[wide(1, 4, 0..1, "7")]).await;
}
