//! The texts that are `BigQuery`'s own: the script of a commit, and how its staging table gets the rows of files.

use commutator_core::TableSchema;
use commutator_warehouse::Script;
use serde_json::{Value, json};

/// How a script calls the files that it reads.
pub(crate) const FILES: &str = "_ct_files";

pub(crate) const BEGIN: &str = "BEGIN TRANSACTION";
pub(crate) const COMMIT: &str = "COMMIT TRANSACTION";

/// Writes a script as the one query of a job.
///
/// Temporary tables are made before the transaction, which admits no more than queries and changes of rows (page "Multi-statement
/// transactions"). A statement that fails ends the script, and that ends the transaction without a trace.
///
/// The fence rests on what that page says under "Transaction concurrency": of two that update or delete rows of one table at the same time
/// one does not come through. A transaction is cancelled, a statement by itself waits. The last statements of a commit update and then read the
/// target's row, and taking a target over updates the same row: so whoever was overtaken either sees another owner in its snapshot, or is
/// cancelled, tried again, and sees it then. Rows that are only inserted conflict with nothing, which is why the update is always there.
pub(crate) fn script(script: &Script) -> String {
    let mut text = String::new();
    let mut add = |statement: &str| {
        text.push_str(statement);
        text.push_str(";\n");
    };
    for statement in &script.stage {
        add(statement);
    }
    if !script.apply.is_empty() {
        add(BEGIN);
        for statement in &script.apply {
            add(statement);
        }
        add(COMMIT);
    }
    text
}

/// Writes statements that change tables, none of which a transaction admits, as the one query of a job. It stops at the first that fails.
pub(crate) fn alterations(statements: &[String]) -> String {
    statements.iter().flat_map(|statement| [statement.as_str(), ";\n"]).collect()
}

/// Fills the staging table with the rows of the files, which have columns of the same names.
pub(crate) fn load(columns: &TableSchema) -> String {
    let names: Vec<_> = (0..columns.columns().len()).map(|i| format!("c{i}")).collect();
    let names = [names.as_slice(), &["_ct_order", "_ct_changed_at", "_ct_op"].map(str::to_owned)].concat().join(", ");
    format!("INSERT INTO _ct_stage ({names}) SELECT {names} FROM {FILES}")
}

/// Describes Parquet files as a table that exists for one job: `JobConfigurationQuery.tableDefinitions`.
///
/// It is no load job, of which a project has 100,000 a day. Decimals of Parquet become the type that the dialect gives them, too: `NUMERIC` if
/// that holds them, else `BIGNUMERIC` (`ExternalDataConfiguration.decimalTargetTypes`).
pub(crate) fn files(addresses: &[String]) -> Value {
    json!({
        FILES: {
            "sourceFormat": "PARQUET",
            "sourceUris": addresses,
            "decimalTargetTypes": ["NUMERIC", "BIGNUMERIC"],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator_core::{Column, LogicalType};

    #[test]
    fn the_transaction_holds_what_is_applied_and_nothing_else() {
        let statements = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let both = Script { stage: statements(&["a", "b"]), apply: statements(&["c", "d"]), files: Vec::new() };
        assert_eq!(script(&both), "a;\nb;\nBEGIN TRANSACTION;\nc;\nd;\nCOMMIT TRANSACTION;\n");
        let one = Script { apply: statements(&["c"]), ..Script::default() };
        assert_eq!(script(&one), "BEGIN TRANSACTION;\nc;\nCOMMIT TRANSACTION;\n");
    }

    #[test]
    fn rows_are_matched_by_name() {
        let columns =
            TableSchema::new(vec![Column::key("id", LogicalType::Text), Column::new("n", LogicalType::Int64)]).unwrap();
        let names = "c0, c1, _ct_order, _ct_changed_at, _ct_op";
        assert_eq!(load(&columns), format!("INSERT INTO _ct_stage ({names}) SELECT {names} FROM _ct_files"));
    }
}
