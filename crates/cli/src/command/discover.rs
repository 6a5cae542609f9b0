//! `commutator discover`: what there is to read.

use commutator::{Column, Result, TableDescription};
use serde_json::{Value, json};

use crate::args::{Discover, Global};
use crate::connect;
use crate::failure::Failure;
use crate::output::{self, Grid, bytes, count};
use crate::sample::{self, Sample};

/// Prints every selected table.
pub(crate) async fn run(arguments: &Discover, global: Global) -> Result<(), Failure> {
    let settings = arguments.place.settings().map_err(Failure::Config)?;
    let source = connect::source(&settings).await?;
    let tables = source.discover().await?;
    let mut samples = Vec::new();
    if arguments.sample {
        let one_page = connect::sampler(&settings).await?;
        for table in &tables {
            samples.push(Box::pin(sample::read(one_page.as_ref(), table)).await?);
        }
    }
    if global.json {
        let tables: Vec<Value> =
            tables.iter().enumerate().map(|(i, table)| table_json(table, samples.get(i))).collect();
        output::json(&json!({ "tables": tables }));
        return Ok(());
    }
    output::line(overview(&tables));
    for (table, sample) in tables.iter().zip(&samples) {
        output::line(format_args!("\n{}: columns of {} sampled items", table.name, count(sample.items as u64)));
        output::line(columns(sample.schema.columns()));
    }
    if samples.is_empty() {
        output::line("\n`--sample` reads a page of each table and shows its columns.");
    }
    Ok(())
}

fn overview(tables: &[TableDescription]) -> Grid {
    let mut grid = Grid::new(["table", "key", "items", "size", "billing", "stream"]);
    for table in tables {
        let keys: Vec<_> = table.keys.iter().map(|key| format!("{} {}", key.name, key.ty)).collect();
        let stream = table.stream.as_ref().map_or("off", |stream| &stream.view);
        grid.row([
            table.name.to_string(),
            keys.join(", "),
            count(table.items),
            bytes(table.bytes),
            table.billing.clone(),
            stream.to_owned(),
        ]);
    }
    grid
}

/// Returns columns with their types, indented.
pub(crate) fn columns(columns: &[Column]) -> Grid {
    let mut grid = Grid::new(["  column", "type"]);
    for column in columns {
        let key = if column.key { " (key)" } else { "" };
        grid.row([format!("  {}", column.name), format!("{}{key}", column.ty)]);
    }
    grid
}

fn table_json(table: &TableDescription, sample: Option<&Sample>) -> Value {
    let mut value = json!(table);
    if let Some(sample) = sample {
        value["sample"] = json!({ "items": sample.items, "columns": sample.schema });
    }
    value
}
