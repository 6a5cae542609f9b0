//! A table at the source and an empty place at a destination, each with a name of its own.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use commutator_tests::{Program, Running, python, python_in_background, server, try_python, until};

/// A table in DynamoDB Local.
pub(crate) struct Source {
    pub(crate) endpoint: String,
    pub(crate) table: String,
}

impl Source {
    /// Creates an empty table whose stream has this view type, or `NONE` for no stream; `None` without servers.
    pub(crate) fn create(test: &str, view: &str) -> Option<Self> {
        server(test, "COMMUTATOR_TEST_PYTHON")?;
        let source = Self { endpoint: server(test, "COMMUTATOR_TEST_DYNAMODB_URL")?, table: unique(test) };
        source.load("create", &["--view", view]);
        Some(source)
    }

    /// Puts so many items.
    pub(crate) fn fill(&self, items: u32) {
        self.load("fill", &["--items", &items.to_string()]);
    }

    /// Changes items until it is dropped.
    pub(crate) fn churn(&self, items: u32) -> Running {
        let items = items.to_string();
        python_in_background("load.py", &self.arguments("churn", &["--items", &items]))
    }

    /// Changes about a hundred items a second until it is dropped, which leaves the machine to those who follow.
    pub(crate) fn trickle(&self, items: u32) -> Running {
        let items = items.to_string();
        let more = ["--items", &items, "--pause", "0.01", "--seconds", "3600"];
        python_in_background("load.py", &self.arguments("churn", &more))
    }

    pub(crate) fn load(&self, command: &str, more: &[&str]) {
        python("load.py", &self.arguments(command, more));
    }

    fn arguments<'a>(&'a self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&[command, "--endpoint", &self.endpoint, "--table", &self.table], more].concat()
    }

    /// The `[source]` section that reads it.
    pub(crate) fn config(&self) -> String {
        let Self { endpoint, table } = self;
        format!(
            "[source]\ntype = \"dynamodb\"\nregion = \"eu-west-1\"\nendpoint_url = \"{endpoint}\"\naccess_key_id = \"test\"\n\
             secret_access_key = \"test\"\ntables = [\"{table}\"]\n"
        )
    }
}

impl Drop for Source {
    /// The server keeps every table in memory, so the next test gets it empty.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.load("delete", &[]);
        }
    }
}

/// A place at a destination.
pub(crate) enum Place {
    Postgres {
        url: String,
        schema: String,
    },
    Disk {
        folder: tempfile::TempDir,
    },
    S3 {
        endpoint: String,
        path: String,
    },
    #[cfg(feature = "bigquery")]
    BigQuery {
        url: String,
        project: String,
        dataset: String,
    },
    Snowflake {
        url: String,
        /// Where Snowflake's own client finds the same tables.
        sessions: Option<String>,
        schema: String,
        /// Where rows wait to be loaded.
        staging: tempfile::TempDir,
    },
    #[cfg(feature = "duckdb")]
    DuckDb {
        folder: tempfile::TempDir,
    },
}

impl Place {
    pub(crate) fn postgres(test: &str) -> Option<Self> {
        Some(Self::Postgres { url: server(test, "COMMUTATOR_TEST_POSTGRES_URL")?, schema: unique("e2e") })
    }

