//! Syncs two tables of an embedded DynamoDB to Parquet files while they keep changing: no account, no server.
//!
//! ```sh
//! cargo run --example quickstart [FOLDER]
//! ```
//!
//! With a real DynamoDB, everything but the shop stays: give `dynamodb::Config` your region and tables instead.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use commutator::{
    Budget, CancellationToken, CommitOptions, Destination, Options, Pipeline, PipelineId, Secret, Source, Until,
    dynamodb, parquet,
};
use commutator_cli::demo::{Shop, free_folder, lake, look_further};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).map_or_else(|| free_folder("quickstart-lake"), PathBuf::from);

    // A shop whose customers and orders live in a DynamoDB inside this process.
    let mut shop = Shop::open(300, 1200).await?;
    println!("A small shop runs on an embedded DynamoDB at {}.", shop.dynamodb().endpoint());

    // Where the tables come from. The embedded DynamoDB takes any key; without keys the AWS default chain is used.
    let source = dynamodb::Config {
        region: Some("eu-west-1".into()),
        endpoint_url: Some(shop.dynamodb().endpoint().into()),
        access_key_id: Some(Secret::new("any".into())),
        secret_access_key: Some(Secret::new("any".into())),
        tables: vec!["customers".into(), "orders".into()],
        ..Default::default()
    };
    let source: Arc<dyn Source> = Arc::new(source.connect(Budget::new(64 << 20)).await?);

    // Where they go.
    let destination = parquet::Config::new(folder.display().to_string());
    let destination: Arc<dyn Destination> = Arc::new(destination.connect().await?);

    // Follow the tables while they change, with a commit every second, then stop: what is whole is committed.
    let every_second = CommitOptions { max_delay: Some(Duration::from_secs(1)), ..CommitOptions::default() };
    let options = Options { commit: every_second, ..Options::default() };
    let id = PipelineId::new("quickstart")?;
    let pipeline = Pipeline::new(id.clone(), Arc::clone(&source), Arc::clone(&destination), options.clone());
    println!("Its tables are copied to {} and followed while they change, for 6 seconds …", folder.display());
    let stopped = CancellationToken::new();
    let changing = async {
        let changes = shop.keep_changing(Duration::from_secs(6)).await;
        stopped.cancel();
        changes
    };
    let (report, changes) = tokio::join!(pipeline.run(&stopped), changing);
    ensure!(report?.succeeded(), "a table failed");

    // Go on from the checkpoint that lies beside the files, until nothing is left to read.
    let options = Options { until: Until::CaughtUp, ..options };
    let report = Pipeline::new(id, source, destination, options).run(&CancellationToken::new()).await?;
    ensure!(report.succeeded(), "a table failed: {report:?}");

    println!("\n{} changes later, this arrived:\n", changes?);
    for table in lake::look(&folder)? {
        println!("{table}");
        let items = shop.items(&table.table) as u64;
        ensure!(table.rows == items, "{} items are in the shop, but {} rows arrived", items, table.rows);
    }
    println!("Every item of the shop is there. Look further:\n{}", look_further(&folder));
    Ok(())
}
