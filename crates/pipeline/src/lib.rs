//! Runs a source into a destination: one task per table, batching, checkpoints, retry, shutdown.
//!
//! Each table advances, fails and resumes alone. Its task opens the destination (which fences any other writer and tells how far
//! the table is), reads the source from there, and commits rows together with the checkpoint, by bytes, rows or time. Whatever
//! fails and may be tried again starts over at `open`: the destination's checkpoint is the only truth.

mod event;
mod feed;
mod handover;
mod intake;
mod key_form;
mod latency;
mod letters;
mod options;
mod pipeline;
mod planner;
mod replay;
mod resync;
mod retry;
mod shape;
mod sift;
mod status;
mod table;
mod tables;
mod transform;

pub use commutator_core::OnBadRecord;
pub use event::{Event, NoObserver, Observer};
pub use latency::Latencies;
pub use options::{CommitOptions, OnGap, Options, Part, TableOptions};
pub use pipeline::{Pipeline, RunReport, TableOutcome, TableReport};
pub use planner::{Planned, Planner};
pub use replay::{ReplayReport, TableReplay};
pub use resync::Resync;
pub use retry::RetryPolicy;
pub use status::{Phase, TableStatus};
pub use tokio_util::sync::CancellationToken;
pub use transform::Transform;
