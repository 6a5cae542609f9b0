//! Reading one table: snapshot and stream at the same time, as one sequence of events.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use commutator_core::{
    Checkpoint, Column, Epoch, Error, ErrorKind, Extras, Gap, OnBadRecord, PartitionId, Progress, ReadRequest, Result,
    SourceEvent, SourceStream, TableDescription, TableName, Until,
};
use futures_util::stream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::capacity::{self, Capacity};
use crate::client::Client;
use crate::clock::Clock;
use crate::discover;
use crate::facts;
use crate::outlet::{Closed, Outlet};
use crate::snapshot::{self, Plan, segments_for};
use crate::source::Connected;
use crate::stream::{
    Beginning, CONFIRMATIONS, Follower, Outcome, Shard, begin, changes_since, covered_until, goes_on, lacks_shards,
    listed_shards,
};
use crate::tuning::Tuning;

/// Stream records created so long before the first snapshot's start are left out: the scan has seen what they did.
///
/// Ten minutes cover clocks that differ, a scan that is eventually consistent, and emulators that cut creation times to the minute.
pub(crate) const SNAPSHOT_MARGIN_MS: i64 = 10 * 60 * 1000;

/// How many batches may wait for the pipeline; the byte budget bounds their memory.
const WAITING_BATCHES: usize = 16;

/// One table being read: what all of its tasks share.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: TableName,
    pub(crate) keys: Vec<Column>,
    pub(crate) extras: Extras,
    pub(crate) epoch: Epoch,
    pub(crate) created_before: Option<i64>,
    pub(crate) on_bad_record: OnBadRecord,
    pub(crate) consistent_read: bool,
    /// Pages asked for before this time are read strongly consistently in any case.
    pub(crate) settled_at: Instant,
    pub(crate) stream_readers: usize,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tuning: Tuning,
    pub(crate) outlet: Outlet,
}

/// What is left to do for a table.
struct Work {
    table: Arc<Table>,
    /// Sent before anything is read.
    first: Vec<Progress>,
    snapshot: Option<(Plan, Capacity, usize)>,
    /// The turns that snapshots of all tables take.
    turns: Arc<Semaphore>,
    follower: Option<Follower>,
    snapshot_ended: watch::Sender<Option<Instant>>,
}

