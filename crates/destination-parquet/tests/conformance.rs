//! The Parquet destination passes the suite, on a local disk and on S3.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::{Harness, Row, rows_of_table};
use commutator_core::{Destination, Target};
use commutator_destination_parquet::Config;
use tempfile::TempDir;

struct LocalHarness(TempDir);

#[async_trait]
impl Harness for LocalHarness {
    async fn fresh() -> Option<Self> {
        Some(Self(tempfile::tempdir().unwrap()))
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(Config::new(self.0.path().to_str().unwrap()).connect().await.unwrap())
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let parquet = Config::new(self.0.path().to_str().unwrap()).connect().await.unwrap();
        let table = parquet.table(target).await.unwrap();
        table.map(|(schema, rows)| rows_of_table(&schema, &rows)).unwrap_or_default()
    }
}

mod local {
    use super::LocalHarness;

    commutator_conformance::suite!(LocalHarness);
}

/// A prefix of its own in the bucket of a real S3 server.
struct S3Harness(Config);

#[async_trait]
impl Harness for S3Harness {
    async fn fresh() -> Option<Self> {
        crate::s3::config().map(Self)
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.clone().connect().await.unwrap())
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let parquet = self.0.clone().connect().await.unwrap();
        let table = parquet.table(target).await.unwrap();
        table.map(|(schema, rows)| rows_of_table(&schema, &rows)).unwrap_or_default()
    }
}

mod s3 {
    use super::S3Harness;

    commutator_conformance::suite!(S3Harness);
}
