//! What a session asks: statements that commit by themselves, and the catalog.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::{Error, ErrorKind, Result, TableSchema, Target};
use commutator_sql::{BIGQUERY, BIGQUERY_JSON, Dialect, SchemaRef};
use commutator_warehouse::{Failure, Form, Found, Own, Row, Script, Staged, Warehouse};
use http::{Method, StatusCode};
use tokio::sync::OnceCell;

use crate::client::auth::Auth;
use crate::client::job::{Ended, Work};
use crate::client::wire::{Dataset, Fields, JobReference, Table};
use crate::client::{Client, Request};
use crate::config::{Config, Json};
use crate::{statements, types};

/// The dataset and the client that speaks for it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) client: Client,
    pub(crate) config: Arc<Config>,
    schema: SchemaRef,
    location: OnceCell<String>,
}

impl Service {
    pub(crate) fn new(config: Arc<Config>, auth: Auth) -> Result<Self> {
        let schema = SchemaRef::new(&BIGQUERY, &[&config.project, &config.dataset]);
        Ok(Self { client: Client::new(&config, auth)?, config, schema, location: OnceCell::new() })
    }

    /// Returns the region that the dataset is in, where jobs on it have to run.
    pub(crate) async fn location(&self) -> Result<&str> {
        let ask = || async {
            let path = format!("{}/datasets/{}", self.config.project, self.config.dataset);
            let request = Request { method: &Method::GET, path: &path, query: &[], body: None };
            let dataset: Dataset =
                self.client.send(request).await.map_err(|e| {
                    e.problem.into_error("The dataset cannot be looked at").with("dataset", self.dataset())
                })?;
            Ok(dataset.location.unwrap_or_else(|| "US".to_owned()))
        };
        self.location.get_or_try_init(ask).await.map(String::as_str)
    }

    /// The dataset as people write it.
    pub(crate) fn dataset(&self) -> String {
        format!("{}.{}", self.config.project, self.config.dataset)
    }

    /// Asks the catalog for a table; `None` if there is none.
    async fn table(&self, name: &str) -> Result<Option<Table>> {
        let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        // A space in a path is not a plus.
        let path =
            format!("{}/datasets/{}/tables/{}", self.config.project, self.config.dataset, name.replace('+', "%20"));
        let fields = [("fields", "type,schema(fields(name,type,mode,precision,scale,maxLength))")];
        let request = Request { method: &Method::GET, path: &path, query: &fields, body: None };
        match self.client.send(request).await {
            Ok(table) => Ok(Some(table)),
            Err(gave_up) if gave_up.problem.is(StatusCode::NOT_FOUND) => {
                // Without the dataset there would be no table either, and nobody would say why.
                self.location().await?;
                Ok(None)
            }
            Err(gave_up) => Err(gave_up.problem.into_error("A table cannot be looked at")),
        }
    }

    /// Runs one statement and returns the job that has its rows.
    async fn statement(&self, statement: &str, doing: &'static str) -> Result<JobReference> {
        let location = self.location().await?.to_owned();
        let work =
            Work { query: statement.to_owned(), files: None, label: "statement", location, doing, repeatable: true };
        let id = format!("commutator-{}", uuid::Uuid::new_v4());
        self.client.run(&id, &work).await.map_err(|ended| match ended {
            Ended::Failed(error) | Ended::Unclear(error) => error,
        })
    }
}

#[async_trait]
impl Warehouse for Service {
    fn dialect(&self) -> &'static Dialect {
        match self.config.json {
            Json::String => &BIGQUERY,
            Json::Json => &BIGQUERY_JSON,
        }
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn address(&self) -> String {
        self.dataset()
    }

    /// Refuses names that no table can have: those of columns take more characters (page "Creating and using tables", "Table naming").
    fn admit_target(&self, target: &Target) -> Result<()> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
        if target.name.chars().all(plain) {
            return Ok(());
        }
        let message = "A table of BigQuery has a name of letters, digits, `_`, `-` and spaces; give it another `name`";
        Err(Error::new(ErrorKind::ConfigInvalid, message).with("setting", "name"))
    }

    async fn greet(&self) -> Result<String> {
        let who = self.query("SELECT session_user()").await?;
        let who = who.into_iter().flatten().flatten().next().unwrap_or_default();
        Ok(format!("{} in {}, as {who}", self.dataset(), self.location().await?))
    }

    async fn prepare(&self) -> Result<()> {
        // It is not ours to create: nobody but the user knows in which region it should be.
        self.location().await.map(drop)
    }

    fn own(&self) -> Own {
        let look = format!(
            "-- The API is asked for the dataset's region: GET projects/{}/datasets/{}",
            self.config.project, self.config.dataset
        );
        Own {
            prepare: vec![(None, look)],
            begin: Some(statements::BEGIN),
            commit: Some(statements::COMMIT),
            ..Own::default()
        }
    }

    fn asks_columns(&self, table: &str) -> Option<String> {
        let Config { project, dataset, .. } = self.config.as_ref();
        Some(format!("-- The API is asked for the columns: GET projects/{project}/datasets/{dataset}/tables/{table}"))
    }

    async fn query(&self, statement: &str) -> Result<Vec<Row>> {
        let doing = "A statement failed";
        let job = self.statement(statement, doing).await?;
        let (mut rows, mut page): (Vec<Row>, Option<String>) = (Vec::new(), None);
        loop {
            let results = self.client.results(&job, page.as_deref(), None).await;
            let results = results.map_err(|e| e.problem.into_error(doing))?;
            if !results.job_complete {
                return Err(Error::new(ErrorKind::Unexpected, "BigQuery calls a job incomplete that is done")
                    .with("job", job.job_id));
            }
            rows.extend(results.rows.into_iter().map(Fields::texts));
            match results.page_token.filter(|token| !token.is_empty()) {
                Some(token) => page = Some(token),
                None => return Ok(rows),
            }
        }
    }

    async fn run(&self, script: &Script, id: &str) -> Result<(), Failure> {
        self.commit(script, id).await
    }

    async fn alter(&self, statements: &[String], id: &str) -> Result<(), Failure> {
        self.change(statements, id).await
    }

    async fn columns(&self, table: &str) -> Result<Option<Vec<Found>>> {
        let found = self.table(table).await?;
        Ok(found.map(|table| {
            let column = |field| Found { native: types::native(&field), name: field.name };
            table.schema.fields.into_iter().map(column).collect()
        }))
    }

    fn form(&self, _: &TableSchema) -> Form {
        Form::PARQUET
    }

    fn load(&self, columns: &TableSchema, _: &Staged) -> Vec<String> {
        vec![statements::load(columns)]
    }
}
