//! The suite over a database in memory, in a schema with a name that takes quotes.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::{Harness, Row};
use commutator_core::{Destination, Target};
use commutator_destination_duckdb::{Config, DuckDb};

use crate::place::read;

struct Memory(DuckDb);

const SCHEMA: &str = "Some schema";

#[async_trait]
impl Harness for Memory {
    async fn fresh() -> Option<Self> {
        let config = Config { threads: Some(2), schema: SCHEMA.to_owned(), ..Config::in_memory() };
        Some(Self(config.connect().await.expect("the settings are fine")))
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.clone())
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        read(&self.0, SCHEMA, target).await
    }
}

/// What every destination must do.
mod contract {
    commutator_conformance::suite!(crate::memory::Memory);
}
