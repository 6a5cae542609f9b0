//! Gathers what a source tells into chunks: enough rows to write at once, within bytes and time.

use std::sync::Arc;
use std::time::Duration;

use commutator_core::rules::LeftOut;
use commutator_core::{Error, Gap, SourceBatch, SourceEvent, SourceStream, TableName};
use futures_util::StreamExt;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{Event, Observer};

/// Rows are written once so many bytes of them were gathered: few enough to bound memory, enough to be worth a statement.
const CHUNK_BYTES: usize = 8 << 20;

/// So many bytes do not wait for more that does not come: they are of the budget that other tables wait for, and whose rows they might
/// wait for in turn.
const WORTH_WRITING: usize = 64 << 10;
const IDLE: Duration = Duration::from_millis(100);

/// Why a chunk ends.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It is large enough; more is to come.
    Full,
    /// The transaction's time is over; more is to come.
    Deadline,
    /// The snapshot is complete with it.
    SnapshotEnded,
    /// The source has no more.
    Exhausted,
    /// The run was told to stop.
    Cancelled,
    /// Changes were lost.
    Gap(Gap),
    /// The source failed.
    Failed(Error),
}

impl Stop {
    /// Returns whether nothing can follow.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Full | Self::Deadline | Self::SnapshotEnded)
    }
}

/// Whole batches of a table, in order, and why there are not more.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) batches: Vec<SourceBatch>,
    pub(crate) stop: Stop,
    /// What rules left out of it.
    pub(crate) left_out: LeftOut,
}

/// The reading end of a table.
pub(crate) struct Feed<'a> {
    pub(crate) stream: SourceStream,
    pub(crate) cancelled: &'a CancellationToken,
    pub(crate) table: &'a TableName,
    pub(crate) observer: &'a Arc<dyn Observer>,
}

impl Feed<'_> {
    /// Gathers the next chunk. Without a deadline it waits for the first batch however long that takes, and from then on no
    /// longer than `patience`; much shorter for what is worth writing already.
    pub(crate) async fn gather(&mut self, deadline: Option<Instant>, patience: Duration) -> Chunk {
        let mut deadline = deadline;
        let mut batches = Vec::new();
        let mut bytes = 0;
        let stop = loop {
            let until = match deadline {
                Some(deadline) if bytes >= WORTH_WRITING => Some(deadline.min(Instant::now() + IDLE)),
                deadline => deadline,
            };
            let timeout = async {
                match until {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                biased;
                () = self.cancelled.cancelled() => break Stop::Cancelled,
                () = timeout => {
                    let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
                    break if is_over { Stop::Deadline } else { Stop::Full };
                }
                event = self.stream.next() => event,
            };
            match event {
                None => break Stop::Exhausted,
                Some(Err(error)) => break Stop::Failed(error),
                Some(Ok(SourceEvent::Gap(gap))) => break Stop::Gap(gap),
                Some(Ok(SourceEvent::Lag(lag))) => self.observer.event(self.table, &Event::Lag(lag)),
                Some(Ok(SourceEvent::Batch(batch))) => {
                    deadline.get_or_insert_with(|| Instant::now() + patience);
                    bytes += self.take_notice(&batch);
                    let snapshot_ended = batch.progress.snapshot_ended;
                    batches.push(batch);
                    if snapshot_ended {
                        break Stop::SnapshotEnded;
                    }
                    if bytes >= CHUNK_BYTES {
                        break Stop::Full;
                    }
                }
            }
        };
        Chunk { batches, stop, left_out: LeftOut::default() }
    }

    /// Tells the observer of a batch and returns its size in memory.
    fn take_notice(&self, batch: &SourceBatch) -> usize {
        let rejected = batch.rejected.iter().map(|rejected| rejected.raw.len()).sum();
        let Some(changes) = &batch.changes else { return rejected };
        let rows = changes.len() as u64;
        let event = Event::Read { rows, wire_bytes: batch.wire_bytes, snapshot: changes.is_snapshot() };
        self.observer.event(self.table, &event);
        changes.memory_size() + rejected
    }
}
