//! Where the tasks of one table put what they read.

use commutator_core::{Budget, ChangeBatch, Lag, Permit, Progress, Rejected, SourceBatch, SourceEvent};
use tokio::sync::mpsc;

/// The sending side of a table's events; it reserves memory before it sends.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    events: mpsc::Sender<SourceEvent>,
    budget: Budget,
}

/// Nobody listens any more; the table's tasks end.
#[derive(Debug)]
pub(crate) struct Closed;

impl Outlet {
    /// Creates an outlet and the side that receives.
    pub(crate) fn new(budget: Budget, capacity: usize) -> (Self, mpsc::Receiver<SourceEvent>) {
        let (events, receiver) = mpsc::channel(capacity);
        (Self { events, budget }, receiver)
    }

    /// Sends changes and progress once their memory is free; events arrive in the order in which this returns.
    pub(crate) async fn send(
        &self,
        changes: Option<ChangeBatch>,
        progress: Progress,
        wire_bytes: usize,
    ) -> Result<(), Closed> {
        self.send_with(changes, Vec::new(), progress, wire_bytes).await
    }

    /// Like [`send`](Self::send), with what could not be read.
    pub(crate) async fn send_with(
        &self,
        changes: Option<ChangeBatch>,
        rejected: Vec<Rejected>,
        progress: Progress,
        wire_bytes: usize,
    ) -> Result<(), Closed> {
        let size = memory_size(changes.as_ref(), &rejected);
        let permit = if size == 0 { Permit::default() } else { self.budget.reserve(size).await };
        self.send_within(permit, changes, rejected, progress, wire_bytes).await
    }

    /// Waits until so many bytes are free and reserves them, for what is going to be read; at most a quarter of all, so that a small
    /// budget does not make readers wait for rows that wait for them.
    pub(crate) async fn reserve(&self, bytes: usize) -> Permit {
        self.budget.reserve(bytes.min(self.budget.bytes() / 4)).await
    }

    /// Like [`send_with`](Self::send_with), with memory that was reserved before.
    pub(crate) async fn send_within(
        &self,
        permit: Permit,
        changes: Option<ChangeBatch>,
        rejected: Vec<Rejected>,
        progress: Progress,
        wire_bytes: usize,
    ) -> Result<(), Closed> {
        let changes = changes.filter(|batch| !batch.is_empty());
        let wire_bytes = u64::try_from(wire_bytes).unwrap_or(u64::MAX);
        let batch = SourceBatch { changes, rejected, progress, wire_bytes, permit };
        self.events.send(SourceEvent::Batch(batch)).await.map_err(|_| Closed)
    }

    /// Tells the lag, unless the receiver is busy: an old lag is worth nothing.
    pub(crate) fn tell(&self, lag: Lag) {
        if self.events.try_send(SourceEvent::Lag(lag)).is_err() {
            tracing::trace!("lag not told, the receiver is busy");
        }
    }
}

/// Returns how many bytes a batch takes in memory.
pub(crate) fn memory_size(changes: Option<&ChangeBatch>, rejected: &[Rejected]) -> usize {
    let rows = changes.filter(|batch| !batch.is_empty()).map_or(0, ChangeBatch::memory_size);
    rows + rejected.iter().map(|rejected| rejected.raw.len()).sum::<usize>()
}