    pub(crate) fn disk() -> Self {
        Self::Disk { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn s3(test: &str) -> Option<Self> {
        let endpoint = server(test, "COMMUTATOR_TEST_S3_ENDPOINT")?;
        let bucket = server(test, "COMMUTATOR_TEST_S3_BUCKET")?;
        Some(Self::S3 { endpoint, path: format!("{bucket}/{}", unique("e2e")) })
    }

    /// A dataset of an emulator.
    #[cfg(feature = "bigquery")]
    pub(crate) fn bigquery(test: &str) -> Option<Self> {
        server(test, "COMMUTATOR_TEST_BIGQUERY_PYTHON")?;
        let url = server(test, "COMMUTATOR_TEST_BIGQUERY_EMULATOR_URL")?;
        let project = server(test, "COMMUTATOR_TEST_BIGQUERY_EMULATOR_PROJECT")?;
        let dataset = unique("e2e");
        python("big.py", &["create", "--url", &url, "--project", &project, "--dataset", &dataset]);
        Some(Self::BigQuery { url, project, dataset })
    }

    /// In the stand-in for Snowflake, which executes on `DuckDB`.
    pub(crate) fn snowflake(test: &str) -> Option<Self> {
        let url = server(test, "COMMUTATOR_TEST_SNOWFLAKE_FRONT")?;
        let staging = tempfile::tempdir().expect("a temporary folder");
        Some(Self::Snowflake { url, sessions: None, schema: unique("E2E"), staging })
    }

    /// In an emulator of Snowflake that is not ours.
    pub(crate) fn fakesnow(test: &str) -> Option<Self> {
        server(test, "COMMUTATOR_TEST_SNOWFLAKE_PYTHON")?;
        let url = server(test, "COMMUTATOR_TEST_SNOWFLAKE_FAKESNOW")?;
        let sessions = Some(server(test, "COMMUTATOR_TEST_SNOWFLAKE_SESSIONS")?);
        let staging = tempfile::tempdir().expect("a temporary folder");
        Some(Self::Snowflake { url, sessions, schema: unique("E2E"), staging })
    }

    #[cfg(feature = "duckdb")]
    pub(crate) fn duckdb() -> Self {
        Self::DuckDb { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The `[destination]` section that writes to it.
    pub(crate) fn config(&self) -> String {
        match self {
            Self::Postgres { schema, .. } => format!(
                "[destination]\ntype = \"postgres\"\nurl = \"${{COMMUTATOR_TEST_POSTGRES_URL}}\"\nschema = \"{schema}\"\n"
            ),
            Self::Disk { folder } => {
                format!("[destination]\ntype = \"parquet\"\nurl = \"{}\"\n", folder.path().display())
            }
            Self::S3 { endpoint, path } => format!(
                "[destination]\ntype = \"parquet\"\nurl = \"s3://{path}\"\nendpoint_url = \"{endpoint}\"\nallow_http = true\n\
                 region = \"us-east-1\"\naccess_key_id = \"${{COMMUTATOR_TEST_S3_ACCESS_KEY}}\"\n\
                 secret_access_key = \"${{COMMUTATOR_TEST_S3_SECRET_KEY}}\"\n"
            ),
            #[cfg(feature = "bigquery")]
            Self::BigQuery { url, project, dataset } => format!(
                "[destination]\ntype = \"bigquery\"\nproject = \"{project}\"\ndataset = \"{dataset}\"\nendpoint_url = \"{url}\"\n\
                 anonymous = true\nstaging = {{ url = \"gs://bucket/{dataset}\", endpoint_url = \"{url}\", allow_http = true }}\n"
            ),
            Self::Snowflake { url, schema, staging, .. } => format!(
                "[destination]\ntype = \"snowflake\"\naccount = \"emulated\"\nurl = \"{url}\"\naccess_token = \"right\"\n\
                 database = \"EMULATED\"\nschema = \"{schema}\"\nstorage_integration = \"CT_INTEGRATION\"\n\
                 documents = \"text\"\nstaging = {{ url = \"file://{}\" }}\n",
                staging.path().display()
            ),
            #[cfg(feature = "duckdb")]
            Self::DuckDb { folder } => {
                format!(
                    "[destination]\ntype = \"duckdb\"\npath = \"{}\"\nschema = \"e2e\"\n",
                    database_in(folder).display()
                )
            }
        }
    }

    /// Compares what arrived with the source, row by row and value by value.
    pub(crate) fn verify(&self, source: &Source) -> String {
        self.compare(source).unwrap_or_else(|differences| panic!("{differences}"))
    }

    /// Waits until what arrived is identical; nothing may change the source meanwhile.
    pub(crate) fn becomes_identical(&self, source: &Source, limit: Duration) {
        let last = RefCell::new(String::new());
        let identical = || self.compare(source).map_err(|differences| last.replace(differences)).is_ok();
        until(limit, identical, || last.take());
    }

    fn compare(&self, source: &Source) -> Result<String, String> {
        let of_source = ["--endpoint", &source.endpoint, "--table", &source.table];
        match self {
            Self::Postgres { url, schema } => {
                try_python("verify.py", &[&["postgres", "--dsn", url, "--schema", schema], &of_source[..]].concat())
            }
            Self::Disk { folder } => {
                let root = folder.path().to_string_lossy();
                try_python("verify.py", &[&["parquet", "--root", &root], &of_source[..]].concat())
            }
            Self::S3 { endpoint, path } => try_python(
                "verify.py",
                &[&["parquet", "--root", path, "--s3-endpoint", endpoint], &of_source[..]].concat(),
            ),
            #[cfg(feature = "bigquery")]
            Self::BigQuery { url, project, dataset } => {
                let of_place = ["bigquery", "--url", url, "--project", project, "--dataset", dataset];
                try_python("verify.py", &[&of_place, &of_source[..]].concat())
            }
            Self::Snowflake { url, sessions, schema, .. } => {
                let reader = sessions.as_ref().map_or(["--url", url], |sessions| ["--sessions", sessions]);
                let of_place = [&["snowflake", "--schema", schema], &reader[..]].concat();
                try_python("verify.py", &[&of_place, &of_source[..]].concat())
            }
            #[cfg(feature = "duckdb")]
            Self::DuckDb { folder } => {
                let path = database_in(folder);
                let of_place = ["duckdb", "--path", &path.to_string_lossy(), "--schema", "e2e"];
                try_python("verify.py", &[&of_place, &of_source[..]].concat())
            }
        }
    }
}

/// The database's file in the folder of a place.
#[cfg(feature = "duckdb")]
pub(crate) fn database_in(folder: &tempfile::TempDir) -> std::path::PathBuf {
    folder.path().join("e2e.duckdb")
}

/// Configures a pipeline between the two.
pub(crate) fn program(pipeline: &str, source: &str, place: &Place) -> Program {
    Program::new(&format!("[pipeline]\nid = \"{pipeline}\"\ncommit_seconds = 0.5\n{source}{}", place.config()))
}

/// A name that no other test and no other run has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970").as_millis();
    format!("{prefix}_{now}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
