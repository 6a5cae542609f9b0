//! The keys and modes that the program knows are those of the connectors and of the documentation.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::super::keys::{
    BIGQUERY, DUCKDB, DYNAMODB, Key, Kind, PARQUET, POSTGRES, REDSHIFT, S3_IDENTITY, SNOWFLAKE, STAGING,
};
use super::super::*;

fn fields_of<T: DeserializeOwned>() -> BTreeSet<String> {
    let nonsense = serde_json::json!({ "there is no such key": 1 });
    let error = serde_json::from_value::<T>(nonsense).err().expect("unknown keys are refused").to_string();
    let (_, fields) = error.split_once("expected one of ").expect("it names its fields");
    fields.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn names_of(keys: &[Key]) -> BTreeSet<String> {
    keys.iter().map(|key| key.name.to_owned()).collect()
}

#[test]
fn the_known_keys_are_those_of_the_connectors() {
    let mut parquet = names_of(PARQUET);
    for key in S3_IDENTITY {
        assert!(parquet.remove(key), "{key}");
    }
    assert_eq!(names_of(BIGQUERY), fields_of::<bigquery::Config>());
    assert_eq!(names_of(DYNAMODB), fields_of::<dynamodb::Config>());
    assert_eq!(parquet, fields_of::<parquet::Config>());
    assert_eq!(names_of(POSTGRES), fields_of::<postgres::Config>());
    assert_eq!(names_of(REDSHIFT), fields_of::<redshift::Config>());
    let role = REDSHIFT.iter().find(|key| key.name == "assume_role").expect("the key of its role");
    assert!(matches!(role.kind, Kind::Table(keys) if names_of(keys) == fields_of::<redshift::AssumeRole>()));
    assert_eq!(names_of(SNOWFLAKE), fields_of::<snowflake::Config>());
    let mut staging = names_of(STAGING);
    staging.retain(|key| !S3_IDENTITY.contains(&key.as_str()));
    assert_eq!(staging, fields_of::<snowflake::StagingConfig>());
    #[cfg(feature = "duckdb")]
    assert_eq!(names_of(DUCKDB), fields_of::<commutator::duckdb::Config>());
    for key in DYNAMODB {
        match (key.name, key.kind) {
            ("assume_role", Kind::Table(keys)) => assert_eq!(names_of(keys), fields_of::<dynamodb::AssumeRole>()),
            ("web_identity", Kind::Table(keys)) => assert_eq!(names_of(keys), fields_of::<dynamodb::WebIdentity>()),
            (name, Kind::Table(_)) => panic!("{name} is not compared"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_known_modes_are_those_of_the_connectors() {
    let parquet = parquet::Config::new("memory://");
    let offered = commutator::Destination::capabilities(&parquet.clone().connect().await.unwrap()).modes;
    assert_eq!(Destination::Parquet(Box::new(parquet), None).modes(), offered);
    let postgres = postgres::Config::from_url("postgres://u@127.0.0.1/db?sslmode=disable");
    let offered = commutator::Destination::capabilities(&postgres.clone().connect().await.unwrap()).modes;
    assert_eq!(Destination::Postgres(Box::new(postgres)).modes(), offered);
    let staging = snowflake::StagingConfig::new("s3://b");
    let snowflake = snowflake::Config {
        access_token: Some(Secret::new("x".to_owned())),
        stage: Some("S".to_owned()),
        ..snowflake::Config::new("a", "D", staging)
    };
    let offered = commutator::Destination::capabilities(&snowflake.clone().connect().await.unwrap()).modes;
    assert_eq!(Destination::Snowflake(Box::new(snowflake), None).modes(), offered);
    let bigquery = bigquery::Config { anonymous: true, ..bigquery::Config::new("p", "d", "gs://b") };
    let offered = commutator::Destination::capabilities(&bigquery.clone().connect().await.unwrap()).modes;
    assert_eq!(Destination::BigQuery(Box::new(bigquery)).modes(), offered);
    let redshift = redshift::Config {
        workgroup: Some("w".to_owned()),
        database: "d".to_owned(),
        schema: "s".to_owned(),
        staging: redshift::StagingConfig::new("s3://b"),
        region: Some("eu-west-1".to_owned()),
        ..redshift::Config::default()
    };
    let offered = commutator::Destination::capabilities(&redshift.clone().connect().await.unwrap()).modes;
    assert_eq!(Destination::Redshift(Box::new(redshift)).modes(), offered);
    #[cfg(feature = "duckdb")]
    {
        let duckdb = commutator::duckdb::Config::in_memory();
        let offered = commutator::Destination::capabilities(&duckdb.clone().connect().await.unwrap()).modes;
        assert_eq!(Destination::DuckDb(Box::new(duckdb)).modes(), offered);
    }
}

#[test]
fn every_key_is_documented() {
    let page = include_str!("../../../../../docs/configuration.md");
    let mut missing = Vec::new();
    let mut look = |section: &str, keys: &[Key]| {
        missing.extend(
            keys.iter()
                .filter(|key| !page.contains(&format!("`{}`", key.name)))
                .map(|key| format!("{section}.{}", key.name)),
        );
    };
    look("pipeline", keys::PIPELINE);
    look("defaults", keys::DEFAULTS);
    look("tables", keys::TABLE);
    look("source", DYNAMODB);
    look("parquet", PARQUET);
    look("postgres", POSTGRES);
    look("bigquery", BIGQUERY);
    look("duckdb", DUCKDB);
    look("redshift", REDSHIFT);
    look("snowflake", SNOWFLAKE);
    look("staging", STAGING);
    assert_eq!(missing, Vec::<String>::new());
}
