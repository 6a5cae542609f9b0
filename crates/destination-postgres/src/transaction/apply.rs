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
            SyncMode::SoftDelete => {
                let layout = self.layout();
                self.run(&layout.apply_images(columns)).await?;
                if self.removals { self.run(&layout.mark_removed(columns)).await } else { Ok(()) }
            }
            SyncMode::History => self.apply_to_history(columns).await,
            SyncMode::Append => Ok(()),
        }
    }

    /// Until the snapshot has ended, removals leave tombstones, so that a snapshot row read earlier and written later does not bring
    /// the item back.
    async fn apply_to_mirror(&mut self, columns: &TableSchema, checkpoint: &Checkpoint) -> Result<()> {
        let layout = self.layout();
        let record = self.removals && self.ended.is_none() && !checkpoint.snapshot_ended();
        let check = self.state.tombstones;
        if record && !self.state.tombstones {
            let created = self.client()?.batch_execute(&layout.create_tombstones(columns)).await;
            created.map_err(|e| error::failed(e, "Rows cannot be applied"))?;
            self.state.tombstones = true;
        }
        self.run(&layout.apply(columns, self.removals, check, record)).await
    }

    async fn apply_to_history(&self, columns: &TableSchema) -> Result<()> {
        let layout = self.layout();
        self.run(&layout.add_versions(columns)).await?;
        self.run(&layout.set_intervals(columns)).await
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
                    if self.staged {
                        self.run(&format!("TRUNCATE {STAGE}")).await?;
                    } else {
                        self.create_stage(columns).await?;
                    }
                    self.run(&layout.stage_unseen(columns, epoch)).await?;
                    self.apply_to_history(columns).await?;
                }
                SyncMode::Append => {}
            }
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
