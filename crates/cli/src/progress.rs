//! What a run shows while it goes on: a bar per table on a terminal, log lines otherwise.

mod changes;
mod table;
mod time_left;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use commutator::TableName;
use commutator::pipeline::{Event, Observer};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

use crate::output::{self, bytes, count, span};
use table::{Phase, Table};

const DRAW: Duration = Duration::from_millis(200);
const LOG: Duration = Duration::from_secs(5);

/// Follows a run and shows how it goes.
#[derive(Debug)]
pub struct Progress {
    tables: Mutex<BTreeMap<TableName, Shown>>,
    bars: MultiProgress,
    began: Instant,
    json: bool,
}

#[derive(Debug)]
struct Shown {
    table: Table,
    bar: ProgressBar,
}

impl Progress {
    /// Creates it; bars are drawn if `bars` has a terminal. With `json` each change of a table's columns is a line of JSON on standard
    /// output.
    pub fn new(bars: MultiProgress, json: bool) -> Arc<Self> {
        Arc::new(Self { tables: Mutex::default(), bars, began: Instant::now(), json })
    }

    /// Shows how the run goes until `done` is cancelled; then the bars are gone.
    pub async fn show(&self, done: &CancellationToken) {
        let on_terminal = !self.bars.is_hidden();
        let mut ticks = tokio::time::interval(if on_terminal { DRAW } else { LOG });
        ticks.tick().await;
        loop {
            tokio::select! {
                () = done.cancelled() => break,
                _ = ticks.tick() => if on_terminal { self.draw() } else { self.log() },
            }
        }
        for shown in self.tables().values() {
            shown.bar.finish_and_clear();
        }
    }

    fn draw(&self) {
        let now = self.began.elapsed();
        for shown in self.tables().values_mut() {
            shown.bar.set_message(line(&shown.table.glance(now)));
            if let Some(percent) = shown.table.percent() {
                shown.bar.set_position(percent);
            }
            shown.bar.tick();
        }
    }

    fn log(&self) {
        let now = self.began.elapsed();
        for (name, shown) in self.tables().iter_mut().filter(|(_, shown)| !shown.table.phase().is_over()) {
            let glance = shown.table.glance(now);
            tracing::info!(
                table = %name,
                phase = glance.phase.as_str(),
                rows = glance.rows,
                changes = glance.changes,
                bytes_per_second = glance.bytes_per_second,
                percent = glance.percent,
                lag_ms = glance.lag,
                latency_p50_ms = glance.latency.map(|(median, _)| median),
                latency_p99_ms = glance.latency.map(|(_, most)| most),
                time_left_ms = glance.time_left,
                dead_letters = glance.dead_letters,
                filtered_rows = glance.left_out.filtered_rows,
                discarded_rows = glance.left_out.discarded_rows,
                discarded_values = glance.left_out.discarded_values,
                "progress"
            );
        }
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<TableName, Shown>> {
        // Counters stay usable whatever panicked while it held them.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bar(&self, name: &TableName) -> ProgressBar {
        let bar = self.bars.add(ProgressBar::new(100));
        let style = ProgressStyle::with_template("{prefix:20!} {bar:24} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(name.to_string());
        bar
    }
}

impl Observer for Progress {
    fn event(&self, table: &TableName, event: &Event<'_>) {
        log_event(table, event);
        if let (true, Event::SchemaChanged { plan }) = (self.json, event) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.bars.suspend(|| output::json(&changes::event(table, plan, millis(now))));
        }
        let mut tables = self.tables();
        let shown =
            tables.entry(table.clone()).or_insert_with(|| Shown { table: Table::default(), bar: self.bar(table) });
        shown.table.apply(event);
        let warning = shown.table.warning();
        drop(tables);
        if let Some(left) = warning {
            tracing::warn!(
                %table,
                time_left = span(left),
                "the stream is not read fast enough: changes that are not read within this time count as lost"
            );
        }
    }
}

fn line(glance: &table::Glance) -> String {
    let mut parts = vec![glance.phase.as_str().to_owned()];
    if let (Phase::Snapshot, Some(percent)) = (glance.phase, glance.percent) {
        parts.push(format!("{percent}%"));
    }
    parts.push(format!("{} rows", count(glance.rows)));
    if glance.changes > 0 {
        parts.push(format!("{} changes", count(glance.changes)));
    }
    if glance.bytes_per_second > 0 {
        parts.push(format!("{}/s", bytes(glance.bytes_per_second)));
    }
    if let Some(lag) = glance.lag {
        parts.push(if lag == 0 { "caught up".to_owned() } else { format!("lag {}", span(lag)) });
    }
    if let Some(left) = glance.time_left.filter(|&left| time_left::is_short(left)) {
        parts.push(format!("{} until changes are lost", span(left)));
    }
    if glance.dead_letters > 0 {
        parts.push(format!("{} dead letters", count(glance.dead_letters)));
    }
    parts.extend(output::left_out(&glance.left_out));
    parts.join("  ")
}

fn log_event(table: &TableName, event: &Event<'_>) {
    match event {
        Event::Started { epoch, snapshot_ended, .. } => {
            tracing::info!(%table, %epoch, snapshot_ended, "table opened");
        }
        Event::SchemaChanged { plan } => {
            tracing::info!(%table, changes = changes::words(plan), columns = plan.result.columns().len(), "columns changed");
        }
        Event::Committed { rows, took, .. } => tracing::debug!(%table, rows, took_ms = millis(*took), "committed"),
        Event::SnapshotEnded { epoch } => tracing::info!(%table, %epoch, "snapshot complete"),
        Event::DeadLettered { count } => tracing::warn!(%table, count, "set aside as dead letters"),
        Event::LeftOut(left_out) if left_out.discarded_rows + left_out.discarded_values > 0 => {
            let (rows, values) = (left_out.discarded_rows, left_out.discarded_values);
            tracing::warn!(%table, rows, values, "the contract has no place for rows or values, which were discarded");
        }
        Event::Gap(gap) => tracing::warn!(%table, reason = gap.reason, "changes were lost before they could be read"),
        Event::HandedOver { epoch } => {
            tracing::info!(%table, %epoch, "a resync was asked for: the table is read anew while its stream goes on");
        }
        Event::Retrying { error, delay, attempt } => {
            tracing::warn!(%table, error = error.report(), delay_ms = millis(*delay), attempt, "trying again");
        }
        Event::Failed(error) => {
            tracing::error!(%table, kind = error.kind().as_str(), error = error.report(), "table failed");
        }
        Event::Finished => tracing::info!(%table, "table finished"),
        _ => {}
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
