//! Copies DynamoDB tables to Postgres and keeps them current until Ctrl-C.
//!
//! ```sh
//! DATABASE_URL=postgres://user:password@host/db \
//!   cargo run --release --example dynamodb_to_postgres -- --region eu-west-1 --schema shop orders 'users_*'
//! ```

#![expect(clippy::print_stdout, reason = "a program")]

use std::sync::Arc;

use clap::Parser;
use commutator::pipeline::{Event, Observer, TableOutcome};
use commutator::{Budget, CancellationToken, Options, Pipeline, PipelineId, TableName, Until, dynamodb, postgres};

/// Copies DynamoDB tables to Postgres and keeps them current until Ctrl-C
#[derive(Debug, Parser)]
struct Arguments {
    /// Names and globs of tables
    #[arg(required = true)]
    tables: Vec<String>,
    /// The region of the tables [default: the environment's]
    #[arg(long)]
    region: Option<String>,
    /// The server; what it leaves out comes from libpq's environment variables
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    to: String,
    /// The schema that the tables are created in
    #[arg(long, default_value = "public")]
    schema: String,
    /// Exit once nothing is left to read
    #[arg(long)]
    until_caught_up: bool,
    /// Another endpoint than the region's, such as a VPC endpoint or a local server
    #[arg(long)]
    endpoint_url: Option<String>,
}

/// Prints what happens to the tables as it happens.
#[derive(Debug)]
struct Printer;

impl Observer for Printer {
    fn event(&self, table: &TableName, event: &Event<'_>) {
        match event {
            Event::SchemaChanged { plan } => println!("{table}: {} columns now", plan.result.columns().len()),
            Event::SnapshotEnded { .. } => println!("{table}: the snapshot is complete"),
            Event::Gap(gap) => println!("{table}: changes were lost, reading it anew: {}", gap.reason),
            Event::Retrying { error, .. } => println!("{table}: trying again after: {}", error.report()),
            _ => {}
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let source = dynamodb::Config {
        region: arguments.region,
        tables: arguments.tables,
        endpoint_url: arguments.endpoint_url,
        ..Default::default()
    };
    // All tables together keep at most half a gibibyte of rows in memory.
    let source = source.connect(Budget::new(256 << 20)).await?;
    let destination = postgres::Config { schema: arguments.schema, ..postgres::Config::from_url(arguments.to) };
    let destination = destination.connect().await?;

    let until = if arguments.until_caught_up { Until::CaughtUp } else { Until::Stopped };
    let options = Options { until, ..Options::default() };
    // The id names the checkpoints, so a second run of this program goes on where the first ended.
    let id = PipelineId::new("dynamodb_to_postgres")?;
    let pipeline = Pipeline::new(id, Arc::new(source), Arc::new(destination), options).with_observer(Arc::new(Printer));

    let stop = CancellationToken::new();
    let on_interrupt = stop.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            on_interrupt.cancel();
        }
    });
    let report = pipeline.run(&stop).await?;
    for table in &report.tables {
        match &table.outcome {
            TableOutcome::Failed(error) => println!("{}: {}", table.table, error.report()),
            outcome => println!("{}: {} rows in {} commits, {outcome:?}", table.table, table.rows, table.commits),
        }
    }
    anyhow::ensure!(report.succeeded(), "a table failed");
    Ok(())
}
