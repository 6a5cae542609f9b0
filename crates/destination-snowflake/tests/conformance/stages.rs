//! How staged files are found, and what is said when they are not.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::{Destination as _, ErrorKind, Outcome};
use commutator_destination_snowflake::{Config, Documents};

use crate::place::Place;

#[tokio::test]
async fn rows_are_loaded_through_a_stage_that_is_there() {
    let Some(place) = Place::fresh(Documents::Variant).filter(Place::is_front) else { return };
    let (database, schema, url) = (place.config().database, place.config().schema, place.config().staging.url);
    let name = format!("STAGE_{schema}");
    let create = |url: &str| format!("CREATE OR REPLACE STAGE \"{database}\".\"{schema}\".\"{name}\" URL = '{url}/'");
    let config =
        Config { stage: Some(format!("{database}.{schema}.{name}")), storage_integration: None, ..place.config() };
    let snowflake = config.connect().await.unwrap();
    place.query(&format!("CREATE SCHEMA IF NOT EXISTS \"{database}\".\"{schema}\"")).await;

    place.query(&create("file:///tmp/somewhere-else")).await;
    let report = snowflake.check().await.unwrap();
    let last = report.checks.last().unwrap();
    let Outcome::Failed { problem, .. } = &last.outcome else { panic!("{report:?}") };
    assert!(problem.contains("at another address than `staging`"), "{problem}");

    place.query(&create(&url)).await;
    assert!(snowflake.check().await.unwrap().passed());
    let mut table = Table::try_open(&snowflake, target("t")).await.unwrap();
    table.commit(&[put(1, 1, [("a", Value::int(1))])]).await;
    assert_eq!(
        place.query(&format!("SELECT CAST(\"a\" AS VARCHAR) FROM {}", place.table("t"))).await,
        [[Some("1".to_owned())]]
    );
}

#[tokio::test]
async fn an_integration_that_is_not_there_is_named() {
    let Some(place) = Place::fresh(Documents::Variant) else { return };
    let config = Config { storage_integration: Some("NO_SUCH_INTEGRATION".to_owned()), ..place.config() };
    let mut table = Table::try_open(&config.connect().await.unwrap(), target("t")).await.unwrap();
    let error = table.try_commit(&[put(1, 1, [])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.report().contains("100132"), "{}", error.report());
}
