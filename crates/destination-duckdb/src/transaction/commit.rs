//! The commit: fence, columns, rows, checkpoint, in this order and in one database transaction.

use std::sync::Arc;

use commutator_core::{Checkpoint, Column, Epoch, Error, ErrorKind, Result, TableSchema};
use duckdb::params;

use super::{apply, ddl};
use crate::client::{Database, Lease};
use crate::error;
use crate::session::{Place, State, catalog, forgotten};

/// Everything that a commit needs, so that it can go on where nobody waits for it any more.
pub(super) struct Job {
    /// The connection with the staged rows.
    pub(super) lease: Option<Lease>,
    pub(super) database: Arc<Database>,
    pub(super) place: Place,
    pub(super) owner: i64,
    pub(super) state: State,
    pub(super) wanted: Option<TableSchema>,
    /// The columns that rows are staged in.
    pub(super) columns: Option<Arc<TableSchema>>,
    pub(super) epoch: Epoch,
    pub(super) staged: bool,
    pub(super) removals: bool,
    pub(super) ended: Option<Epoch>,
    pub(super) checkpoint: Checkpoint,
    /// Whether it is taken back in the end.
    pub(super) rehearsed: bool,
}

/// How a commit ended.
pub(super) enum Outcome {
    /// It is durable, and the table is this now.
    Committed(State),
    /// It would have been.
    RolledBack,
    /// It was not done.
    Refused(Error),
    /// The last word was not answered, so nobody knows.
    Unclear(Error),
}

/// Runs it; blocks, also until nobody else writes.
pub(super) fn run(mut job: Job) -> Outcome {
    let lease = match job.lease.take().map_or_else(|| job.database.lease(), Ok) {
        Ok(lease) => lease,
        Err(error) => return Outcome::Refused(error),
    };
    let database = Arc::clone(&job.database);
    let _writing = database.write();
    if let Err(e) = lease.execute_batch("BEGIN") {
        return Outcome::Refused(error::failed(e, "A transaction cannot be begun"));
    }
    let done = job.work(&lease);
    if done.is_ok() && !job.rehearsed {
        return match lease.execute_batch("COMMIT") {
            Ok(()) => Outcome::Committed(job.state),
            Err(e) => Outcome::Unclear(error::failed(e, "The commit failed")),
        };
    }
    // An error here means that there is no transaction any more, and the one before says more.
    lease.execute_batch("ROLLBACK").ok();
    match done {
        Ok(()) => Outcome::RolledBack,
        Err(error) => Outcome::Refused(error),
    }
}

impl Job {
    fn work(&mut self, lease: &Lease) -> Result<()> {
        self.place.fence(lease, self.owner)?;
        self.look(lease)?;
        if let Some(wanted) = &self.wanted {
            ddl::evolve(lease, &self.place, &mut self.state, wanted, self.epoch)?;
        }
        if self.state.actual.as_deref().map(by_name) != self.columns.as_deref().map(by_name) {
            return Err(changed_meanwhile());
        }
        if let Some(columns) = self.columns.clone() {
            if self.staged {
                apply::rows(self, lease, &columns)?;
            }
            if let Some(epoch) = self.ended {
                apply::end(self, lease, epoch, &columns)?;
            }
        }
        self.record(lease)
    }

    /// Refuses rows that would go into other columns than they were staged for: they would be cast to what is there now.
    fn look(&mut self, lease: &Lease) -> Result<()> {
        let found = self.place.look_up(lease, &self.place.target.name)?;
        let actual = catalog::reconcile(self.state.recorded.as_ref(), found.as_deref(), self.place.target.mode)?;
        let known = self.state.actual.as_deref().map(by_name);
        if actual.as_deref().map(by_name) == known { Ok(()) } else { Err(changed_meanwhile()) }
    }

    /// Writes the checkpoint if the table is still ours.
    fn record(&self, lease: &Lease) -> Result<()> {
        let text = |value: serde_json::Result<String>| {
            value.map_err(|e| Error::new(ErrorKind::Unexpected, "The checkpoint cannot be written").with_source(e))
        };
        let checkpoint = text(serde_json::to_string(&self.checkpoint))?;
        let columns = self.state.recorded.as_ref().map(|recorded| text(serde_json::to_string(recorded))).transpose()?;
        let target = &self.place.target;
        let row = params![
            checkpoint,
            columns,
            target.pipeline.as_str(),
            target.table.as_str(),
            target.slice.as_str(),
            self.owner
        ];
        let updated = lease.execute(&self.place.checkpoints().record(), row);
        match updated.map_err(|e| error::failed(e, "The checkpoint cannot be written"))? {
            1 => Ok(()),
            // The fence was looked at in this transaction already.
            _ => Err(forgotten()),
        }
    }
}

/// Returns the columns in an order that does not depend on when they were added.
fn by_name(columns: &TableSchema) -> Vec<&Column> {
    let mut columns: Vec<_> = columns.columns().iter().collect();
    columns.sort_unstable_by_key(|column| &column.name);
    columns
}

fn changed_meanwhile() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "Someone changed the table's columns while rows were written; the table is opened again",
    )
}
