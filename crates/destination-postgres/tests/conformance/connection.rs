//! Settings, encryption, rights, and the checks that name what is wrong.

use commutator_conformance::sql::target;
use commutator_core::{CheckReport, Destination, ErrorKind, Outcome};
use commutator_destination_postgres::{Config, Postgres, SslMode};

use crate::server::{Server, client, fresh};

async fn connect(config: Config) -> Postgres {
    config.connect().await.unwrap()
}

/// Returns how opening a table fails.
async fn failure(config: Config) -> commutator_core::Error {
    connect(config).await.open(&target("t")).await.map(|_| ()).unwrap_err()
}

/// Returns the detail of a check that passed, or the problem and remedy of one that did not.
fn outcome(report: &CheckReport, name: &str) -> Result<String, String> {
    let check = report.checks.iter().find(|check| check.name == name).expect("a check of this name");
    match &check.outcome {
        Outcome::Passed { detail } => Ok(detail.clone()),
        Outcome::Failed { problem, remedy } => Err(format!("{problem} | {remedy}")),
        Outcome::Skipped { reason } => Err(reason.clone()),
    }
}

#[tokio::test]
async fn a_wrong_setting_is_named_and_the_password_is_not() {
    let Some(server) = fresh("a_wrong_setting_is_named_and_the_password_is_not") else { return };
    let secret = commutator_core::Secret::new("sesame-open".to_owned());
    let wrong = Config { password: Some(secret), ..server.config() };
    let error = failure(wrong.clone()).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
    assert!(error.to_string().contains("`password`"), "{error}");
    let report = connect(wrong).await.check().await.unwrap();
    let problem = outcome(&report, "connection").unwrap_err();
    assert!(problem.contains("`password`") && !report.passed(), "{problem}");
    assert!(!format!("{error:?}{}{report:?}", error.report()).contains("sesame"), "{report:?}");

    let missing = failure(Config { dbname: Some("no_such_database".to_owned()), ..server.config() }).await;
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing:?}");
    let nobody = failure(Config { port: Some(1), host: Some("127.0.0.1".to_owned()), ..server.config() }).await;
    assert_eq!(nobody.kind(), ErrorKind::Unavailable, "{nobody:?}");
    let unreadable =
        Config { sslrootcert: Some("/no/such/file".into()), ..server.config() }.connect().await.unwrap_err();
    assert_eq!(unreadable.kind(), ErrorKind::ConfigInvalid);
    assert!(unreadable.to_string().contains("sslrootcert"), "{unreadable}");
}

/// Returns the certificate of who issued the server's; says so if there is none.
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
fn authority() -> Option<std::path::PathBuf> {
    let path = std::env::var_os("COMMUTATOR_TEST_POSTGRES_CA");
    if path.is_none() {
        eprintln!("skipped: TLS needs COMMUTATOR_TEST_POSTGRES_CA");
    }
    path.map(Into::into)
}

async fn encryption(config: Config) -> Result<String, commutator_core::Error> {
    let postgres = connect(config).await;
    postgres.peek(&target("t")).await?;
    Ok(outcome(&postgres.check().await?, "encryption").unwrap())
}

