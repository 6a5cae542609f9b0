//! The commit: fence, columns, rows, checkpoint, in this order and in one database transaction.

use std::sync::Arc;

use commutator_core::rules::TypeJoin;
use commutator_core::{Checkpoint, Column, Epoch, Error, ErrorKind, Result, SchemaAction, TableSchema, schema};
use commutator_sql::system_columns;
use duckdb::params;

use super::{Staged, apply, ddl};
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
    pub(super) staged: Staged,
    pub(super) ended: Option<Epoch>,
    /// The checkpoint of the last commit, and that of this one.
    pub(super) before: Checkpoint,
    pub(super) checkpoint: Checkpoint,
    /// Whether it is taken back in the end.
    pub(super) rehearsed: bool,
}

/// How a commit ended.
pub(super) enum Outcome {
    /// It is durable, and the table is this now.
    Committed(State),
    /// It would have been, or it was not done; the table is this now.
    RolledBack(State, Result<()>),
    /// The last word was not answered, so nobody knows.
    Unclear(Error),
}

/// Runs it; blocks, also until nobody else writes.
pub(super) fn run(mut job: Job) -> Outcome {
    let lease = match job.lease.take().map_or_else(|| job.database.lease(), Ok) {
        Ok(lease) => lease,
        Err(error) => return Outcome::RolledBack(job.state, Err(error)),
    };
    let database = Arc::clone(&job.database);
    let _writing = database.write();
    let mut left = usize::MAX;
    loop {
        match ahead(&job) {
            Ok(Some((changes, some))) if changes < left => {
                match transact(&lease, &job.state, false, |state| job.evolve(&lease, state, &some)) {
                    Outcome::Committed(state) => (job.state, left) = (state, changes),
                    ended => return ended,
                }
            }
            Ok(_) => break,
            Err(error) => return Outcome::RolledBack(job.state, Err(error)),
        }
    }
    transact(&lease, &job.state, job.rehearsed, |state| job.work(&lease, state))
}

/// Does some work on a table in a transaction, and commits it unless it failed or is rehearsed.
fn transact(lease: &Lease, before: &State, rehearsed: bool, work: impl FnOnce(&mut State) -> Result<()>) -> Outcome {
    if let Err(e) = lease.execute_batch("BEGIN") {
        return Outcome::RolledBack(before.clone(), Err(error::failed(e, "A transaction cannot be begun")));
    }
    let mut state = before.clone();
    let done = work(&mut state);
    if done.is_ok() && !rehearsed {
        return match lease.execute_batch("COMMIT") {
            Ok(()) => Outcome::Committed(state),
            Err(e) => Outcome::Unclear(error::failed(e, "The commit failed")),
        };
    }
    // An error here means that there is no transaction any more, and the one before says more.
    lease.execute_batch("ROLLBACK").ok();
    Outcome::RolledBack(before.clone(), done)
}

/// Returns how many changes of columns there are, and the columns that the table gets in a transaction of its own, because there are more
/// than one can bear; `None` if there are not.
///
/// `DuckDB` keeps what it knows of all columns once for each change of one until that is committed: a table of 5,000 columns takes about
/// 4 MB for every one.
fn ahead(job: &Job) -> Result<Option<(usize, TableSchema)>> {
    const AT_A_TIME: usize = 32;
    let (Some(wanted), Some(actual)) = (&job.wanted, job.state.actual.as_deref()) else { return Ok(None) };
    let actions = schema::plan_by(Some(actual), wanted, TypeJoin::decided())?.actions;
    let changes = actions.len();
    if changes <= AT_A_TIME {
        return Ok(None);
    }
    let mut columns = actual.columns().to_vec();
    for action in actions.into_iter().take(AT_A_TIME) {
        match action {
            SchemaAction::CreateTable { .. } => {}
            SchemaAction::AddColumn { column } => columns.push(column),
            SchemaAction::WidenColumn { name, to, .. } => {
                columns.iter_mut().filter(|column| column.name == name).for_each(|column| column.ty = to);
            }
        }
    }
    TableSchema::new(columns).map(|columns| Some((changes, columns)))
}

impl Job {
    /// Changes some columns and nothing else.
    fn evolve(&self, lease: &Lease, state: &mut State, wanted: &TableSchema) -> Result<()> {
        self.place.fence(lease, self.owner)?;
        self.look(lease, state)?;
        ddl::evolve(lease, &self.place, state, wanted, self.epoch)?;
        self.record(lease, state, &self.before)
    }

    fn work(&self, lease: &Lease, state: &mut State) -> Result<()> {
        self.place.fence(lease, self.owner)?;
        let others = self.look(lease, state)?;
        if let Some(wanted) = &self.wanted {
            ddl::evolve(lease, &self.place, state, wanted, self.epoch)?;
        }
        if state.actual.as_deref().map(by_name) != self.columns.as_deref().map(by_name) {
            return Err(changed_meanwhile());
        }
        if let Some(columns) = self.columns.clone() {
            if self.staged.rows {
                apply::rows(self, state, lease, &columns, others)?;
            }
            if let Some(epoch) = self.ended {
                apply::end(self, state, lease, epoch, &columns)?;
            }
        }
        self.record(lease, state, &self.checkpoint)
    }

    /// Refuses rows that would go into other columns than they were staged for: they would be cast to what is there now. Returns whether
    /// the table has columns that others added.
    fn look(&self, lease: &Lease, state: &State) -> Result<bool> {
        let found = self.place.look_up(lease, &self.place.target.name)?;
        let actual = catalog::reconcile(state.recorded.as_ref(), found.as_deref(), self.place.target.mode)?;
        let known = state.actual.as_deref().map(by_name);
        if actual.as_deref().map(by_name) != known {
            return Err(changed_meanwhile());
        }
        let ours = actual.map_or(0, |actual| actual.columns().len() + system_columns(self.place.target.mode).count());
        Ok(found.is_some_and(|found| found.len() > ours))
    }

    /// Writes the checkpoint if the table is still ours.
    fn record(&self, lease: &Lease, state: &State, checkpoint: &Checkpoint) -> Result<()> {
        let text = |value: serde_json::Result<String>| {
            value.map_err(|e| Error::new(ErrorKind::Unexpected, "The checkpoint cannot be written").with_source(e))
        };
        let checkpoint = text(serde_json::to_string(checkpoint))?;
        let columns = state.recorded.as_ref().map(|recorded| text(serde_json::to_string(recorded))).transpose()?;
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
