//! What is kept of how a table's columns came about.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, at, seen, target};

use crate::server::{Server, fresh};

async fn kept(server: &Server) -> Vec<String> {
    let query = "SELECT concat_ws(' ', pipeline, table_name, target, epoch, action, column_name, coalesce(from_type, '-'), to_type)
                 FROM _ct_schema_changes ORDER BY id";
    server.query(query).await.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

#[tokio::test]
async fn every_change_of_columns_is_kept_once_and_with_its_commit() {
    let Some(server) = fresh("every_change_of_columns_is_kept_once_and_with_its_commit") else { return };
    let mut table =
        Table::open(&server.postgres().await, commutator_core::Target { name: "sold".to_owned(), ..target("orders") })
            .await;
    assert_eq!(kept(&server).await, <[&str; 0]>::default());
    table.commit(&[seen(1, [("v", Value::int(1))])]).await;
    let mut expected = vec![
        "tests orders sold 1 create_table id - bigint".to_owned(),
        "tests orders sold 1 create_table v - bigint".to_owned(),
    ];
    assert_eq!(kept(&server).await, expected);

    // Nothing changed, and a transaction that is dropped changes nothing.
    table.commit(&[seen(2, [("v", Value::int(2))])]).await;
    table.prepare(&[seen(3, [("v", Value::number("1.5")), ("w", Value::Bool(true))])]).await.unwrap();
    drop(table.session.begin().await.unwrap());
    assert_eq!(kept(&server).await, expected);

    table.commit(&[seen(3, [("v", Value::number("1.5")), ("w", Value::Bool(true))])]).await;
    expected.push("tests orders sold 1 widen_column v bigint numeric(20,1)".to_owned());
    expected.push("tests orders sold 1 add_column w - boolean".to_owned());
    assert_eq!(kept(&server).await, expected);
    let recent = "SELECT count(*) FROM _ct_schema_changes WHERE changed_at > now() - interval '1 hour'";
    assert_eq!(server.query(recent).await[0][0].as_deref(), Some("4"));

    // Another table in the same schema, and a schema of before this table of changes.
    server.execute("DROP TABLE _ct_schema_changes").await;
    let mut other = Table::open(&server.postgres().await, target("users")).await;
    other.commit(&[commutator_conformance::Change { order: at(3), ..seen(1, []) }]).await;
    assert_eq!(kept(&server).await, ["tests users users 1 create_table id - bigint"]);
}
