//! Named checks: everything a run will need, tried for real and rolled back.

use std::sync::Arc;

use commutator_core::{CheckReport, Result};
use commutator_sql::TableRef;

use super::DuckDb;
use crate::client::{Database, blocking};
use crate::error;
use crate::session::{Place, catalog};

const DATABASE: &str = "database";
const WRITE: &str = "table, write and rollback";

/// Runs the checks in their order; what depends on one that failed is skipped.
///
/// A file that was not there before is there no more afterwards.
pub(super) async fn run(destination: &DuckDb) -> CheckReport {
    let mut report = CheckReport::default();
    let config = Arc::clone(&destination.config);
    let is_new = config.is_file() && !config.path.exists();
    let database = match destination.open_database().await {
        Ok(database) => database,
        Err(error) => {
            report.fail_with(DATABASE, &error, "Correct the setting, or end the other process");
            report.skip(WRITE, "the database cannot be opened");
            return report;
        }
    };
    report.pass(DATABASE, format!("DuckDB {}, {}", database.version, config.path.display()));
    let work = (Arc::clone(&database), Arc::clone(&config));
    match blocking(move || write(&work.0, &work.1.schema)).await {
        Ok(()) => report.pass(WRITE, format!("in schema {}", config.schema)),
        Err(error) => report.fail_with(WRITE, &error, "Let the user write the file and its folder"),
    }
    if is_new {
        // Whoever opened a table meanwhile has a handle of its own, and the file stays.
        destination.database.lock().await.take_if(|open| Arc::ptr_eq(open, &database) && Arc::strong_count(open) == 2);
        if let Err(error) = Database::discard(database) {
            tracing::debug!(%error, "the file that a check made stays");
        }
    }
    report
}

/// Creates the schema and tables, moves a row through them, and rolls everything back.
fn write(database: &Arc<Database>, schema: &str) -> Result<()> {
    let failed = |e| error::failed(e, "A table cannot be created and written");
    let lease = database.lease()?;
    let _writing = database.write();
    lease.execute_batch("BEGIN").map_err(failed)?;
    let tried = || {
        let schema = Place::schema(&database.catalog, schema);
        catalog::prepare(&lease, &schema)?;
        let table = TableRef::new(&commutator_sql::DUCKDB, &schema, "_ct_check");
        let statements = format!(
            "CREATE TABLE {table} (id VARCHAR NOT NULL, doc JSON);
             CREATE TEMPORARY TABLE _ct_stage (c0 VARCHAR, c1 VARCHAR);
             INSERT INTO temp.main._ct_stage VALUES ('a', '{{}}'), ('b', '[]');
             MERGE INTO {table} AS t USING (SELECT * FROM temp.main._ct_stage) AS n ON t.id = n.c0
             WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, doc) VALUES (n.c0, CAST(n.c1 AS JSON));
             DELETE FROM {table} WHERE id = 'a'"
        );
        lease.execute_batch(&statements).map_err(failed)
    };
    let outcome = tried();
    lease.execute_batch("ROLLBACK").map_err(failed)?;
    outcome
}
