//! What the source remembers in a table's checkpoint besides positions.

use commutator_core::{Checkpoint, Error, ErrorKind, Result};

/// The stream that the shard positions belong to.
pub(crate) const STREAM_ARN: &str = "stream_arn";
/// When the snapshot began, in milliseconds since 1970.
pub(crate) const SNAPSHOT_STARTED_AT: &str = "snapshot_started_at";
/// Changes created long before this time are left out, in milliseconds since 1970: the start of the first snapshot since which the
/// stream is read without a gap. A later snapshot leaves it alone, so that every change after the first one arrives.
pub(crate) const CHANGES_SINCE: &str = "changes_since";
/// The epoch whose snapshot the other facts speak of: facts outlive an epoch, the snapshot does not.
pub(crate) const SNAPSHOT_EPOCH: &str = "snapshot_epoch";
/// Into how many segments the snapshot is cut.
pub(crate) const SEGMENTS: &str = "segments";
/// All segments below this one have ended and were forgotten, so that checkpoints of big tables stay small.
pub(crate) const SEGMENTS_DONE: &str = "segments_done";
/// Every change created before this time was read, in milliseconds since 1970.
pub(crate) const CAUGHT_UP_AT: &str = "caught_up_at";

/// Returns a fact that is a number.
///
/// Returns [`Unexpected`](ErrorKind::Unexpected) if it is something else: nobody but this source writes it.
pub(crate) fn number<T: std::str::FromStr>(checkpoint: &Checkpoint, name: &'static str) -> Result<Option<T>> {
    checkpoint
        .fact(name)
        .map(|text| {
            text.parse().map_err(|_| {
                Error::new(ErrorKind::Unexpected, "A checkpoint has a fact that is not a number").with("fact", name)
            })
        })
        .transpose()
}
