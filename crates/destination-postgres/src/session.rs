//! An open table: who owns it, what it looks like, and what of a plan the next transaction still has to do.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::rules::TypeJoin;
use commutator_core::{
    Checkpoint, Epoch, Error, ErrorKind, Result, SchemaPlan, Session, SyncMode, TableSchema, Target, Transaction,
    schema,
};
use commutator_sql::recorded::nothing_dropped;
use sha2::{Digest, Sha256};
use tokio_postgres::SimpleQueryMessage;

use crate::client::{Lease, Pool};
use crate::config::NulPolicy;
use crate::error;
use crate::statements::{self, Layout, MAX_COLUMNS, literal, system_columns};
use crate::transaction::{Line, PgTransaction, ddl};

pub(crate) mod catalog;
mod mode;
mod open;

pub(crate) use open::{open, peek, peek_schema, preview_mode};

/// An open table.
#[derive(Debug)]
pub(crate) struct PgSession {
    pub(crate) pool: Arc<Pool>,
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
    pub(crate) schema: Arc<str>,
    pub(crate) target: Target,
    pub(crate) nul: NulPolicy,
}

/// What is known of a table; a transaction works on a copy that replaces it when it commits.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The columns this pipeline made, those included that someone dropped since.
    pub(crate) recorded: Option<TableSchema>,
    /// The columns there are.
    pub(crate) actual: Option<Arc<TableSchema>>,
    /// Whether a hash of the key is the primary key.
    pub(crate) hashed: bool,
    pub(crate) straight: Straight,
    /// Whether the table of tombstones exists.
    pub(crate) tombstones: bool,
}

/// Whether snapshot rows may be copied straight into the table, where nothing keeps an older row from being doubled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Straight {
    /// The table has no rows.
    Empty,
    /// Every row is of this epoch's snapshot, which reads each key once.
    Snapshot(Epoch),
    /// Anything else.
    Never,
}

impl Straight {
    /// Returns the form in which it is kept with the checkpoint.
    pub(crate) fn to_column(self) -> Option<i64> {
        match self {
            Self::Empty => Some(0),
            Self::Snapshot(epoch) => Some(epoch.0.into()),
            Self::Never => None,
        }
    }

    /// Reads what [`to_column`](Self::to_column) wrote.
    pub(crate) fn from_column(value: Option<i64>) -> Self {
        match value.map(u32::try_from) {
            Some(Ok(0)) => Self::Empty,
            Some(Ok(epoch)) => Self::Snapshot(Epoch(epoch)),
            Some(Err(_)) | None => Self::Never,
        }
    }
}

impl Place {
    /// Returns the table's layout.
    pub(crate) fn layout(&self, hashed: bool) -> Layout {
        Layout::new(&self.schema, &self.target.name, self.target.mode, hashed)
    }

    /// Names the table in an error.
    pub(crate) fn name(&self, error: Error) -> Error {
        error.with("table", &self.target.table).with("target", format_args!("{}.{}", self.schema, self.target.name))
    }

    /// The number of the advisory lock that every transaction of the target holds, which is how another writer finds them.
    pub(crate) fn mark(&self) -> i64 {
        let Target { pipeline, table, slice, .. } = &self.target;
        let digest = Sha256::digest(format!("{}\0{pipeline}\0{table}\0{slice}", self.schema));
        digest.iter().take(8).fold(0, |mark, &byte| mark << 8 | i64::from(byte))
    }

    /// Begins a transaction, marks it as one of the target's and selects who owns the table.
    pub(crate) fn enter(&self) -> String {
        format!(
            "{BEGIN} SELECT pg_advisory_xact_lock_shared({}); SELECT owner::text FROM {} WHERE {}",
            self.mark(),
            statements::checkpoints(&self.schema),
            self.row()
        )
    }

    /// The condition that finds the target's row among the checkpoints, with literals.
    pub(crate) fn row(&self) -> String {
        format!(
            "pipeline = {} AND table_name = {} AND slice = {}",
            literal(self.target.pipeline.as_str()),
            literal(self.target.table.as_str()),
            literal(self.target.slice.as_str())
        )
    }
}

