//! Redshift as the program sees it: a Data API of the tests' own over Postgres, and files on S3.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use commutator_tests::{Program, python, server, until};
use tokio::runtime::Runtime;

use crate::fixture::{Source, unique};
use double::api::Api;
use double::postgres::Postgres;

#[allow(dead_code, reason = "the crate's own tests use more of it")]
#[path = "../../crates/destination-redshift/tests/double/mod.rs"]
mod double;

/// A cluster of the test's own, and a folder in a bucket.
struct Cluster {
    runtime: Runtime,
    postgres: Arc<Postgres>,
    api: Api,
    staging: String,
}

impl Cluster {
    fn create(test: &str) -> Option<Self> {
        server(test, "COMMUTATOR_TEST_POSTGRES_URL")?;
        server(test, "COMMUTATOR_TEST_S3_ENDPOINT")?;
        let bucket = server(test, "COMMUTATOR_TEST_S3_BUCKET")?;
        let runtime = Runtime::new().expect("a runtime");
        let (postgres, api) = runtime.block_on(async {
            let postgres = Arc::new(Postgres::fresh().await.expect("a schema"));
            let api = Api::start(Arc::clone(&postgres)).await;
            (postgres, api)
        });
        Some(Self { runtime, postgres, api, staging: format!("s3://{bucket}/{}", unique("redshift")) })
    }

    fn program(&self, source: &Source) -> Program {
        let (url, schema, staging, source) = (&self.api.url, &self.postgres.schema, &self.staging, source.config());
        Program::new(&format!(
            "[pipeline]\nid = \"redshift\"\ncommit_seconds = 0.5\n{source}[destination]\ntype = \"redshift\"\ncluster = \"main\"\n\
             database = \"dev\"\nschema = \"{schema}\"\ndb_user = \"loader\"\ndocuments = \"text\"\nregion = \"eu-west-1\"\n\
             access_key_id = \"AKIA\"\nsecret_access_key = \"hunter2\"\nendpoint_url = \"{url}\"\n\
             [destination.staging]\nurl = \"{staging}\"\nregion = \"us-east-1\"\nendpoint_url = \"${{COMMUTATOR_TEST_S3_ENDPOINT}}\"\n\
             allow_http = true\naccess_key_id = \"${{COMMUTATOR_TEST_S3_ACCESS_KEY}}\"\n\
             secret_access_key = \"${{COMMUTATOR_TEST_S3_SECRET_KEY}}\"\n"
        ))
    }

    /// Compares what arrived with the source, row by row and value by value.
    fn verify(&self, source: &Source) {
        let dsn = std::env::var("COMMUTATOR_TEST_POSTGRES_URL").expect("the server's address");
        let place = ["redshift", "--dsn", &dsn, "--schema", &self.postgres.schema];
        python("verify.py", &[&place, &["--endpoint", &source.endpoint, "--table", &source.table][..]].concat());
    }

    /// Returns the rows of the first column of a query.
    fn query(&self, query: &str) -> Vec<String> {
        let replies = self.runtime.block_on(async { self.postgres.client().await.simple_query(query).await });
        let row = |reply: &tokio_postgres::SimpleQueryMessage| match reply {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        replies.expect("the query is fine").iter().filter_map(row).collect()
    }
}

#[test]
fn a_table_arrives_in_redshift_and_follows_its_stream() {
    let test = "a_table_arrives_in_redshift_and_follows_its_stream";
    let Some(cluster) = Cluster::create(test) else { return };
    let Some(source) = Source::create("redshift", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(300);
    let program = cluster.program(&source);
    program.succeed(&["check"]);
    let plan = program.succeed(&["plan", "--sql"]);
    assert!(plan.contains("COPY _ct_stage") && plan.contains("REGION 'us-east-1'"), "{plan}");
    // Taking the table over, its columns, a commit, the end of a snapshot, and what a commit takes.
    let parts = [
        "SET owner = owner + 1",
        "CREATE TABLE",
        "_ct_schema_changes",
        "_ct_fenced",
        "DELETE FROM",
        "DROP TABLE _ct_stage",
    ];
    for part in parts {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(plan.contains("9 to 15 statements, files of up to"), "{plan}");
    program.succeed(&["run", "--until-caught-up"]);
    cluster.verify(&source);

    // Changes, types that were not met before among them, under a run that is killed.
    source.load("fill", &["--items", "400", "--seed", "2"]);
    let commits = cluster.api.requests("BatchExecuteStatement").len();
    let run = program.start(&["run", "--until-caught-up"]);
    until(Duration::from_mins(1), || cluster.api.requests("BatchExecuteStatement").len() > commits, || program.log());
    run.kill();
    program.succeed(&["run", "--until-caught-up"]);
    cluster.verify(&source);

    let status = program.succeed(&["status"]);
    assert!(status.contains(&source.table), "{status}");
    // Nothing of ours is left but what is documented.
    let tables = cluster.query("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1");
    assert!(
        tables.iter().all(|name| !name.starts_with("_ct_stage") && !name.starts_with("_ct_tombstones")),
        "{tables:?}"
    );
    let rows = cluster.query("SELECT count(*) FROM _ct_schema_changes");
    assert_ne!(rows, ["0"], "changes of columns are kept");
}

#[test]
fn what_redshift_refuses_is_said_without_a_value_or_a_secret() {
    let test = "what_redshift_refuses_is_said_without_a_value_or_a_secret";
    let Some(cluster) = Cluster::create(test) else { return };
    let Some(source) = Source::create("redshift_refuses", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(20);
    cluster.postgres.lock_files();
    let program = cluster.program(&source);
    let said = |output: &Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    for command in [["check", "--json"].as_slice(), &["run", "--until-caught-up"]] {
        let output = program.run(command);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains("copy_role"), "{}", said(&output));
        assert!(!said(&output).contains("hunter2"), "{}", said(&output));
    }
}
