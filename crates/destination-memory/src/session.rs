//! An open table.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::{Checkpoint, Result, SchemaPlan, Session, TableSchema, Target, Transaction};

use crate::Memory;
use crate::table::Table;
use crate::transaction::MemoryTransaction;

#[derive(Debug)]
pub(crate) struct MemorySession {
    pub(crate) memory: Memory,
    pub(crate) target: Target,
    pub(crate) owner: u64,
    pub(crate) checkpoint: Checkpoint,
}

impl MemorySession {
    pub(crate) fn new(memory: Memory, target: Target, owner: u64, checkpoint: Checkpoint) -> Self {
        Self { memory, target, owner, checkpoint }
    }
}

#[async_trait]
impl Session for MemorySession {
    fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    async fn describe(&mut self) -> Result<Option<TableSchema>> {
        Ok(self.memory.schema(&self.target.name).map(|schema| TableSchema::clone(&schema)))
    }

    async fn evolve(&mut self, plan: &SchemaPlan) -> Result<()> {
        let schema = Arc::new(plan.result.clone());
        let mut state = self.memory.lock();
        state.owned(&self.target, self.owner)?;
        if let Some(table) = state.tables.get_mut(&self.target.name) {
            return table.evolve(&schema);
        }
        state.tables.insert(self.target.name.clone(), Table::new(&self.target, &schema)?);
        Ok(())
    }

    async fn begin(&mut self) -> Result<Box<dyn Transaction + '_>> {
        Ok(Box::new(MemoryTransaction::new(self)))
    }
}
