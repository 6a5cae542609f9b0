//! How staged rows are applied where a key has one row: `mirror` and `soft_delete`.

use commutator_core::{Epoch, OrderKey, SyncMode, TableSchema};

use super::{Layout, STAGE, hash, list, literal, name, value};

impl Layout {
    /// Applies the staged rows of a mirror: of each key the newest, where it is newer than the table's row and than the tombstone.
    ///
    /// `removals`: whether removals are staged. `check`: whether a table of tombstones exists. `record`: whether removals
    /// leave tombstones, for which that table must exist.
    pub(crate) fn apply(&self, schema: &TableSchema, removals: bool, check: bool, record: bool) -> String {
        let newest = self.newest(schema, "");
        let mut with = Vec::new();
        let mut conditions = Vec::new();
        let source = if removals {
            with.push(format!("newest AS MATERIALIZED ({newest})"));
            with.push(format!(
                "removed AS (DELETE FROM {} t USING newest n WHERE n._ct_removed AND {} AND t._ct_order < n._ct_order)",
                self.table,
                self.same(schema, "t", "n"),
            ));
            if record {
                with.push(format!("recorded AS ({})", self.record(schema, "newest WHERE _ct_removed")));
            }
            conditions.push("NOT n._ct_removed".to_owned());
            "newest".to_owned()
        } else {
            format!("({newest})")
        };
        if check {
            conditions.push(self.not_removed(schema));
        }
        let with = if with.is_empty() { String::new() } else { format!("WITH {} ", with.join(",\n")) };
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        format!("{with}{}", self.upsert(schema, &format!("{source} n{filter}")))
    }

    /// Applies the staged rows that are no removals: of each key the newest, where it is newer than the table's row.
    ///
    /// [`mark_removed`](Self::mark_removed) comes after it, so that a row which came and went in one transaction has its values.
    ///
    /// `check`: whether a table of tombstones exists, as it may in filtered tables.
    pub(crate) fn apply_images(&self, schema: &TableSchema, check: bool) -> String {
        let newest = self.newest(schema, " WHERE NOT s._ct_removed");
        let filter = if check { format!(" WHERE {}", self.not_removed(schema)) } else { String::new() };
        self.upsert(schema, &format!("({newest}) n{filter}"))
    }

    /// The condition that no tombstone is as new as a row named `n`.
    fn not_removed(&self, schema: &TableSchema) -> String {
        let same = self.same(schema, "d", "n");
        format!("NOT EXISTS (SELECT 1 FROM {} d WHERE {same} AND d._ct_order >= n._ct_order)", self.tombstones)
    }

    /// Keeps the staged removals as tombstones.
    pub(crate) fn record_removals(&self, schema: &TableSchema) -> String {
        self.record(schema, &format!("({}) n", self.newest(schema, " WHERE s._ct_removed")))
    }

    fn record(&self, schema: &TableSchema, source: &str) -> String {
        let keys = list(schema.keys().iter().map(|key| key.name.as_str()));
        let extra = if self.hashed { ", _ct_key" } else { "" };
        format!(
            "INSERT INTO {} AS d ({keys}, _ct_order{extra}) SELECT {keys}, _ct_order{extra} FROM {source} \
             ON CONFLICT ({}) DO UPDATE SET _ct_order = excluded._ct_order WHERE d._ct_order < excluded._ct_order",
            self.tombstones,
            self.unique(schema),
        )
    }

    /// Does what [`mark_removed`](Self::mark_removed) does with rows that are there, and adds none.
    pub(crate) fn mark_known(&self, schema: &TableSchema) -> String {
        format!(
            "UPDATE {} t SET _ct_order = n._ct_order, _ct_changed_at = n._ct_changed_at, _ct_synced_at = now(), _ct_deleted = true \
             FROM ({}) n WHERE {} AND t._ct_order < n._ct_order",
            self.table,
            self.newest(schema, " WHERE s._ct_removed"),
            self.same(schema, "t", "n"),
        )
    }

