//! Rows into Postgres, next to psql, which copies and merges the same rows into a table of the same kind: what the server itself takes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use commutator_core::schema::plan;
use commutator_core::{
    ChangeBatch, Checkpoint, Column, Destination as _, Epoch, LogicalType, Op, OrderKey, PipelineId, Session, Slice,
    SyncMode, TableName, TableSchema, Target,
};
use commutator_source_dynamodb::bench::PageDecoder;
use tokio::runtime::Runtime;

use crate::clock::median;
use crate::dataset::{Dataset, KEY};
use crate::psql::{Server, Took};
use crate::run;

mod by_hand;

use by_hand::ByHand;

/// Rows of a commit, as the pipeline makes them.
const COMMIT_ROWS: usize = 100_000;

/// What a round gives.
struct Round {
    copied: [Took; 3],
    merged: [Took; 2],
}

/// What is loaded: a table's rows, and changes of some of them.
struct Rows {
    /// Snapshot rows, page by page.
    table: Vec<ChangeBatch>,
    /// Half of them change rows of the table, half are new.
    changes: Vec<ChangeBatch>,
    schema: Arc<TableSchema>,
}

/// Loads so many pages into a new table, then a commit of changes, so many times, and returns the table of results.
///
/// Rows are decoded before anything is measured: this is what the destination takes, without the scan.
pub fn measure(dataset: Dataset, pages: u64, rounds: usize, scratch: &Path) -> Result<String> {
    let rows = Rows::new(dataset, pages)?;
    let server = Server::new(run::postgres_url()?)?;
    let count = |batches: &[ChangeBatch]| batches.iter().map(ChangeBatch::len).sum::<usize>();
    let mut done = Vec::new();
    for round in 0..rounds {
        done.push(measure_round(&rows, &server, scratch, round).context("a round")?);
    }
    let table = (count(&rows.table), |i: usize| done.iter().map(|round| round.copied[i]).collect::<Vec<_>>());
    let changes = (count(&rows.changes), |i: usize| done.iter().map(|round| round.merged[i]).collect::<Vec<_>>());
    let mut text = format!(
        "\n**load**, {}: {} rows into a new table; then {} changes, half of them of rows that are there; {rounds} rounds\n\n",
        dataset.name(),
        table.0,
        changes.0
    );
    text += "| who | µs/row | of it server CPU | client CPU | client / server | rows/s | rows/s ÷ psql's |\n|---|--:|--:|--:|--:|--:|--:|\n";
    text += &line("Commutator, first load", table.0, &table.1(0), &table.1(1));
    text += &line("psql COPY, the same table", table.0, &table.1(1), &table.1(1));
    text += &line("psql COPY, no index", table.0, &table.1(2), &table.1(1));
    text += &line("Commutator, changes", changes.0, &changes.1(0), &changes.1(1));
    text += &line("psql COPY and INSERT … ON CONFLICT", changes.0, &changes.1(1), &changes.1(1));
    Ok(text)
}

fn line(who: &str, rows: usize, took: &[Took], ceiling: &[Took]) -> String {
    let rows = f64::from(u32::try_from(rows).unwrap_or(u32::MAX));
    let of = |figure: &dyn Fn(&Took) -> f64| median(took.iter().map(figure).collect());
    let ratio = median(took.iter().zip(ceiling).map(|(took, ceiling)| ceiling.wall / took.wall).collect());
    let [wall, server, client] = [of(&|took| took.wall), of(&|took| took.server), of(&|took| took.client)];
    format!(
        "| {who} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {ratio:.2} |\n",
        wall / rows * 1e6,
        server / rows * 1e6,
        client / rows * 1e6,
        of(&|took| took.client / took.server),
        rows / wall,
    )
}

fn measure_round(rows: &Rows, server: &Server, scratch: &Path, round: usize) -> Result<Round> {
    let schema = format!("bench_load_{}_{round}", std::process::id());
    let by_hand = ByHand::new(server, &schema, &rows.schema, scratch);
    let copied = server.measured(|| write(&schema, &rows.schema, &rows.table))?;
    by_hand.take_rows()?;
    let with_key = server.measured(|| by_hand.copy(true))?;
    let without = server.measured(|| by_hand.copy(false))?;
    server.ask("VACUUM (ANALYZE)\nCHECKPOINT")?;
    let merged = server.measured(|| write(&schema, &rows.schema, &rows.changes))?;
    by_hand.take_changes()?;
    let merged_by_hand = server.measured(|| by_hand.merge())?;
    by_hand.compare()?;
    by_hand.remove()?;
    Ok(Round { copied: [copied, with_key, without], merged: [merged, merged_by_hand] })
}

