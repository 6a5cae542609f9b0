//! Statements that no other warehouse has: how staged files get into the staging table.

use commutator_core::{LogicalType, Result, TableSchema};
use commutator_sql::{Dialect, Identifier, SNOWFLAKE, SNOWFLAKE_TEXT};
use commutator_warehouse::Staged;

use crate::config::{Documents, invalid};
use crate::types;

/// "The maximum number of files names that can be specified is 1000" (docs.snowflake.com/en/sql-reference/sql/copy-into-table, `FILES`).
const FILES_AT_ONCE: usize = 1000;

/// The stage that a script makes for itself.
const OWN_STAGE: &str = "_ct_files";

/// What stands in the message of the error with which a script fails of whose files not every row was loaded.
pub(crate) const ROWS_MISSING: &str = "_ct_rows_missing";

/// Returns the dialect for documents of this type.
pub(crate) fn dialect(documents: Documents) -> &'static Dialect {
    match documents {
        Documents::Variant => &SNOWFLAKE,
        Documents::Text => &SNOWFLAKE_TEXT,
    }
}

/// How Snowflake gets at staged files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Through a stage that is there.
    Named(String),
    /// Through a stage that each script makes for itself.
    Own {
        /// The statement that makes it.
        create: String,
    },
}

impl Stage {
    /// Returns what the settings say about the staging area at this address.
    pub(crate) fn of(url: &str, stage: Option<&str>, integration: Option<&str>) -> Result<Self> {
        match (stage, integration) {
            (Some(stage), None) => {
                let parts: Vec<_> = stage.split('.').collect();
                if parts.len() > 3 || parts.iter().any(|part| part.is_empty() || part.contains('"')) {
                    return Err(invalid(
                        "stage",
                        "A stage is its name, or database, schema and name with points between",
                    ));
                }
                let parts: Vec<_> = parts.iter().map(|part| Identifier::new(&SNOWFLAKE, part).to_string()).collect();
                Ok(Self::Named(parts.join(".")))
            }
            (None, Some(_)) if url.starts_with("az://") => Err(invalid(
                "storage_integration",
                "Snowflake has addresses of its own for Azure; make a stage there, and name it in `stage`",
            )),
            (None, Some(integration)) => {
                let url = (SNOWFLAKE.literal)(&format!("{}/", seen_by_snowflake(url)));
                let integration = Identifier::new(&SNOWFLAKE, integration);
                let create = format!(
                    "CREATE OR REPLACE TEMPORARY STAGE {OWN_STAGE} URL = {url} STORAGE_INTEGRATION = {integration}"
                );
                Ok(Self::Own { create })
            }
            _ => Err(invalid(
                "stage, storage_integration",
                "Exactly one of these says how Snowflake reads the staging area",
            )),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Own { .. } => OWN_STAGE,
        }
    }
}

/// An address of object storage as Snowflake writes it: `gcs://` for `gs://` (docs.snowflake.com/en/sql-reference/sql/create-stage).
fn seen_by_snowflake(url: &str) -> String {
    match url.strip_prefix("gs://") {
        Some(rest) => format!("gcs://{rest}"),
        None => url.to_owned(),
    }
}

/// Loads the files into the staging table, and makes sure that all rows have arrived.
///
/// A transformation takes files from a stage only, and every value is turned into its type from text or a type that Parquet and Snowflake
/// have in common, so that nothing is inferred. `NULL_IF = ()` lets a text of `\N` be one. A file that is named and missing ends the
/// statement: "the load operation is not aborted if the data file cannot be found … except when data files explicitly specified in the
/// FILES parameter cannot be found" (docs.snowflake.com/en/sql-reference/sql/copy-into-table, `ON_ERROR`).
pub(crate) fn load(dialect: &Dialect, stage: &Stage, columns: &TableSchema, staged: &Staged) -> Vec<String> {
    let mut statements = Vec::new();
    if let Stage::Own { create } = stage {
        statements.push(create.clone());
    }
    let mut names: Vec<_> = (0..columns.columns().len()).map(|i| format!("c{i}")).collect();
    let mut values: Vec<_> =
        columns.columns().iter().zip(&names).map(|(column, name)| types::of_staged(dialect, name, column.ty)).collect();
    for (name, ty) in
        [("_ct_order", LogicalType::Text), ("_ct_changed_at", LogicalType::Timestamp), ("_ct_op", LogicalType::Text)]
    {
        names.push(name.to_owned());
        values.push(types::of_staged(dialect, name, ty));
    }
    for files in staged.files.chunks(FILES_AT_ONCE) {
        let in_folder = |path: &str| path.strip_prefix(&format!("{}/", staged.folder)).unwrap_or(path).to_owned();
        let files: Vec<_> = files.iter().map(|file| (dialect.literal)(&in_folder(&file.path))).collect();
        statements.push(format!(
            "COPY INTO {} ({}) FROM (SELECT {} FROM @{}/{}/) FILES = ({}) FILE_FORMAT = (TYPE = PARQUET NULL_IF = ()) \
             ON_ERROR = ABORT_STATEMENT FORCE = TRUE",
            dialect.stage.name,
            names.join(", "),
            values.join(", "),
            stage.name(),
            staged.folder,
            files.join(", "),
        ));
    }
    let rows: u64 = staged.files.iter().map(|file| file.rows).sum();
    statements.push(format!(
        "SELECT CAST(CASE WHEN count(*) = {rows} THEN '1' ELSE '{ROWS_MISSING}' END AS {}) FROM {}",
        dialect.types.int64, dialect.stage.name,
    ));
    statements
}

