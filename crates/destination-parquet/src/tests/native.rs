//! The conformance suite on a table whose columns of JSON are all native, with sizes so small that everything is written in many parts.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::{Harness, Row, rows_of_table};
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, Column, Destination, LogicalType, Result, SchemaPlan, Session, TableSchema,
    Target, Transaction,
};

use super::small_sizes::SMALL;
use crate::client::Store;
use crate::config::Config;
use crate::destination::Parquet;

struct NativeHarness(Store);

impl NativeHarness {
    fn parquet(&self) -> Parquet {
        Parquet::new(self.0.clone(), Config::new("memory://").settings(), SMALL)
    }
}

#[async_trait]
impl Harness for NativeHarness {
    async fn fresh() -> Option<Self> {
        Some(Self(Store::open(&Config::new("memory://"), None).unwrap()))
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(Native(self.parquet()))
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let table = self.parquet().table(target).await.unwrap();
        table.map(|(schema, rows)| rows_of_table(&schema, &rows)).unwrap_or_default()
    }
}

commutator_conformance::suite!(NativeHarness);

/// Makes every column of JSON native; the suite knows nothing of that.
#[derive(Debug)]
struct Native(Parquet);

#[derive(Debug)]
struct NativeSession(Box<dyn Session>);

fn with_native(schema: &TableSchema, native: bool) -> TableSchema {
    let column = |column: &Column| Column { native: native && column.ty == LogicalType::Json, ..column.clone() };
    TableSchema::new(schema.columns().iter().map(column).collect()).unwrap()
}

#[async_trait]
impl Destination for Native {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn check(&self) -> Result<CheckReport> {
        self.0.check().await
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.0.peek(target).await
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        Ok(self.0.peek_schema(target).await?.map(|schema| with_native(&schema, false)))
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        Ok(Box::new(NativeSession(self.0.open(target).await?)))
    }
}

#[async_trait]
impl Session for NativeSession {
    fn checkpoint(&self) -> &Checkpoint {
        self.0.checkpoint()
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        Ok(self.0.describe().await?.map(|schema| with_native(&schema, false)))
    }

    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        let result = with_native(&plan.result, true);
        self.0.evolve(&SchemaPlan { result, ..plan.clone() }).await
    }

    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        self.0.begin().await
    }
}
