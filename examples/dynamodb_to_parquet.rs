//! Copies DynamoDB tables to Parquet files and keeps them current until Ctrl-C.
//!
//! ```sh
//! cargo run --release --example dynamodb_to_parquet -- --region eu-west-1 --to s3://bucket/lake orders 'users_*'
//! ```

#![expect(clippy::print_stdout, clippy::doc_markdown, reason = "a program; clap shows these comments as they stand")]

use std::sync::Arc;

use clap::Parser;
use commutator::pipeline::TableOutcome;
use commutator::{Budget, CancellationToken, Options, Pipeline, PipelineId, TableOptions, Until, dynamodb, parquet};

/// Copies DynamoDB tables to Parquet files and keeps them current until Ctrl-C
#[derive(Debug, Parser)]
struct Arguments {
    /// Names and globs of tables
    #[arg(required = true)]
    tables: Vec<String>,
    /// The region of the tables [default: the environment's]
    #[arg(long)]
    region: Option<String>,
    /// Where the files go: a folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix
    #[arg(long, default_value = "./lake")]
    to: String,
    /// Keep every change instead of the current items
    #[arg(long)]
    append: bool,
    /// Exit once nothing is left to read
    #[arg(long)]
    until_caught_up: bool,
    /// Another endpoint than the region's, such as a VPC endpoint or a local server
    #[arg(long)]
    endpoint_url: Option<String>,
    /// A role to assume
    #[arg(long)]
    role_arn: Option<String>,
    /// The external ID that the role asks for
    #[arg(long, requires = "role_arn")]
    external_id: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let external_id = arguments.external_id;
    let assume_role =
        arguments.role_arn.map(|role_arn| dynamodb::AssumeRole { role_arn, external_id, ..Default::default() });
    let source = dynamodb::Config {
        region: arguments.region,
        tables: arguments.tables,
        endpoint_url: arguments.endpoint_url,
        assume_role,
        ..Default::default()
    };
    // All tables together keep at most half a gibibyte of rows in memory.
    let source = source.connect(Budget::new(256 << 20)).await?;
    // Writes with the environment's keys or the machine's role; `connect_with` takes other credentials.
    let destination = parquet::Config::new(arguments.to).connect().await?;

    let mode = if arguments.append { commutator::SyncMode::Append } else { commutator::SyncMode::Mirror };
    let options = Options {
        defaults: TableOptions { mode, ..Default::default() },
        until: if arguments.until_caught_up { Until::CaughtUp } else { Until::Stopped },
        ..Options::default()
    };
    // The id names the checkpoints, so a second run of this program goes on where the first ended.
    let id = PipelineId::new("dynamodb_to_parquet")?;
    let pipeline = Pipeline::new(id, Arc::new(source), Arc::new(destination), options);

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
