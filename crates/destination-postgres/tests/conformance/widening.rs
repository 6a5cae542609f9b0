//! What stands in the way of a column that widens.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, seen, target};
use commutator_core::ErrorKind;

use crate::server::fresh;

#[tokio::test]
async fn a_view_on_the_column_is_named_and_the_way_out_works() {
    let Some(server) = fresh("a_view_on_the_column_is_named_and_the_way_out_works") else { return };
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    table.commit(&[seen(1, [("v", Value::int(1))])]).await;
    let views = "CREATE VIEW report AS SELECT id, v FROM t; CREATE VIEW \"On it\" AS SELECT v FROM report;
                 CREATE MATERIALIZED VIEW kept AS SELECT max(v::text) FROM t; CREATE VIEW keys AS SELECT id FROM t";
    server.execute(views).await;
    let error = table.try_commit(&[seen(2, [("v", Value::text("x"))])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict);
    let (said, schema) = (error.report(), server.schema());
    let named = format!("views: {schema}.\"On it\", {schema}.kept, {schema}.report, columns: v");
    assert!(said.contains(&named) && said.contains("drop them, run again, and create them again"), "{said}");
    server.execute("DROP VIEW \"On it\", report; DROP MATERIALIZED VIEW kept").await;
    table.commit(&[seen(2, [("v", Value::text("x"))])]).await;
    server.execute("CREATE VIEW report AS SELECT v FROM t").await;
    let rows = server.query("SELECT v FROM report ORDER BY v::text").await;
    assert_eq!(rows, [[Some("\"x\"".to_owned())], [Some("1".to_owned())]]);
    // Columns can be added all the same.
    table.commit(&[seen(3, [("w", Value::int(1))])]).await;
}
