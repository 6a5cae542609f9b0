//! Giving the table the columns of a plan, so that it can end at any point and be completed by whoever opens the table next.

use std::sync::Arc;

use commutator_core::rules::TypeJoin;
use commutator_core::{Epoch, Error, ErrorKind, Result, SchemaAction, SyncMode, TableSchema, schema};
use commutator_sql::{Part, Written, changes};

use super::LoaderSession;
use super::record::text_of;
use crate::catalog::{find, foreign_column, reconcile};
use crate::columns::Plan;
use crate::{Failure, Found, Script};

/// How often a plan is looked at again after a step that failed and had happened all the same.
const PATIENCE: usize = 20;

/// A statement on a table of a thousand columns would flood the log.
const LOGGED_BYTES: usize = 1000;

impl LoaderSession {
    /// Gives the table the wanted columns. What it has already is left alone, so doing it again does nothing.
    pub(crate) async fn make_wanted(&mut self) -> Result<()> {
        let Some(wanted) = self.wanted.clone() else { return Ok(()) };
        let plan = schema::plan_by(self.state.actual.as_deref(), &wanted, TypeJoin::decided())?;
        let planned = match &self.state.recorded {
            Some(recorded) => schema::merge_by(recorded, &plan.result, TypeJoin::decided())?,
            None => plan.result.clone(),
        };
        let is_new = self.state.planned.as_ref() != Some(&planned);
        if plan.actions.is_empty() && is_new && self.state.recorded.as_ref() == Some(&planned) {
            self.wanted = None;
            return Ok(());
        }
        if is_new {
            self.drop_left().await?;
            self.nothing_foreign(&plan.actions).await?;
            self.try_widenings(&plan.actions).await?;
            self.plan(&planned).await?;
        }
        self.complete(&planned, self.place.target.mode).await?;
        self.wanted = None;
        Ok(())
    }

    /// Refuses columns that somebody else added under the names of new ones.
    async fn nothing_foreign(&self, actions: &[SchemaAction]) -> Result<()> {
        let found = self.place.look_up().await?.unwrap_or_default();
        for action in actions {
            if let SchemaAction::AddColumn { column } = action
                && find(self.place.dialect(), &found, &column.name).is_some()
                && self.state.planned.as_ref().is_none_or(|planned| planned.get(&column.name).is_none())
            {
                return Err(foreign_column(&column.name));
            }
        }
        Ok(())
    }

    /// Refuses a wider type for a column with values that the warehouse would not hold in it as they are. Once it is planned, whoever opens
    /// the table has to go on with it.
    async fn try_widenings(&self, actions: &[SchemaAction]) -> Result<()> {
        let layout = self.place.layout();
        for action in actions {
            if let SchemaAction::WidenColumn { name, from, to } = action
                && let Some(attempt) = layout.try_widening(name, *from, *to)
                && let Err(error) = self.place.warehouse.query(&attempt).await
            {
                return Err(unwidened(self.meaning(error).await)
                    .with("column", name)
                    .with("from", from)
                    .with("to", to));
            }
        }
        Ok(())
    }

    /// Keeps what is going to be done before the first of it.
    async fn plan(&mut self, planned: &TableSchema) -> Result<()> {
        let text = text_of(planned)?;
        self.write(&[(Part::Planned, Some(&text))], None, Vec::new()).await?;
        self.state.planned = Some(planned.clone());
        Ok(())
    }

    /// Does what is missing of a plan that is kept, and then keeps that it was done, with a row for each column that it made or widened.
    pub(crate) async fn complete(&mut self, planned: &TableSchema, mode: SyncMode) -> Result<()> {
        let layout = self.place.layout_in(mode);
        let recorded = self.state.recorded.clone();
        let plan = Plan { dialect: self.place.dialect(), layout: &layout, mode, recorded: recorded.as_ref(), planned };
        let mut last = usize::MAX;
        let mut found = None;
        for _ in 0..PATIENCE {
            let rows = self.place.look_up().await?;
            let tombstones = if self.state.tombstones { self.place.look_up_tombstones().await? } else { None };
            let missing = plan.missing(rows.as_deref(), tombstones.as_deref())?;
            if missing.is_empty() {
                found = rows;
                break;
            }
            let left = missing.iter().map(Vec::len).sum();
            for step in missing {
                if let Err(error) = self.alter(step).await {
                    // It may have happened all the same, or somebody else, whom we fenced, did it.
                    if left >= last || self.unclear || error.kind() == ErrorKind::Fenced {
                        return Err(error);
                    }
                    tracing::debug!(error = %error.report(), "a change of columns failed; looking at what there is");
                    break;
                }
            }
            last = left;
        }
        let Some(found) = found else {
            return Err(Error::new(ErrorKind::Unavailable, "The table does not get the columns that it was given"));
        };
        let actual = reconcile(self.place.dialect(), Some(planned), Some(found.as_slice()), mode)?;
        self.keep(planned).await?;
        self.state.recorded = Some(planned.clone());
        self.state.planned = None;
        self.state.actual = actual;
        // Until it is dropped, it stands in the way of the next plan only.
        if let Err(error) = self.drop_left().await {
            tracing::warn!(table = %self.place.target.table, error = %error.report(), "a column that was replaced could not be dropped");
        }
        Ok(())
    }

