//! `commutator demo`: everything at once, without an account or a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use commutator::pipeline::TableOutcome;
use commutator::{
    Budget, CancellationToken, CommitOptions, Destination, Error, ErrorKind, Options, Pipeline, PipelineId, Result,
    RunReport, Source, TableName, Until, parquet,
};
use indicatif::MultiProgress;
use serde_json::json;

use super::run::with_progress;
use crate::args::{Demo, Global};
use crate::demo::lake::{self, Arrived};
use crate::demo::{Shop, free_folder, look_further};
use crate::failure::{Failure, Problem};
use crate::output;
use crate::progress::Progress;
use crate::shutdown;

const MEMORY: usize = 64 << 20;
/// Commits come often, so that there is something to see.
const COMMITS: CommitOptions =
    CommitOptions { max_bytes: None, max_rows: None, max_delay: Some(Duration::from_secs(1)) };

/// Opens a shop, syncs it while it changes, and prints what arrived.
pub(crate) async fn run(arguments: &Demo, global: Global, bars: MultiProgress) -> Result<(), Failure> {
    let folder = folder(arguments)?;
    let say = |text: String| {
        if !global.json {
            output::line(text);
        }
    };
    let mut shop = Shop::open(300, 1200).await?;
    say(format!(
        "A shop with 300 customers and 1,200 orders runs on an embedded DynamoDB at {}.\n\
         Its tables are copied to {} and followed for {} seconds while they change.",
        shop.dynamodb().endpoint(),
        folder.display(),
        arguments.seconds
    ));
    let shutdown = shutdown::token();
    let changes = sync(&mut shop, &folder, Duration::from_secs(arguments.seconds), bars, &shutdown).await?;
    let arrived = lake::look(&folder)?;
    let equal = arrived.len() == Shop::TABLES.len()
        && arrived.iter().all(|table| table.rows == shop.items(&table.table) as u64);
    if global.json {
        output::json(&json!({
            "folder": folder,
            "changes": changes,
            "complete": equal,
            "tables": arrived.iter().map(|table| table_json(table, &shop)).collect::<Vec<_>>(),
        }));
    } else {
        output::line(format_args!("\n{changes} changes later, this arrived in {}:\n", folder.display()));
        arrived.iter().for_each(output::line);
        for table in Shop::TABLES.map(TableName::new) {
            let rows = arrived.iter().find(|arrived| arrived.table == table).map_or(0, |arrived| arrived.rows);
            output::line(format_args!("{table}: {} items in the shop, {rows} rows arrived", shop.items(&table)));
        }
        output::line(format_args!("\nLook further:\n{}", look_further(&folder)));
    }
    // A demonstration that was interrupted is not expected to be complete.
    if equal || shutdown.is_cancelled() { Ok(()) } else { Err(Failure::Reported) }
}

/// Follows the shop while it changes, stops, and goes on until nothing is left to read; returns the number of changes.
async fn sync(
    shop: &mut Shop,
    folder: &Path,
    time: Duration,
    bars: MultiProgress,
    shutdown: &CancellationToken,
) -> Result<u64> {
    let source: Arc<dyn Source> = Arc::new(shop.dynamodb().source(&Shop::TABLES).connect(Budget::new(MEMORY)).await?);
    let destination = parquet::Config::new(folder.display().to_string());
    let destination: Arc<dyn Destination> = Arc::new(destination.connect().await?);
    let id = PipelineId::new("demo")?;
    let options = Options { commit: COMMITS, ..Options::default() };
    let pipeline = Pipeline::new(id.clone(), Arc::clone(&source), Arc::clone(&destination), options.clone());
    let live = shutdown.child_token();
    let changing = async {
        let changes = tokio::select! {
            changes = shop.keep_changing(time) => changes,
            () = shutdown.cancelled() => Ok(0),
        };
        live.cancel();
        changes
    };
    let (report, changes) = tokio::join!(with_progress(pipeline, Progress::new(bars.clone(), false), &live), changing);
    failed_first(&report?)?;
    let options = Options { until: Until::CaughtUp, ..options };
    let rest = Pipeline::new(id, source, destination, options);
    failed_first(&with_progress(rest, Progress::new(bars, false), shutdown).await?)?;
    changes
}

fn failed_first(report: &RunReport) -> Result<()> {
    let failed = report.tables.iter().find_map(|table| match &table.outcome {
        TableOutcome::Failed(error) => Some((table, error)),
        _ => None,
    });
    match failed {
        Some((table, error)) => Err(Error::new(ErrorKind::Unexpected, "The demonstration failed")
            .with("table", &table.table)
            .with_source(error.report())),
        None => Ok(()),
    }
}

fn folder(arguments: &Demo) -> Result<PathBuf, Failure> {
    let Some(folder) = &arguments.folder else { return Ok(free_folder("commutator-demo")) };
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || folder.is_file() {
        return Err(Problem::new(folder.display().to_string(), "is not empty; name a new folder").into());
    }
    Ok(folder.clone())
}

fn table_json(table: &Arrived, shop: &Shop) -> serde_json::Value {
    let columns: Vec<_> = table.columns.iter().map(|(name, ty)| json!({ "name": name, "type": ty })).collect();
    json!({
        "table": table.table,
        "items": shop.items(&table.table),
        "rows": table.rows,
        "files": table.files,
        "columns": columns,
    })
}
