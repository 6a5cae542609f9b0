//! Following a stream: any number of shards over a few readers, until nothing is left, changes were lost, or for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodbstreams::types::StreamStatus;
use commutator_core::{Error, ErrorKind, Gap, Lag, Position, Progress, Result, Span, Until};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::begin::shard_partition;
use super::cursor::Cursor;
use super::lineage::{Shard, parents_are_old};
use super::poll::{NEVER, Polled, Reader, poll};
use super::retention::is_safe;
use super::shards::Shards;
use crate::decode::Decoder;
use crate::read::{Table, stream_off};
use crate::{discover, facts};

/// A listing that contradicts the checkpoint is checked so many times before it is believed.
pub(crate) const CONFIRMATIONS: u32 = 5;

/// The same for a shard whose parent is not listed but may still come: read before its parent, it would bring old rows back.
const PATIENCE: u32 = 60;

/// Before a run ends that shall read everything, so many listings in a row, each a moment after the other, must show no other shard:
/// one child of a split can be listed before the other, and nothing says how many there are.
const SETTLED: u32 = 6;

/// How following a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing was left to read.
    CaughtUp,
    /// Changes were lost.
    Lost(Gap),
}

type Page = (Cursor, Decoder, Result<Polled>);

/// Reads a stream.
#[derive(Debug)]
pub(crate) struct Follower {
    reader: Arc<Reader>,
    shards: Shards,
    until: Until,
    snapshot_ended: watch::Receiver<Option<Instant>>,
    /// Shards to read, by the time of their turn.
    queue: BTreeMap<(Instant, String), Cursor>,
    running: JoinSet<Page>,
    decoders: Vec<Decoder>,
    /// How many listings in a row lacked a shard that was not read to its end.
    vanishings: u32,
    /// How many listings in a row had a shard whose parent nobody knows.
    orphanings: u32,
    next_suspicion: Instant,
    /// How many listings in a row, made to end the run, showed no other shard.
    settled: u32,
    stream_on: bool,
    stored: Option<i64>,
    listed_at: Instant,
    next_list: Instant,
    next_lag: Instant,
    next_fact: Instant,
    next_finish: Instant,
}

impl Follower {
    /// Creates a follower from where every known shard stands; see [`Shards::new`].
    pub(crate) fn new(
        table: &Arc<Table>,
        stream: &str,
        positions: BTreeMap<String, Position>,
        covered_until: Option<i64>,
        until: Until,
        snapshot_ended: watch::Receiver<Option<Instant>>,
    ) -> Self {
        let now = Instant::now();
        let reader =
            Reader { table: Arc::clone(table), stream: stream.to_owned(), caught_up_at: AtomicI64::new(NEVER) };
        Self {
            reader: Arc::new(reader),
            shards: Shards::new(positions, covered_until),
            until,
            snapshot_ended,
            queue: BTreeMap::new(),
            running: JoinSet::new(),
            decoders: (0..table.stream_readers)
                .map(|_| Decoder::with_extras(table.keys.clone(), table.extras))
                .collect(),
            vanishings: 0,
            orphanings: 0,
            next_suspicion: now,
            settled: 0,
            stream_on: true,
            stored: None,
            listed_at: now,
            next_list: now,
            next_lag: now,
            next_fact: now + table.tuning.caught_up,
            next_finish: now,
        }
    }

    /// Reads until there is an outcome. Dropping the future stops all readers.
    pub(crate) async fn run(mut self) -> Result<Outcome> {
        let mut watching = true;
        loop {
            self.dispatch();
            let due = self.queue.keys().next().map(|(due, _)| *due).filter(|_| !self.decoders.is_empty());
            let (next_list, next_lag) = (self.next_list, self.next_lag);
            // In this order every time, so that a run can be replayed; what is due waits for at most as many pages as there are readers.
            tokio::select! {
                biased;
                Some(joined) = self.running.join_next() => {
                    if let Some(gap) = self.polled(joined)? {
                        return Ok(Outcome::Lost(gap));
                    }
                }
                () = sleep_until(due.unwrap_or(next_list)), if due.is_some() => {}
                () = sleep_until(next_list) => {
                    if let Some(gap) = self.list().await? {
                        return Ok(Outcome::Lost(gap));
                    }
                }
                () = sleep_until(next_lag) => self.tell_lag(),
                changed = self.snapshot_ended.changed(), if watching => {
                    watching = changed.is_ok();
                    self.wake();
                }
            }
            self.remember().await?;
            if let Some(outcome) = self.finished().await? {
                return Ok(outcome);
            }
        }
    }

    fn table(&self) -> &Table {
        &self.reader.table
    }

    /// Gives every free reader the shard whose turn it is.
    fn dispatch(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= now
        {
            let Some(mut decoder) = self.decoders.pop() else { return };
            let mut cursor = entry.remove();
            let reader = Arc::clone(&self.reader);
            self.running.spawn(async move {
                let polled = poll(&reader, &mut cursor, &mut decoder).await;
                (cursor, decoder, polled)
            });
        }
    }

