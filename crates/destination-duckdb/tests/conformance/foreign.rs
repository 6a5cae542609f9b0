//! What others do to the tables.

use std::time::Duration;

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::{Destination as _, ErrorKind};

use crate::place::File;

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
async fn an_error_keeps_the_class_and_never_the_value() {
    let place = File::new();
    let mut table = Table::open(&place.duckdb().await, target("t")).await;
    table.commit(&[put(1, 1, [("a", Value::int(1)), ("b", Value::text("x"))])]).await;
    place.execute("CREATE UNIQUE INDEX one ON t (b)").await;
    let twice = |id| put(id, 3, [("b", Value::text("hunter2"))]);
    let error = table.try_commit(&[twice(2), twice(3)]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{error:?}");
    let said = format!("{} {error:?}", error.report());
    assert!(said.contains("Constraint Error") && !said.contains("hunter2"), "{said}");
    table.commit(&[twice(2)]).await;
    assert_eq!(place.query("SELECT count(*) FROM t").await, ["2"]);
}
