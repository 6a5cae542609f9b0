//! How staged versions are applied in `history`: they are added, then the intervals of their keys are set right.

use commutator_core::{Epoch, OrderKey, TableSchema};

use super::{Layout, STAGE, hash, list, literal, name, value};

/// When a version began, among rows that are named `v`: at its own time, or at that of a later version whose clock says an earlier one.
const FROM: &str = "min(v._ct_at) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)";
/// When it ended: when the next one began; a removal is of no length.
const TO: &str = "CASE WHEN v._ct_op IN ('remove', 'expire') \
                  THEN min(v._ct_at) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) \
                  ELSE min(v._ct_at) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) END";

impl Layout {
    /// Adds the staged versions that the table does not have.
    ///
    /// Their intervals are what they are if nothing of their keys is newer, so that in most cases they need not be written twice.
    pub(crate) fn add_versions(&self, schema: &TableSchema) -> String {
        let mut columns: Vec<_> = schema.columns().iter().map(|column| name(&column.name)).collect();
        let mut values: Vec<_> = schema.columns().iter().map(value).collect();
        let system = [
            ("_ct_order", "n._ct_order"),
            ("_ct_op", "n._ct_op"),
            ("_ct_valid_from", "n._ct_from"),
            ("_ct_valid_to", "n._ct_to"),
            ("_ct_current", "n._ct_to IS NULL"),
            ("_ct_changed_at", "n._ct_changed_at"),
            ("_ct_synced_at", "now()"),
        ];
        let key = self.hashed.then_some(("_ct_key", "n._ct_key"));
        for (column, value) in system.into_iter().chain(key) {
            columns.push(column.to_owned());
            values.push(value.to_owned());
        }
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM (SELECT v.*, {FROM} AS _ct_from, {TO} AS _ct_to FROM ({}) v \
             WINDOW w AS (PARTITION BY {} ORDER BY v._ct_order DESC)) n ON CONFLICT ({}) DO NOTHING",
            self.table,
            columns.join(", "),
            values.join(", "),
            self.staged(schema),
            self.key(schema),
            self.unique(schema),
        )
    }

    /// Drops the staged removals that are idle: before them their key has no version, or another removal. While a snapshot `runs`, only those
    /// before which a removal of the same epoch is: a row of the snapshot may still come before the others.
    pub(crate) fn drop_idle(&self, schema: &TableSchema, runs: bool) -> String {
        format!(
            "DELETE FROM {table} t USING ({staged}) n WHERE {t_is_n} AND t._ct_order = n._ct_order AND {idle}",
            table = self.table,
            staged = self.staged(schema),
            t_is_n = self.same(schema, "t", "n"),
            idle = self.is_idle(schema, runs),
        )
    }

    /// Stages all idle removals, once no snapshot runs; the temporary table is empty before.
    pub(crate) fn stage_idle(&self, schema: &TableSchema) -> String {
        let keys = list(schema.keys().iter().map(|key| key.name.as_str()));
        format!(
            "INSERT INTO {STAGE} ({keys}, _ct_order, _ct_changed_at, _ct_op) \
             SELECT {keys}, _ct_order, coalesce(_ct_changed_at, _ct_synced_at), _ct_op FROM {} t WHERE {}",
            self.table,
            self.is_idle(schema, false),
        )
    }

    /// Drops the versions that are staged.
    pub(crate) fn drop_staged(&self, schema: &TableSchema) -> String {
        format!(
            "DELETE FROM {} t USING ({}) n WHERE {} AND t._ct_order = n._ct_order",
            self.table,
            self.staged(schema),
            self.same(schema, "t", "n"),
        )
    }

    /// The condition that a row named `t` is an idle removal; the primary key finds the version before it.
    fn is_idle(&self, schema: &TableSchema, runs: bool) -> String {
        let before = |what: &str| {
            format!(
                "(SELECT {what} FROM {} o WHERE {} AND o._ct_order < t._ct_order ORDER BY o._ct_order DESC LIMIT 1)",
                self.table,
                self.same(schema, "o", "t"),
            )
        };
        let removal = "IN ('remove', 'expire')";
        if runs {
            // The epoch is what an order key begins with.
            let removed = format!("o._ct_op {removal} AND left(o._ct_order, 8) = left(t._ct_order, 8)");
            format!("t._ct_op {removal} AND coalesce({}, false)", before(&removed))
        } else {
            format!("t._ct_op {removal} AND coalesce({}, true)", before(&format!("o._ct_op {removal}")))
        }
    }

    /// Sets the intervals of the keys right of which staged versions were dropped.
    pub(crate) fn set_intervals_anew(&self, schema: &TableSchema) -> String {
        // A version may have begun earlier only because of one that was dropped.
        self.set_intervals_from(schema, "<")
    }

    /// Sets the intervals of the keys right that have staged versions, where they differ.
    ///
    /// Only versions from the last one on are looked at that is older than all staged ones of its key and began before them: what
    /// is older than that keeps its interval. So a key with a million versions costs no more than one with two.
    pub(crate) fn set_intervals(&self, schema: &TableSchema) -> String {
        self.set_intervals_from(schema, "<=")
    }

    fn set_intervals_from(&self, schema: &TableSchema, began: &str) -> String {
        let key = self.key(schema);
        let keys_of = |alias: &str| {
            let names = schema.keys().iter().map(|key| key.name.as_str());
            let names = if self.hashed { vec!["_ct_key"] } else { names.collect() };
            names.into_iter().map(|column| format!("{alias}.{}", name(column))).collect::<Vec<_>>().join(", ")
        };
        format!(
            "WITH touched AS MATERIALIZED (\
             SELECT {key}, min(_ct_order) AS _ct_first, min(_ct_at) AS _ct_at FROM ({staged}) s GROUP BY {key}),
starts AS MATERIALIZED (\
             SELECT {of_k}, coalesce((SELECT o._ct_order FROM {table} o WHERE {o_is_k} AND o._ct_order < k._ct_first \
             AND o._ct_valid_from {began} k._ct_at ORDER BY o._ct_order DESC LIMIT 1), '') AS _ct_start FROM touched k),
versions AS MATERIALIZED (\
             SELECT {of_v}, v._ct_order, {FROM} AS _ct_from, {TO} AS _ct_to FROM (\
             SELECT {of_t}, t._ct_order, t._ct_op, coalesce(t._ct_changed_at, t._ct_synced_at) AS _ct_at \
             FROM starts k JOIN {table} t ON {t_is_k} AND t._ct_order >= k._ct_start) v \
             WINDOW w AS (PARTITION BY {of_v} ORDER BY v._ct_order DESC))
UPDATE {table} t SET _ct_valid_from = v._ct_from, _ct_valid_to = v._ct_to, _ct_current = v._ct_to IS NULL \
             FROM versions v WHERE {t_is_v} AND t._ct_order = v._ct_order \
             AND (t._ct_valid_from, t._ct_valid_to, t._ct_current) IS DISTINCT FROM (v._ct_from, v._ct_to, v._ct_to IS NULL)",
            staged = self.staged(schema),
            table = self.table,
            of_k = keys_of("k"),
            of_t = keys_of("t"),
            of_v = keys_of("v"),
            o_is_k = self.same(schema, "o", "k"),
            t_is_k = self.same(schema, "t", "k"),
            t_is_v = self.same(schema, "t", "v"),
        )
    }

    /// Stages a removal of each key that has a current version which the snapshot of `epoch` did not see; the temporary table is empty
    /// before.
    pub(crate) fn stage_unseen(&self, schema: &TableSchema, epoch: Epoch) -> String {
        let keys = list(schema.keys().iter().map(|key| key.name.as_str()));
        let end = literal(&OrderKey::snapshot(epoch).to_string());
        format!(
            "INSERT INTO {STAGE} ({keys}, _ct_order, _ct_op) SELECT {keys}, {end}, 'remove' FROM {} \
             WHERE _ct_current AND _ct_order < {end}",
            self.table
        )
    }

    /// Selects the staged rows with the time that each version has by itself, and the key's hash where the table has one.
    fn staged(&self, schema: &TableSchema) -> String {
        let hash = if self.hashed { format!(", {} AS _ct_key", hash(schema, "s")) } else { String::new() };
        format!("SELECT s.*, coalesce(s._ct_changed_at, now()) AS _ct_at{hash} FROM {STAGE} s")
    }
}