    /// Marks rows as deleted whose newest staged removal is newer than they are; all other columns stay as they are.
    pub(crate) fn mark_removed(&self, schema: &TableSchema) -> String {
        let keys = list(schema.keys().iter().map(|key| key.name.as_str()));
        let extra = if self.hashed { ", _ct_key" } else { "" };
        let newest = self.newest(schema, " WHERE s._ct_removed");
        format!(
            "INSERT INTO {} AS t ({keys}, _ct_order, _ct_changed_at, _ct_synced_at, _ct_deleted{extra}) \
             SELECT {keys}, _ct_order, _ct_changed_at, now(), true{extra} FROM ({newest}) n \
             ON CONFLICT ({}) DO UPDATE SET _ct_order = excluded._ct_order, _ct_changed_at = excluded._ct_changed_at, \
             _ct_synced_at = excluded._ct_synced_at, _ct_deleted = true WHERE t._ct_order < excluded._ct_order",
            self.table,
            self.unique(schema),
        )
    }

    /// Deletes what the source no longer has: rows that the snapshot of `epoch` did not see.
    pub(crate) fn delete_older(&self, epoch: Epoch) -> String {
        format!("DELETE FROM {} WHERE _ct_order < {}", self.table, literal(&OrderKey::snapshot(epoch).to_string()))
    }

    /// Marks what the source no longer has: rows that the snapshot of `epoch` did not see.
    pub(crate) fn mark_older(&self, epoch: Epoch) -> String {
        let end = literal(&OrderKey::snapshot(epoch).to_string());
        format!(
            "UPDATE {} SET _ct_deleted = true, _ct_order = {end}, _ct_changed_at = NULL, _ct_synced_at = now() \
             WHERE _ct_order < {end} AND NOT _ct_deleted",
            self.table
        )
    }

    /// Makes a mirror a table of `soft_delete`, in which no row is deleted.
    pub(crate) fn add_deleted(&self) -> String {
        format!("ALTER TABLE {} ADD COLUMN _ct_deleted boolean NOT NULL DEFAULT false", self.table)
    }

    /// Makes deleted rows of a mirror's tombstones, which are keys that the mirror has no row of.
    pub(crate) fn tombstones_to_rows(&self, schema: &TableSchema) -> String {
        let keys = list(schema.keys().iter().map(|key| key.name.as_str()));
        let extra = if self.hashed { ", _ct_key" } else { "" };
        format!(
            "INSERT INTO {} ({keys}, _ct_order, _ct_deleted{extra}) SELECT {keys}, _ct_order, true{extra} FROM {} \
             ON CONFLICT ({}) DO NOTHING",
            self.table,
            self.tombstones,
            self.unique(schema),
        )
    }

    /// Selects the newest staged row of each key, with the key's hash where the table has one.
    fn newest(&self, schema: &TableSchema, filter: &str) -> String {
        let keys = list(schema.keys().iter().map(|key| key.name.as_str()));
        let hash = if self.hashed { format!(", {} AS _ct_key", hash(schema, "s")) } else { String::new() };
        format!("SELECT DISTINCT ON ({keys}) s.*{hash} FROM {STAGE} s{filter} ORDER BY {keys}, _ct_order DESC")
    }

    /// Inserts rows, named `n`, or replaces older ones.
    fn upsert(&self, schema: &TableSchema, source: &str) -> String {
        let mut columns: Vec<_> = schema.columns().iter().map(|column| name(&column.name)).collect();
        let mut values: Vec<_> = schema.columns().iter().map(value).collect();
        let deleted = (self.mode == SyncMode::SoftDelete).then_some(("_ct_deleted", "false"));
        let system = [("_ct_order", "n._ct_order"), ("_ct_changed_at", "n._ct_changed_at"), ("_ct_synced_at", "now()")];
        for (column, value) in system.into_iter().chain(deleted) {
            columns.push(column.to_owned());
            values.push(value.to_owned());
        }
        let set: Vec<_> = columns[schema.keys().len()..].iter().map(|c| format!("{c} = excluded.{c}")).collect();
        if self.hashed {
            columns.push("_ct_key".to_owned());
            values.push("n._ct_key".to_owned());
        }
        format!(
            "INSERT INTO {} AS t ({}) SELECT {} FROM {source} ON CONFLICT ({}) DO UPDATE SET {} \
             WHERE t._ct_order < excluded._ct_order",
            self.table,
            columns.join(", "),
            values.join(", "),
            self.unique(schema),
            set.join(", "),
        )
    }
}