/// Selects whether a schema is there; the names come as `INFORMATION_SCHEMA` has them.
pub(crate) fn find_schema(database: &str, schema: &str) -> String {
    format!(
        "SELECT count(*) FROM {}.INFORMATION_SCHEMA.SCHEMATA WHERE SCHEMA_NAME = {}",
        Identifier::new(&SNOWFLAKE, database),
        (SNOWFLAKE.literal)(schema),
    )
}

#[cfg(test)]
mod tests {
    use commutator_core::Column;
    use commutator_warehouse::StagedFile;

    use super::*;

    fn staged(files: u64) -> Staged {
        let file = |n| StagedFile { path: format!("_ct_staging/p/t-1/7-x-1/{n}.parquet"), bytes: 10, rows: 5 };
        Staged { folder: "_ct_staging/p/t-1/7-x-1".to_owned(), files: (0..files).map(file).collect() }
    }

    fn columns() -> TableSchema {
        use LogicalType::{Binary, Bool, Decimal, Float64, Int64, Json, Number, Text};
        let rest = [Bool, Int64, Float64, Decimal { precision: 5, scale: 2 }, Number, Binary, Json];
        let rest = rest.into_iter().enumerate().map(|(i, ty)| Column::new(format!("a{i}"), ty));
        TableSchema::new([Column::key("id", Text)].into_iter().chain(rest).collect()).unwrap()
    }

    #[test]
    fn every_type_is_loaded_from_a_named_stage() {
        let stage = Stage::of("s3://b/p", Some("SHOP.PUBLIC.Stage"), None).unwrap();
        let statements = load(&SNOWFLAKE, &stage, &columns(), &staged(2));
        assert_eq!(
            statements,
            [
                "COPY INTO _ct_stage (c0, c1, c2, c3, c4, c5, c6, c7, _ct_order, _ct_changed_at, _ct_op) FROM (SELECT \
                 $1:c0::VARCHAR, $1:c1::BOOLEAN, $1:c2::NUMBER(19,0), $1:c3::FLOAT, $1:c4::VARCHAR::NUMBER(5,2), \
                 $1:c5::VARCHAR::DECFLOAT, TO_BINARY($1:c6::VARCHAR, 'HEX'), $1:c7::VARCHAR, $1:_ct_order::VARCHAR, \
                 TO_TIMESTAMP_TZ($1:_ct_changed_at::VARCHAR, 'YYYY-MM-DD HH24:MI:SS.FF6TZH:TZM'), $1:_ct_op::VARCHAR \
                 FROM @\"SHOP\".\"PUBLIC\".\"Stage\"/_ct_staging/p/t-1/7-x-1/) FILES = ('0.parquet', '1.parquet') \
                 FILE_FORMAT = (TYPE = PARQUET NULL_IF = ()) ON_ERROR = ABORT_STATEMENT FORCE = TRUE",
                "SELECT CAST(CASE WHEN count(*) = 10 THEN '1' ELSE '_ct_rows_missing' END AS NUMBER(19,0)) FROM _ct_stage",
            ]
        );
    }

    /// `cargo xtask sql` parses what the snapshot shows.
    #[test]
    fn statements_as_they_are_sent() {
        let integration = Stage::of("s3://my-bucket/commutator", None, Some("COMMUTATOR")).unwrap();
        let named = Stage::of("s3://my-bucket/commutator", Some("SHOP.PUBLIC.Stage"), None).unwrap();
        let loads = [(&SNOWFLAKE, &integration), (&SNOWFLAKE_TEXT, &named)];
        let loads = loads.iter().flat_map(|(dialect, stage)| load(dialect, stage, &columns(), &staged(2)));
        let all: Vec<_> = std::iter::once(find_schema("SHOP", "it's")).chain(loads).collect();
        insta::assert_snapshot!(
            "own",
            all.iter().map(|statement| format!("{statement};")).collect::<Vec<_>>().join("\n")
        );
    }

    #[test]
    fn a_stage_of_our_own_is_made_in_the_script() {
        let stage = Stage::of("gs://b/p'q", None, Some("GCS")).unwrap();
        let statements = load(&SNOWFLAKE, &stage, &columns(), &staged(1));
        assert_eq!(
            statements[0],
            r#"CREATE OR REPLACE TEMPORARY STAGE _ct_files URL = 'gcs://b/p\'q/' STORAGE_INTEGRATION = "GCS""#
        );
        assert!(statements[1].contains("FROM @_ct_files/_ct_staging/p/"), "{}", statements[1]);
    }

    #[test]
    fn no_statement_names_too_many_files() {
        let stage = Stage::of("s3://b", Some("S"), None).unwrap();
        let statements = load(&SNOWFLAKE, &stage, &columns(), &staged(1001));
        assert_eq!(statements.len(), 3);
        assert_eq!(statements[1].matches(".parquet'").count(), 1);
        assert!(statements[2].contains("count(*) = 5005"));
    }

    #[test]
    fn settings_that_name_no_stage_are_refused() {
        assert!(Stage::of("az://c/p", None, Some("I")).is_err());
        for (stage, integration) in
            [(None, None), (Some("S"), Some("I")), (Some("a.b.c.d"), None), (Some("a..b"), None), (Some("a\"b"), None)]
        {
            assert!(Stage::of("s3://b", stage, integration).is_err(), "{stage:?} {integration:?}");
        }
    }
}