/// Starts reading a table; see [`Source::read`](commutator_core::Source::read).
pub(crate) async fn read(source: &Connected, request: ReadRequest) -> Result<SourceStream> {
    let ReadRequest { table: name, from: checkpoint, until, on_bad_record, extras } = request;
    let raw = source.short.describe_table(&name).await?;
    let description = discover::describe_from(&name, &raw)?;
    let now_ms = source.clock.now_ms().saturating_sub(source.short.clock_ahead_ms());
    let concurrency = source.config.scan_concurrency.unwrap_or(8);

    let resumed = if checkpoint.snapshot_ended() { None } else { Plan::resume(&checkpoint)? };
    let begins = !checkpoint.snapshot_ended() && resumed.is_none();
    let plan = match resumed {
        Some(plan) => Some(plan),
        None if begins => Some(Plan::new(segments_for(description.bytes, concurrency, source.config.segments))),
        None => None,
    };
    let stream = if until == Until::SnapshotEnd {
        None
    } else {
        let arn = discover::followable(&description)?;
        let listed = if begins {
            patient_listing(source, &checkpoint, &name, arn).await
        } else {
            first_listing(source, &name, arn).await
        };
        Some((arn, listed?))
    };
    let changes_since = match &stream {
        Some((arn, listed)) if begins => Some(changes_since(&checkpoint, arn, listed, now_ms)?),
        None if begins => Some(kept_since(&checkpoint, &description, now_ms)?),
        _ => facts::number(&checkpoint, facts::CHANGES_SINCE)?,
    };
    let (outlet, events) = Outlet::new(source.budget.clone(), WAITING_BATCHES);
    let table = Arc::new(Table {
        name,
        keys: description.keys.clone(),
        extras,
        epoch: checkpoint.epoch(),
        created_before: changes_since.map(|ms: i64| ms.saturating_sub(SNAPSHOT_MARGIN_MS)),
        on_bad_record,
        consistent_read: source.config.consistent_read,
        settled_at: Instant::now() + source.tuning.settling,
        stream_readers: source.config.stream_readers.map_or(4, |n| n as usize),
        client: source.client.clone(),
        clock: Arc::clone(&source.clock),
        tuning: source.tuning.clone(),
        outlet,
    });

    let (snapshot_ended, watch_ended) = watch::channel(plan.is_none().then(Instant::now));
    let mut first = Vec::new();
    let mut follower = None;
    if let Some((arn, listed)) = stream {
        match begin(&checkpoint, begins, arn, &listed, now_ms)? {
            Beginning::Lost(gap) => return Ok(lost(gap)),
            Beginning::Go { first: progress, positions } => {
                first = progress;
                let covered = covered_until(&checkpoint)?.max(changes_since);
                follower = Some(Follower::new(&table, arn, positions, covered, until, watch_ended));
            }
        }
    } else if let (true, Some(stream)) = (begins, &description.stream) {
        // The stream is not touched, but remembered: a later run can go on with it if it was on all the time.
        let facts = BTreeMap::from([(facts::STREAM_ARN.to_owned(), stream.arn.clone())]);
        first.push(Progress { facts, ..Progress::default() });
    }
    if let (true, Some(plan)) = (begins, &plan) {
        let clear = Plan::clear(&checkpoint);
        if !clear.is_empty() {
            first.insert(0, clear);
        }
        let number = |name: &str, value: String| (name.to_owned(), value);
        let facts = [
            number(facts::SNAPSHOT_STARTED_AT, now_ms.to_string()),
            number(facts::SNAPSHOT_EPOCH, checkpoint.epoch().to_string()),
            number(facts::SEGMENTS, plan.segments().to_string()),
            number(facts::SEGMENTS_DONE, "0".to_owned()),
        ];
        if first.is_empty() {
            first.push(Progress::default());
        }
        if let Some(last) = first.last_mut() {
            last.facts.extend(facts);
            last.facts.extend(changes_since.map(|ms| number(facts::CHANGES_SINCE, ms.to_string())));
        }
    }
    let capacity = Capacity::new(capacity::limit(&source.config, &raw));
    let snapshot = plan.map(|plan| (plan, capacity, concurrency as usize));
    let turns = Arc::clone(&source.snapshots);
    Ok(events_of(Work { table, first, snapshot, turns, follower, snapshot_ended }, events))
}

/// Lists the shards of a table's stream, again and again with growing pauses while shards are missing that the checkpoint speaks of:
/// what a new epoch takes for gone is not read on, so a shard that is only listed late must not be among it.
async fn patient_listing(
    source: &Connected,
    checkpoint: &Checkpoint,
    name: &TableName,
    arn: &str,
) -> Result<Vec<Shard>> {
    let mut listed = first_listing(source, name, arn).await?;
    for pause in 0..CONFIRMATIONS {
        if !lacks_shards(checkpoint, arn, &listed) {
            break;
        }
        sleep(source.tuning.confirm * (1 << pause)).await;
        listed = first_listing(source, name, arn).await?;
    }
    Ok(listed)
}

/// Lists the shards of a table's stream. A stream that was replaced since the table was described is not there any more: trying again helps.
async fn first_listing(source: &Connected, name: &TableName, arn: &str) -> Result<Vec<Shard>> {
    let failure = match source.short.describe_stream(arn).await {
        Ok(stream) => return Ok(listed_shards(stream.shards())),
        Err(failure) => failure,
    };
    if failure.is("ResourceNotFoundException") {
        let latest = discover::describe(&source.short, name).await?.stream;
        if latest.is_none_or(|latest| latest.arn != arn) {
            let replaced = "The table's stream was replaced while its reading began";
            return Err(Error::new(ErrorKind::Unavailable, replaced)
                .with("table", name)
                .with_source(Error::from(failure)));
        }
    }
    Err(failure.with("table", name).into())
}

