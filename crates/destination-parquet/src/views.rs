//! The "current rows" of an `append` table: a view per query engine, as text that lies beside the manifests.
//!
//! It shows what `mirror` would hold: the newest version of each key, without those that were removed, and without those that
//! the last snapshot which ended did not see.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use commutator_core::{Epoch, LogicalType, OrderKey, Result, SyncMode, TableSchema};

use crate::folder::{Folder, HIDDEN};
use crate::form::{Form, Forms, Member};
use crate::manifest::Manifest;

/// A query engine and its SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    DuckDb,
    Athena,
    Trino,
    Spark,
}

impl Engine {
    pub(crate) const ALL: [Self; 4] = [Self::DuckDb, Self::Athena, Self::Trino, Self::Spark];

    fn name(self) -> &'static str {
        match self {
            Self::DuckDb => "duckdb",
            Self::Athena => "athena",
            Self::Trino => "trino",
            Self::Spark => "spark",
        }
    }

    /// Quotes an identifier in a query.
    fn quote(self, name: &str) -> String {
        match self {
            Self::Spark => format!("`{}`", name.replace('`', "``")),
            _ => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// Returns the type of a column where a table is declared.
    fn column_type(self, ty: LogicalType) -> String {
        let trino = self == Self::Trino;
        match ty {
            LogicalType::Bool => "boolean".to_owned(),
            LogicalType::Int64 => "bigint".to_owned(),
            LogicalType::Float64 => "double".to_owned(),
            LogicalType::Decimal { precision, scale } => format!("decimal({precision}, {scale})"),
            LogicalType::Text | LogicalType::Number | LogicalType::Json => {
                (if trino { "varchar" } else { "string" }).to_owned()
            }
            LogicalType::Binary => (if trino { "varbinary" } else { "binary" }).to_owned(),
            LogicalType::Timestamp => "timestamp".to_owned(),
        }
    }

    /// Returns the type of a native column where a table is declared.
    fn native_type(self, form: &Form) -> String {
        let all = |members: &BTreeMap<String, Member>, of: &str| {
            let member = |(name, member): (&String, &Member)| {
                let name =
                    if self == Self::Trino { self.quote(name) } else { format!("`{}`", name.replace('`', "``")) };
                format!("{name}{of}{}", self.native_type(&member.form))
            };
            members.iter().map(member).collect::<Vec<_>>().join(", ")
        };
        match (form, self) {
            _ if form.is_text() => self.column_type(LogicalType::Json),
            (Form::Struct(members), Self::Trino) => format!("row({})", all(members, " ")),
            (Form::Struct(members), _) => format!("struct<{}>", all(members, ": ")),
            (Form::List(elements), Self::Trino) => format!("array({})", self.native_type(elements)),
            (Form::List(elements), _) => format!("array<{}>", self.native_type(elements)),
            (Form::Scalar(ty), _) => self.column_type(*ty),
            (Form::Nothing | Form::Json, _) => self.column_type(LogicalType::Json),
        }
    }
}

/// Returns the name of the file with an engine's view.
pub(crate) fn view_name(engine: Engine) -> String {
    format!("{HIDDEN}/current_rows.{}.sql", engine.name())
}

/// Writes the views of an `append` table; other modes need none.
pub(crate) async fn write(folder: &Folder, manifest: &Manifest) -> Result<()> {
    let Some((_, schema)) = manifest.schema().filter(|_| manifest.mode == SyncMode::Append) else { return Ok(()) };
    let forms = manifest.table_forms();
    for engine in Engine::ALL {
        let columns = (&**schema, &*forms);
        let text = current_rows(engine, &folder.location(), folder.name(), columns, manifest.last_ended());
        folder.keep(&view_name(engine), Bytes::from(text)).await?;
    }
    Ok(())
}

/// Returns the statements that make a view of the current rows of a table in a folder; `ended` is the last epoch whose snapshot ended.
fn current_rows(
    engine: Engine,
    location: &str,
    table: &str,
    (schema, forms): (&TableSchema, &Forms),
    ended: Option<Epoch>,
) -> String {
    let quote = |name: &str| engine.quote(name);
    let (changes, view) = (quote(&format!("{table}_changes")), quote(&format!("{table}_current")));
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut text = format!(
        "-- The current rows of {}, written anew whenever its columns change or a snapshot ends.\n",
        table.replace('\n', " ")
    );
    let declared = |quote: &dyn Fn(&str) -> String| {
        let own = schema.columns().iter().map(|column| {
            let native = forms.get(&column.name).map(|form| engine.native_type(form));
            (column.name.as_str(), native.unwrap_or_else(|| engine.column_type(column.ty)))
        });
        let system = SYSTEM.map(|(name, ty)| (name, engine.column_type(ty)));
        let columns = own.chain(system).map(|(name, ty)| format!("  {} {ty}", quote(name)));
        columns.collect::<Vec<_>>().join(",\n")
    };
    // Writing to a string cannot fail.
    let _infallible = match engine {
        Engine::DuckDb => writeln!(
            text,
            "CREATE OR REPLACE VIEW {changes} AS SELECT * FROM read_parquet({});",
            literal(&format!("{location}/**/*.parquet"))
        ),
        Engine::Athena => write!(
            text,
            "DROP TABLE IF EXISTS `{table}_changes`;\n\
             CREATE EXTERNAL TABLE `{table}_changes` (\n{}\n) STORED AS PARQUET LOCATION {};\n",
            declared(&|name| format!("`{}`", name.replace('`', "``"))),
            literal(&format!("{location}/"))
        ),
        Engine::Trino => write!(
            text,
            "DROP TABLE IF EXISTS {changes};\n\
             CREATE TABLE {changes} (\n{}\n) WITH (format = 'PARQUET', external_location = {});\n",
            declared(&quote),
            literal(&format!("{location}/"))
        ),
        Engine::Spark => writeln!(
            text,
            "CREATE OR REPLACE TEMPORARY VIEW {changes} USING parquet OPTIONS (path {});",
            // Spark's escapes are those of C.
            literal(&location.replace("s3://", "s3a://")).replace('\\', "\\\\").replace("''", "\\'")
        ),
    };
    let names = |names: Vec<&str>| names.into_iter().map(quote).collect::<Vec<_>>().join(", ");
    let shown = schema.columns().iter().map(|column| column.name.as_str());
    let shown = names(shown.chain(["_ct_order", "_ct_changed_at", "_ct_synced_at"]).collect());
    let keys = names(schema.keys().iter().map(|column| column.name.as_str()).collect());
    let temporary = if engine == Engine::Spark { "TEMPORARY " } else { "" };
    let (order, op, rank) = (quote("_ct_order"), quote("_ct_op"), quote("_ct_rank"));
    let _infallible = write!(
        text,
        "CREATE OR REPLACE {temporary}VIEW {view} AS\nSELECT {shown}\nFROM (\n  SELECT *, row_number() OVER (PARTITION BY {keys} \
         ORDER BY {order} DESC) AS {rank}\n  FROM {changes}\n) AS newest\nWHERE {rank} = 1 AND {op} NOT IN ('remove', 'expire')"
    );
    if let Some(epoch) = ended.filter(|&epoch| epoch > Epoch::FIRST) {
        let _infallible = write!(text, "\n  AND {order} >= '{}'", OrderKey::snapshot(epoch));
    }
    text.push_str(";\n");
    text
}

/// The system columns of an `append` table.
const SYSTEM: [(&str, LogicalType); 4] = [
    ("_ct_op", LogicalType::Text),
    ("_ct_order", LogicalType::Text),
    ("_ct_changed_at", LogicalType::Timestamp),
    ("_ct_synced_at", LogicalType::Timestamp),
];

#[cfg(test)]
mod tests {
    use commutator_core::Column;

    use super::*;

    fn view(engine: Engine, ended: Option<Epoch>) -> String {
        let columns = vec![
            Column::key("id", LogicalType::Text),
            Column::new("Straße \"x\"", LogicalType::Decimal { precision: 9, scale: 2 }),
            Column::new("doc", LogicalType::Json),
        ];
        let schema = TableSchema::new(columns).unwrap();
        current_rows(engine, "s3://bucket/it's/orders", "orders", (&schema, &Forms::new()), ended)
    }

    #[test]
    fn every_engine_has_its_own_words() {
        assert_eq!(
            view(Engine::Athena, None),
            "-- The current rows of orders, written anew whenever its columns change or a snapshot ends.\n\
             DROP TABLE IF EXISTS `orders_changes`;\nCREATE EXTERNAL TABLE `orders_changes` (\n  `id` string,\n  `Straße \"x\"` decimal(9, 2),\n  \
             `doc` string,\n  `_ct_op` string,\n  `_ct_order` string,\n  `_ct_changed_at` timestamp,\n  `_ct_synced_at` timestamp\n\
             ) STORED AS PARQUET LOCATION 's3://bucket/it''s/orders/';\n\
             CREATE OR REPLACE VIEW \"orders_current\" AS\n\
             SELECT \"id\", \"Straße \"\"x\"\"\", \"doc\", \"_ct_order\", \"_ct_changed_at\", \"_ct_synced_at\"\nFROM (\n  \
             SELECT *, row_number() OVER (PARTITION BY \"id\" ORDER BY \"_ct_order\" DESC) AS \"_ct_rank\"\n  \
             FROM \"orders_changes\"\n) AS newest\nWHERE \"_ct_rank\" = 1 AND \"_ct_op\" NOT IN ('remove', 'expire');\n"
        );
        let trino = view(Engine::Trino, None);
        assert!(
            trino.contains("\"doc\" varchar,") && trino.contains("external_location = 's3://bucket/it''s/orders/'")
        );
        let spark = view(Engine::Spark, None);
        assert!(
            spark.contains("(path 's3a://bucket/it\\'s/orders')") && spark.contains("PARTITION BY `id`"),
            "{spark}"
        );
        assert!(view(Engine::DuckDb, None).contains("read_parquet('s3://bucket/it''s/orders/**/*.parquet')"));
    }

    #[test]
    fn native_columns_are_declared_down_to_their_leaves() {
        let mut form = Form::default();
        crate::native::see(&mut form, r#"{"city": "x", "geo": {"lat": 1.5}, "tags": [1], "any": [1, "x"]}"#);
        assert_eq!(
            Engine::Athena.native_type(&form),
            "struct<`any`: array<string>, `city`: string, `geo`: struct<`lat`: decimal(2, 1)>, `tags`: array<bigint>>"
        );
        assert_eq!(
            Engine::Trino.native_type(&form),
            "row(\"any\" array(varchar), \"city\" varchar, \"geo\" row(\"lat\" decimal(2, 1)), \"tags\" array(bigint))"
        );
    }

    #[test]
    fn what_the_last_snapshot_did_not_see_is_left_out() {
        for engine in Engine::ALL {
            assert!(!view(engine, Some(Epoch::FIRST)).contains(">="));
            assert!(view(engine, Some(Epoch(3))).contains(&format!(">= '{}'", OrderKey::snapshot(Epoch(3)))));
        }
    }
}
