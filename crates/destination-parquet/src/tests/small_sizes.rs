//! The conformance suite with sizes so small that its few rows overflow buffers, split buckets and are distributed.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::{Harness, Row, rows_of_table};
use commutator_core::{Destination, Target};

use crate::client::Store;
use crate::config::Config;
use crate::destination::Parquet;
use crate::sizes::Sizes;

/// A row of the suite takes some 150 bytes.
pub(super) const SMALL: Sizes =
    Sizes { buffer: 1000, file: 150, bucket: 400, merge: 800, chunk: 500, parallel_mb: 2, held: 400 };

struct SmallHarness(Store);

impl SmallHarness {
    fn parquet(&self) -> Parquet {
        Parquet::new(self.0.clone(), Config::new("memory://").settings(), SMALL)
    }
}

#[async_trait]
impl Harness for SmallHarness {
    async fn fresh() -> Option<Self> {
        Some(Self(Store::open(&Config::new("memory://"), None).unwrap()))
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.parquet())
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let table = self.parquet().table(target).await.unwrap();
        table.map(|(schema, rows)| rows_of_table(&schema, &rows)).unwrap_or_default()
    }
}

commutator_conformance::suite!(SmallHarness);
