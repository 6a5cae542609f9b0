//! The memory destination passes the suite.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::{Harness, Row, rows_of_table};
use commutator_core::{Destination, Target};
use commutator_destination_memory::Memory;

struct MemoryHarness(Memory);

#[async_trait]
impl Harness for MemoryHarness {
    async fn fresh() -> Option<Self> {
        Some(Self(Memory::new()))
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.clone())
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let schema = self.0.schema(&target.name);
        let rows = schema.zip(self.0.table(&target.name));
        rows.map(|(schema, rows)| rows_of_table(&schema, &rows)).unwrap_or_default()
    }
}

commutator_conformance::suite!(MemoryHarness);
