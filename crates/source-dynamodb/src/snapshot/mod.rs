//! The snapshot of a table: a parallel Scan, each segment read page by page, all of them under one capacity limit.

mod plan;
mod segment;
pub(crate) mod start_key;

use std::sync::Arc;

use commutator_core::{Error, ErrorKind, Progress, Result};
use tokio::task::JoinSet;

pub(crate) use plan::{Plan, segments_for};
use segment::{Scanner, scan};

use crate::capacity::Capacity;
use crate::decode::Decoder;
use crate::read::Table;

/// Scans what is left of a snapshot. The last thing sent is that the snapshot has ended.
pub(crate) async fn run(table: Arc<Table>, mut plan: Plan, capacity: Capacity, concurrency: usize) -> Result<()> {
    let scanner = Arc::new(Scanner { table: Arc::clone(&table), segments: plan.segments(), capacity });
    let mut running = JoinSet::new();
    for _ in 0..concurrency {
        let Some((segment, position)) = plan.next() else { break };
        let decoder = Decoder::with_extras(table.keys.clone(), table.extras);
        running.spawn(scan(Arc::clone(&scanner), segment, position, decoder));
    }
    while let Some(joined) = running.join_next().await {
        let (segment, decoder) =
            joined.map_err(|e| Error::new(ErrorKind::Unexpected, "A scan task failed").with_source(e))??;
        if let Some(progress) = plan.ended(segment) {
            table.outlet.send(None, progress, 0).await?;
        }
        if let Some((segment, position)) = plan.next() {
            running.spawn(scan(Arc::clone(&scanner), segment, position, decoder));
        }
    }
    tracing::info!(table = %table.name, segments = plan.segments(), "snapshot ended");
    let progress = Progress { forget: plan.remembered(), snapshot_ended: true, ..Progress::default() };
    table.outlet.send(None, progress, 0).await?;
    Ok(())
}
