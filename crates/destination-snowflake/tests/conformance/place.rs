//! A schema of its own for each test, and a way to read it that shares no code with the destination.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use commutator_conformance::{Harness, Row, Value, row_of_texts};
use commutator_core::{Destination, Secret, Target};
use commutator_destination_snowflake::{Config, Documents, Snowflake, StagingConfig};
use serde_json::json;
use uuid::Uuid;

/// A schema that goes with this, in an account or in the front, and where rows wait for it.
pub(crate) struct Place {
    config: Config,
    /// The staging area, where it is a folder of this machine.
    folder: Option<tempfile::TempDir>,
}

/// Documents are text.
pub(crate) struct Text(Place);
/// Documents are `VARIANT`.
pub(crate) struct Variant(Place);
/// Documents are text, and an emulator that is not ours runs the statements.
pub(crate) struct Fakesnow(Place);

impl Place {
    /// `None` if neither an account nor the front is configured.
    pub(crate) fn fresh(documents: Documents) -> Option<Self> {
        let Ok(path) = std::env::var("COMMUTATOR_TEST_SNOWFLAKE_CONFIG") else {
            return Self::emulated("COMMUTATOR_TEST_SNOWFLAKE_FRONT", documents);
        };
        let text = std::fs::read_to_string(path).expect("the file that COMMUTATOR_TEST_SNOWFLAKE_CONFIG names");
        Some(Self::within(serde_json::from_str(&text).expect("the settings of an account"), None, documents))
    }

    /// In what answers at the address that the variable has.
    fn emulated(variable: &str, documents: Documents) -> Option<Self> {
        let url = std::env::var(variable).ok()?;
        let folder = tempfile::tempdir().expect("a folder");
        let staging = StagingConfig::new(format!("file://{}", folder.path().display()));
        let config = Config {
            url: Some(url),
            access_token: Some(Secret::new("right".to_owned())),
            storage_integration: Some("CT_INTEGRATION".to_owned()),
            ..Config::new("emulated", "EMULATED", staging)
        };
        Some(Self::within(config, Some(folder), documents))
    }

    fn within(config: Config, folder: Option<tempfile::TempDir>, documents: Documents) -> Self {
        // In upper case, as an emulator finds no stage in a schema of another name.
        let schema = format!("CT_TEST_{:X}", Uuid::new_v4().simple());
        // The front has done everything by the time it gives a handle.
        let first_look = folder.is_some().then_some(Duration::from_millis(1));
        Self { config: Config { schema, documents, first_look, ..config }, folder }
    }

    /// Whether it is in the front, and not in an account.
    pub(crate) fn is_front(&self) -> bool {
        self.folder.is_some()
    }

    pub(crate) fn config(&self) -> Config {
        self.config.clone()
    }

    pub(crate) async fn snowflake(&self) -> Snowflake {
        self.config().connect().await.expect("the settings are fine")
    }

    /// Returns the rows of a statement, which runs by itself; an error as the answer has it.
    pub(crate) async fn try_query(&self, statement: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        query(&self.config, statement).await
    }

    pub(crate) async fn query(&self, statement: &str) -> Vec<Vec<Option<String>>> {
        self.try_query(statement).await.unwrap_or_else(|e| panic!("{statement}: {e}"))
    }

    /// Returns the name of a table of the schema, whole.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("{}.{}.{}", quoted(&self.config.database), quoted(&self.config.schema), quoted(name))
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        let table = self.table(&target.name);
        let Ok(described) = self.try_query(&format!("DESCRIBE TABLE {table}")).await else { return Vec::new() };
        let text = |cell: Option<&Option<String>>| cell.cloned().flatten().expect("DESCRIBE has no nulls here");
        let columns: Vec<_> = described.iter().map(|row| (text(row.first()), text(row.get(1)))).collect();
        let list: Vec<_> = columns.iter().map(|(name, ty)| as_text(&quoted(name), ty)).collect();
        let rows = self.query(&format!("SELECT {} FROM {table}", list.join(", "))).await;
        let documents = self.documents(target).await;
        // Names of our own are in upper case there, and documents that are text are told by their columns alone.
        let name = |name: &str| if name.starts_with("_CT_") { name.to_ascii_lowercase() } else { name.to_owned() };
        let ty = |name: &String, ty: &str| if documents.contains(name) { "VARIANT".to_owned() } else { ty.to_owned() };
        let columns: Vec<_> = columns.iter().map(|column| (name(&column.0), ty(&column.0, &column.1))).collect();
        rows.iter()
            .map(|cells| {
                let cells =
                    columns.iter().zip(cells).map(|((name, ty), cell)| (name.as_str(), ty.as_str(), cell.as_deref()));
                row_of_texts(cells, |micros| micros.parse().expect("microseconds"), value)
            })
            .collect()
    }

    /// Returns the columns whose text is a document, as the table of checkpoints says for whoever reads it.
    async fn documents(&self, target: &Target) -> Vec<String> {
        // Its name is made from the table's, but for the longest ones, of whose trials none has documents.
        let table = self.table(&format!("_ct_checkpoint_{}", target.name));
        let pieces = format!("SELECT content FROM {table} WHERE part = 'columns' ORDER BY piece");
        let pieces = if target.name.len() < 200 { self.query(&pieces).await } else { Vec::new() };
        let whole: String = pieces.into_iter().flatten().flatten().collect();
        let columns: serde_json::Value = serde_json::from_str(&whole).unwrap_or_default();
        let columns = columns.as_array().cloned().unwrap_or_default();
        let documents = columns.iter().filter(|column| column["type"] == "json");
        documents.map(|column| column["name"].as_str().expect("a name").to_owned()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let config = self.config.clone();
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let schema = format!("{}.{}", quoted(&config.database), quoted(&config.schema));
            runtime.block_on(query(&config, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE")))
        });
        dropped.join().expect("a thread").ok();
    }
}

