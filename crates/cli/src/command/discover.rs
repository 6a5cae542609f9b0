//! `commutator discover`: what there is to read.

use commutator::dynamodb::{Sample, SampleSize};
use commutator::{Result, Source as _, TableDescription};
use serde_json::{Value, json};

use crate::args::{Discover, Global};
use crate::connect;
use crate::failure::Failure;
use crate::output::{self, Grid, bytes, count};
use crate::sample;

/// Prints every selected table.
pub(crate) async fn run(arguments: &Discover, global: Global) -> Result<(), Failure> {
    let settings = arguments.place.settings().map_err(Failure::Config)?;
    let source = connect::sampler(&settings).await?;
    let tables = source.discover().await?;
    let mut samples = Vec::new();
    if let Some(items) = arguments.sample {
        let size = if items == 0 { SampleSize::PAGE } else { SampleSize::items(items) };
        for table in &tables {
            let sample = Box::pin(source.sample(table, size)).await?;
            samples.push(sample::under(&settings.options.table(&table.name).rules, sample)?);
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
        output::line(format_args!("\n{}", sample::heading(table, sample)));
        output::line(sample::grid(sample));
    }
    if samples.is_empty() {
        output::line("\n`--sample N` reads N items of each table and shows their attributes, types and columns.");
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

fn table_json(table: &TableDescription, sample: Option<&Sample>) -> Value {
    let mut value = json!(table);
    if let Some(sample) = sample {
        value["sample"] = sample::json(sample);
    }
    value
}
