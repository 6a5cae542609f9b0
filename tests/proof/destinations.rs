//! Where the runs of the proof go, and how what arrived is read back.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::{Double, DoubleHarness, Harness, Mistake, Row, rows_of_table};
use commutator_core::{Destination, Target};
use commutator_destination_memory::Memory;
use commutator_destination_parquet::Config;
use tempfile::TempDir;

use crate::chaos::Place;

/// Tables in memory.
pub(crate) struct MemoryPlace(Memory);

#[async_trait]
impl Harness for MemoryPlace {
    async fn fresh() -> Option<Self> {
        Some(Self(Memory::new()))
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.clone())
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let rows = self.0.schema(&target.name).zip(self.0.table(&target.name));
        rows.map(|(schema, rows)| rows_of_table(&schema, &rows)).unwrap_or_default()
    }
}

/// Parquet files in a folder of their own.
pub(crate) struct ParquetPlace(TempDir);

#[async_trait]
impl Harness for ParquetPlace {
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

/// A schema of a real Postgres, read by statements of its own.
#[path = "../../crates/destination-postgres/tests/conformance/server.rs"]
#[expect(dead_code, reason = "the destination's own tests use more of it")]
pub(crate) mod postgres;

pub(crate) use postgres::Server as PostgresPlace;

/// A database of a real `DuckDB`, read by statements of its own. Its file is opened anew by every process, once nobody has it open any more.
#[cfg(feature = "duckdb")]
#[path = "../../crates/destination-duckdb/tests/conformance/place.rs"]
pub(crate) mod duckdb;

#[cfg(feature = "duckdb")]
pub(crate) use duckdb::File as DuckDbPlace;

/// Returns a destination that makes a mistake.
pub(crate) fn mistaken(mistake: Mistake) -> DoubleHarness {
    DoubleHarness(Double::with(mistake))
}

/// Returns a runtime for a destination that waits for something real.
pub(crate) fn elsewhere() -> Place {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    Place::Elsewhere(Arc::new(runtime))
}