async fn query(config: &Config, statement: &str) -> Result<Vec<Vec<Option<String>>>, String> {
    let base = config.url.clone().unwrap_or_else(|| format!("https://{}.snowflakecomputing.com", config.account));
    let token = config.access_token.as_ref().expect("tests ask with an access token").expose();
    let body = json!({
        "statement": statement,
        "database": config.database,
        "warehouse": config.warehouse,
        "role": config.role,
        "parameters": { "MULTI_STATEMENT_COUNT": "1" },
    });
    // Certificates take a while to read, and the front has none.
    let client = reqwest::Client::builder().tls_built_in_root_certs(base.starts_with("https")).build();
    let request = client
        .map_err(|e| e.to_string())?
        .post(format!("{base}/api/v2/statements"))
        .bearer_auth(token)
        .header("X-Snowflake-Authorization-Token-Type", "PROGRAMMATIC_ACCESS_TOKEN")
        .header("Content-Type", "application/json")
        .header("User-Agent", "commutator-tests/0")
        .body(body.to_string());
    let response = request.send().await.map_err(|e| e.to_string())?;
    let (status, text) = (response.status(), response.text().await.map_err(|e| e.to_string())?);
    if status.as_u16() != 200 {
        return Err(text);
    }
    let answer: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    serde_json::from_value(answer["data"].clone()).map_err(|e| e.to_string())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The expression that makes a text of a column's value.
fn as_text(column: &str, ty: &str) -> String {
    match ty.split('(').next().unwrap_or_default() {
        "VARIANT" => format!("TO_JSON({column})"),
        "BINARY" => format!("HEX_ENCODE({column})"),
        "TIMESTAMP_TZ" => format!("DATE_PART(EPOCH_MICROSECOND, {column})"),
        "VARCHAR" => column.to_owned(),
        _ => format!("CAST({column} AS VARCHAR)"),
    }
}

fn value(ty: &str, text: &str) -> Value {
    match ty.split('(').next().unwrap_or_default() {
        "BOOLEAN" => Value::Bool(text == "true"),
        "NUMBER" | "FLOAT" | "DECFLOAT" => Value::number(text),
        "VARIANT" => Value::json(text),
        "VARCHAR" => Value::text(text),
        "BINARY" => Value::hex(text),
        other => panic!("no logical type is a {other}"),
    }
}

#[async_trait]
impl Harness for Text {
    async fn fresh() -> Option<Self> {
        Place::fresh(Documents::Text).map(Self)
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.snowflake().await)
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        self.0.rows(target).await
    }
}

#[async_trait]
impl Harness for Variant {
    async fn fresh() -> Option<Self> {
        Place::fresh(Documents::Variant).map(Self)
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.snowflake().await)
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        self.0.rows(target).await
    }
}

#[async_trait]
impl Harness for Fakesnow {
    async fn fresh() -> Option<Self> {
        Place::emulated("COMMUTATOR_TEST_SNOWFLAKE_FAKESNOW", Documents::Text).map(Self)
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.snowflake().await)
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        self.0.rows(target).await
    }

    /// A statement takes it a tenth of a second.
    fn cases(&self) -> u32 {
        1
    }

    fn left_out() -> &'static [(&'static str, &'static str)] {
        const NAMES: &str = "its database ignores the case of names in quotes, and it takes no name of dashes";
        &[
            ("identifiers::hard_attribute_names_stay_apart", NAMES),
            ("identifiers::hard_table_names_stay_apart_or_are_refused", NAMES),
            ("identifiers::hard_attribute_names_can_be_keys", NAMES),
            ("types::decimals_are_exact", "it refuses a value of decimal(38,0)"),
            (
                "widening::a_key_column_widens",
                "it has no DECFLOAT, and in the text that it is given instead 5 and 5.00 are two keys",
            ),
            (
                "widening::any_value_stays_itself_when_its_column_becomes_json",
                "it writes .5 where Snowflake writes 0.5",
            ),
        ]
    }
}