/// Returns from when on changes are wanted by a snapshot that begins without its stream: for as long as the stream can be gone on with,
/// from when they were wanted before.
fn kept_since(checkpoint: &Checkpoint, description: &TableDescription, now_ms: i64) -> Result<i64> {
    let Some(stream) = &description.stream else { return Ok(now_ms) };
    let whole = goes_on(checkpoint, &stream.arn, now_ms)?;
    Ok(facts::number(checkpoint, facts::CHANGES_SINCE)?.filter(|_| whole).unwrap_or(now_ms))
}

/// Does the work; returns the gap that ended it, if any.
async fn work(work: Work) -> Result<Option<Gap>> {
    let Work { table, first, snapshot, turns, follower, snapshot_ended } = work;
    for progress in first {
        table.outlet.send(None, progress, 0).await?;
    }
    let scan = async {
        if let Some((plan, capacity, concurrency)) = snapshot {
            // Acquiring fails only for a closed semaphore, and nobody closes this one.
            let _turn = turns.acquire().await.ok();
            snapshot::run(Arc::clone(&table), plan, capacity, concurrency).await?;
            // There is no receiver if the stream is not followed.
            snapshot_ended.send_replace(Some(Instant::now()));
        }
        Ok(())
    };
    let Some(follower) = follower else {
        return scan.await.map(|()| None);
    };
    let (mut scan, mut follow) = (pin!(scan), pin!(follower.run()));
    let mut scanning = true;
    loop {
        // In this order every time, so that a run can be replayed.
        tokio::select! {
            biased;
            ended = &mut scan, if scanning => {
                ended?;
                scanning = false;
            }
            outcome = &mut follow => {
                return Ok(match outcome? {
                    Outcome::CaughtUp => None,
                    Outcome::Lost(gap) => Some(gap),
                });
            }
        }
    }
}

/// Returns the events of some work, which goes on in the background until the events are dropped.
fn events_of(todo: Work, events: mpsc::Receiver<SourceEvent>) -> SourceStream {
    let mut task = JoinSet::new();
    task.spawn(work(todo));
    Box::pin(stream::unfold((events, task), |(mut events, mut task)| async {
        // The channel closes when the work is over and all of its parts were dropped, so nothing that was sent is left out.
        let event = match events.recv().await {
            Some(event) => Ok(event),
            None => match task.join_next().await? {
                Ok(Ok(None)) => return None,
                Ok(Ok(Some(gap))) => Ok(SourceEvent::Gap(gap)),
                Ok(Err(error)) => Err(error),
                Err(panic) => Err(Error::new(ErrorKind::Unexpected, "Reading a table failed").with_source(panic)),
            },
        };
        Some((event, (events, task)))
    }))
}

fn lost(gap: Gap) -> SourceStream {
    Box::pin(stream::once(async { Ok(SourceEvent::Gap(gap)) }))
}

/// Turns the decoder's error into one that says where in the table the page stands.
pub(crate) fn undecodable(error: Error, table: &TableName, partition: &PartitionId, position: &str) -> Error {
    Error::new(error.kind(), "A page cannot be decoded; the table stops here, so that nothing is left out")
        .with("table", table)
        .with("partition", partition)
        .with("position", position)
        .with_source(error)
}

/// Says that a table has no stream, and how to go on.
pub(crate) fn stream_off(table: &TableName) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("The table's stream is off, so its changes cannot be followed: {}", discover::turn_on(table)),
    )
    .with("table", table)
}

impl From<Closed> for Error {
    fn from(Closed: Closed) -> Self {
        Self::new(ErrorKind::Unexpected, "Nobody takes the table's events any more")
    }
}