/// Writes batches into the table of a schema, as the pipeline does.
fn write(schema: &str, columns: &TableSchema, batches: &[ChangeBatch]) -> Result<()> {
    Runtime::new()?.block_on(async {
        let destination = run::postgres(schema).await?;
        let mut session = destination.open(&target(columns)?).await?;
        let wanted = plan(session.describe().await?.as_ref(), columns)?;
        session.evolve(&wanted).await?;
        let checkpoint = session.checkpoint().clone();
        let mut rest = batches;
        while !rest.is_empty() {
            rest = commit(&mut *session, rest, &checkpoint).await?;
        }
        Ok(())
    })
}

/// Commits as many batches as go into one transaction, and returns those that are left.
async fn commit<'a>(
    session: &mut dyn Session,
    batches: &'a [ChangeBatch],
    checkpoint: &Checkpoint,
) -> Result<&'a [ChangeBatch]> {
    let mut transaction = session.begin().await?;
    let (mut rows, mut taken) = (0, 0);
    for batch in batches.iter().take_while(|batch| {
        rows += batch.len();
        rows <= COMMIT_ROWS
    }) {
        transaction.write(batch).await?;
        taken += 1;
    }
    transaction.commit(checkpoint).await?;
    Ok(&batches[taken..])
}

fn target(columns: &TableSchema) -> Result<Target> {
    Ok(Target {
        pipeline: PipelineId::new("bench")?,
        table: TableName::new(by_hand::TABLE),
        name: by_hand::TABLE.to_owned(),
        keys: columns.keys().to_vec(),
        mode: SyncMode::Mirror,
        slice: Slice::whole(),
        filtered: false,
        expected_bytes: 0,
    })
}

impl Rows {
    fn new(dataset: Dataset, pages: u64) -> Result<Self> {
        // Two decoders, so that each learns the columns of all its pages from the first ones.
        let mut table = decode(dataset, 1, pages)?;
        let mut fresh = decode(dataset, 2, (pages / 2).clamp(1, 54))?;
        let schema = commutator_core::schema::merge(&merged(&table)?, &merged(&fresh)?)?;
        let schema = Arc::new(schema);
        for batch in table.iter_mut().chain(&mut fresh) {
            *batch = commutator_core::schema::conform(batch, &schema)?;
        }
        let mut changes = Vec::new();
        let mut sequence = 0_u64;
        for (old, new) in table.iter().zip(&fresh) {
            changes.push(changed(old, Op::Modify, &mut sequence)?);
            changes.push(changed(new, Op::Insert, &mut sequence)?);
        }
        Ok(Self { table, changes, schema })
    }
}

fn decode(dataset: Dataset, seed: u64, pages: u64) -> Result<Vec<ChangeBatch>> {
    let mut decoder = PageDecoder::new(vec![Column::key(KEY, LogicalType::Text)]);
    let mut batches = Vec::new();
    for body in dataset.scan_bodies(seed, pages) {
        batches.extend(decoder.scan_page(&body)?);
    }
    Ok(batches)
}

fn merged(batches: &[ChangeBatch]) -> Result<TableSchema> {
    let first = batches.first().context("no page")?.schema();
    Ok(batches
        .iter()
        .try_fold(TableSchema::clone(first), |all, batch| commutator_core::schema::merge(&all, batch.schema()))?)
}

/// Returns rows as changes of the stream.
fn changed(batch: &ChangeBatch, op: Op, sequence: &mut u64) -> Result<ChangeBatch> {
    let count = batch.len();
    let orders = (0..count).map(|_| {
        *sequence += 1;
        OrderKey::new(Epoch::FIRST, (*sequence).into())
    });
    let orders = orders.collect();
    let (schema, rows) = (Arc::clone(batch.schema()), batch.rows().clone());
    Ok(ChangeBatch::new(schema, rows, vec![op; count], orders, vec![Some(1_735_689_600_000_000); count])?)
}

/// Where the rows wait for psql.
fn file(scratch: &Path, schema: &str, what: &str) -> PathBuf {
    scratch.join(format!("{schema}_{what}.copy"))
}
