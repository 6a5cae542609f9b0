//! Taking a table over: the fence, and what the last commit and a dead session left.

use std::sync::Arc;

use commutator_core::{Checkpoint, ErrorKind, Result, SyncMode, TableSchema};
use commutator_sql::Owner;
use commutator_sql::recorded::{ModeChange, same_name};

use super::place::fenced;
use super::{LoaderSession, Place, Record, State, keeps_removals, lost, mode};
use crate::columns::Plan;
use crate::{catalog, staging};

/// Takes the target over and returns the session, which knows what the table looks like.
///
/// `first` is the number of the owner if nobody owned it before.
pub(crate) async fn open(place: Place, first: i64) -> Result<LoaderSession> {
    let token = place.random.token();
    place.warehouse.prepare().await?;
    if !place.look_up_checkpoint().await? {
        create(&place, &Owner { number: first, token: token.clone() }).await?;
    }
    let mut record = read(&place).await?;
    if record.owner.token != token {
        place.warehouse.query(&place.checkpoint().raise(&token)).await?;
        record = Record::read_and_check(&place).await?;
        if record.owner.token != token {
            // Somebody took it over after us, while we did.
            return Err(fenced());
        }
    }
    let mut session = LoaderSession {
        owner: record.owner.clone(),
        checkpoint: record.checkpoint.clone(),
        state: State {
            recorded: record.recorded.clone(),
            planned: record.planned.clone(),
            actual: None,
            tombstones: false,
            kept: record.kept.clone(),
        },
        place,
        wanted: None,
        unclear: false,
        committing: false,
        attempts: 0,
        litter: Vec::new(),
    };
    session.sweep().await;
    match session.settle(&record).await {
        // What may still happen would be done to a table that somebody writes.
        Ok(()) if session.unclear => Err(lost()),
        Ok(()) => Ok(session),
        // Whoever took the table over meanwhile may have changed it.
        Err(error) => Err(session.meaning(error).await),
    }
}

/// Creates the table of checkpoints; of several who do it at once one succeeds, and the others find it.
async fn create(place: &Place, owner: &Owner) -> Result<()> {
    if place.look_up().await?.is_some() {
        // Somebody else may have opened the target since, and made it.
        return if place.look_up_checkpoint().await? { Ok(()) } else { Err(catalog::foreign()) };
    }
    match place.warehouse.query(&place.checkpoint().create(place.target.mode, owner)).await {
        Ok(_) => Ok(()),
        Err(error) => {
            if place.look_up_checkpoint().await? {
                Ok(())
            } else {
                Err(error)
            }
        }
    }
}

/// Reads what is kept of the target, and refuses what cannot be opened.
///
/// Somebody else may own the target and change the table between two looks, so what does not fit together is looked at again.
async fn read(place: &Place) -> Result<Record> {
    let mut record = Record::read_and_check(place).await?;
    loop {
        let Err(error) = check(place, &record).await else { return Ok(record) };
        let again = Record::read_and_check(place).await?;
        if again == record {
            return Err(error);
        }
        record = again;
    }
}

/// Refuses what cannot be opened before anybody else is fenced for it.
async fn check(place: &Place, record: &Record) -> Result<()> {
    let before = record.mode()?;
    let made = record.recorded.is_some() || record.planned.is_some();
    ModeChange::of(&place.target, &record.mode, made)?;
    // The rest of a plan is done by whoever has taken the table over, and what it leads to is looked at then.
    if record.planned.is_none() {
        let found = place.look_up().await?;
        catalog::reconcile(place.dialect(), record.recorded.as_ref(), found.as_deref(), before)?;
    }
    Ok(())
}

