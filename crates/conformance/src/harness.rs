//! What a destination's tests bring to the suite.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_core::{Destination, Target};

use crate::Row;

/// A place for a destination's tables, and a way to read them that shares no code with the destination.
///
/// Each trial has a harness of its own, and uses several tables in it, so a harness needs a schema, folder or prefix of its own.
/// What it made is best removed when it is dropped.
#[async_trait]
pub trait Harness: Send + Sync + 'static {
    /// Creates an empty place; `None` if the backend is not configured here, which skips the trial (and fails it where the
    /// environment variable `CI` is `true`).
    async fn fresh() -> Option<Self>
    where
        Self: Sized;

    /// Connects to the place, as a new process would; the suite does so again after every crash that it plays.
    async fn connect(&self) -> Arc<dyn Destination>;

    /// Reads all rows of a target's table, in any order; none if there is no table.
    ///
    /// In `mirror` these are the rows that a user would see: no tombstones. The system columns of other modes go into the fields of
    /// [`Row`] that are named after them; what a mode does not have is `None`.
    async fn rows(&self, target: &Target) -> Vec<Row>;

    /// Returns how many random cases a trial tries unless the environment says otherwise; fewer for a backend of which each takes seconds.
    fn cases(&self) -> u32 {
        crate::CASES
    }

    /// Returns the trials that cannot be run over this destination, each as `topic::trial`, and why: what they hold to be possible the service
    /// behind it has not. They are skipped, and its page of the documentation lists them.
    fn left_out() -> &'static [(&'static str, &'static str)]
    where
        Self: Sized,
    {
        &[]
    }
}
