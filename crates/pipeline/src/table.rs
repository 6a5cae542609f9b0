//! One table: open, read, commit; and start over at `open` when something failed that may be tried again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use commutator_core::rules::{LeftOut, Rules};
use commutator_core::{
    Checkpoint, CommitInterval, DeadLetters, Destination, Error, ErrorKind, Gap, OnBadRecord, ReadRequest, Result,
    Session, Source, TableDescription, Target, Until,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::feed::{Chunk, Feed, Stop};
use crate::handover::{Handover, Own, after_fence};
use crate::intake::Intake;
use crate::latency;
use crate::letters::{self, Letters};
use crate::shape::Shape;
use crate::sift::{self, Renderer};
use crate::{Event, Latencies, Observer, OnGap, Options, TableOptions, TableOutcome, TableReport, Transform, key_form};

/// Everything that is known of a table before it is opened.
pub(crate) struct Table {
    pub(crate) target: Target,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) destination: Arc<dyn Destination>,
    pub(crate) run: Arc<Options>,
    pub(crate) options: TableOptions,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) dead_letters: Option<Arc<dyn DeadLetters>>,
    pub(crate) clock: fn() -> SystemTime,
    pub(crate) description: TableDescription,
    pub(crate) rules: Rules,
    pub(crate) transform: Option<Arc<dyn Transform>>,
}

/// How one try at a table ended, if it did not fail.
enum End {
    Completed,
    Stopped,
    /// The table is opened again: its next epoch is committed.
    Reopen,
}

/// What a table's tries did together.
#[derive(Default)]
struct Totals {
    rows: u64,
    commits: u64,
    dead_letters: u64,
    left_out: LeftOut,
    latencies: Latencies,
    /// Failures since the last commit.
    failures: u32,
    /// The destination refused a row among so many, which are read again to find it.
    refused_among: Option<u64>,
    /// The checkpoint of a commit that was begun and has not been answered with success.
    doubtful: Option<Checkpoint>,
    /// So many more rows are committed chunk by chunk, each after a search for rows that the destination refuses.
    suspects: u64,
}

impl Table {
    /// Runs the table to its end, through every failure that may be tried again.
    pub(crate) async fn run(&self, cancelled: &CancellationToken) -> TableReport {
        let mut totals = Totals::default();
        let outcome = loop {
            let error = match self.attempt(cancelled, &mut totals).await {
                Ok(End::Completed) => break TableOutcome::Completed,
                Ok(End::Stopped) => break TableOutcome::Stopped,
                Ok(End::Reopen) => continue,
                Err(error) => error,
            };
            if let Some(rows) = totals.refused_among.take() {
                totals.suspects = rows;
                self.tell(&Event::Retrying { error: &error, delay: Duration::ZERO, attempt: 0 });
                continue;
            }
            totals.failures += 1;
            let Some(delay) = self.run.retry.delay(&error, totals.failures, fastrand::f64()) else {
                break TableOutcome::Failed(error);
            };
            self.tell(&Event::Retrying { error: &error, delay, attempt: totals.failures });
            tokio::select! {
                biased;
                () = cancelled.cancelled() => break TableOutcome::Stopped,
                () = tokio::time::sleep(delay) => {}
            }
        };
        let Totals { rows, commits, dead_letters, left_out, latencies, .. } = totals;
        TableReport { table: self.description.name.clone(), rows, commits, dead_letters, left_out, latencies, outcome }
    }

    async fn attempt(&self, cancelled: &CancellationToken, totals: &mut Totals) -> Result<End> {
        totals.doubtful = None;
        let mut session = self.destination.open(&self.target).await?;
        let mut checkpoint = session.checkpoint().clone();
        checkpoint.take_up();
        letters::try_confirm(self.dead_letters.as_ref(), &self.description.name, &checkpoint).await;
        match self.follow(&mut *session, &mut checkpoint, cancelled, totals).await {
            Err(fenced) if fenced.kind() == ErrorKind::Fenced => {
                drop(session);
                let own = Own { committed: &checkpoint, doubtful: totals.doubtful.as_ref() };
                Ok(match after_fence(self, own, fenced, cancelled).await? {
                    Handover::GoOn => End::Reopen,
                    Handover::Cancelled => End::Stopped,
                })
            }
            end => end,
        }
    }