impl LoaderSession {
    /// Finishes what a dead session planned, gives the table its mode, and looks at what there is.
    async fn settle(&mut self, record: &Record) -> Result<()> {
        let before = record.mode()?;
        self.state.tombstones = self.place.look_up_tombstones().await?.is_some();
        if self.state.tombstones && self.state.recorded.is_none() {
            // Ours are made only once the table is recorded: these are of one that was dropped, and would keep away rows of the next.
            self.alter(vec![self.place.layout().drop_tombstones()]).await?;
            self.state.tombstones = false;
        }
        if let Some(planned) = self.state.planned.clone() {
            self.complete(&planned, before).await?;
        }
        let change = ModeChange::of(&self.place.target, &record.mode, self.state.recorded.is_some())?;
        if let Some(change) = change {
            self.change_mode(change).await?;
        }
        // Where a table is filtered no more, they go on keeping older rows away until the snapshot has ended.
        let stay = match self.place.target.mode {
            SyncMode::Mirror => true,
            SyncMode::SoftDelete => change.is_none() || keeps_removals(&self.place.target),
            SyncMode::History | SyncMode::Append => false,
        };
        if self.state.tombstones && (self.checkpoint.snapshot_ended() || !stay) {
            self.drop_tombstones().await;
        }
        let found = self.place.look_up().await?;
        let mode = self.place.target.mode;
        self.state.actual =
            catalog::reconcile(self.place.dialect(), self.state.recorded.as_ref(), found.as_deref(), mode)?;
        let tombstones = if self.state.tombstones { self.place.look_up_tombstones().await? } else { None };
        let layout = self.place.layout();
        let left =
            |recorded| Plan::left((self.place.dialect(), &layout), recorded, found.as_deref(), tombstones.as_deref());
        if self.state.recorded.as_ref().is_some_and(|recorded| !left(recorded).is_empty()) {
            // Something of the user's may depend on it, such as a clustering key; it does no harm where it is.
            if let Err(error) = self.drop_left().await {
                if self.unclear || matches!(error.kind(), ErrorKind::Fenced | ErrorKind::NotFound) {
                    return Err(error);
                }
                tracing::warn!(table = %self.place.target.table, error = %error.report(), "a column that was replaced could not be dropped");
            }
        }
        Ok(())
    }

    /// Drops the tombstones, which have done their work. Where that fails they do no harm: whatever they stop is older than they are.
    pub(crate) async fn drop_tombstones(&mut self) {
        let drop = vec![self.place.layout().drop_tombstones()];
        match self.alter(drop).await {
            Ok(()) => self.state.tombstones = false,
            Err(error) => {
                tracing::warn!(table = %self.place.target.table, error = %error.report(), "the table of tombstones could not be dropped");
            }
        }
    }

    /// Removes the files that dead owners left.
    async fn sweep(&self) {
        match staging::sweep(&self.place.staging, &self.place.folder(), self.owner.number).await {
            Ok(0) => {}
            Ok(files) => {
                tracing::info!(table = %self.place.target.table, files, "removed what an earlier run had staged");
            }
            Err(error) => {
                tracing::warn!(table = %self.place.target.table, error = %error.report(), "what an earlier run staged could not be removed");
            }
        }
    }
}

/// Returns the checkpoint of the last commit; `None` if the target was never opened.
pub(crate) async fn peek(place: &Place) -> Result<Option<Checkpoint>> {
    if !place.look_up_checkpoint().await? {
        return Ok(None);
    }
    Ok(Record::read(place, true).await?.map(|record| record.checkpoint))
}

/// Returns the columns that the table has, as opening it would find them; `None` if there is no table.
pub(crate) async fn peek_schema(place: &Place) -> Result<Option<TableSchema>> {
    if !place.look_up_checkpoint().await? {
        return Ok(None);
    }
    let Some(record) = Record::read(place, true).await? else { return Ok(None) };
    same_name(&place.target, &record.target)?;
    ModeChange::of(&place.target, &record.mode, record.recorded.is_some())?;
    if record.planned.is_some() {
        // It is between two forms, and will have had the earlier one first.
        return Ok(record.recorded);
    }
    let found = place.look_up().await?;
    let actual = catalog::reconcile(place.dialect(), record.recorded.as_ref(), found.as_deref(), record.mode()?)?;
    Ok(actual.map(Arc::unwrap_or_clone))
}

/// Returns the statements by which this owner, opening the table, would give it the mode of the target.
pub(crate) async fn preview_mode(place: &Place, owner: &Owner) -> Result<Vec<String>> {
    if !place.look_up_checkpoint().await? {
        return Ok(Vec::new());
    }
    let Some(record) = Record::read(place, true).await? else { return Ok(Vec::new()) };
    let columns = record.recorded.as_ref().or(record.planned.as_ref());
    let Some(change) = ModeChange::of(&place.target, &record.mode, columns.is_some())? else { return Ok(Vec::new()) };
    let found = place.look_up().await?.unwrap_or_default();
    let tombstones = place.look_up_tombstones().await?.is_some();
    Ok(mode::Steps::of(change, place, columns, &found, tombstones).shown(place, owner))
}
