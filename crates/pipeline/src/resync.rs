//! A resync by hand: a table's next epoch is committed, and whoever runs reads it anew.

use commutator_core::{Checkpoint, Epoch, Error, ErrorKind, Result, TableDescription, TableName, Target};
use serde::Serialize;

use crate::{Pipeline, RetryPolicy, key_form};

/// Between opening the table and the commit lies a moment in which a runner can take it over: so often it is tried again.
const TRIES: u32 = 8;

/// What asking for a resync did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resync {
    /// The table.
    pub table: TableName,
    /// The epoch as which it is read anew.
    pub epoch: Epoch,
    /// Whether somebody had asked before and no run has committed anything since, so that nothing had to be done.
    pub asked_before: bool,
    /// Whether the snapshot of the epoch before was not complete; it is given up.
    pub snapshot_given_up: bool,
}

impl Pipeline {
    /// Asks for a table to be read anew, in place, as its next epoch, while its stream goes on.
    ///
    /// It commits the next epoch and returns; the reading is up to [`run`](Self::run). A run that is going on notices at its next
    /// commit, at the latest after about a minute, and goes on under the new epoch. At the end of the new snapshot, rows that the
    /// source no longer has are gone; until then readers see the old ones. No change is left out. Asking again before a run has
    /// committed anything of the new epoch does nothing; asking while its snapshot is read begins a further epoch.
    ///
    /// Returns [`NotFound`](ErrorKind::NotFound) for a table of which nothing was ever committed.
    pub async fn resync(&self, table: &TableDescription) -> Result<Resync> {
        let target = self.target(table);
        let retry = RetryPolicy { max_attempts: Some(TRIES), ..RetryPolicy::default() };
        let mut attempt = 1;
        loop {
            let at = self.destination().peek(&target).await?.filter(|at| *at != Checkpoint::default());
            let at = at.ok_or_else(|| never_synced(&target))?;
            if at.is_handed_over() {
                let (table, epoch) = (target.table, at.epoch());
                return Ok(Resync { table, epoch, asked_before: attempt == 1, snapshot_given_up: false });
            }
            let error = match self.hand_over(&target).await {
                Ok(before) => {
                    return Ok(Resync {
                        table: target.table,
                        epoch: before.epoch().next(),
                        asked_before: false,
                        snapshot_given_up: !before.snapshot_ended(),
                    });
                }
                Err(error) => error,
            };
            // A runner that was fenced here waits for the mark, so what was begun is tried to its end.
            let delay = match error.kind() {
                ErrorKind::Fenced if attempt < TRIES => Some(retry.first),
                _ => retry.delay(&error, attempt, fastrand::f64()),
            };
            let Some(delay) = delay else { return Err(error.with("table", &target.table)) };
            tracing::debug!(table = %target.table, error = error.report(), attempt, "asking for a resync again");
            tokio::time::sleep(delay).await;
            attempt += 1;
        }
    }

    /// Opens the target and hands it over as its next epoch; returns the checkpoint before that.
    ///
    /// Once it is open an epoch must be committed that no runner knows: one that was fenced goes on for nothing less.
    async fn hand_over(&self, target: &Target) -> Result<Checkpoint> {
        let mut session = self.destination().open(target).await?;
        let before = session.checkpoint().clone();
        let mut next = before.hand_over();
        key_form::leave_open(&mut next)?;
        session.begin().await?.commit(&next).await?;
        Ok(before)
    }
}

fn never_synced(target: &Target) -> Error {
    Error::new(
        ErrorKind::NotFound,
        "The table was never synced, so there is nothing to read anew: `commutator run` loads it",
    )
    .with("table", &target.table)
    .with("pipeline", &target.pipeline)
}