    /// Reads and commits until there is an end; `checkpoint` is always that of the last commit.
    async fn follow(
        &self,
        session: &mut dyn Session,
        checkpoint: &mut Checkpoint,
        cancelled: &CancellationToken,
        totals: &mut Totals,
    ) -> Result<End> {
        key_form::check(&self.rules, checkpoint, &self.description.name)?;
        let capabilities = self.destination.capabilities();
        self.tell(&Event::Started {
            table: &self.description,
            epoch: checkpoint.epoch(),
            snapshot_ended: checkpoint.snapshot_ended(),
        });
        let request = ReadRequest {
            table: self.run.source_table(&self.description.name).clone(),
            from: checkpoint.clone(),
            until: self.run.until,
            on_bad_record: self.options.on_bad_record,
            extras: self.options.rules.extras(),
        };
        if self.run.until == Until::SnapshotEnd && checkpoint.snapshot_ended() {
            return Ok(End::Completed);
        }
        let actual = session.describe().await?;
        let names = checkpoint.names().clone();
        let mut shape =
            Shape::new(self.intake(checkpoint), capabilities.identifiers, names, actual, self.options.mode)?;
        let stream = tokio::select! {
            biased;
            () = cancelled.cancelled() => return Ok(End::Stopped),
            stream = self.source.read(request) => stream?,
        };
        let mut feed = Feed { stream, cancelled, table: &self.description.name, observer: &self.observer };
        let interval = self.run.commit.over(capabilities.commit_interval);
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(chunk) => chunk,
                None => shape.take_in(feed.gather(None, interval.max_delay).await)?,
            };
            let commit = Commit { table: self, interval: &interval, totals };
            let stop = if first.batches.is_empty() {
                first.stop
            } else {
                let (stop, rest) = commit.run(session, &mut shape, checkpoint, &mut feed, first).await?;
                next = rest;
                stop
            };
            match stop {
                Stop::Full | Stop::Deadline | Stop::SnapshotEnded => {}
                Stop::Exhausted => return Ok(End::Completed),
                Stop::Cancelled => return Ok(End::Stopped),
                Stop::Failed(error) => return Err(error),
                Stop::Gap(gap) => return self.repair(&gap, session, checkpoint, totals).await,
            }
        }
    }

    /// Commits the table's next epoch, under which it is read anew, or refuses as the user wished.
    async fn repair(
        &self,
        gap: &Gap,
        session: &mut dyn Session,
        checkpoint: &Checkpoint,
        totals: &mut Totals,
    ) -> Result<End> {
        self.tell(&Event::Gap(gap));
        if self.options.on_gap == OnGap::Fail {
            return Err(Error::new(
                ErrorKind::DataInvalid,
                "Changes were lost before they could be read; `commutator resync` reads the table anew, and on_gap = \"resync\" does it by itself",
            )
            .with("table", &self.description.name)
            .with("gap", &gap.reason));
        }
        let transaction = session.begin().await?;
        let next = totals.doubtful.insert(checkpoint.after_gap(gap));
        transaction.commit(next).await?;
        // A gap may come back at once.
        tokio::time::sleep(self.run.retry.first).await;
        Ok(End::Reopen)
    }

    /// What happens to rows of the table before anything else.
    fn intake(&self, checkpoint: &Checkpoint) -> Intake {
        Intake {
            table: self.description.name.clone(),
            rules: self.rules.clone(),
            transform: self.transform.clone(),
            on_bad_record: self.options.on_bad_record,
            contract_holds: checkpoint.was_loaded(),
            seen: HashMap::new(),
            left: HashMap::new(),
        }
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        self.observer.event(&self.description.name, event);
    }
}

/// One commit of a table.
struct Commit<'a> {
    table: &'a Table,
    interval: &'a CommitInterval,
    totals: &'a mut Totals,
}

