//! An open table: who owns it, what it looks like, and what of a plan the next transaction still has to do.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::rules::TypeJoin;
use commutator_core::{
    Checkpoint, Column, Error, ErrorKind, Result, SchemaPlan, Session, TableSchema, Transaction, schema,
};
use commutator_sql::recorded::nothing_dropped;
use commutator_sql::{Owner, Part};

use crate::transaction::LoaderTransaction;

mod evolve;
mod mode;
mod open;
mod place;
mod record;

pub(crate) use mode::keeps_removals;
pub(crate) use open::{open, peek, peek_schema, preview_mode};
pub(crate) use place::Place;
pub(crate) use record::{Record, text_of};

/// An open table.
#[derive(Debug)]
pub(crate) struct LoaderSession {
    pub(crate) place: Place,
    pub(crate) owner: Owner,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) state: State,
    /// The columns that the next transaction gives the table.
    pub(crate) wanted: Option<TableSchema>,
    /// Whether a request's answer was lost, so that nobody knows what the table holds.
    pub(crate) unclear: bool,
    /// Whether a commit has begun that has not come to an end; if it is given up, nobody knows either.
    pub(crate) committing: bool,
    /// How many scripts this session has sent.
    pub(crate) attempts: u64,
    /// Folders of transactions that were given up.
    pub(crate) litter: Vec<String>,
}

/// What is known of a table.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The columns this pipeline made, those included that someone dropped since.
    pub(crate) recorded: Option<TableSchema>,
    /// The columns that it was going to have when a step failed.
    pub(crate) planned: Option<TableSchema>,
    /// The columns there are.
    pub(crate) actual: Option<Arc<TableSchema>>,
    /// Whether the table of tombstones exists.
    pub(crate) tombstones: bool,
    /// Which texts have rows in the table of checkpoints beside the target's row.
    pub(crate) kept: HashSet<Part>,
}

impl LoaderSession {
    /// Returns a name for the next script, which no other has.
    pub(crate) fn next_id(&mut self) -> String {
        self.attempts += 1;
        format!("{}-{}", self.owner.token, self.attempts)
    }

    /// Checks a wanted schema against what someone may have done to the table.
    fn admit(&self, wanted: &TableSchema) -> Result<TableSchema> {
        let result = schema::plan_by(self.state.actual.as_deref(), wanted, TypeJoin::decided())?.result;
        if let (Some(recorded), Some(actual)) = (&self.state.recorded, &self.state.actual) {
            nothing_dropped(&result, recorded, actual)?;
        }
        Ok(result)
    }

    /// Returns what a refused statement means: if the target is no longer ours, that is why.
    pub(crate) async fn meaning(&self, refusal: Error) -> Error {
        match self.place.owner_is(&self.owner).await {
            Err(error) if matches!(error.kind(), ErrorKind::Fenced | ErrorKind::NotFound) => error,
            // If it cannot be learned now who owns it, the refusal is what happened first.
            Ok(()) | Err(_) => refusal,
        }
    }
}

#[async_trait]
impl Session for LoaderSession {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        let actual = match self.place.actual(self.state.recorded.as_ref()).await {
            Ok(actual) => actual,
            Err(error) => return Err(self.place.name(self.meaning(error).await)),
        };
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
        if self.unclear || self.committing {
            return Err(self.place.name(lost()));
        }
        LoaderTransaction::new(self).map(|transaction| Box::new(transaction) as Box<dyn Transaction + '_>)
    }
}

fn lost() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "The answer to the last commit or change of the table was lost; open the table again to see whether it happened",
    )
}

/// Returns the columns in an order that does not depend on when they were added.
pub(crate) fn by_name(columns: &TableSchema) -> Vec<&Column> {
    let mut columns: Vec<_> = columns.columns().iter().collect();
    columns.sort_unstable_by_key(|column| &column.name);
    columns
}