    /// Takes back a reader, and decides when its shard's next turn is.
    fn polled(&mut self, joined: Result<Page, JoinError>) -> Result<Option<Gap>> {
        let (mut cursor, decoder, polled) =
            joined.map_err(|e| Error::new(ErrorKind::Unexpected, "A stream task failed").with_source(e))?;
        self.decoders.push(decoder);
        let polled = polled?;
        self.shards.read(&cursor.shard, &cursor.position, &cursor.tip);
        let tuning = &self.reader.table.tuning;
        let pause = match polled {
            Polled::Open { records: true } => tuning.poll_apart,
            Polled::Open { records: false } => self.idle_pause(cursor.tip.empty_run()),
            Polled::Ended => {
                tracing::debug!(partition = %cursor.partition, "shard ended");
                self.settled = 0;
                if self.shards.is_childless(&cursor.shard) {
                    // Many shards can end together, and the service allows ten listings per second to the whole account.
                    self.next_list = self.next_list.min(self.listed_at + tuning.confirm).max(Instant::now());
                }
                return Ok(self.start());
            }
            Polled::Trimmed => {
                if !is_safe(self.shards.covered_until(), self.table().clock.now_ms()) {
                    let reason = format!("Changes of shard {} were trimmed before they were read", cursor.shard);
                    return Ok(Some(self.gap(reason, [cursor.shard])));
                }
                // Only what was read before can have been trimmed.
                cursor.restart_at_horizon();
                tuning.poll_apart
            }
            Polled::Gone => {
                self.next_list = self.next_list.min(Instant::now() + tuning.confirm);
                tuning.idle_poll.min(tuning.confirm)
            }
        };
        self.queue.insert((cursor.begun + pause, cursor.shard.clone()), cursor);
        Ok(None)
    }

    /// Returns how long an idle shard rests: longer and longer, unless the run ends as soon as nothing is left.
    fn idle_pause(&self, empty_run: u32) -> Duration {
        let tuning = &self.table().tuning;
        if self.until == Until::CaughtUp && self.snapshot_ended.borrow().is_some() {
            return tuning.poll_apart;
        }
        let growth = 1 << empty_run.saturating_sub(1).min(10);
        (tuning.poll_apart * growth).min(tuning.idle_poll)
    }

    /// Gives every resting shard its turn now.
    fn wake(&mut self) {
        let now = Instant::now();
        let queue = std::mem::take(&mut self.queue);
        self.queue = queue.into_iter().map(|((due, id), cursor)| ((due.min(now), id), cursor)).collect();
    }

    /// Lists the shards, and starts those that may be read.
    async fn list(&mut self) -> Result<Option<Gap>> {
        let table = Arc::clone(&self.reader.table);
        self.listed_at = Instant::now();
        let description = match table.client.describe_stream(&self.reader.stream).await {
            Ok(description) => description,
            Err(failure) if failure.is("ResourceNotFoundException") => return self.stream_over().await.map(Some),
            Err(failure) => return Err(failure.with("table", &table.name).into()),
        };
        self.stream_on = !matches!(description.stream_status, Some(StreamStatus::Disabled | StreamStatus::Disabling));
        let now_ms = table.clock.now_ms();
        let safe = is_safe(self.shards.covered_until(), now_ms);
        let listed = listed_shards(description.shards());
        tracing::trace!(?listed, "shards listed");
        let patience = if parents_are_old(&listed, now_ms) { CONFIRMATIONS } else { PATIENCE };
        let listed = self.shards.list(listed, safe && self.orphanings >= patience);
        if !listed.new.is_empty() {
            self.settled = 0;
        }
        let mut progress = Progress::default();
        for id in &listed.new {
            progress.spans.insert(shard_partition(id), Span { from: None, to: Position::Start });
        }
        progress.forget = listed.forget.iter().map(|id| shard_partition(id)).collect();
        if !progress.is_empty() {
            table.outlet.send(None, progress, 0).await?;
        }
        if self.vanishings >= CONFIRMATIONS && !listed.vanished.is_empty() {
            let reason = format!("Shards vanished before they were read to their end: {}", names(&listed.vanished));
            return Ok(Some(self.gap(reason, listed.vanished)));
        }
        if self.orphanings >= CONFIRMATIONS && !safe && !listed.orphans.is_empty() {
            let reason =
                format!("The parents of these shards expired before they were read: {}", names(&listed.orphans));
            return Ok(Some(self.gap(reason, [])));
        }
        let suspicious = !listed.vanished.is_empty() || !listed.orphans.is_empty();
        let now = Instant::now();
        let is_due = now >= self.next_suspicion;
        let counted = |before: u32, seen: bool| if seen { (before + u32::from(is_due)).max(1) } else { 0 };
        self.vanishings = counted(self.vanishings, !listed.vanished.is_empty());
        self.orphanings = counted(self.orphanings, !listed.orphans.is_empty());
        if suspicious && is_due {
            // A gap is dear, so it is confirmed patiently; a shard whose parent expired long ago is the usual beginning of a stream.
            let doubled = if safe { self.vanishings } else { self.vanishings.max(self.orphanings) };
            self.next_suspicion = now + table.tuning.confirm * (1 << doubled.min(6));
        }
        self.next_list = if suspicious {
            self.next_suspicion
        } else if self.stream_on && self.shards.any_childless_end() {
            now + table.tuning.confirm
        } else {
            now + table.tuning.relist
        };
        if !self.stream_on && !self.shards.any_open() && !suspicious {
            return self.stream_over().await.map(Some);
        }
        Ok(self.start())
    }

