//! One atomic unit of rows and checkpoint.

use async_trait::async_trait;
use commutator_core::{ChangeBatch, Checkpoint, Epoch, Error, ErrorKind, Result, Transaction};

use crate::session::MemorySession;

/// Rows are staged here, so a transaction that is dropped leaves nothing.
#[derive(Debug)]
pub(crate) struct MemoryTransaction<'a> {
    session: &'a mut MemorySession,
    staged: Vec<ChangeBatch>,
    ended: Option<Epoch>,
}

impl<'a> MemoryTransaction<'a> {
    pub(crate) fn new(session: &'a mut MemorySession) -> Self {
        Self { session, staged: Vec::new(), ended: None }
    }
}

#[async_trait]
impl Transaction for MemoryTransaction<'_> {
    async fn write(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.staged.push(batch.clone());
        Ok(())
    }

    async fn end_snapshot(&mut self, epoch: Epoch) -> Result<()> {
        self.ended = Some(epoch);
        Ok(())
    }

    async fn commit(self: Box<Self>, checkpoint: &Checkpoint) -> Result<()> {
        let MemorySession { memory, target, owner, checkpoint: known } = self.session;
        let mut state = memory.lock();
        state.owned(target, *owner)?;
        let keeps_tombstones = !checkpoint.snapshot_ended();
        match state.tables.get_mut(&target.name) {
            Some(table) => {
                table.filtered = target.filtered;
                *table = table.apply(&self.staged, self.ended, keeps_tombstones, memory.clock.now())?;
            }
            // A source that has no rows yet has no columns either, but a checkpoint.
            None if self.staged.is_empty() => {}
            None => {
                return Err(Error::new(ErrorKind::SchemaConflict, "The destination has no such table")
                    .with("table", &target.name));
            }
        }
        // Nothing can fail from here on: rows and checkpoint change under one lock.
        state.owned(target, *owner)?.checkpoint = checkpoint.clone();
        *known = checkpoint.clone();
        Ok(())
    }
}
