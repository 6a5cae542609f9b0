//! The statements that only Redshift has.

use commutator_core::TableSchema;
use commutator_sql::REDSHIFT;
use commutator_warehouse::Staged;

/// Loads all files of a manifest into the staging table, matching names of columns and of the lines' members.
///
/// Nothing is analysed or compressed: the table is read a few times, and gone with the transaction (database developer guide, "COPY").
pub(crate) fn copy(columns: &TableSchema, staged: &Staged, staging: &str, role: &str) -> String {
    let user = (0..columns.columns().len()).map(|i| format!("c{i}"));
    let system = ["_ct_order", "_ct_changed_at", "_ct_op"].map(str::to_owned);
    let names: Vec<_> = user.chain(system).collect();
    let role = if role == "default" { "default".to_owned() } else { (REDSHIFT.literal)(role) };
    let manifest = (REDSHIFT.literal)(&format!("{staging}/{}", staged.manifest()));
    format!(
        "COPY {} ({}) FROM {manifest} IAM_ROLE {role} MANIFEST FORMAT AS JSON 'auto' GZIP TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF",
        REDSHIFT.stage.name,
        names.join(", "),
    )
}

/// Returns the manifest of staged files, in which none may be missing.
pub(crate) fn manifest(staged: &Staged, staging: &str) -> String {
    let entries: Vec<_> = staged
        .files
        .iter()
        .map(|file| serde_json::json!({"url": format!("{staging}/{}", file.path), "mandatory": true}))
        .collect();
    serde_json::json!({ "entries": entries }).to_string()
}

/// Selects the names and types of a table's columns in their order. Names are in lower case, as everywhere in the catalog.
pub(crate) fn columns(schema: &str, table: &str) -> String {
    let literal = |name: &str| (REDSHIFT.literal)(&name.to_ascii_lowercase());
    format!(
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a \
         JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relname = {} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        literal(schema),
        literal(table),
    )
}

/// Selects the schema of a name, if there is one.
pub(crate) fn schema(schema: &str) -> String {
    format!("SELECT nspname FROM pg_namespace WHERE nspname = {}", (REDSHIFT.literal)(&schema.to_ascii_lowercase()))
}

/// Removes a staging table that an earlier transaction left in a session that is used again.
pub(crate) fn drop_stage() -> String {
    format!("DROP TABLE IF EXISTS {}", REDSHIFT.stage.name)
}
