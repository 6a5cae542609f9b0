//! What a session asks: statements that commit by themselves, and the catalog.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::{ChangeBatch, Result, TableSchema};
use commutator_sql::{Dialect, SchemaRef, TableRef};
use commutator_warehouse::{Failure, Form, Found, Own, Row, Script, Staged, Warehouse, with_plain_numbers};
use uuid::Uuid;

use crate::client::Client;
use crate::config::Documents;
use crate::statements::{self, Stage};
use crate::transaction::{BEGIN, COMMIT};
use crate::{error, types};

/// What is said of a document with a number that no `NUMBER` holds.
const BENT: &str =
    "A document has a number that VARIANT would round; set `documents` to \"text\" to keep it, and load the table anew";

/// An account, and where in it the tables are.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) client: Arc<Client>,
    documents: Documents,
    dialect: &'static Dialect,
    database: String,
    plain_schema: String,
    schema: SchemaRef,
    stage: Stage,
}

impl Account {
    pub(crate) fn new(client: Client, documents: Documents, database: &str, schema: &str, stage: Stage) -> Self {
        let dialect = statements::dialect(documents);
        Self {
            client: Arc::new(client),
            documents,
            dialect,
            database: database.to_owned(),
            plain_schema: schema.to_owned(),
            schema: SchemaRef::new(dialect, &[database, schema]),
            stage,
        }
    }
}

impl Account {
    fn create_schema(&self) -> String {
        format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema)
    }

    fn describe(&self, table: &str) -> String {
        format!("DESCRIBE TABLE {}", TableRef::new(self.dialect, &self.schema, table))
    }
}

/// A request's own id, where nobody else names the attempt.
fn fresh_id() -> String {
    Uuid::new_v4().to_string()
}

#[async_trait]
impl Warehouse for Account {
    fn dialect(&self) -> &'static Dialect {
        self.dialect
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn address(&self) -> String {
        format!("{}/{}", self.client.host(), self.schema)
    }

    async fn greet(&self) -> Result<String> {
        // The schema may not be there yet.
        let client = self.client.without_schema();
        let statement = "SELECT CURRENT_VERSION(), CURRENT_USER(), CURRENT_ROLE(), CURRENT_WAREHOUSE()";
        let rows = client.query(statement, &fresh_id()).await.map_err(Failure::into_error)?;
        let row = rows.into_iter().next().unwrap_or_default();
        let part = |n: usize| row.get(n).cloned().flatten().unwrap_or_else(|| "none".to_owned());
        let (version, user, role, warehouse) = (part(0), part(1), part(2), part(3));
        Ok(format!("Snowflake {version} at {}, user {user}, role {role}, warehouse {warehouse}", self.client.host()))
    }

    /// The right to create schemas is not needed where the schema is there.
    async fn prepare(&self) -> Result<()> {
        let client = self.client.without_schema();
        let find = statements::find_schema(&self.database, &self.plain_schema);
        let found = client.query(&find, &fresh_id()).await.map_err(Failure::into_error)?;
        if found.first().and_then(|row| row.first()) == Some(&Some("0".to_owned())) {
            client.query(&self.create_schema(), &fresh_id()).await.map_err(Failure::into_error)?;
        }
        Ok(())
    }

    fn own(&self) -> Own {
        let find = statements::find_schema(&self.database, &self.plain_schema);
        let prepare = vec![(None, find), (Some("if it is missing"), self.create_schema())];
        Own { prepare, begin: Some(BEGIN), commit: Some(COMMIT), ..Own::default() }
    }

    fn asks_columns(&self, table: &str) -> Option<String> {
        Some(self.describe(table))
    }

    async fn query(&self, statement: &str) -> Result<Vec<Row>> {
        self.client.query(statement, &fresh_id()).await.map_err(Failure::into_error)
    }

    async fn run(&self, script: &Script, id: &str) -> Result<(), Failure> {
        self.commit(script, id).await
    }

    async fn alter(&self, statements: &[String], id: &str) -> Result<(), Failure> {
        self.change(statements, id).await
    }

    /// `DESCRIBE` reads what is true now, and needs no virtual warehouse to run.
    async fn columns(&self, table: &str) -> Result<Option<Vec<Found>>> {
        let rows = match self.query(&self.describe(table)).await {
            Ok(rows) => rows,
            Err(error) if error::names_no_object(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = rows.into_iter().filter_map(|row| {
            let mut values = row.into_iter();
            let (name, native) = (values.next()??, values.next()??);
            Some(Found { name: types::named(&name), native: types::spelled(&native) })
        });
        Ok(Some(found.collect()))
    }

    fn admit(&self, rows: ChangeBatch) -> Result<ChangeBatch> {
        match self.documents {
            Documents::Variant => with_plain_numbers(rows, BENT),
            Documents::Text => Ok(rows),
        }
    }

    fn form(&self, _columns: &TableSchema) -> Form {
        types::FORM
    }

    fn load(&self, columns: &TableSchema, staged: &Staged) -> Vec<String> {
        statements::load(self.dialect, &self.stage, columns, staged)
    }
}
