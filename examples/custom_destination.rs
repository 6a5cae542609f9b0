//! A destination of your own: it prints every change, and keeps its checkpoint in memory.
//!
//! ```sh
//! cargo run --release --example custom_destination
//! ```
//!
//! A real one keeps rows and checkpoint in one place and commits them together; `crates/destination-memory` is the smallest that
//! keeps the whole contract, and the conformance suite says what is missing.

#![expect(clippy::print_stdout, reason = "printing is what this destination does")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use commutator::{
    Budget, CancellationToken, Capabilities, ChangeBatch, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee,
    CommitInterval, Destination, Epoch, Error, ErrorKind, IdentifierRules, Limit, Options, Pipeline, PipelineId,
    Result, SchemaPlan, Session, Slices, SyncMode, TableName, TableSchema, Target, Transaction, Until,
};
use commutator_cli::demo::Shop;

/// Per table: how often it was opened, which is the fence, and the checkpoint of the last commit.
type State = Arc<Mutex<HashMap<TableName, (u64, Checkpoint)>>>;

#[derive(Debug, Default)]
struct Printer(State);

#[async_trait]
impl Destination for Printer {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "printer",
            modes: &[SyncMode::Append],
            guarantee: CommitGuarantee::AtLeastOnce,
            checkpoint: CheckpointHome::Destination,
            slices: Slices::One,
            identifiers: IdentifierRules { max_bytes: 255, case_sensitive: true, accepts: |_| true, reserved: &[] },
            max_columns: Limit::Unlimited,
            nul_in_text: true,
            widens: true,
            native_nested: false,
            commit_interval: CommitInterval { max_bytes: 1 << 20, max_rows: 500, max_delay: Duration::from_secs(1) },
        }
    }

    async fn check(&self) -> Result<CheckReport> {
        Ok(CheckReport::default())
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(state.get(&target.table).map(|(_, checkpoint)| checkpoint.clone()))
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (opened, checkpoint) = state.entry(target.table.clone()).or_default();
        *opened += 1;
        let (owner, checkpoint) = (*opened, checkpoint.clone());
        Ok(Box::new(Open { state: Arc::clone(&self.0), table: target.table.clone(), owner, checkpoint, schema: None }))
    }
}

#[derive(Debug)]
struct Open {
    state: State,
    table: TableName,
    owner: u64,
    checkpoint: Checkpoint,
    schema: Option<TableSchema>,
}

#[async_trait]
impl Session for Open {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        Ok(self.schema.clone())
    }

    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        println!("{}: {} columns", self.table, plan.result.columns().len());
        self.schema = Some(plan.result.clone());
        Ok(())
    }

    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        Ok(Box::new(Lines { session: self, lines: Vec::new() }))
    }
}

/// Rows wait here until the commit; a transaction that is dropped prints nothing.
#[derive(Debug)]
struct Lines<'a> {
    session: &'a mut Open,
    lines: Vec<String>,
}

#[async_trait]
impl Transaction for Lines<'_> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        // `batch.rows()` is an Arrow RecordBatch: everything that reads Arrow can take it as it is.
        for (op, order) in batch.ops().iter().zip(batch.orders()) {
            self.lines.push(format!("{} {} at {order}", self.session.table, op.as_str()));
        }
        Ok(())
    }

    async fn end_snapshot(&mut self, _: Epoch) -> Result<()> {
        self.lines.push(format!("{}: the snapshot is complete", self.session.table));
        Ok(())
    }

    async fn commit(self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        let Open { state, table, owner, checkpoint: known, .. } = self.session;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.get_mut(table) {
            Some((opened, committed)) if opened == owner => *committed = checkpoint.clone(),
            _ => return Err(Error::new(ErrorKind::Fenced, "Another writer took the table over").with("table", table)),
        }
        *known = checkpoint.clone();
        self.lines.iter().for_each(|line| println!("{line}"));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut shop = Shop::open(3, 5).await?;
    let source = Arc::new(shop.dynamodb().source(&Shop::TABLES).connect(Budget::new(16 << 20)).await?);
    let destination = Arc::new(Printer::default());
    let mut options = Options { until: Until::CaughtUp, ..Options::default() };
    options.defaults.mode = SyncMode::Append;
    let pipeline = Pipeline::new(PipelineId::new("printer")?, source, destination, options);
    anyhow::ensure!(pipeline.run(&CancellationToken::new()).await?.succeeded(), "a table failed");
    println!("-- the shop changes --");
    (0..8).try_for_each(|_| shop.change())?;
    anyhow::ensure!(pipeline.run(&CancellationToken::new()).await?.succeeded(), "a table failed");
    Ok(())
}
