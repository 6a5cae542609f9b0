//! Brings chunks into the shape of the destination's table: names, columns, and one batch where there were many small ones.

use std::sync::Arc;

use arrow_array::RecordBatch;
use commutator_core::schema::{Names, conform, merge_by, plan_by};
use commutator_core::{
    ChangeBatch, Column, Error, ErrorKind, IdentifierRules, NameMap, Result, SchemaPlan, SourceBatch, SyncMode,
    TableSchema,
};

use crate::feed::Chunk;
use crate::intake::Intake;

/// Snapshot rows of so many bytes are worth a batch of their own: putting them together would only copy them once more.
const LARGE: usize = 256 << 10;

/// The names and columns that a table has in its destination, as far as this session knows.
#[derive(Debug)]
pub(crate) struct Shape {
    names: Names,
    keys: TableSchema,
    actual: Option<Arc<TableSchema>>,
    mode: SyncMode,
    intake: Intake,
}

impl Shape {
    /// Starts from what the destination has: the names in its checkpoint, and its columns (`None`: no table yet).
    pub(crate) fn new(
        mut intake: Intake,
        rules: IdentifierRules,
        names: NameMap,
        actual: Option<TableSchema>,
        mode: SyncMode,
    ) -> Result<Self> {
        let mut names = Names::new(rules, names);
        names.beside(actual.iter().flat_map(TableSchema::columns).map(|column| column.name.as_str()));
        let keys = TableSchema::new(key_columns(intake.rules.keys(), &mut names))?;
        for identity in intake.rules.chosen() {
            names.name(&identity);
        }
        intake.know(names.map(), actual.as_ref());
        Ok(Self { names, keys, actual: actual.map(Arc::new), mode, intake })
    }

    /// Returns the key columns.
    pub(crate) fn keys(&self) -> &TableSchema {
        &self.keys
    }

    /// Returns every name that was given so far.
    pub(crate) fn names(&self) -> &NameMap {
        self.names.map()
    }

    /// Applies the table's rules to a chunk and gives its columns their destination names.
    pub(crate) fn take_in(&mut self, mut chunk: Chunk) -> Result<Chunk> {
        for batch in &mut chunk.batches {
            chunk.left_out += self.intake.take(batch, &self.names)?;
            if let Some(changes) = &mut batch.changes {
                *changes = self.name(changes)?;
            }
        }
        Ok(chunk)
    }

    /// Applies the table's rules to a single row and gives its columns their destination names; `None` if rules leave it out.
    pub(crate) fn take_in_row(&mut self, row: ChangeBatch) -> Result<Option<ChangeBatch>> {
        self.intake.take_row(row, &self.names)?.map(|row| self.name(&row)).transpose()
    }

    /// Gives the columns of a row their destination names that rules were applied to before it became a letter; its key has the names
    /// of its attributes.
    pub(crate) fn name_made(&mut self, row: &ChangeBatch) -> Result<ChangeBatch> {
        let keys = self.intake.rules.keys().iter().map(|key| &key.name);
        let others = row.schema().columns()[row.schema().keys().len()..].iter().map(|column| &column.name);
        let named = keys.chain(others).zip(row.schema().columns());
        let named = named.map(|(name, column)| Column { name: name.clone(), ..column.clone() }).collect();
        let row = self.intake.take_again(&with_columns(row, named)?, &self.names)?;
        self.name(&row)
    }

    fn name(&mut self, changes: &ChangeBatch) -> Result<ChangeBatch> {
        let columns = changes.schema().columns();
        let rules = &self.intake.rules;
        let named = columns.iter().map(|column| Column {
            name: self.names.name(&column.name).to_owned(),
            // Also while it is no JSON yet: what it becomes must not depend on which kind of value the first batch held.
            native: rules.is_native(&column.name),
            ..column.clone()
        });
        let named = named.collect();
        with_columns(changes, named)
    }

    /// Takes notice that the snapshot is complete.
    pub(crate) fn snapshot_ended(&mut self) {
        self.intake.contract_holds = true;
    }

    /// Returns what the destination's table needs to take batches that have their names.
    pub(crate) fn plan(&self, batches: &[SourceBatch]) -> Result<SchemaPlan> {
        let by = self.intake.join();
        let mut wanted = self.keys.clone();
        for changes in batches.iter().filter_map(|batch| batch.changes.as_ref()) {
            wanted = merge_by(&wanted, changes.schema(), by)?;
        }
        plan_by(self.actual.as_deref(), &wanted, by)
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

    /// Returns the rows of named batches in the table's columns: snapshot rows in no small batches, and at most one batch of changes, without
    /// the versions of a key that the mode does not keep.
    pub(crate) fn conform(&self, batches: &[SourceBatch]) -> Result<Vec<ChangeBatch>> {
        let conformed = self.conform_each(batches)?;
        let (snapshot, changes): (Vec<_>, Vec<_>) = conformed.into_iter().partition(ChangeBatch::is_snapshot);
        let mut out = Vec::with_capacity(snapshot.len() + 1);
        let (mut small, mut size) = (Vec::new(), 0);
        for batch in snapshot {
            size += batch.memory_size();
            small.push(batch);
            if size >= LARGE {
                out.push(ChangeBatch::concat(&std::mem::take(&mut small))?);
                size = 0;
            }
        }
        if !small.is_empty() {
            out.push(ChangeBatch::concat(&small)?);
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

/// Returns key columns under their destination names; keys are named before all other attributes, so that their names depend on nothing
/// else.
pub(crate) fn key_columns(keys: &[Column], names: &mut Names) -> Vec<Column> {
    keys.iter().map(|key| Column { name: names.name(&key.name).to_owned(), ..key.clone() }).collect()
}

/// Returns a batch with its columns described anew.
fn with_columns(changes: &ChangeBatch, columns: Vec<Column>) -> Result<ChangeBatch> {
    if columns == changes.schema().columns() {
        return Ok(changes.clone());
    }
    let schema = TableSchema::new(columns)?;
    let rows = RecordBatch::try_new(schema.to_arrow(), changes.rows().columns().to_vec())
        .map_err(|e| Error::new(ErrorKind::Unexpected, "A batch cannot be renamed").with_source(e))?;
    changes.with_rows(Arc::new(schema), rows)
}
