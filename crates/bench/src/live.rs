//! How long changes take: a simulated table that is written to at an even pace, followed into Postgres.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use commutator_core::{PipelineId, Until};
use commutator_pipeline::{CancellationToken, Latencies, Options, Pipeline, TableOutcome};
use commutator_simulator::{Clock, KeySchema, KeyType, Simulator, TableSpec, View};
use fastrand::Rng;

use crate::dataset::{Dataset, KEY, TABLE};
use crate::run;

/// Items whose changes are followed.
const ITEMS: u64 = 10_000;

/// Writes happen in steps of so long.
const STEP: Duration = Duration::from_millis(10);

/// The table is written to for so long before latencies count: the snapshot is over then, and connections are open.
const WARM_UP: Duration = Duration::from_secs(5);

/// Changes `per_second` items of a table for some seconds, and returns how long the changes took to be committed in a schema of the Postgres
/// server that the environment names.
///
/// The table's stream has `shards` shards. Table, stream and pipeline share this process and its cores.
pub fn measure(schema: &str, per_second: u32, shards: u32, seconds: u64) -> Result<Latencies> {
    let (url, serving) = std::sync::mpsc::channel();
    let stop = CancellationToken::new();
    let writing = stop.clone();
    let writer = std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let simulator = Simulator::builder(1).clock(Clock::running()).build();
            let keys = KeySchema::partition(KEY, KeyType::S);
            let table = simulator.create_table(TableSpec::new(TABLE, keys).stream(View::NewImage))?;
            let mut rng = Rng::with_seed(1);
            let ids: Vec<String> = (0..ITEMS).map(|number| format!("{:08x}-{number}", rng.u32(..))).collect();
            while table.shards()?.iter().filter(|shard| shard.open).count() < usize::try_from(shards)? {
                table.split_all()?;
            }
            let server = simulator.serve().await?;
            url.send(server.url()).context("nobody follows")?;
            let mut steps = tokio::time::interval(STEP);
            let (mut number, mut due) = (0, 0.0);
            while !writing.is_cancelled() {
                steps.tick().await;
                due += f64::from(per_second) * STEP.as_secs_f64();
                while due >= 1.0 {
                    let id = &ids[rng.usize(..ids.len())];
                    table.put(Dataset::Typical.item(number, &mut rng).with(KEY, id.as_str()))?;
                    (number, due) = (number + 1, due - 1.0);
                }
            }
            Ok(())
        })
    });
    let url = serving.recv().context("the table cannot be served")?;
    let runtime = tokio::runtime::Runtime::new()?;
    let latencies = runtime.block_on(async {
        // What happens at the start is not measured: the first run has the snapshot, the second goes on from there.
        follow(&url, schema, WARM_UP).await?;
        follow(&url, schema, Duration::from_secs(seconds)).await
    });
    stop.cancel();
    match writer.join() {
        Ok(written) => written?,
        Err(_) => bail!("the table's thread panicked"),
    }
    latencies
}

async fn follow(url: &str, schema: &str, time: Duration) -> Result<Latencies> {
    let (source, destination) = (run::source(url).await?, run::postgres(schema).await?);
    let options = Options { until: Until::Stopped, ..Options::default() };
    let pipeline = Pipeline::new(PipelineId::new("bench")?, Arc::new(source), Arc::new(destination), options);
    let stop = CancellationToken::new();
    let (report, ()) = tokio::join!(pipeline.run(&stop), async {
        tokio::time::sleep(time).await;
        stop.cancel();
    });
    let table = report?.tables.into_iter().next().context("no table")?;
    match table.outcome {
        TableOutcome::Failed(error) => Err(error.into()),
        _ => Ok(table.latencies),
    }
}

/// Returns the histogram as a Markdown table.
pub fn table(latencies: &Latencies, per_second: u32, shards: u32) -> String {
    let within = |share| latencies.quantile(share).map_or(0, |time: Duration| time.as_millis());
    let mut text = format!(
        "\n**latency**: {per_second} changes a second in {shards} shards, {} changes; half within {} ms, 90 % within {} ms, 99 % within {} ms, all within {} ms\n\n\
         | within ms | changes |\n|--:|--:|\n",
        latencies.count(),
        within(0.5),
        within(0.9),
        within(0.99),
        within(1.0)
    );
    for (time, changes) in latencies.steps() {
        _ = writeln!(text, "| {} | {changes} |", time.as_millis());
    }
    text
}
