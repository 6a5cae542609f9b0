//! What a session asks: statements that commit by themselves, the catalog, and how rows are staged.

use async_trait::async_trait;
use commutator_core::{ChangeBatch, Result, TableSchema};
use commutator_sql::{Dialect, SchemaRef};
use commutator_warehouse::{Failure, Form, Found, Own, Row, Script, Staged, Warehouse};
use uuid::Uuid;

use crate::client::Client;
use crate::config::Documents;
use crate::{Config, documents, statements, types};

/// A schema of a database.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) client: Client,
    documents: Documents,
    dialect: &'static Dialect,
    schema: SchemaRef,
    /// The schema's name.
    name: String,
    files: statements::Files,
}

impl Database {
    pub(crate) fn new(client: Client, config: &Config) -> Self {
        let dialect = types::dialect(config.documents);
        Self {
            client,
            documents: config.documents,
            dialect,
            schema: SchemaRef::new(dialect, &[&config.schema]),
            name: config.schema.clone(),
            files: statements::Files {
                staging: config.staging.url.trim_end_matches('/').to_owned(),
                region: config.staging.region.clone(),
                role: config.copy_role.clone().filter(|role| role != "default"),
            },
        }
    }
}

impl Database {
    fn create_schema(&self) -> String {
        format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema)
    }
}

/// A name for a request that no other has.
fn fresh_token() -> String {
    Uuid::new_v4().simple().to_string()
}

#[async_trait]
impl Warehouse for Database {
    fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn address(&self) -> String {
        format!("redshift/{}/{}", self.client.address(), self.name)
    }

    async fn greet(&self) -> Result<String> {
        let rows = self.query("SELECT current_user, version()").await?;
        let text = |i: usize| rows.first().and_then(|row| row.get(i).cloned().flatten()).unwrap_or_default();
        Ok(format!("{}, as {}, {}", self.client.address(), text(0), text(1)))
    }

    /// To create a schema takes a right on the database, even where it is there.
    async fn prepare(&self) -> Result<()> {
        if self.query(&statements::schema(&self.name)).await?.is_empty() {
            self.query(&self.create_schema()).await?;
        }
        Ok(())
    }

    /// A batch is a transaction by itself.
    fn own(&self) -> Own {
        let prepare = vec![(None, statements::schema(&self.name)), (Some("if it is missing"), self.create_schema())];
        Own { prepare, unstage: Some(statements::drop_stage()), ..Own::default() }
    }

    fn asks_columns(&self, table: &str) -> Option<String> {
        Some(statements::columns(&self.name, table))
    }

    async fn query(&self, statement: &str) -> Result<Vec<Row>> {
        self.client.query(statement, &fresh_token()).await.map_err(Failure::into_error)
    }

    async fn run(&self, script: &Script, id: &str) -> Result<(), Failure> {
        self.commit(script, id).await
    }

    async fn alter(&self, statements: &[String], id: &str) -> Result<(), Failure> {
        self.client.batch(statements, id).await.map_err(|stop| stop.failure)
    }

    async fn rehearse(&self, script: &Script, fail: &str, id: &str) -> Result<()> {
        self.try_commit(script, fail, id).await
    }

    async fn columns(&self, table: &str) -> Result<Option<Vec<Found>>> {
        let rows = self.query(&statements::columns(&self.name, table)).await?;
        let found: Vec<_> = rows
            .into_iter()
            .filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
                Ok([Some(name), Some(ty)]) => Some(Found { name, native: types::native(&ty) }),
                _ => None,
            })
            .collect();
        Ok((!found.is_empty()).then_some(found))
    }

    fn admit(&self, rows: ChangeBatch) -> Result<ChangeBatch> {
        documents::admit(rows, self.documents)
    }

    fn form(&self, _columns: &TableSchema) -> Form {
        Form { embedded: self.documents == Documents::Super, ..types::FORM }
    }

    fn load(&self, columns: &TableSchema, staged: &Staged) -> Vec<String> {
        vec![statements::copy(columns, staged, &self.files)]
    }

    fn manifest(&self, staged: &Staged) -> Option<String> {
        Some(statements::manifest(staged, &self.files))
    }
}
