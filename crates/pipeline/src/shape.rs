//! Brings chunks into the shape of the destination's table: names, columns, and one batch where there were many.

use std::sync::Arc;

use arrow_array::RecordBatch;
use commutator_core::schema::{Names, conform, merge, plan};
use commutator_core::{
    ChangeBatch, Column, Error, ErrorKind, IdentifierRules, NameMap, Result, SchemaPlan, SourceBatch, SyncMode,
    TableDescription, TableSchema,
};

use crate::feed::Chunk;

/// The names and columns that a table has in its destination, as far as this session knows.
#[derive(Debug)]
pub(crate) struct Shape {
    names: Names,
    keys: TableSchema,
    actual: Option<Arc<TableSchema>>,
    mode: SyncMode,
}

impl Shape {
    /// Starts from what the destination has: the names in its checkpoint, and its columns (`None`: no table yet).
    pub(crate) fn new(
        description: &TableDescription,
        rules: IdentifierRules,
        names: NameMap,
        actual: Option<TableSchema>,
        mode: SyncMode,
    ) -> Result<Self> {
        let mut names = Names::new(rules, names);
        let keys = TableSchema::new(key_columns(description, &mut names))?;
        Ok(Self { names, keys, actual: actual.map(Arc::new), mode })
    }

    /// Returns every name that was given so far.
    pub(crate) fn names(&self) -> &NameMap {
        self.names.map()
    }

    /// Gives a chunk's columns their destination names.
    pub(crate) fn name(&mut self, mut chunk: Chunk) -> Result<Chunk> {
        for changes in chunk.batches.iter_mut().filter_map(|batch| batch.changes.as_mut()) {
            *changes = rename(changes, &mut self.names)?;
        }
        Ok(chunk)
    }

    /// Returns what the destination's table needs to take batches that have their names.
    pub(crate) fn plan(&self, batches: &[SourceBatch]) -> Result<SchemaPlan> {
        let mut wanted = self.keys.clone();
        for changes in batches.iter().filter_map(|batch| batch.changes.as_ref()) {
            wanted = merge(&wanted, changes.schema())?;
        }
        plan(self.actual.as_deref(), &wanted)
    }

    /// Takes notice that the destination now has the columns of this plan.
    pub(crate) fn evolved(&mut self, plan: &SchemaPlan) {
        if self.actual.as_deref() != Some(&plan.result) {
            self.actual = Some(Arc::new(plan.result.clone()));
        }
    }

    /// Returns the rows of named batches in the table's columns, batch by batch.
    pub(crate) fn conform_each(&self, batches: &[SourceBatch]) -> Result<Vec<ChangeBatch>> {
        let Some(actual) = &self.actual else {
            return Err(Error::new(ErrorKind::Unexpected, "Rows came before the table had columns"));
        };
        let changes = batches.iter().filter_map(|batch| batch.changes.as_ref());
        changes.filter(|changes| !changes.is_empty()).map(|changes| conform(changes, actual)).collect()
    }

    /// Returns the rows of named batches in the table's columns: at most one batch of snapshot rows and one of changes, the
    /// latter without the versions of a key that the mode does not keep.
    pub(crate) fn conform(&self, batches: &[SourceBatch]) -> Result<Vec<ChangeBatch>> {
        let conformed = self.conform_each(batches)?;
        let (snapshot, changes): (Vec<_>, Vec<_>) = conformed.into_iter().partition(ChangeBatch::is_snapshot);
        let mut out = Vec::with_capacity(2);
        if !snapshot.is_empty() {
            out.push(ChangeBatch::concat(&snapshot)?);
        }
        if !changes.is_empty() {
            let changes = ChangeBatch::concat(&changes)?;
            out.push(match self.mode {
                SyncMode::Mirror => changes.compact()?,
                SyncMode::SoftDelete => changes.compact_keeping_images()?,
                SyncMode::History | SyncMode::Append => changes,
            });
        }
        Ok(out)
    }
}

/// Returns a table's key columns under their destination names; keys are named before all other attributes, so that their names
/// depend on nothing else.
pub(crate) fn key_columns(description: &TableDescription, names: &mut Names) -> Vec<Column> {
    description.keys.iter().map(|key| Column { name: names.name(&key.name).to_owned(), ..key.clone() }).collect()
}

fn rename(changes: &ChangeBatch, names: &mut Names) -> Result<ChangeBatch> {
    let columns = changes.schema().columns();
    let renamed: Vec<_> =
        columns.iter().map(|column| Column { name: names.name(&column.name).to_owned(), ..column.clone() }).collect();
    if renamed == columns {
        return Ok(changes.clone());
    }
    let schema = TableSchema::new(renamed)?;
    let rows = RecordBatch::try_new(schema.to_arrow(), changes.rows().columns().to_vec())
        .map_err(|e| Error::new(ErrorKind::Unexpected, "A batch cannot be renamed").with_source(e))?;
    changes.with_rows(Arc::new(schema), rows)
}
