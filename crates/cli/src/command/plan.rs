//! `commutator plan`: what a run would do, before it does it.

use commutator::dynamodb::SampleSize;
use commutator::pipeline::Planned;
use commutator::schema::SchemaAction;
use commutator::{ChangeBatch, Checkpoint, Column, LogicalType, Result, TableDescription, TableSchema, Target};
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Global, Plan};
use crate::connect;
use crate::failure::Failure;
use crate::output::{self, Grid, bytes, count};
use commits::Commits;

mod commits;

/// A Scan's page, before it is cut (API reference, Scan).
const PAGE_BYTES: u64 = 1 << 20;
/// What one read unit pays for, eventually consistent: two reads of 4 KB (developer guide, capacity units).
const EVENTUAL_BYTES: u64 = 8 << 10;
const CONSISTENT_BYTES: u64 = 4 << 10;
/// The source asks a busy shard this often, which is what the service allows, and an idle one that often.
const BUSY_CALLS_PER_HOUR: u64 = 5 * 3600;
const IDLE_CALLS_PER_HOUR: u64 = 3600 / 5;

/// What reading a table takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Reading {
    /// Read units of the snapshot, at least.
    read_units: u64,
    /// The same at most: what is read in a run's first minute is read strongly consistently.
    read_units_at_most: u64,
    /// Scan requests of the snapshot, at least.
    scan_requests: u64,
    /// `GetRecords` calls per hour and open shard, from idle to busy.
    get_records_per_hour_and_shard: [u64; 2],
}

/// What a run would do with one table.
#[derive(Debug)]
struct TablePlan {
    table: TableDescription,
    target: Target,
    checkpoint: Option<Checkpoint>,
    reading: Option<Reading>,
    sampled: u64,
    planned: Planned,
    statements: Vec<String>,
    commits: Commits,
}

/// Prints what a run would do. A page of each table is read to know its columns; nothing is written.
pub(crate) async fn run(plan: &Plan, global: Global) -> Result<(), Failure> {
    let settings = plan.place.settings().map_err(Failure::Config)?;
    let consistent = settings.source.consistent_read;
    let options = settings.options.clone();
    let sampler = connect::sampler(&settings).await?;
    let pipeline = connect::pipeline(settings).await?;
    let capabilities = pipeline.destination().capabilities();
    let mut plans = Vec::new();
    for table in pipeline.tables().await? {
        let target = pipeline.target(&table);
        let checkpoint = pipeline.destination().peek(&target).await?;
        let actual = match checkpoint {
            None => None,
            Some(_) => pipeline.destination().peek_schema(&target).await?,
        };
        let mut planner = pipeline.planner(&table, checkpoint.as_ref(), actual)?;
        // A part of a split table is read where the whole table is.
        let whole = TableDescription { name: options.source_table(&table.name).clone(), ..table.clone() };
        let extras = options.table(&table.name).rules.extras();
        let mut take = |items: &ChangeBatch| planner.add(items);
        let sample = Box::pin(sampler.sample_with(&whole, (SampleSize::PAGE, extras), &mut take)).await?;
        let outcome = planner.finish()?;
        let mut statements = match checkpoint {
            None => Vec::new(),
            Some(_) => pipeline.destination().preview_mode(&target).await?,
        };
        if let Some(first) = statements.first_mut() {
            *first = format!("-- The table becomes one of mode {}.\n{first}", target.mode);
        }
        let mut outline = pipeline.destination().outline(&target, &outcome.changes);
        outline.add_to_open(&statements);
        statements.extend(pipeline.destination().preview(&target, &outcome.changes));
        let commits = Commits { outline, interval: options.commit.over(capabilities.commit_interval) };
        let done = checkpoint.as_ref().is_some_and(Checkpoint::snapshot_ended);
        let reading = (!done).then(|| reading(table.bytes, consistent));
        plans.push(TablePlan {
            table,
            target,
            checkpoint,
            reading,
            sampled: sample.items,
            planned: outcome,
            statements,
            commits,
        });
    }
    if global.json {
        output::json(&json!({
            "pipeline": pipeline.id(),
            "destination": capabilities.name,
            "tables": plans.iter().map(|it| it.to_json(plan.sql)).collect::<Vec<_>>(),
        }));
    } else {
        for it in &plans {
            it.print(capabilities.name, plan.sql);
        }
        output::line(
            "Nothing was written. Sizes are DynamoDB's own, up to six hours old; columns follow the data later.",
        );
    }
    Ok(())
}

fn reading(table_bytes: u64, consistent: bool) -> Reading {
    Reading {
        read_units: table_bytes.div_ceil(if consistent { CONSISTENT_BYTES } else { EVENTUAL_BYTES }),
        read_units_at_most: table_bytes.div_ceil(CONSISTENT_BYTES),
        scan_requests: table_bytes.div_ceil(PAGE_BYTES).max(1),
        get_records_per_hour_and_shard: [IDLE_CALLS_PER_HOUR, BUSY_CALLS_PER_HOUR],
    }
}

impl Reading {
    fn units(self) -> String {
        match (self.read_units, self.read_units_at_most) {
            (units, most) if units == most => format!("about {}", count(units)),
            (units, most) => format!("about {} to {}", count(units), count(most)),
        }
    }
}

