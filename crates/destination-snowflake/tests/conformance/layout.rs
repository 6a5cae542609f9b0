//! What a user finds in the account.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::{Destination as _, ErrorKind, Outcome, Secret};
use commutator_destination_snowflake::{Config, Documents};

use crate::place::Place;

#[tokio::test]
async fn a_table_looks_as_documented() {
    let Some(place) = Place::fresh(Documents::Variant) else { return };
    let mut table = Table::open(&place.snowflake().await, target("Orders")).await;
    let mut row =
        put(1, 5, [("name", Value::text(r"\N")), ("price", Value::number("1.50")), ("doc", Value::json("[1]"))]);
    row.item.insert("raw".to_owned(), Value::binary([1, 2]));
    row.item.insert("big".to_owned(), Value::number("1e100"));
    row.item.insert("ok".to_owned(), Value::Bool(true));
    table.commit(&[row]).await;
    let described = place.query(&format!("DESCRIBE TABLE {}", place.table("Orders"))).await;
    let described: Vec<_> =
        described.iter().map(|row| format!("{} {}", row[0].as_deref().unwrap(), row[1].as_deref().unwrap())).collect();
    assert_eq!(
        described,
        [
            "id NUMBER(19,0)",
            "big DECFLOAT",
            "doc VARIANT",
            "name VARCHAR(16777216)",
            "ok BOOLEAN",
            "price NUMBER(2,1)",
            "raw BINARY(8388608)",
            "_CT_ORDER VARCHAR(16777216)",
            "_CT_SYNCED_AT TIMESTAMP_TZ(6)",
            "_CT_CHANGED_AT TIMESTAMP_TZ(6)",
        ]
    );
    // The default of `NULL_IF` would make null of this text.
    let rows = place.query(&format!("SELECT \"name\" FROM {}", place.table("Orders"))).await;
    assert_eq!(rows, [[Some(r"\N".to_owned())]]);
}

#[tokio::test]
async fn whoever_is_not_accepted_is_told_so_by_name() {
    let Some(place) = Place::fresh(Documents::Variant) else { return };
    let config = Config { access_token: Some(Secret::new("wrong".to_owned())), ..place.config() };
    let snowflake = config.connect().await.unwrap();
    let report = snowflake.check().await.unwrap();
    let Outcome::Failed { problem, .. } = &report.checks[0].outcome else { panic!("{report:?}") };
    assert!(problem.contains("credentials") && problem.contains("3901"), "{problem}");
    let error = snowflake.open(&target("t")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
}
