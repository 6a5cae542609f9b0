//! What is Redshift's own about the path that warehouses share.

use std::time::Duration;

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckpointHome, CommitGuarantee, CommitInterval, Limit, Result, Slices, SyncMode, TableSchema,
};
use commutator_sql::{Dialect, REDSHIFT, SchemaRef};
use commutator_warehouse::{Failure, Form, Found, Row, Script, Staged};

use crate::client::Client;
use crate::{Config, statements, types};

/// A schema of a database.
#[derive(Debug)]
pub(crate) struct Warehouse {
    client: Client,
    schema: SchemaRef,
    /// The schema's name, and how `COPY` names the staging area and the role that reads it.
    name: String,
    staging: String,
    role: String,
}

/// What Redshift can do.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        name: "redshift",
        modes: &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append],
        guarantee: CommitGuarantee::Atomic,
        checkpoint: CheckpointHome::Destination,
        slices: Slices::One,
        identifiers: REDSHIFT.identifiers,
        // Database developer guide, "CREATE TABLE": 1,600 columns; some are ours, and one is added while a column is replaced.
        max_columns: Limit::AtMost(1_590),
        // CHAR and VARCHAR take no NUL ("Character types").
        nul_in_text: false,
        widens: true,
        native_nested: false,
        // Commits of a cluster wait for each other, so few large ones are better than many small ones.
        commit_interval: CommitInterval {
            max_bytes: 256 << 20,
            max_rows: 2_000_000,
            max_delay: Duration::from_mins(1),
        },
    }
}

impl Warehouse {
    pub(crate) fn new(client: Client, config: &Config) -> Self {
        Self {
            client,
            schema: SchemaRef::new(&REDSHIFT, &[&config.schema]),
            name: config.schema.clone(),
            staging: config.staging.url.trim_end_matches('/').to_owned(),
            role: config.copy_role.clone(),
        }
    }

    async fn ask(&self, statement: &str) -> Result<Vec<Row>> {
        let token = aws_token();
        self.client.query(statement, &token).await.map_err(Failure::into_error)
    }
}

/// A name for a request that no other has, so that the SDK's repetitions of it are one.
fn aws_token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

#[async_trait]
impl commutator_warehouse::Warehouse for Warehouse {
    fn dialect(&self) -> &'static Dialect {
        &REDSHIFT
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn address(&self) -> String {
        format!("redshift/{}/{}", self.client.address(), self.name)
    }

    async fn greet(&self) -> Result<String> {
        let rows = self.ask("SELECT current_user, version()").await?;
        let text = |i: usize| rows.first().and_then(|row| row.get(i).cloned().flatten()).unwrap_or_default();
        Ok(format!("{}, as {}, {}", self.client.address(), text(0), text(1)))
    }

    async fn prepare(&self) -> Result<()> {
        // To create one takes a right on the database, even where it is there.
        if self.ask(&statements::schema(&self.name)).await?.is_empty() {
            self.ask(&format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema)).await?;
        }
        Ok(())
    }

    async fn query(&self, statement: &str) -> Result<Vec<Row>> {
        self.ask(statement).await
    }

    async fn run(&self, script: &Script, id: &str) -> Result<(), Failure> {
        // Sessions may be used again, and a temporary table is of the session.
        let first = (!script.stage.is_empty()).then(statements::drop_stage);
        let all: Vec<_> = first.into_iter().chain(script.stage.clone()).chain(script.apply.clone()).collect();
        self.client.batch(&all, id).await
    }

    async fn alter(&self, statements: &[String], id: &str) -> Result<(), Failure> {
        self.client.batch(statements, id).await
    }

    async fn columns(&self, table: &str) -> Result<Option<Vec<Found>>> {
        let rows = self.ask(&statements::columns(&self.name, table)).await?;
        let found: Vec<_> = rows
            .into_iter()
            .filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
                Ok([Some(name), Some(ty)]) => Some(Found { name, native: types::native(&ty) }),
                _ => None,
            })
            .collect();
        Ok((!found.is_empty()).then_some(found))
    }

    fn form(&self, _columns: &TableSchema) -> Form {
        // Digits as text, so that no reader of JSON makes doubles of them.
        Form { decimals_as_text: true, embedded: true, ..Form::JSON_LINES }
    }

    fn load(&self, columns: &TableSchema, staged: &Staged) -> Vec<String> {
        vec![statements::copy(columns, staged, &self.staging, &self.role)]
    }

    fn manifest(&self, staged: &Staged) -> Option<String> {
        Some(statements::manifest(staged, &self.staging))
    }
}
