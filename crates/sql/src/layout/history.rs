//! How staged versions are applied in `history`: they are added, then the intervals of their keys are set right.

use commutator_core::{Epoch, TableSchema};

use super::{Layout, REMOVALS, same_staged, staged_keys};

/// When a version began and when it ended, among rows that are named `v`, of a key of these columns: at its own time, or at that of a later
/// version whose clock says an earlier one, and when the next one began; a removal is of no length.
fn interval(key: &str) -> String {
    let later = |rows: &str| {
        format!(
            "min(v._ct_at) OVER (PARTITION BY {key} ORDER BY v._ct_order DESC ROWS BETWEEN UNBOUNDED PRECEDING AND {rows})"
        )
    };
    let (from, next) = (later("CURRENT ROW"), later("1 PRECEDING"));
    format!("{from} AS _ct_from, CASE WHEN v._ct_op IN {REMOVALS} THEN {from} ELSE {next} END AS _ct_to")
}

impl Layout {
    /// Adds the staged versions that the table does not have.
    ///
    /// Their intervals are what they are if nothing of their keys is newer, so that in most cases they need not be written twice.
    pub fn add_versions(&self, schema: &TableSchema) -> String {
        let mut columns = self.values(schema);
        columns.extend(self.system_values(&[
            ("_ct_op", "n._ct_op"),
            ("_ct_valid_from", "n._ct_from"),
            ("_ct_valid_to", "n._ct_to"),
            ("_ct_current", "n._ct_to IS NULL"),
        ]));
        let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let key = staged_keys(schema, "s");
        format!(
            "INSERT INTO {table} ({}) SELECT {} FROM (SELECT v.*, {} FROM (\
             SELECT s.*, coalesce(s._ct_changed_at, {now}) AS _ct_at, \
             row_number() OVER (PARTITION BY {key}, s._ct_order ORDER BY s._ct_op) AS _ct_rank FROM {} s) v WHERE v._ct_rank = 1) n \
             WHERE NOT EXISTS (SELECT 1 FROM {} t WHERE {} AND t._ct_order = n._ct_order)",
            names.join(", "),
            values.join(", "),
            interval(&staged_keys(schema, "v")),
            self.stage,
            self.bare(schema, &self.table),
            same_staged(schema, "t", "n"),
            table = self.table,
            now = self.dialect.now,
        )
    }

    /// Drops the idle removals of the keys that have staged versions: those before which their key has no version, or another removal. While a
    /// snapshot `runs`, only those before which a removal of the same epoch is: a row of the snapshot may still come before the others.
    ///
    /// For [filtered](commutator_core::Target::filtered) tables, between [`add_versions`](Self::add_versions) and
    /// [`set_intervals`](Self::set_intervals).
    pub fn drop_idle(&self, schema: &TableSchema, runs: bool) -> String {
        let touched: Vec<_> = (0..schema.keys().len()).map(|i| format!("c{i}")).collect();
        let only = format!(
            " JOIN (SELECT DISTINCT {} FROM {}) s ON {}",
            touched.join(", "),
            self.stage,
            self.same(schema, "h", "s")
        );
        self.delete_versions(schema, &format!("({})", self.idle(schema, &only, runs)))
    }

    /// Stages the idle removals of all keys, once no snapshot runs; the staging table is empty before. Then they can be dropped by
    /// [`drop_staged`](Self::drop_staged), and the intervals of their keys be set right.
    pub fn stage_idle(&self, schema: &TableSchema) -> String {
        let staged: Vec<_> = (0..schema.keys().len()).map(|i| format!("c{i}")).collect();
        let staged = staged.join(", ");
        format!("INSERT INTO {} ({staged}, _ct_order, _ct_op) {}", self.stage, self.idle(schema, "", false))
    }

    /// Drops the versions that are staged.
    pub fn drop_staged(&self, schema: &TableSchema) -> String {
        self.delete_versions(schema, &self.stage.to_string())
    }

    /// Selects idle removals, as rows of the staging table have them, among the versions `h` that a join leaves.
    fn idle(&self, schema: &TableSchema, only: &str, runs: bool) -> String {
        let keys = self.keys(schema);
        let named: Vec<_> = keys.iter().enumerate().map(|(i, key)| format!("h.{key} AS c{i}")).collect();
        let by: Vec<_> = keys.iter().map(|key| format!("h.{key}")).collect();
        let before =
            |column: &str| format!("lag(h.{column}) OVER (PARTITION BY {} ORDER BY h._ct_order)", by.join(", "));
        let removed = format!("v._ct_before IN {REMOVALS}");
        let is_idle = if runs {
            // The epoch is what an order key begins with.
            format!("{removed} AND substr(v._ct_order_before, 1, 8) = substr(v._ct_order, 1, 8)")
        } else {
            format!("(v._ct_before IS NULL OR {removed})")
        };
        format!(
            "SELECT {}, v._ct_order, v._ct_op FROM (SELECT {}, h._ct_order, h._ct_op, {} AS _ct_before, {} AS _ct_order_before \
             FROM {} h{only}) v WHERE v._ct_op IN {REMOVALS} AND {is_idle}",
            staged_keys(schema, "v"),
            named.join(", "),
            before("_ct_op"),
            before("_ct_order"),
            self.table,
        )
    }

    fn delete_versions(&self, schema: &TableSchema, source: &str) -> String {
        let (named, t) = self.aliased(&self.table);
        format!(
            "DELETE FROM {named} WHERE EXISTS (SELECT 1 FROM {source} AS i WHERE {} AND i._ct_order = {t}._ct_order)",
            self.same(schema, &t, "i"),
        )
    }

    /// Sets the intervals of the keys right that have staged versions, where they differ.
    pub fn set_intervals(&self, schema: &TableSchema) -> String {
        let (named, t) = self.aliased(&self.table);
        let touched: Vec<_> = (0..schema.keys().len()).map(|i| format!("c{i}")).collect();
        let keys: Vec<_> =
            self.keys(schema).into_iter().enumerate().map(|(i, key)| format!("h.{key} AS c{i}")).collect();
        let key = staged_keys(schema, "v");
        format!(
            "UPDATE {named} SET _ct_valid_from = i._ct_from, _ct_valid_to = i._ct_to, _ct_current = (i._ct_to IS NULL) FROM (\
             SELECT {key}, v._ct_order, {} FROM (\
             SELECT {}, h._ct_order, h._ct_op, coalesce(h._ct_changed_at, h._ct_synced_at) AS _ct_at \
             FROM {} h JOIN (SELECT DISTINCT {} FROM {}) s ON {}) v) AS i \
             WHERE {} AND {t}._ct_order = i._ct_order AND ({t}._ct_valid_from <> i._ct_from \
             OR {t}._ct_valid_to <> i._ct_to OR {t}._ct_current <> (i._ct_to IS NULL))",
            interval(&key),
            keys.join(", "),
            self.table,
            touched.join(", "),
            self.stage,
            self.same(schema, "h", "s"),
            self.same(schema, &t, "i"),
        )
    }

    /// Stages a removal of each key that has a current version which the snapshot of `epoch` did not see; the staging table is empty before.
    pub fn stage_unseen(&self, schema: &TableSchema, epoch: Epoch) -> String {
        let staged: Vec<_> = (0..schema.keys().len()).map(|i| format!("c{i}")).collect();
        let start = self.start(epoch);
        format!(
            "INSERT INTO {} ({}, _ct_order, _ct_op) SELECT {}, {start}, 'remove' FROM {} WHERE _ct_current AND _ct_order < {start}",
            self.stage,
            staged.join(", "),
            self.keys(schema).join(", "),
            self.table,
        )
    }
}