impl Commit<'_> {
    /// Writes `first` and what follows it into one transaction and commits it, once enough bytes, rows or time have come together,
    /// the snapshot ends, the columns must change, or nothing follows.
    ///
    /// Returns why it ended, and the chunk that needs other columns if that was why.
    async fn run(
        mut self,
        session: &mut dyn Session,
        shape: &mut Shape,
        checkpoint: &mut Checkpoint,
        feed: &mut Feed<'_>,
        first: Chunk,
    ) -> Result<(Stop, Option<Chunk>)> {
        let deadline = Instant::now() + self.interval.max_delay;
        let mut chunk = first;
        let plan = shape.plan(&chunk.batches)?;
        if !plan.is_empty() {
            session.evolve(&plan).await?;
        }
        shape.evolved(&plan);
        let table = self.table;
        let sink = table.dead_letters.as_ref();
        let mut letters = Letters { table: &table.description.name, sink, waiting: Vec::new() };
        let mut parts = shape.conform(&chunk.batches)?;
        let careful = self.totals.suspects > 0;
        if careful {
            let refused = sift::refused(session, &parts).await.map_err(|e| e.with("table", &table.description.name))?;
            let rest = sift::without(&parts, &refused)?;
            letters.waiting = sift::letters(&parts, refused, &Renderer::new(shape.names()))?;
            parts = rest;
        }
        let (mut rows, mut bytes, mut made, mut left_out) = (0, 0, Vec::new(), LeftOut::default());
        let mut transaction = session.begin().await?;
        let mut advanced = checkpoint.clone();
        let (stop, rest) = loop {
            for batch in &chunk.batches {
                advanced.advance(&batch.progress).map_err(|e| e.with("table", &self.table.description.name))?;
            }
            made.extend(latency::made(&chunk.batches));
            left_out += chunk.left_out;
            letters.take(&mut chunk.batches);
            for changes in std::mem::take(&mut parts) {
                rows += changes.len() as u64;
                bytes += changes.memory_size() as u64;
                transaction.write(&changes).await.map_err(|e| self.refused(e, rows))?;
            }
            if matches!(chunk.stop, Stop::SnapshotEnded) {
                transaction.end_snapshot(advanced.epoch()).await?;
                break (chunk.stop, None);
            }
            let full = rows >= self.interval.max_rows || bytes >= self.interval.max_bytes || letters.is_full();
            if full || careful || chunk.stop.is_final() || Instant::now() >= deadline {
                break (chunk.stop, None);
            }
            // The written rows' memory goes back to the budget before more is waited for.
            drop(chunk);
            chunk = shape.take_in(feed.gather(Some(deadline), self.interval.max_delay).await)?;
            if !shape.plan(&chunk.batches)?.is_empty() {
                break (Stop::Full, Some(chunk));
            }
            parts = shape.conform(&chunk.batches)?;
        };
        advanced.set_names(shape.names().clone());
        key_form::note(&table.rules, &mut advanced)?;
        let dead_letters = letters.put(&mut advanced).await?;
        let began = Instant::now();
        self.totals.doubtful = Some(advanced.clone());
        transaction.commit(&advanced).await.map_err(|e| self.refused(e, rows))?;
        self.totals.doubtful = None;
        *checkpoint = advanced;
        self.totals.rows += rows;
        self.totals.commits += 1;
        self.totals.failures = 0;
        self.totals.suspects = self.totals.suspects.saturating_sub(rows.max(1));
        self.totals.dead_letters += dead_letters;
        self.totals.left_out += left_out;
        let mut latencies = Latencies::default();
        latencies.add(&made, (self.table.clock)());
        self.totals.latencies.merge(&latencies);
        if !plan.is_empty() {
            self.table.tell(&Event::SchemaChanged { plan: &plan });
        }
        self.table.tell(&Event::Committed { rows, took: began.elapsed(), latencies: &latencies });
        if dead_letters > 0 {
            self.table.tell(&Event::DeadLettered { count: dead_letters });
        }
        if !left_out.is_nothing() {
            self.table.tell(&Event::LeftOut(left_out));
        }
        if matches!(stop, Stop::SnapshotEnded) {
            shape.snapshot_ended();
            self.table.tell(&Event::SnapshotEnded { epoch: checkpoint.epoch() });
        }
        if dead_letters > 0 {
            letters::try_confirm(sink, &table.description.name, checkpoint).await;
        }
        Ok((stop, rest))
    }

    /// Notes that the destination refused a row of this commit, if refused rows shall be set aside and were not looked for yet.
    fn refused(&mut self, error: Error, rows: u64) -> Error {
        let sets_aside = self.table.options.on_bad_record == OnBadRecord::DeadLetter;
        if !sets_aside || error.kind() != ErrorKind::DataInvalid {
            return error;
        }
        if self.totals.suspects > 0 {
            let message = "The destination refuses rows, but none of them alone, so that none can be set aside";
            return Error::new(error.kind(), message).with("table", &self.table.description.name).with_source(error);
        }
        self.totals.refused_among = Some(rows.max(1));
        error
    }
}
