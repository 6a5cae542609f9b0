//! What becomes of the staged rows, and of what a snapshot did not see, in each mode.

use commutator_core::{Checkpoint, Epoch, Result, SyncMode, TableSchema};

use super::PgTransaction;
use crate::error;
use crate::session::Straight;
use crate::statements::STAGE;

impl PgTransaction<'_> {
    /// Applies the staged rows.
    pub(super) async fn apply(&mut self, columns: &TableSchema, checkpoint: &Checkpoint) -> Result<()> {
        match self.session.place.target.mode {
            SyncMode::Mirror => self.apply_to_mirror(columns, checkpoint).await,
            SyncMode::SoftDelete => self.apply_to_soft_delete(columns, checkpoint).await,
            SyncMode::History => {
                let runs = self.ended.is_none() && !checkpoint.snapshot_ended();
                let sorts_out = self.session.place.target.filtered && self.removals;
                self.apply_to_history(columns, sorts_out.then_some(runs)).await
            }
            SyncMode::Append => Ok(()),
        }
    }

    /// Until the snapshot has ended, removals leave tombstones, so that a snapshot row read earlier and written later does not bring
    /// the item back.
    async fn apply_to_mirror(&mut self, columns: &TableSchema, checkpoint: &Checkpoint) -> Result<()> {
        let check = self.state.tombstones;
        let record = self.records(columns, checkpoint).await?;
        self.run(&self.layout().apply(columns, self.removals, check, record)).await
    }

    /// In a filtered table a removal marks only what is there, and is a tombstone besides until the snapshot has ended.
    async fn apply_to_soft_delete(&mut self, columns: &TableSchema, checkpoint: &Checkpoint) -> Result<()> {
        let (layout, filtered) = (self.layout(), self.session.place.target.filtered);
        self.run(&layout.apply_images(columns, self.state.tombstones)).await?;
        if self.removals {
            self.run(&if filtered { layout.mark_known(columns) } else { layout.mark_removed(columns) }).await?;
        }
        if filtered && self.records(columns, checkpoint).await? {
            self.run(&layout.record_removals(columns)).await?;
        }
        Ok(())
    }

    /// Returns whether removals leave tombstones, whose table is there then.
    async fn records(&mut self, columns: &TableSchema, checkpoint: &Checkpoint) -> Result<bool> {
        let records = self.removals && self.ended.is_none() && !checkpoint.snapshot_ended();
        if records && !self.state.tombstones {
            let created = self.client()?.batch_execute(&self.layout().create_tombstones(columns)).await;
            created.map_err(|e| error::failed(e, "Rows cannot be applied"))?;
            self.state.tombstones = true;
        }
        Ok(records)
    }

    /// `idle`: whether a snapshot runs, if idle removals go.
    async fn apply_to_history(&self, columns: &TableSchema, idle: Option<bool>) -> Result<()> {
        let layout = self.layout();
        self.run(&layout.add_versions(columns)).await?;
        if let Some(runs) = idle {
            self.run(&layout.drop_idle(columns, runs)).await?;
        }
        self.run(&layout.set_intervals(columns)).await
    }

    /// Empties the temporary table, or makes it.
    async fn clear_stage(&mut self, columns: &TableSchema) -> Result<()> {
        if self.staged { self.run(&format!("TRUNCATE {STAGE}")).await } else { self.create_stage(columns).await }
    }

    async fn run(&self, statement: &str) -> Result<()> {
        let done = self.client()?.execute_typed(statement, &[]).await;
        done.map(drop).map_err(|e| error::failed(e, "Rows cannot be applied"))
    }

    /// Ends the snapshot: rows of older epochs are gone at the source, and tombstones have done their work.
    pub(super) async fn end(&mut self, epoch: Epoch, columns: &TableSchema) -> Result<()> {
        self.state.straight = Straight::Never;
        // The first epoch has none before it, and a whole table need not be read to learn that.
        if epoch > Epoch::FIRST {
            let layout = self.layout();
            match self.session.place.target.mode {
                SyncMode::Mirror => self.run(&layout.delete_older(epoch)).await?,
                SyncMode::SoftDelete => self.run(&layout.mark_older(epoch)).await?,
                SyncMode::History => {
                    self.clear_stage(columns).await?;
                    self.run(&layout.stage_unseen(columns, epoch)).await?;
                    self.apply_to_history(columns, None).await?;
                }
                SyncMode::Append => {}
            }
        }
        if self.is_history() && self.session.place.target.filtered {
            // The first epoch's, too: only now is it known that no row comes before them.
            let layout = self.layout();
            self.clear_stage(columns).await?;
            self.run(&layout.stage_idle(columns)).await?;
            self.run(&layout.drop_staged(columns)).await?;
            self.run(&layout.set_intervals_anew(columns)).await?;
        }
        if self.state.tombstones {
            let drop = self.layout().drop_tombstones();
            let dropped = self.client()?.batch_execute(&drop).await;
            dropped.map_err(|e| error::failed(e, "The snapshot cannot be ended"))?;
            self.state.tombstones = false;
        }
        Ok(())
    }
}
