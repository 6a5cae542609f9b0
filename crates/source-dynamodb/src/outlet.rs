//! Where the tasks of one table put what they read.

use commutator_core::{Budget, ChangeBatch, Lag, Progress, SourceBatch, SourceEvent};
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
        let changes = changes.filter(|batch| !batch.is_empty());
        let permit = match &changes {
            Some(batch) => self.budget.reserve(batch.memory_size()).await,
            None => commutator_core::Permit::default(),
        };
        let wire_bytes = u64::try_from(wire_bytes).unwrap_or(u64::MAX);
        let batch = SourceBatch { changes, progress, wire_bytes, permit };
        self.events.send(SourceEvent::Batch(batch)).await.map_err(|_| Closed)
    }

    /// Tells the lag, unless the receiver is busy: an old lag is worth nothing.
    pub(crate) fn tell(&self, lag: Lag) {
        if self.events.try_send(SourceEvent::Lag(lag)).is_err() {
            tracing::trace!("lag not told, the receiver is busy");
        }
    }
}