#[tokio::test]
async fn sslmode_means_what_libpq_means_by_it() {
    let Some(server) = fresh("sslmode_means_what_libpq_means_by_it") else { return };
    let Some(authority) = authority() else { return };
    let folder = tempfile::tempdir().unwrap();
    let stranger = folder.path().join("stranger.pem");
    std::fs::write(&stranger, STRANGER).unwrap();
    let with = |sslmode, roots: Option<&std::path::Path>| Config {
        sslmode: Some(sslmode),
        sslrootcert: roots.map(Into::into),
        ..server.config()
    };
    let elsewhere = |config: Config| {
        let url = format!("{}?hostaddr=127.0.0.1", server.url());
        Config { url: Some(commutator_core::Secret::new(url)), host: Some("db.invalid".to_owned()), ..config }
    };
    assert!(encryption(with(SslMode::Disable, None)).await.unwrap().starts_with("none"));
    assert!(encryption(with(SslMode::Allow, None)).await.unwrap().starts_with("none"));
    for mode in [SslMode::Prefer, SslMode::Require] {
        assert!(encryption(with(mode, None)).await.unwrap().starts_with("TLS"), "{mode:?}");
    }
    for mode in [SslMode::Require, SslMode::VerifyCa, SslMode::VerifyFull] {
        assert!(encryption(with(mode, Some(&authority))).await.unwrap().starts_with("TLS"), "{mode:?}");
        let error = encryption(with(mode, Some(&stranger))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{mode:?}: {error:?}");
        assert!(error.to_string().contains("sslrootcert"), "{error}");
    }
    // A certificate that the system does not know.
    assert_eq!(encryption(with(SslMode::VerifyFull, None)).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    // The right authority, another host name.
    assert!(encryption(elsewhere(with(SslMode::VerifyCa, Some(&authority)))).await.is_ok());
    let error = encryption(elsewhere(with(SslMode::VerifyFull, Some(&authority)))).await.unwrap_err();
    assert!(error.to_string().contains("another host"), "{error:?}");
    // With `prefer`, as in libpq, what cannot be verified is not encrypted.
    assert!(encryption(with(SslMode::Prefer, Some(&stranger))).await.unwrap().starts_with("none"));
}

/// A role with few rights, dropped at the end.
struct Role<'a> {
    server: &'a Server,
    name: String,
    database: String,
}

impl<'a> Role<'a> {
    async fn create(server: &'a Server) -> Self {
        let name = server.schema().replace("trial", "role");
        server.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD 'sesame'")).await;
        let database = server.query("SELECT current_database()").await.remove(0).remove(0).unwrap();
        Self { server, name, database }
    }

    fn config(&self) -> Config {
        let password = Some(commutator_core::Secret::new("sesame".to_owned()));
        Config { user: Some(self.name.clone()), password, dbname: Some(self.database.clone()), ..self.server.config() }
    }

    async fn drop(self) {
        let Self { name, .. } = self;
        client(self.server.url())
            .await
            .batch_execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn missing_rights_are_named_and_granting_them_helps() {
    let Some(server) = fresh("missing_rights_are_named_and_granting_them_helps") else { return };
    let role = Role::create(&server).await;
    let (name, schema, database) = (role.name.clone(), server.schema().to_owned(), role.database.clone());
    let report = connect(role.config()).await.check().await.unwrap();
    let problem = outcome(&report, "schema").unwrap_err();
    assert!(problem.contains("does not exist") && problem.contains(&format!("TO \"{name}\"")), "{problem}");
    assert_eq!(failure(role.config()).await.kind(), ErrorKind::PermissionDenied);

    server.execute(&format!("CREATE SCHEMA {schema}")).await;
    let problem = outcome(&connect(role.config()).await.check().await.unwrap(), "schema").unwrap_err();
    assert!(problem.contains("GRANT USAGE, CREATE ON SCHEMA"), "{problem}");
    assert_eq!(failure(role.config()).await.kind(), ErrorKind::PermissionDenied);

    server.execute(&format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {name}")).await;
    let postgres = connect(role.config()).await;
    let report = postgres.check().await.unwrap();
    assert!(report.passed(), "{report:?}");
    assert!(outcome(&report, "schema").unwrap().contains("may create tables"));
    assert!(
        server.query("SELECT 1 FROM pg_tables WHERE schemaname = current_schema()").await.is_empty(),
        "rolled back"
    );
    postgres.open(&target("t")).await.unwrap();
    // Whoever may not create in the database needs no such right for a schema that is there.
    assert!(
        server.query(&format!("SELECT has_database_privilege('{name}', '{database}', 'CREATE')")).await[0][0]
            .as_deref()
            == Some("f")
    );
    role.drop().await;
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_named() {
    let Some(server) = fresh("a_server_that_takes_no_writes_is_named") else { return };
    server.postgres().await.open(&target("t")).await.unwrap();
    let url = format!("{}?options=-c%20default_transaction_read_only%3Don", server.url());
    let read_only = Config { url: Some(commutator_core::Secret::new(url)), ..server.config() };
    // A default is not a standby: our transactions ask for what they need.
    connect(read_only).await.open(&target("t")).await.unwrap();
}

/// A certificate that issued nothing.
const STRANGER: &str = include_str!("stranger.pem");