    /// Keeps that the table has the planned columns, and how they came about.
    async fn keep(&mut self, planned: &TableSchema) -> Result<()> {
        let (warehouse, dialect) = (Arc::clone(&self.place.warehouse), self.place.dialect());
        let actions = schema::plan_by(self.state.recorded.as_ref(), planned, TypeJoin::decided())?.actions;
        let rows = changes::rows(dialect, &actions);
        if !rows.is_empty()
            && let Err(error) = warehouse.query(&changes::create(dialect, warehouse.schema())).await
            && warehouse.columns(changes::NAME).await?.is_none()
        {
            return Err(error);
        }
        let target = &self.place.target;
        let Epoch(epoch) = self.checkpoint.epoch();
        let whose = changes::Whose {
            pipeline: target.pipeline.as_str(),
            table: target.table.as_str(),
            target: &target.name,
            epoch,
        };
        let inserts = changes::insert_literals(dialect, warehouse.schema(), &whose, &rows);
        let columns = text_of(planned)?;
        self.write(&[(Part::Columns, Some(&columns)), (Part::Planned, None)], None, inserts).await
    }

    /// Drops the columns that replacements left.
    pub(crate) async fn drop_left(&mut self) -> Result<()> {
        let Some(recorded) = self.state.recorded.clone().filter(|_| self.state.planned.is_none()) else {
            // There is none in a table that does not exist, nor in one that is half-way to its plan.
            return Ok(());
        };
        let rows = self.place.look_up().await?;
        let tombstones = if self.state.tombstones { self.place.look_up_tombstones().await? } else { None };
        let layout = self.place.layout();
        let left = Plan::left((self.place.dialect(), &layout), &recorded, rows.as_deref(), tombstones.as_deref());
        for statement in left {
            self.alter(vec![statement]).await?;
        }
        Ok(())
    }

    /// Sends statements that change tables, behind one that fails unless the target is ours.
    pub(crate) async fn alter(&mut self, mut statements: Vec<String>) -> Result<()> {
        for statement in &statements {
            let shown = &statement[..statement.floor_char_boundary(LOGGED_BYTES)];
            tracing::info!(table = %self.place.target.table, statement = shown, "changing the destination's table");
        }
        statements.insert(0, self.place.checkpoint().check(&self.owner));
        let id = self.next_id();
        match self.place.warehouse.alter(&statements, &id).await {
            Ok(()) => Ok(()),
            Err(Failure::Refused(error)) => Err(self.meaning(error).await),
            Err(Failure::Unclear(error)) => {
                // It may still happen. Whoever opens the table again is another owner, for whom it would fail.
                self.unclear = true;
                Err(error)
            }
        }
    }

    /// Writes parts of what is kept of the target, and the mode if there is one, after other statements, as a whole.
    pub(crate) async fn write(
        &mut self,
        parts: &[(Part, Option<&str>)],
        mode: Option<SyncMode>,
        mut statements: Vec<String>,
    ) -> Result<()> {
        let parts: Vec<_> = parts.iter().map(|&(part, text)| self.written(part, text)).collect();
        statements.extend(self.place.checkpoint().write(&self.owner, &parts, mode));
        let script = Script { apply: statements, ..Script::default() };
        let id = self.next_id();
        let ended = self.place.warehouse.run(&script, &id).await;
        let kept: Vec<_> = parts.iter().map(|part| (part.part, part.leaves_rows(self.place.dialect()))).collect();
        match ended {
            Ok(()) => {
                self.has(&kept);
                Ok(())
            }
            Err(Failure::Refused(error)) => Err(self.meaning(error).await),
            Err(Failure::Unclear(error)) => {
                self.unclear = true;
                Err(error)
            }
        }
    }

    /// Returns a part as it is to be written.
    pub(crate) fn written<'a>(&self, part: Part, text: Option<&'a str>) -> Written<'a> {
        Written { part, text, replaces: self.state.kept.contains(&part) }
    }

    /// Remembers which parts have rows.
    pub(crate) fn has(&mut self, kept: &[(Part, bool)]) {
        for &(part, has_rows) in kept {
            if has_rows {
                self.state.kept.insert(part);
            } else {
                self.state.kept.remove(&part);
            }
        }
    }

    /// Creates the table of tombstones if it is missing; empty it says nothing.
    pub(crate) async fn create_tombstones(&mut self, columns: &TableSchema) -> Result<()> {
        if self.state.tombstones {
            return Ok(());
        }
        let create = vec![self.place.layout().create_tombstones(columns)];
        if let Err(error) = self.alter(create).await {
            let found: Option<Vec<Found>> = self.place.look_up_tombstones().await?;
            if error.kind() == ErrorKind::Fenced || found.is_none() {
                return Err(error);
            }
        }
        self.state.tombstones = true;
        Ok(())
    }
}

/// No row of the batch is to blame for what older rows hold, so none would help by being set aside.
fn unwidened(refusal: Error) -> Error {
    if refusal.kind() != ErrorKind::DataInvalid {
        return refusal;
    }
    Error::new(
        ErrorKind::SchemaConflict,
        "A column has values that cannot get the wider type which new rows need; the table is as it was. Give the column a type with \
         `cast`, or leave such rows out with `contract`",
    )
    .with_source(refusal)
}
