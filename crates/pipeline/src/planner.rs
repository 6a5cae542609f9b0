//! What a run would do to a table's columns, told from some of its items without writing any.

use std::collections::HashMap;
use std::sync::Arc;

use commutator_core::rules::{LeftOut, TypeJoin};
use commutator_core::schema::{merge_by, plan_by};
use commutator_core::{
    ChangeBatch, Checkpoint, Permit, Progress, Result, SchemaPlan, SourceBatch, TableDescription, TableSchema,
};

use crate::feed::{Chunk, Stop};
use crate::intake::Intake;
use crate::shape::Shape;
use crate::{Pipeline, key_form};

/// Takes items as a run would, up to where it would write them.
#[derive(Debug)]
pub struct Planner {
    shape: Shape,
    before: Option<TableSchema>,
    columns: TableSchema,
    by: TypeJoin,
    left_out: LeftOut,
}

/// What would become of a table's columns.
#[derive(Debug)]
pub struct Planned {
    /// The columns that the items have, after the table's rules and under their names in the destination.
    pub columns: TableSchema,
    /// What the destination would be told to do.
    pub changes: SchemaPlan,
    /// What rules leave out of the items.
    pub left_out: LeftOut,
}

impl Pipeline {
    /// Begins to plan the columns of a table, from what it has at the destination; both are `None` for a table that is new.
    pub fn planner(
        &self,
        table: &TableDescription,
        checkpoint: Option<&Checkpoint>,
        before: Option<TableSchema>,
    ) -> Result<Planner> {
        let options = self.options().table(&table.name);
        let rules = self.rules(table)?;
        if let Some(checkpoint) = checkpoint {
            key_form::check(&rules, checkpoint, &table.name)?;
        }
        let by = rules.join();
        let intake = Intake {
            table: table.name.clone(),
            rules,
            transform: self.transform().map(Arc::clone),
            on_bad_record: options.on_bad_record,
            contract_holds: checkpoint.is_some_and(Checkpoint::was_loaded),
            seen: HashMap::new(),
            left: HashMap::new(),
        };
        let names = checkpoint.map(|checkpoint| checkpoint.names().clone()).unwrap_or_default();
        let identifiers = self.destination().capabilities().identifiers;
        let shape = Shape::new(intake, identifiers, names, before.clone(), options.mode)?;
        let columns = shape.keys().clone();
        Ok(Planner { shape, before, columns, by, left_out: LeftOut::default() })
    }
}

impl Planner {
    /// Takes items, as the source gave them.
    ///
    /// Returns the error with which a run would stop: a contract that is broken, or a value that a rule cannot be applied to.
    pub fn add(&mut self, items: &ChangeBatch) -> Result<()> {
        let batch = SourceBatch {
            changes: Some(items.clone()),
            rejected: Vec::new(),
            progress: Progress::default(),
            wire_bytes: 0,
            permit: Permit::default(),
        };
        let chunk = Chunk { batches: vec![batch], stop: Stop::Full, left_out: LeftOut::default() };
        let chunk = self.shape.take_in(chunk)?;
        self.left_out += chunk.left_out;
        let plan = self.shape.plan(&chunk.batches)?;
        self.shape.evolved(&plan);
        for changes in chunk.batches.iter().filter_map(|batch| batch.changes.as_ref()) {
            self.columns = merge_by(&self.columns, changes.schema(), self.by)?;
        }
        Ok(())
    }

    /// Returns what the items come to.
    pub fn finish(mut self) -> Result<Planned> {
        let rest = self.shape.plan(&[])?;
        self.shape.evolved(&rest);
        let changes = plan_by(self.before.as_ref(), &rest.result, TypeJoin::decided())?;
        Ok(Planned { columns: self.columns, changes, left_out: self.left_out })
    }
}
