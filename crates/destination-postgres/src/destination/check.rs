//! Named checks: everything a run will need, tried for real and rolled back.

use std::sync::Arc;

use commutator_core::{CheckReport, Result};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::client::{Pool, ServerInfo};
use crate::config::SslMode;
use crate::error;
use crate::session::{BEGIN, catalog};
use crate::statements::{checkpoints, name};

const CONNECTION: &str = "connection";
const ENCRYPTION: &str = "encryption";
const SERVER: &str = "server";
const SCHEMA: &str = "schema";
const WRITE: &str = "table, write and rollback";

/// Runs the checks in their order; what depends on one that failed is skipped.
pub(super) async fn run(pool: &Arc<Pool>, schema: &str) -> CheckReport {
    let mut report = CheckReport::default();
    let (client, info) = match pool.dial().await {
        Ok(connected) => connected,
        Err(error) => {
            report.fail_with(CONNECTION, &error, "Correct the setting, or make the server reachable from here");
            for later in [ENCRYPTION, SERVER, SCHEMA, WRITE] {
                report.skip(later, "there is no connection");
            }
            return report;
        }
    };
    report.pass(CONNECTION, &pool.settings().display);
    encryption(&client, pool.settings().sslmode, &mut report).await;
    server(&client, &info, &mut report).await;
    if !report.passed() {
        report.skip(SCHEMA, "the server cannot be used");
        report.skip(WRITE, "the server cannot be used");
        return report;
    }
    match rights(&client, schema).await {
        Ok(Ok(detail)) => report.pass(SCHEMA, detail),
        Ok(Err((problem, remedy))) => report.fail(SCHEMA, problem, remedy),
        Err(error) => report.fail_with(SCHEMA, &error, "Let the user read the catalog"),
    }
    if !report.passed() {
        report.skip(WRITE, "the schema cannot be used");
        return report;
    }
    match write(&client, schema).await {
        Ok(()) => report.pass(WRITE, format!("in schema {schema}")),
        Err(error) => report.fail_with(
            WRITE,
            &error,
            format!("GRANT USAGE, CREATE ON SCHEMA {} and TEMPORARY ON DATABASE to the user", name(schema)),
        ),
    }
    report
}

async fn encryption(client: &Client, mode: SslMode, report: &mut CheckReport) {
    let verified = match mode {
        SslMode::VerifyFull => "certificate and host name verified",
        SslMode::VerifyCa => "certificate verified, host name not",
        _ => "certificate not necessarily verified; sslmode = \"verify-full\" does",
    };
    let query = "SELECT ssl, version FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";
    let row = client.query_typed_opt(query, &[]).await.ok().flatten();
    match row.map(|row| (row.get::<_, bool>(0), row.get::<_, Option<String>>(1))) {
        Some((true, version)) => report.pass(ENCRYPTION, format!("{}, {verified}", version.unwrap_or_default())),
        Some((false, _)) => report.pass(ENCRYPTION, format!("none (sslmode = \"{}\")", mode.as_str())),
        None => report.skip(ENCRYPTION, "the server does not tell"),
    }
}

async fn server(client: &Client, info: &ServerInfo, report: &mut CheckReport) {
    if let Err(error) = info.supported() {
        report.fail_with(SERVER, &error, "Use a server and database that meet this");
        return;
    }
    let standby = client.query_typed_opt("SELECT pg_catalog.pg_is_in_recovery()", &[]).await;
    if standby.ok().flatten().is_some_and(|row| row.get::<_, bool>(0)) {
        report.fail(SERVER, "The server is a standby and takes no writes", "Connect to the primary");
    } else {
        report.pass(SERVER, format!("PostgreSQL {}, {}", info.version, info.encoding));
    }
}

/// Returns what the user may do, or the problem and its remedy.
async fn rights(client: &Client, schema: &str) -> Result<std::result::Result<String, (String, String)>> {
    let row = client
        .query_typed_one(
            "SELECT current_user::text, current_database()::text,
                    pg_catalog.has_database_privilege(current_database(), 'CREATE'),
                    pg_catalog.has_database_privilege(current_database(), 'TEMPORARY'),
                    (SELECT pg_catalog.has_schema_privilege(oid, 'USAGE') AND pg_catalog.has_schema_privilege(oid, 'CREATE')
                     FROM pg_catalog.pg_namespace WHERE nspname = $1)",
            &[(&schema, Type::TEXT)],
        )
        .await
        .map_err(|e| error::failed(e, "The user's rights cannot be read"))?;
    let (user, database): (String, String) = (row.get(0), row.get(1));
    let (create, temporary, in_schema): (bool, bool, Option<bool>) = (row.get(2), row.get(3), row.get(4));
    let (user, database) = (name(&user), name(&database));
    let schema = name(schema);
    Ok(match in_schema {
        _ if !temporary => Err((
            "The user may not create temporary tables".to_owned(),
            format!("GRANT TEMPORARY ON DATABASE {database} TO {user}"),
        )),
        Some(true) => Ok(format!("{schema} exists, and the user may create tables in it")),
        Some(false) => Err((
            format!("The user may not create tables in the schema {schema}"),
            format!("GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}"),
        )),
        None if create => Ok(format!("{schema} does not exist yet and will be created")),
        None => Err((
            format!("The schema {schema} does not exist, and the user may not create it"),
            format!("CREATE SCHEMA {schema} AUTHORIZATION {user}, or GRANT CREATE ON DATABASE {database} TO {user}"),
        )),
    })
}

/// Creates the schema and tables, moves a row through them, and rolls everything back.
async fn write(client: &Client, schema: &str) -> Result<()> {
    let table = format!("{}.{}", name(schema), name("_ct_check"));
    let failed = |e| error::failed(e, "A table cannot be created and written");
    client.batch_execute(BEGIN).await.map_err(failed)?;
    let tried = async {
        catalog::prepare(client, schema).await?;
        let statements = format!(
            "SELECT count(*) FROM {checkpoints};
             CREATE TABLE {table} (id text PRIMARY KEY);
             CREATE TEMPORARY TABLE _ct_stage (id text) ON COMMIT DROP;
             INSERT INTO pg_temp._ct_stage VALUES ('a'), ('b');
             INSERT INTO {table} SELECT id FROM pg_temp._ct_stage ON CONFLICT (id) DO UPDATE SET id = excluded.id;
             DELETE FROM {table} WHERE id = 'a'",
            checkpoints = checkpoints(schema),
        );
        client.batch_execute(&statements).await.map_err(failed)
    };
    let outcome = tried.await;
    client.batch_execute("ROLLBACK").await.map_err(failed)?;
    outcome
}