    /// Queues the shards that may be read from now on.
    fn start(&mut self) -> Option<Gap> {
        let now_ms = self.table().clock.now_ms();
        for shard in self.shards.start() {
            if shard.position == Position::Start && !is_safe(shard.watermark_ms, now_ms) {
                let reason = format!("Shard {} was not begun within the 24 hours for which changes are kept", shard.id);
                return Some(self.gap(reason, [shard.id]));
            }
            let cursor = Cursor::new(&shard.id, shard.position, shard.watermark_ms);
            self.queue.insert((Instant::now(), shard.id), cursor);
        }
        None
    }

    /// Says what became of a stream that is off: another one took its place, or none.
    async fn stream_over(&self) -> Result<Gap> {
        let table = self.table();
        let description = discover::describe(&table.client, &table.name).await?;
        match description.stream {
            Some(latest) if latest.arn != self.reader.stream => {
                let reason = format!(
                    "The table's stream was replaced: {} was followed, {} is the latest one",
                    self.reader.stream, latest.arn
                );
                let mut gap = self.gap(reason, self.shards.unfinished().cloned());
                gap.facts.push(facts::STREAM_ARN.to_owned());
                Ok(gap)
            }
            _ => Err(stream_off(&table.name)),
        }
    }

    /// Stores from time to time how far the stream was read, so that idle shards are not taken for lost ones after a restart.
    async fn remember(&mut self) -> Result<()> {
        let Some(covered_until) = self.shards.covered_until() else { return Ok(()) };
        self.reader.caught_up_at.store(covered_until, Ordering::Relaxed);
        let now = Instant::now();
        if now < self.next_fact || self.stored >= Some(covered_until) {
            return Ok(());
        }
        self.stored = Some(covered_until);
        self.next_fact = now + self.table().tuning.caught_up;
        let facts = BTreeMap::from([(facts::CAUGHT_UP_AT.to_owned(), covered_until.to_string())]);
        self.table().outlet.send(None, Progress { facts, ..Progress::default() }, 0).await?;
        Ok(())
    }

    /// Returns the outcome if the snapshot has ended, every shard was at its tip after that, and a listing made now agrees.
    async fn finished(&mut self) -> Result<Option<Outcome>> {
        let Some(since) = *self.snapshot_ended.borrow() else { return Ok(None) };
        if self.until != Until::CaughtUp || Instant::now() < self.next_finish || !self.shards.all_read(Some(since)) {
            return Ok(None);
        }
        self.next_finish = Instant::now() + self.table().tuning.confirm;
        if let Some(gap) = self.list().await? {
            return Ok(Some(Outcome::Lost(gap)));
        }
        let ended_without_child = self.stream_on && self.shards.any_childless_end();
        if self.vanishings + self.orphanings > 0 || ended_without_child || !self.shards.all_read(Some(since)) {
            return Ok(None);
        }
        self.settled += 1;
        if self.stream_on && self.settled < SETTLED && self.shards.any_only_child() {
            return Ok(None);
        }
        let facts = self.shards.covered_until().map(|at| (facts::CAUGHT_UP_AT.to_owned(), at.to_string()));
        let progress = Progress { facts: facts.into_iter().collect(), ..Progress::default() };
        self.table().outlet.send(None, progress, 0).await?;
        let lag = self.shards.lag(self.table().clock.now_ms());
        self.table().outlet.tell(Lag { milliseconds: 0, ..lag });
        Ok(Some(Outcome::CaughtUp))
    }

    fn tell_lag(&mut self) {
        self.next_lag = Instant::now() + self.table().tuning.lag;
        let lag = self.shards.lag(self.table().clock.now_ms());
        self.table().outlet.tell(lag);
    }

    fn gap(&self, reason: String, shards: impl IntoIterator<Item = String>) -> Gap {
        let partitions = shards.into_iter().map(|id| shard_partition(&id)).collect();
        tracing::warn!(table = %self.table().name, reason, "changes were lost");
        let facts = [facts::CAUGHT_UP_AT, facts::CHANGES_SINCE].map(str::to_owned).to_vec();
        Gap { reason, partitions, facts, noticed_at: self.table().clock.now_ms() }
    }
}

/// Returns the shards of a description that have an id.
pub(crate) fn listed_shards(shards: &[aws_sdk_dynamodbstreams::types::Shard]) -> Vec<Shard> {
    shards
        .iter()
        .filter_map(|shard| {
            Some(Shard { id: shard.shard_id()?.to_owned(), parent: shard.parent_shard_id().map(str::to_owned) })
        })
        .collect()
}

/// Returns shards as a list for people.
pub(crate) fn names(shards: &BTreeSet<String>) -> String {
    shards.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
