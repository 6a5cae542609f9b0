//! What happens to batches before anything leaves the process: the user's own code, the table's rules, and its policies.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use commutator_core::rules::{Applied, LeftOut, RefusedRow, Rules, TypeJoin};
use commutator_core::schema::Names;
use commutator_core::{
    ChangeBatch, Error, LogicalType, NameMap, OnBadRecord, RawForm, Rejected, Result, SourceBatch, TableName,
    TableSchema,
};

use crate::Transform;
use crate::sift::{Renderer, position};
use crate::transform::transformed;

/// Applies what is said of one table.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) table: TableName,
    pub(crate) rules: Rules,
    pub(crate) transform: Option<Arc<dyn Transform>>,
    pub(crate) on_bad_record: OnBadRecord,
    /// Whether the table's contract holds, which it does once its first snapshot is complete.
    pub(crate) contract_holds: bool,
    /// The types of columns by identity: those of the destination, and those that were sent there since.
    pub(crate) seen: HashMap<String, LogicalType>,
    /// The types of columns of the destination, by name, that nothing is known to be kept in: a run added them and died before it committed.
    pub(crate) left: HashMap<String, LogicalType>,
}

/// What became of a batch.
struct Taken {
    changes: ChangeBatch,
    left_out: LeftOut,
    /// Rows that a rule cannot be applied to: why, and as letters.
    refused: Vec<(Error, Rejected)>,
}

impl Intake {
    pub(crate) fn join(&self) -> TypeJoin {
        self.rules.join()
    }

    /// Takes notice of the columns that the destination has.
    pub(crate) fn know(&mut self, names: &NameMap, actual: Option<&TableSchema>) {
        let Some(actual) = actual else {
            self.contract_holds = false;
            return;
        };
        if self.rules.admit_everything() {
            return;
        }
        let columns = actual.by_name();
        let known = |(identity, name): (&String, &String)| Some((identity.clone(), columns.get(name.as_str())?.1.ty));
        self.seen = names.iter().filter_map(known).collect();
        let given: HashSet<&String> = names.values().collect();
        let left = actual.columns().iter().filter(|column| !column.key && !given.contains(&column.name));
        self.left = left.map(|column| (column.name.clone(), column.ty)).collect();
    }

    /// Returns the type of the column that a value would be kept in; `None` if there is no such column.
    fn known(&self, identity: &str, names: &Names) -> Option<LogicalType> {
        let left = || if self.left.is_empty() { None } else { self.left.get(&names.look_up(identity)) };
        self.seen.get(identity).or_else(left).copied()
    }

    /// Brings a batch into the form in which it leaves the process, all but the names of its columns.
    ///
    /// Rows that a rule cannot be applied to are an error, or dead letters, which hold them as the source has them.
    pub(crate) fn take(&mut self, batch: &mut SourceBatch, names: &Names) -> Result<LeftOut> {
        let Some(changes) = batch.changes.take() else { return Ok(LeftOut::default()) };
        let Taken { changes, left_out, refused } = self.row_by_row(changes, names)?;
        for (error, rejected) in refused {
            if self.on_bad_record == OnBadRecord::Fail {
                return Err(error);
            }
            batch.rejected.push(rejected);
        }
        batch.changes = Some(changes);
        Ok(left_out)
    }

    /// Brings a single row into that form; `None` if rules leave it out.
    pub(crate) fn take_row(&mut self, row: ChangeBatch, names: &Names) -> Result<Option<ChangeBatch>> {
        let Taken { changes, refused, .. } = self.row_by_row(row, names)?;
        match refused.into_iter().next() {
            Some((error, _)) => Err(error),
            None => Ok((!changes.is_empty()).then_some(changes)),
        }
    }

    fn row_by_row(&mut self, changes: ChangeBatch, names: &Names) -> Result<Taken> {
        // Letters have what the source sent: what is read again is transformed again.
        let source = changes;
        let changes = match &self.transform {
            Some(transform) => transformed(&**transform, &self.table, &source)?,
            None => source.clone(),
        };
        let of_table = |error: Error| error.with("table", &self.table);
        let (changes, mut left_out, refused) = if self.rules.change_nothing() {
            (changes, LeftOut::default(), Vec::new())
        } else {
            let Applied { changes: after, left_out, refused } = self.rules.apply(&changes).map_err(of_table)?;
            let refused = refused.into_iter().map(|refused| self.letter(&source, refused));
            (after, left_out, refused.collect::<Result<Vec<_>>>()?)
        };
        if self.rules.admit_everything() {
            return Ok(Taken { changes, left_out, refused });
        }
        let known = |identity: &str| self.known(identity, names);
        let (changes, discarded) = self.rules.admit(&changes, &known, self.contract_holds).map_err(of_table)?;
        left_out += discarded;
        self.see(&changes, names);
        Ok(Taken { changes, left_out, refused })
    }

    /// Brings a row that left the process in its form before, and came back as a letter, into that form again.
    pub(crate) fn take_again(&mut self, row: &ChangeBatch, names: &Names) -> Result<ChangeBatch> {
        let known = |identity: &str| self.known(identity, names);
        let row = self.rules.apply_again(row, &known).map_err(|e| e.with("table", &self.table))?;
        self.see(&row, names);
        Ok(row)
    }

    fn see(&mut self, changes: &ChangeBatch, names: &Names) {
        let by = self.join();
        for column in changes.schema().columns().iter().filter(|column| !column.key) {
            let joined = self.known(&column.name, names).map_or(column.ty, |seen| by.join(seen, column.ty));
            self.seen.insert(column.name.clone(), joined);
        }
    }

    fn letter(&self, batch: &ChangeBatch, refused: RefusedRow) -> Result<(Error, Rejected)> {
        let RefusedRow { row, error } = refused;
        let error = error.with("table", &self.table);
        // Its columns have the names of their attributes.
        let renderer = Renderer::new(&NameMap::new());
        let order = batch.orders()[row];
        let rejected = Rejected {
            form: RawForm::Item,
            partition: None,
            position: position(order),
            order,
            op: Some(batch.ops()[row]),
            changed_at: batch.changed_at()[row],
            key: Some(renderer.key(batch, row)?),
            error: error.report(),
            raw: renderer.item(batch, row)?.to_string().into_bytes(),
        };
        Ok((error, rejected))
    }
}
