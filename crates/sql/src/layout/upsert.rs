//! Rows that are inserted, put in the place of older ones, or take them away: whatever is newer by its order key.

use commutator_core::TableSchema;

use super::{Layout, REMOVALS, same_staged};
use crate::{Found, MergeForm, TableRef};

/// Applies source rows, named `n`, to a table, named `t`. A row that the table has is touched only if the source's is newer.
pub(super) struct Upsert<'a> {
    pub(super) layout: &'a Layout,
    pub(super) schema: &'a TableSchema,
    pub(super) table: &'a TableRef,
    /// A query that gives each key once, with `_ct_order` and, if it removes, `_ct_op`.
    pub(super) source: String,
    /// Whether source rows that are removals take the table's row away; otherwise they are rows like all others.
    pub(super) removes: bool,
    /// Whether a row that is there already keeps nothing of what it has in columns of ours.
    pub(super) whole: bool,
    /// Whether source rows whose key the table does not have become rows of it.
    pub(super) adds: bool,
    /// Columns and values of a row that is there already.
    pub(super) update: Vec<(String, String)>,
    /// Columns and values of a new row.
    pub(super) insert: Vec<(String, String)>,
}

impl Upsert<'_> {
    pub(super) fn statements(&self) -> Vec<String> {
        match self.layout.dialect.merge {
            MergeForm::Apart => self.apart(),
            MergeForm::Replace(found) if self.whole && !self.layout.in_place => self.replace(found),
            MergeForm::Whole | MergeForm::Replace(_) => vec![self.merge()],
        }
    }

    /// The table is read once, for the keys and order keys of the rows that are there; whatever is older is then deleted by its row.
    fn replace(&self, found: Found) -> Vec<String> {
        let Self { table, source, .. } = self;
        let Found { row, create, name } = found;
        // Nothing of the user's is in sight where something else has a name: a column of theirs may be called the same.
        let keys = self.layout.keys(self.schema);
        let keys: Vec<_> = keys.into_iter().enumerate().map(|(i, key)| format!("{key} AS c{i}")).collect();
        vec![
            format!(
                "{create} AS SELECT n.*, t._ct_row, t._ct_order AS _ct_had FROM ({source}) n LEFT JOIN \
                 (SELECT {}, _ct_order, {row} AS _ct_row FROM {table}) t ON {}",
                keys.join(", "),
                same_staged(self.schema, "t", "n"),
            ),
            format!("DELETE FROM {table} WHERE {row} IN (SELECT _ct_row FROM {name} WHERE _ct_had < _ct_order)"),
            format!(
                "INSERT INTO {table} ({}) SELECT {} FROM {name} n WHERE (n._ct_had IS NULL OR n._ct_had < n._ct_order){}",
                joined(&self.insert, |(column, _)| column),
                joined(&self.insert, |(_, value)| value),
                self.kept(),
            ),
        ]
    }

    fn merge(&self) -> String {
        let older = "t._ct_order < n._ct_order";
        let delete = if self.removes {
            format!("WHEN MATCHED AND {older} AND n._ct_op IN {REMOVALS} THEN DELETE\n")
        } else {
            String::new()
        };
        let insert = if self.adds {
            format!(
                "\nWHEN NOT MATCHED{} THEN INSERT ({}) VALUES ({})",
                self.kept(),
                joined(&self.insert, |(column, _)| column),
                joined(&self.insert, |(_, value)| value),
            )
        } else {
            String::new()
        };
        format!(
            "MERGE INTO {} AS t USING ({}) AS n ON {}\n{delete}WHEN MATCHED AND {older} THEN UPDATE SET {}{insert}",
            self.table,
            self.source,
            self.layout.same(self.schema, "t", "n"),
            assignments(&self.update),
        )
    }

    /// What is left after each statement is no longer touched by the next: a key that was removed is none to insert, and one that was
    /// updated is there.
    fn apart(&self) -> Vec<String> {
        let Self { table, source, .. } = self;
        let (named, t) = self.layout.aliased(table);
        let older = format!("{} AND {t}._ct_order < n._ct_order", self.layout.same(self.schema, &t, "n"));
        let delete = self
            .removes
            .then(|| format!("DELETE FROM {named} USING ({source}) AS n WHERE {older} AND n._ct_op IN {REMOVALS}"));
        let update = format!(
            "UPDATE {named} SET {} FROM ({source}) AS n WHERE {older}{}",
            assignments(&self.update),
            self.kept()
        );
        let insert = format!(
            "INSERT INTO {table} ({}) SELECT {} FROM ({source}) AS n WHERE NOT EXISTS (SELECT 1 FROM {} AS t WHERE {}){}",
            joined(&self.insert, |(column, _)| column),
            joined(&self.insert, |(_, value)| value),
            self.layout.bare(self.schema, table),
            same_staged(self.schema, "t", "n"),
            self.kept(),
        );
        delete.into_iter().chain([update]).chain(self.adds.then_some(insert)).collect()
    }

    /// The condition, after others, that a source row is no removal, where those only take away.
    fn kept(&self) -> String {
        if self.removes { format!(" AND n._ct_op NOT IN {REMOVALS}") } else { String::new() }
    }
}

fn assignments(columns: &[(String, String)]) -> String {
    columns.iter().map(|(column, value)| format!("{column} = {value}")).collect::<Vec<_>>().join(", ")
}

fn joined(columns: &[(String, String)], part: impl Fn(&(String, String)) -> &String) -> String {
    columns.iter().map(|pair| part(pair).as_str()).collect::<Vec<_>>().join(", ")
}
