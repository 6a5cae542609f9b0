//! The statements that only Redshift has.

use commutator_core::TableSchema;
use commutator_sql::REDSHIFT;
use commutator_warehouse::Staged;

/// Where staged files are, and how Redshift gets at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    /// The address of the staging area, without a slash at its end.
    pub(crate) staging: String,
    /// The bucket's region, where that is said.
    pub(crate) region: Option<String>,
    /// The role that reads it, if it is not the default one.
    pub(crate) role: Option<String>,
}

/// Loads all files of a manifest into the staging table, matching names of columns and of the lines' members.
///
/// Nothing is analysed or compressed: the table is read a few times, and gone with the transaction
/// (`docs.aws.amazon.com/redshift/latest/dg/r_COPY.html`, "Parameters" and "Usage notes").
pub(crate) fn copy(columns: &TableSchema, staged: &Staged, files: &Files) -> String {
    let user = (0..columns.columns().len()).map(|i| format!("c{i}"));
    let system = ["_ct_order", "_ct_changed_at", "_ct_op"].map(str::to_owned);
    let names: Vec<_> = user.chain(system).collect();
    let literal = |text: &str| (REDSHIFT.literal)(text);
    let role = files.role.as_ref().map_or_else(|| "default".to_owned(), |role| literal(role));
    let manifest = literal(&format!("{}/{}", files.staging, staged.manifest()));
    let region = files.region.as_ref().map_or_else(String::new, |region| format!(" REGION {}", literal(region)));
    format!(
        "COPY {} ({}) FROM {manifest} IAM_ROLE {role}{region} MANIFEST FORMAT AS JSON 'auto' GZIP TIMEFORMAT 'auto' COMPUPDATE OFF STATUPDATE OFF",
        REDSHIFT.stage.name,
        names.join(", "),
    )
}

/// Returns the manifest of staged files, in which none may be missing: "The optional mandatory flag specifies whether COPY should return an
/// error if the file is not found" (docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html).
pub(crate) fn manifest(staged: &Staged, files: &Files) -> String {
    let entries: Vec<_> = staged
        .files
        .iter()
        .map(|file| serde_json::json!({"url": format!("{}/{}", files.staging, file.path), "mandatory": true}))
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

/// Removes the staging table.
pub(crate) fn drop_stage() -> String {
    format!("DROP TABLE {}", REDSHIFT.stage.name)
}

#[cfg(test)]
mod tests {
    use commutator_core::{Column, LogicalType};
    use commutator_warehouse::StagedFile;

    use super::*;

    #[test]
    fn statements_as_they_are_sent() {
        let columns =
            TableSchema::new(vec![Column::key("id", LogicalType::Text), Column::new("doc", LogicalType::Json)])
                .unwrap();
        let file = |n: u64| StagedFile { path: format!("_ct_staging/p/t-1/7-x-1/{n}.json.gz"), bytes: 10, rows: 5 };
        let staged = Staged { folder: "_ct_staging/p/t-1/7-x-1".to_owned(), files: vec![file(0), file(1)] };
        let files = |region: Option<&str>, role: Option<&str>| Files {
            staging: "s3://bucket/prefix".to_owned(),
            region: region.map(str::to_owned),
            role: role.map(str::to_owned),
        };
        let all = [
            copy(&columns, &staged, &files(None, None)),
            copy(&columns, &staged, &files(Some("eu-west-1"), Some("arn:aws:iam::123456789012:role/reads-staging"))),
            super::columns("Shop", "it's"),
            schema("Shop"),
            drop_stage(),
        ];
        let text = crate::types::dialect(crate::Documents::Text);
        let widened = |from, to| format!("SELECT {} FROM t", text.widened("v", from, to));
        let widened = [
            widened(LogicalType::Json, LogicalType::Text),
            widened(LogicalType::Text, LogicalType::Json),
            widened(LogicalType::Binary, LogicalType::Json),
            widened(LogicalType::Number, LogicalType::Json),
        ];
        let all: Vec<_> = all.into_iter().chain(widened).collect();
        insta::assert_snapshot!(
            "own",
            all.iter().map(|statement| format!("{statement};")).collect::<Vec<_>>().join("\n")
        );
        assert_eq!(
            manifest(&staged, &files(None, None)),
            r#"{"entries":[{"url":"s3://bucket/prefix/_ct_staging/p/t-1/7-x-1/0.json.gz","mandatory":true},{"url":"s3://bucket/prefix/_ct_staging/p/t-1/7-x-1/1.json.gz","mandatory":true}]}"#
        );
    }
}