impl PgSession {
    /// Begins a transaction on a connection of its own and makes sure that nobody else took the table over.
    async fn enter(&self) -> Result<Lease> {
        let lease = self.pool.get().await?;
        let replies = lease
            .simple_query(&self.place.enter())
            .await
            .map_err(|e| error::failed(e, "A transaction cannot be begun"))?;
        let owner = replies.iter().find_map(|reply| match reply {
            SimpleQueryMessage::Row(row) if row.columns()[0].name() == "owner" => row.get(0).map(str::to_owned),
            _ => None,
        });
        match owner {
            Some(owner) if owner == self.owner.to_string() => Ok(lease),
            Some(_) => Err(fenced()),
            None => Err(forgotten()),
        }
    }

    /// Begins a transaction in which the table has the columns it shall have.
    async fn prepare(&self) -> Result<(Lease, State)> {
        let lease = self.enter().await?;
        let mut state = self.state.clone();
        if let Some(wanted) = &self.wanted {
            ddl::evolve(&lease, &self.place, &mut state, wanted, self.checkpoint.epoch()).await?;
        }
        Ok((lease, state))
    }

    /// Names the table in an error, which becomes [`Fenced`](ErrorKind::Fenced) if another writer has the table now: it ends our open
    /// transactions, and what it made since we opened the table looks like somebody's own, or stands in the way.
    pub(crate) async fn explain(&self, error: Error) -> Error {
        let by_another = matches!(
            error.kind(),
            ErrorKind::Unavailable | ErrorKind::ConfigInvalid | ErrorKind::NotFound | ErrorKind::SchemaConflict
        );
        if by_another
            && let Err(fence) = self.enter().await
            && fence.kind() == ErrorKind::Fenced
        {
            return self.place.name(fence.with_source(error));
        }
        self.place.name(error)
    }

    /// Reads the catalog again and compares it with what this pipeline made.
    async fn look(&mut self) -> Result<()> {
        let lease = self.pool.get().await?;
        let found = catalog::read(&lease, &self.place.schema, &self.place.target.name).await?;
        self.state.actual = catalog::reconcile(self.state.recorded.as_ref(), found.as_deref(), self.place.target.mode)?;
        lease.give_back();
        Ok(())
    }

    /// Checks a wanted schema against what the server can hold and what someone may have done to the table.
    fn admit(&self, wanted: &TableSchema) -> Result<TableSchema> {
        let limit = MAX_COLUMNS - system_columns(self.place.target.mode);
        if wanted.columns().len() > limit {
            return Err(Error::new(
                ErrorKind::SchemaConflict,
                "The table has more columns than Postgres allows; replicate it into Parquet",
            )
            .with("columns", wanted.columns().len())
            .with("limit", limit));
        }
        let result = schema::plan_by(self.state.actual.as_deref(), wanted, TypeJoin::decided())?.result;
        if let (Some(recorded), Some(actual)) = (&self.state.recorded, &self.state.actual) {
            nothing_dropped(&result, recorded, actual)?;
        }
        Ok(result)
    }
}

#[async_trait]
impl Session for PgSession {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        if let Err(error) = self.look().await {
            return Err(self.explain(error).await);
        }
        Ok(self.state.actual.as_deref().cloned())
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
        let (line, state) = match self.prepare().await {
            Ok((lease, state)) => (Line::Open(lease), state),
            Err(error) => match self.explain(error).await {
                // The contract has a fence show in the transaction's calls, of which the first one fails.
                error if error.kind() == ErrorKind::Fenced => (Line::Fenced, self.state.clone()),
                error => return Err(error),
            },
        };
        Ok(Box::new(PgTransaction::new(self, line, state)))
    }
}

/// Begins a transaction under settings that do not depend on those of the user, the database or a connection pooler before us.
///
/// The text of a double has all of its digits. Joins look rows up by the primary key: the batch is small beside the table, and a new table has no statistics to tell. Whoever
/// holds a lock for half a minute, or leaves a transaction of ours open for ten, makes us fail and try again.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL search_path = '';
SET LOCAL lock_timeout = '30s';
SET LOCAL statement_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = '10min';
SET LOCAL client_min_messages = warning;
SET LOCAL extra_float_digits = 1;
SET LOCAL work_mem = '64MB';
SET LOCAL jit = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;";

pub(crate) fn fenced() -> Error {
    Error::new(ErrorKind::Fenced, "Another writer took the table over")
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
