//! How staged rows are applied where a key has one row, and where every change has one: `mirror`, `soft_delete` and `append`.

use commutator_core::{Epoch, OrderKey, SyncMode, TableSchema};

use super::{Layout, REMOVALS, Upsert, same_staged};

impl Layout {
    /// Applies the staged rows to a mirror: of each key the newest, where it is newer than the table's row and than the tombstone.
    ///
    /// `check`: whether the table of tombstones exists.
    pub fn apply(&self, schema: &TableSchema, check: bool) -> Vec<String> {
        let source = self.unless_removed(schema, self.newest(schema, ""), check);
        self.upsert(schema, source, true).statements()
    }

    /// Selects from source rows those of whose keys no tombstone is as new, if the table of tombstones exists.
    fn unless_removed(&self, schema: &TableSchema, source: String, check: bool) -> String {
        if !check {
            return source;
        }
        // A key whose tombstone is newer than what is staged has no row that could be older than that.
        format!(
            "SELECT x.* FROM ({source}) x WHERE NOT EXISTS (SELECT 1 FROM {} d WHERE {} AND d._ct_order >= x._ct_order)",
            self.bare(schema, &self.tombstones),
            same_staged(schema, "d", "x"),
        )
    }

    /// Keeps the staged removals as tombstones, whose table exists. [`apply`](Self::apply) comes before it.
    pub fn record_removals(&self, schema: &TableSchema) -> Vec<String> {
        let mut insert = self.key_values(schema);
        insert.push(("_ct_order".to_owned(), "n._ct_order".to_owned()));
        let upsert = Upsert {
            layout: self,
            schema,
            table: &self.tombstones,
            source: self.newest(schema, &format!("s._ct_op IN {REMOVALS}")),
            removes: false,
            whole: true,
            adds: true,
            update: vec![("_ct_order".to_owned(), "n._ct_order".to_owned())],
            insert,
        };
        upsert.statements()
    }

    /// Applies the staged rows that are no removals: of each key the newest, where it is newer than the table's row.
    ///
    /// [`mark_removed`](Self::mark_removed) comes after it, so that a row which came and went in one transaction has its values.
    pub fn apply_images(&self, schema: &TableSchema) -> Vec<String> {
        self.upsert(schema, self.newest_images(schema), false).statements()
    }

    /// Does what [`apply_images`](Self::apply_images) does where a table of tombstones exists, as it may in filtered tables.
    pub fn apply_images_not_removed(&self, schema: &TableSchema) -> Vec<String> {
        let source = self.unless_removed(schema, self.newest_images(schema), true);
        self.upsert(schema, source, false).statements()
    }

    fn newest_images(&self, schema: &TableSchema) -> String {
        self.newest(schema, &format!("s._ct_op NOT IN {REMOVALS}"))
    }

    /// Marks rows as deleted whose newest staged removal is newer than they are; all other columns stay as they are.
    pub fn mark_removed(&self, schema: &TableSchema) -> Vec<String> {
        self.mark(schema, true)
    }

    /// Does what [`mark_removed`](Self::mark_removed) does with rows that are there, and adds none, as is right in
    /// [filtered](commutator_core::Target::filtered) tables.
    pub fn mark_known(&self, schema: &TableSchema) -> Vec<String> {
        self.mark(schema, false)
    }

    fn mark(&self, schema: &TableSchema, adds: bool) -> Vec<String> {
        let system = [
            ("_ct_order", "n._ct_order"),
            ("_ct_deleted", "true"),
            ("_ct_synced_at", self.dialect.now),
            ("_ct_changed_at", "n._ct_changed_at"),
        ];
        let system: Vec<_> = system.map(|(column, value)| (column.to_owned(), value.to_owned())).into();
        let mut insert = self.key_values(schema);
        insert.extend(system.iter().cloned());
        let upsert = Upsert {
            layout: self,
            schema,
            table: &self.table,
            source: self.newest(schema, &format!("s._ct_op IN {REMOVALS}")),
            removes: false,
            whole: false,
            adds,
            update: system,
            insert,
        };
        upsert.statements()
    }

    /// Adds every staged row to a table of changes.
    pub fn append(&self, schema: &TableSchema) -> String {
        let mut columns = self.values(schema);
        columns.extend(self.system_values(&[("_ct_op", "n._ct_op")]));
        let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        format!("INSERT INTO {} ({}) SELECT {} FROM {} n", self.table, names.join(", "), values.join(", "), self.stage)
    }

    /// Deletes what the source no longer has: rows that the snapshot of `epoch` did not see.
    pub fn delete_older(&self, epoch: Epoch) -> String {
        format!("DELETE FROM {} WHERE _ct_order < {}", self.table, self.start(epoch))
    }

    /// Marks what the source no longer has as deleted: rows that the snapshot of `epoch` did not see.
    pub fn mark_older(&self, epoch: Epoch) -> String {
        let start = self.start(epoch);
        format!(
            "UPDATE {} SET _ct_deleted = true, _ct_order = {start}, _ct_changed_at = NULL, _ct_synced_at = {} \
             WHERE _ct_order < {start} AND NOT _ct_deleted",
            self.table, self.dialect.now,
        )
    }

    /// Makes a mirror a table of `soft_delete`, in which no row is deleted.
    pub fn add_deleted(&self) -> Vec<String> {
        let bool = self.dialect.types.bool;
        vec![
            format!("ALTER TABLE {} ADD COLUMN _ct_deleted {bool}", self.table),
            format!("UPDATE {} SET _ct_deleted = false WHERE true", self.table),
        ]
    }

    /// Makes deleted rows of a mirror's tombstones, of whose keys the mirror has no row that is newer.
    pub fn tombstones_to_rows(&self, schema: &TableSchema) -> String {
        let keys = self.keys(schema).join(", ");
        format!(
            "INSERT INTO {table} ({keys}, _ct_order, _ct_deleted, _ct_synced_at) SELECT {keys}, _ct_order, true, {now} FROM {} d \
             WHERE NOT EXISTS (SELECT 1 FROM {} t WHERE {})",
            self.tombstones,
            self.bare(schema, &self.table),
            self.same(schema, "d", "t"),
            table = self.table,
            now = self.dialect.now,
        )
    }

    /// The order key of an epoch's snapshot, which is the lowest of the epoch.
    pub(super) fn start(&self, epoch: Epoch) -> String {
        (self.dialect.literal)(&OrderKey::snapshot(epoch).to_string())
    }

    /// System columns that every row has, with their values in rows named `n`, and others.
    pub(super) fn system_values(&self, others: &[(&str, &str)]) -> Vec<(String, String)> {
        let always =
            [("_ct_order", "n._ct_order"), ("_ct_synced_at", self.dialect.now), ("_ct_changed_at", "n._ct_changed_at")];
        always.iter().chain(others).map(|&(column, value)| (column.to_owned(), value.to_owned())).collect()
    }

    fn key_values(&self, schema: &TableSchema) -> Vec<(String, String)> {
        self.values(schema).into_iter().take(schema.keys().len()).collect()
    }

    /// Whole rows that take the place of older ones.
    fn upsert<'a>(&'a self, schema: &'a TableSchema, source: String, removes: bool) -> Upsert<'a> {
        let mut insert = self.values(schema);
        let deleted: &[_] = if self.mode == SyncMode::SoftDelete { &[("_ct_deleted", "false")] } else { &[] };
        insert.extend(self.system_values(deleted));
        let update = insert[schema.keys().len()..].to_vec();
        Upsert { layout: self, schema, table: &self.table, source, removes, adds: true, whole: true, update, insert }
    }
}
