//! `commutator compact`: many small Parquet files become few, beside a run.

use std::time::Duration;

use commutator::parquet::{Compacted, Compaction};
use commutator::{Error, Result, TableDescription};
use serde_json::{Value, json};

use super::resync::choose;
use crate::args::{self, Global};
use crate::config;
use crate::connect;
use crate::failure::{Failure, Problem, error_json};
use crate::output::{self, bytes, count};

/// Compacts the tables one after another and prints what became of each.
pub(crate) async fn run(arguments: &args::Compact, global: Global) -> Result<(), Failure> {
    let settings = arguments.place.settings().map_err(Failure::Config)?;
    let config::Destination::Parquet(config, identity) = &settings.destination else {
        return Err(Problem::new("destination.type", "is not `parquet`; only Parquet files are compacted").into());
    };
    let parquet = connect::files(config, identity.as_deref()).await?;
    let compaction = Compaction { grace: Duration::from_mins(arguments.grace_minutes) };
    let pipeline = connect::pipeline(settings).await?;
    let mut tables = pipeline.tables().await?;
    if !arguments.tables.is_empty() {
        tables = choose(&arguments.tables, tables).map_err(Failure::Config)?;
    }
    let mut done = Vec::new();
    for table in tables {
        done.push((Box::pin(parquet.compact(&pipeline.target(&table), compaction)).await, table));
    }
    if global.json {
        let tables: Vec<Value> = done.iter().map(|(compacted, table)| to_json(table, compacted)).collect();
        output::json(&json!({ "pipeline": pipeline.id(), "tables": tables }));
    } else {
        for (compacted, table) in &done {
            match compacted {
                Ok(compacted) => output::line(sentence(compacted)),
                Err(error) => output::failure(format_args!("error: {}: {}", table.name, error.report())),
            }
        }
    }
    if done.iter().all(|(compacted, _)| compacted.is_ok()) { Ok(()) } else { Err(Failure::Reported) }
}

fn sentence(compacted: &Compacted) -> String {
    let Compacted { table, files, replaced, replaced_bytes, written, written_bytes, waits } = compacted;
    let number = |n: &usize| count(*n as u64);
    if *waits {
        return format!("{table}: its first snapshot goes on, whose end puts its files together; nothing was done");
    }
    if *replaced == 0 {
        return format!("{table}: nothing to do; it has {} files", number(files));
    }
    format!(
        "{table}: {} files ({}) became {} ({}); it has {} files",
        number(replaced),
        bytes(*replaced_bytes),
        number(written),
        bytes(*written_bytes),
        number(files),
    )
}

fn to_json(table: &TableDescription, compacted: &Result<Compacted, Error>) -> Value {
    match compacted {
        Ok(compacted) => json!(compacted),
        Err(error) => json!({ "table": table.name, "error": error_json(error) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator::TableName;

    #[test]
    fn every_outcome_has_a_sentence_of_its_own() {
        let nothing = Compacted {
            table: TableName::new("t"),
            files: 1200,
            replaced: 0,
            replaced_bytes: 0,
            written: 0,
            written_bytes: 0,
            waits: false,
        };
        assert_eq!(sentence(&nothing), "t: nothing to do; it has 1,200 files");
        let waits = Compacted { waits: true, ..nothing.clone() };
        assert!(sentence(&waits).contains("first snapshot goes on"));
        let done = Compacted {
            replaced: 1199,
            replaced_bytes: 5 << 20,
            written: 2,
            written_bytes: 3 << 20,
            files: 3,
            ..nothing
        };
        assert_eq!(sentence(&done), "t: 1,199 files (5.0 MB) became 2 (3.0 MB); it has 3 files");
    }
}
