//! An open table: who owns it, what it looks like, and what of a plan the next transaction still has to do.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::rules::TypeJoin;
use commutator_core::{
    Checkpoint, Error, ErrorKind, Result, SchemaPlan, Session, SyncMode, TableSchema, Target, Transaction, schema,
};
use commutator_sql::recorded::nothing_dropped;
use commutator_sql::{Checkpoints, DUCKDB, Layout, SchemaRef};
use duckdb::{Connection, params};

use crate::client::{Database, blocking};
use crate::error;
use crate::transaction::DuckTransaction;

pub(crate) mod catalog;
mod mode;
mod open;

pub(crate) use open::{open, peek, peek_schema, preview_mode};

/// An open table.
#[derive(Debug)]
pub(crate) struct DuckSession {
    pub(crate) database: Arc<Database>,
    pub(crate) place: Place,
    pub(crate) owner: i64,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) state: State,
    /// The columns that the next transaction gives the table.
    pub(crate) wanted: Option<TableSchema>,
    /// Whether a commit's answer was lost, so that nobody knows what the table holds.
    pub(crate) unclear: bool,
}

/// Where a session writes.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) schema: SchemaRef,
    /// The schema's name as it was configured, and the database's.
    names: (String, String),
    pub(crate) target: Target,
}

/// What is known of a table; a transaction works on a copy that replaces it when it commits.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The columns this pipeline made, those included that someone dropped since.
    pub(crate) recorded: Option<TableSchema>,
    /// The columns there are.
    pub(crate) actual: Option<Arc<TableSchema>>,
    /// Whether the table of tombstones exists.
    pub(crate) tombstones: bool,
}

impl Place {
    pub(crate) fn new(catalog: &str, schema: &str, target: &Target) -> Self {
        let names = (schema.to_owned(), catalog.to_owned());
        Self { schema: Self::schema(catalog, schema), names, target: target.clone() }
    }

    /// Returns a schema by its whole name: a database and a schema may be called the same.
    pub(crate) fn schema(catalog: &str, schema: &str) -> SchemaRef {
        SchemaRef::new(&DUCKDB, &[catalog, schema])
    }

    /// Returns the table's layout.
    pub(crate) fn layout(&self) -> Layout {
        Layout::new(&DUCKDB, &self.schema, &self.target.name, self.target.mode)
    }

    /// Returns the statements on the table of checkpoints.
    pub(crate) fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(&DUCKDB, &self.schema)
    }

    /// Returns the columns of a table of the schema, as the catalog has them.
    pub(crate) fn look_up(&self, connection: &Connection, table: &str) -> Result<Option<Vec<catalog::Found>>> {
        catalog::read(connection, &self.names.1, &self.names.0, table)
    }

    /// Names the table in an error.
    pub(crate) fn name(&self, error: Error) -> Error {
        error.with("table", &self.target.table).with("target", format_args!("{}.{}", self.names.0, self.target.name))
    }

    /// Makes sure, within a transaction that writes, that this owner still has the table.
    pub(crate) fn fence(&self, connection: &Connection, owner: i64) -> Result<()> {
        let Target { pipeline, table, slice, .. } = &self.target;
        let found = connection.query_row(
            &self.checkpoints().select(),
            params![pipeline.as_str(), table.as_str(), slice.as_str()],
            |row| row.get::<_, i64>(0),
        );
        match found {
            Ok(found) if found == owner => Ok(()),
            Ok(_) => Err(Error::new(ErrorKind::Fenced, "Another writer took the table over")),
            Err(duckdb::Error::QueryReturnedNoRows) => Err(forgotten()),
            Err(e) => Err(error::failed(e, "The checkpoint cannot be read")),
        }
    }
}

impl DuckSession {
    /// Checks a wanted schema against what someone may have done to the table.
    fn admit(&self, wanted: &TableSchema) -> Result<TableSchema> {
        let result = schema::plan_by(self.state.actual.as_deref(), wanted, TypeJoin::decided())?.result;
        if let (Some(recorded), Some(actual)) = (&self.state.recorded, &self.state.actual) {
            nothing_dropped(&result, recorded, actual)?;
        }
        Ok(result)
    }
}

#[async_trait]
impl Session for DuckSession {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        let (database, place, recorded) = (Arc::clone(&self.database), self.place.clone(), self.state.recorded.clone());
        let owner = self.owner;
        let look = move || {
            let lease = database.lease()?;
            // Of one moment: to a session that was fenced, its successor's table would be a stranger's. Dropping the lease ends it.
            lease.execute_batch("BEGIN").map_err(|e| error::failed(e, "The catalog cannot be read"))?;
            place.fence(&lease, owner)?;
            let found = place.look_up(&lease, &place.target.name)?;
            catalog::reconcile(recorded.as_ref(), found.as_deref(), place.target.mode)
        };
        let actual = blocking(look).await.map_err(|e| self.place.name(e))?;
        self.state.actual.clone_from(&actual);
        Ok(actual.as_deref().cloned())
    }

    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        let wanted = match &self.wanted {
            Some(earlier) => schema::merge_by(earlier, &plan.result, TypeJoin::decided())?,
            None => plan.result.clone(),
        };
        self.wanted = Some(self.admit(&wanted).map_err(|e| self.place.name(e))?);
        Ok(())
    }

    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        if self.unclear {
            let lost = "The answer to the last commit was lost; open the table again to see whether it happened";
            return Err(self.place.name(Error::new(ErrorKind::Unavailable, lost)));
        }
        DuckTransaction::new(self).map(|transaction| Box::new(transaction) as Box<dyn Transaction + '_>)
    }
}

/// Whoever deletes a target's checkpoint is no other writer, and ours must not come back without the rows that it speaks of.
pub(crate) fn forgotten() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "Someone deleted the table's row in _ct_checkpoints; restore it, or drop the table, too, to load it anew",
    )
}

/// The modes that are offered.
pub(crate) const MODES: &[SyncMode] = &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
