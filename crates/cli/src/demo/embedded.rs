//! A `DynamoDB` inside the process, for demonstrations: small data, no account, nothing kept.

use std::fmt;
use std::future::Future;

use commutator::{Error, ErrorKind, Result, Secret, dynamodb};
use dynoxide::{Database, DynoxideError};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// An embedded `DynamoDB` that listens on a local port until it is dropped.
///
/// It is the `dynoxide-rs` crate, which keeps its items in `SQLite` in memory. Its streams have one shard that never closes, and
/// each write to a streamed table takes longer the more changes there were; so keep it to a few thousand changes.
pub struct Embedded {
    database: Database,
    endpoint: String,
    _stop: oneshot::Sender<()>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Starts an empty one on a free port.
    pub async fn start() -> Result<Self> {
        let database = Database::memory().map_err(|error| failed("open", &error))?;
        let no_port =
            |error| Error::new(ErrorKind::Unavailable, "The embedded DynamoDB has no port").with_source(error);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(no_port)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(no_port)?);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = serve(listener, database.clone(), async {
            // Either end of the channel going away stops the server.
            let _dropped = stopped.await;
        });
        tokio::spawn(server);
        Ok(Self { database, endpoint, _stop: stop })
    }

    /// Returns its address.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns the source that reads these tables of it; any key is accepted.
    pub fn source(&self, tables: &[&str]) -> dynamodb::Config {
        dynamodb::Config {
            region: Some("eu-west-1".to_owned()),
            endpoint_url: Some(self.endpoint.clone()),
            access_key_id: Some(Secret::new("embedded".to_owned())),
            secret_access_key: Some(Secret::new("embedded".to_owned())),
            tables: tables.iter().map(|&table| table.to_owned()).collect(),
            ..dynamodb::Config::default()
        }
    }

    /// Creates a table without a stream; keys are names with their type, `S`, `N` or `B`.
    pub fn create_table(&self, table: &str, keys: &[(&str, &str)]) -> Result<()> {
        let schema: Vec<_> = keys
            .iter()
            .zip(["HASH", "RANGE"])
            .map(|((name, _), role)| json!({"AttributeName": name, "KeyType": role}))
            .collect();
        let types: Vec<_> = keys.iter().map(|(name, ty)| json!({"AttributeName": name, "AttributeType": ty})).collect();
        let request = json!({
            "TableName": table, "KeySchema": schema, "AttributeDefinitions": types, "BillingMode": "PAY_PER_REQUEST",
        });
        self.database.create_table(parse(request)?).map_err(|error| failed("create a table", &error))?;
        Ok(())
    }

    /// Switches a table's stream on.
    pub fn enable_stream(&self, table: &str) -> Result<()> {
        let stream = json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" });
        let request = json!({ "TableName": table, "StreamSpecification": stream });
        self.database.update_table(parse(request)?).map_err(|error| failed("enable a stream", &error))?;
        Ok(())
    }

    /// Puts an item, given as `DynamoDB` JSON.
    pub fn put(&self, table: &str, item: &Value) -> Result<()> {
        let request = parse(json!({ "TableName": table, "Item": item }))?;
        self.database.put_item(request).map_err(|error| failed("put an item", &error))?;
        Ok(())
    }

    /// Deletes an item by its key, given as `DynamoDB` JSON.
    pub fn delete(&self, table: &str, key: &Value) -> Result<()> {
        let request = parse(json!({ "TableName": table, "Key": key }))?;
        self.database.delete_item(request).map_err(|error| failed("delete an item", &error))?;
        Ok(())
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    database: Database,
    stopped: impl Future<Output = ()> + Send + 'static,
) {
    if let Err(error) = dynoxide::server::serve_with_shutdown(listener, database, stopped).await {
        tracing::error!(error, "the embedded DynamoDB ended");
    }
}

fn parse<T: DeserializeOwned>(request: Value) -> Result<T> {
    serde_json::from_value(request).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "The embedded DynamoDB refuses a request").with_source(error)
    })
}

fn failed(action: &'static str, error: &DynoxideError) -> Error {
    // Its error type cannot be moved out of a reference; its text is all it has.
    Error::new(ErrorKind::Unexpected, "The embedded DynamoDB failed")
        .with("action", action)
        .with_source(error.to_string())
}
