//! `commutator resync`: tables are read anew, in place, as their next epoch.

use commutator::pipeline::Resync;
use commutator::{Error, Result, TableDescription};
use glob_match::glob_match;
use serde_json::{Value, json};

use crate::args::{self, Global};
use crate::connect;
use crate::failure::{Failure, Problem, error_json};
use crate::output;

/// Asks for the tables to be read anew and prints what the next run, or the one that is going on, will do.
pub(crate) async fn run(arguments: &args::Resync, global: Global) -> Result<(), Failure> {
    let settings = arguments.place.settings().map_err(Failure::Config)?;
    let pipeline = connect::pipeline(settings).await?;
    let tables = choose(&arguments.tables, pipeline.tables().await?).map_err(Failure::Config)?;
    let mut asked = Vec::new();
    for table in tables {
        asked.push((Box::pin(pipeline.resync(&table)).await, table));
    }
    if global.json {
        let tables: Vec<Value> = asked.iter().map(|(resync, table)| to_json(table, resync)).collect();
        output::json(&json!({ "pipeline": pipeline.id(), "tables": tables }));
    } else {
        for (resync, table) in &asked {
            match resync {
                Ok(resync) => output::line(sentence(resync)),
                Err(error) => output::failure(format_args!("error: {}: {}", table.name, error.report())),
            }
        }
        if asked.iter().any(|(resync, _)| resync.is_ok()) {
            output::line(
                "A run that is going on takes it up at its next commit, within about a minute; otherwise `commutator run` does.",
            );
        }
    }
    if asked.iter().all(|(resync, _)| resync.is_ok()) { Ok(()) } else { Err(Failure::Reported) }
}

/// Returns the tables that names and globs choose, in the order of the source.
pub(super) fn choose(
    patterns: &[String],
    tables: Vec<TableDescription>,
) -> Result<Vec<TableDescription>, Vec<Problem>> {
    let matches = |pattern: &str, table: &TableDescription| {
        table.name.as_str() == pattern || glob_match(pattern, table.name.as_str())
    };
    let unknown = patterns.iter().filter(|pattern| !tables.iter().any(|table| matches(pattern, table)));
    let problems: Vec<Problem> = unknown
        .map(|pattern| {
            let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
            let problem = format!("no table of this pipeline has this name; its tables are {}", names.join(", "));
            Problem::new(format!("`{pattern}`"), problem)
        })
        .collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(tables.into_iter().filter(|table| patterns.iter().any(|pattern| matches(pattern, table))).collect())
}

fn sentence(resync: &Resync) -> String {
    let Resync { table, epoch, asked_before, snapshot_given_up } = resync;
    match (asked_before, snapshot_given_up) {
        (true, _) => {
            format!("{table}: was asked for before and has not begun, so nothing changed; it is epoch {epoch}")
        }
        (_, true) => {
            format!("{table}: is read anew as epoch {epoch}; the snapshot before was not complete and is given up")
        }
        _ => format!("{table}: is read anew as epoch {epoch}, in place, while its stream goes on"),
    }
}

fn to_json(table: &TableDescription, resync: &Result<Resync, Error>) -> Value {
    match resync {
        Ok(resync) => json!(resync),
        Err(error) => json!({ "table": table.name, "error": error_json(error) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator::{Epoch, TableName};

    fn tables() -> Vec<TableDescription> {
        let table = |name| TableDescription {
            name: TableName::new(name),
            keys: Vec::new(),
            items: 0,
            bytes: 0,
            billing: String::new(),
            stream: None,
        };
        ["customers", "orders", "orders_old"].map(table).into()
    }

    #[test]
    fn names_and_globs_choose_each_table_once() {
        let chosen = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
            choose(&patterns, tables())
                .map(|tables| tables.iter().map(|table| table.name.to_string()).collect::<Vec<_>>())
                .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&["orders"]).unwrap(), ["orders"]);
        assert_eq!(chosen(&["orders*", "orders_old", "c*"]).unwrap(), ["customers", "orders", "orders_old"]);
        let problems = chosen(&["orders", "order", "x*", "a[b"]).unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("`order`: ") && problems[0].contains("orders_old"), "{problems:?}");
    }

    #[test]
    fn every_way_to_ask_has_a_sentence_of_its_own() {
        let told = |asked_before, snapshot_given_up| {
            sentence(&Resync { table: TableName::new("t"), epoch: Epoch(7), asked_before, snapshot_given_up })
        };
        let all = [told(false, false), told(false, true), told(true, false)];
        assert!(all.iter().all(|text| text.starts_with("t: ") && text.contains("epoch 7")), "{all:?}");
        assert!(all[1].contains("given up") && all[2].contains("nothing changed"), "{all:?}");
    }
}