impl TablePlan {
    fn state(&self) -> &'static str {
        match &self.checkpoint {
            None => "new",
            Some(checkpoint) if checkpoint.is_handed_over() => "exists, is read anew",
            Some(checkpoint) if checkpoint.snapshot_ended() => "exists, goes on with its changes",
            Some(_) => "exists, goes on with its snapshot",
        }
    }

    fn print(&self, destination: &str, sql: bool) {
        let Self { table, target, .. } = self;
        output::line(format_args!(
            "{} -> {destination} {} ({}, {})",
            table.name,
            target.name,
            target.mode,
            self.state()
        ));
        match self.reading {
            Some(reading) => output::line(format_args!(
                "  snapshot: {} items, {}: {} read units in {} or more requests",
                count(table.items),
                bytes(table.bytes),
                reading.units(),
                count(reading.scan_requests),
            )),
            None => output::line("  snapshot: complete"),
        }
        match &table.stream {
            Some(stream) => output::line(format_args!(
                "  stream: {}, {} to {} GetRecords calls per hour and open shard",
                stream.view,
                count(IDLE_CALLS_PER_HOUR),
                count(BUSY_CALLS_PER_HOUR),
            )),
            None => output::line("  stream: off, so only `run --snapshot-only` can read this table"),
        }
        output::line(format_args!("  {}", self.commits.summary()));
        output::line(format_args!("  columns of {} sampled items:", count(self.sampled)));
        let Planned { columns: schema, changes, left_out } = &self.planned;
        output::line(columns(schema, &changes.actions));
        if let Some(left_out) = output::left_out(left_out) {
            output::line(format_args!("  left out of them by rules: {left_out}"));
        }
        if sql {
            output::line(self.commits.script());
        } else {
            for statement in &self.statements {
                output::line(format_args!("\n{statement}"));
            }
        }
        output::line("");
    }

    fn to_json(&self, sql: bool) -> Value {
        json!({
            "table": self.table,
            "name": self.target.name,
            "mode": self.target.mode,
            "state": self.state(),
            "reading": self.reading,
            "sampled_items": self.sampled,
            "columns": self.planned.columns,
            "actions": self.planned.changes.actions,
            "left_out": self.planned.left_out,
            "statements": self.statements,
            "commit": self.commits.to_json(sql),
        })
    }
}

/// Returns the columns with what becomes of them at the destination, indented; all of a table's that is created are new.
fn columns(schema: &TableSchema, actions: &[SchemaAction]) -> Grid {
    let creates = actions.iter().any(|action| matches!(action, SchemaAction::CreateTable { .. }));
    let change = |column: &Column| {
        actions.iter().find_map(|action| match action {
            SchemaAction::AddColumn { column: added } if added.name == column.name => Some("new".to_owned()),
            SchemaAction::WidenColumn { name, from, to } if *name == column.name => {
                Some(format!("{from} becomes {to}: its values are rewritten"))
            }
            _ => None,
        })
    };
    let mut grid = Grid::new(["  column", "type", if creates { "" } else { "change" }]);
    for column in schema.columns() {
        let remark = match column {
            Column { key: true, .. } => " (key)",
            Column { native: true, ty: LogicalType::Json, .. } => " (native)",
            _ => "",
        };
        let change = change(column).unwrap_or_default();
        grid.row([format!("  {}", column.name), format!("{}{remark}", column.ty), change]);
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    use commutator::schema::plan;

    #[test]
    fn what_becomes_of_columns_stands_beside_them() {
        let schema = |price| {
            let columns = vec![Column::key("id", LogicalType::Text), Column::new("price", price)];
            TableSchema::new(columns).unwrap()
        };
        let sampled =
            TableSchema::new([schema(LogicalType::Text).columns(), &[Column::new("note", LogicalType::Bool)]].concat())
                .unwrap();
        let changes = plan(Some(&schema(LogicalType::Int64)), &sampled).unwrap();
        let expected = "  column  type        change
  id      text (key)
  price   text        int64 becomes json: its values are rewritten
  note    bool        new";
        assert_eq!(columns(&sampled, &changes.actions).to_string(), expected);
        let created = plan(None, &schema(LogicalType::Text)).unwrap();
        let expected = "  column  type\n  id      text (key)\n  price   text";
        assert_eq!(columns(&schema(LogicalType::Text), &created.actions).to_string(), expected);
        let native = Column { native: true, ..Column::new("doc", LogicalType::Json) };
        let native = TableSchema::new(vec![Column::key("id", LogicalType::Text), native]).unwrap();
        let expected = "  column  type
  id      text (key)
  doc     json (native)";
        assert_eq!(columns(&native, &plan(None, &native).unwrap().actions).to_string(), expected);
    }

    #[test]
    fn reading_costs_what_the_service_bills() {
        let mb = 1 << 20;
        assert_eq!(reading(100 * mb, false).read_units, 12_800);
        assert_eq!(reading(100 * mb, true).read_units, 25_600);
        assert_eq!(reading(100 * mb, false).units(), "about 12,800 to 25,600");
        assert_eq!(reading(100 * mb, true).units(), "about 25,600");
        assert_eq!(reading(100 * mb, true).scan_requests, 100);
        assert_eq!((reading(0, false).read_units, reading(0, false).scan_requests), (0, 1));
        assert_eq!(reading(1, false).read_units, 1);
    }
}
