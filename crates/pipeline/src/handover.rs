//! What a runner does once it was fenced: it stops for another runner, and goes on after somebody who only asked for a resync.
//!
//! A resync opens the table, which fences the runner, and commits the next epoch with a mark that nobody goes on there. A runner
//! takes the table over again only for an epoch that is newer than its own, so each resync brings it back once at most: of two
//! runners that both find the mark, the one that opened last goes on, and the other finds no newer epoch and stops.

use std::time::Duration;

use commutator_core::{Checkpoint, Epoch, Error, Result};
use tokio_util::sync::CancellationToken;

use crate::Event;
use crate::table::Table;

/// How often, and after which pauses, a runner looks again whether whoever fenced it hands the table over: a resync opens the
/// table a moment before it commits.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// What the destination's checkpoint means for a runner that was fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The table was handed over for this epoch, which the runner does not know yet.
    HandedOver(Epoch),
    /// Nobody has committed since the runner did, so whoever fenced it may still hand the table over.
    Nothing,
    /// Another runner goes on.
    Runner,
}

/// What a runner that was fenced has committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own<'a> {
    /// With its last commit that was answered, or before it.
    pub(crate) committed: &'a Checkpoint,
    /// With a commit that may have been carried out: its answer was lost, and whoever asked again was fenced.
    pub(crate) doubtful: Option<&'a Checkpoint>,
}

/// Decides from the checkpoint with which a runner was fenced, and from what the destination has now.
///
/// | the destination's checkpoint | |
/// |---|---|
/// | is handed over, and of a newer epoch | handed over |
/// | is the runner's own, whether or not it was handed over before the runner took it up | nothing |
/// | is that of the runner's own commit whose answer was lost | nothing |
/// | is any other, or gone | a runner |
fn decide(own: Own<'_>, found: Option<&Checkpoint>) -> Found {
    let Some(found) = found else { return Found::Runner };
    if found.is_handed_over() && found.epoch() > own.committed.epoch() {
        return Found::HandedOver(found.epoch());
    }
    let taken_up = |checkpoint: &Checkpoint| {
        let mut checkpoint = checkpoint.clone();
        checkpoint.take_up();
        checkpoint
    };
    let is_own = taken_up(found) == taken_up(own.committed) || own.doubtful == Some(found);
    if is_own { Found::Nothing } else { Found::Runner }
}

/// How it ended that a runner was fenced.
pub(crate) enum Handover {
    /// The table may be opened again.
    GoOn,
    /// The run was told to stop meanwhile.
    Cancelled,
}

/// Finds out who fenced a runner, without taking anything over; an error that is `fenced` if it was another runner.
pub(crate) async fn after_fence(
    table: &Table,
    own: Own<'_>,
    fenced: Error,
    cancelled: &CancellationToken,
) -> Result<Handover> {
    let mut failures = 0;
    let mut pauses = PAUSES.into_iter();
    loop {
        let pause = match table.destination.peek(&table.target).await {
            Ok(found) => match decide(own, found.as_ref()) {
                Found::HandedOver(_) if cancelled.is_cancelled() => return Ok(Handover::Cancelled),
                Found::HandedOver(epoch) => {
                    table.tell(&Event::HandedOver { epoch });
                    return Ok(Handover::GoOn);
                }
                Found::Nothing => pauses.next(),
                Found::Runner => None,
            },
            Err(error) => {
                failures += 1;
                let pause = table.run.retry.delay(&error, failures, fastrand::f64());
                if let Some(delay) = pause {
                    table.tell(&Event::Retrying { error: &error, delay, attempt: failures });
                }
                pause
            }
        };
        let Some(pause) = pause else { return Err(fenced) };
        tokio::select! {
            () = cancelled.cancelled() => return Ok(Handover::Cancelled),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commutator_core::{PartitionId, Position, Progress};

    /// A checkpoint of each of three epochs, with and without progress, handed over or not.
    fn all() -> Vec<Checkpoint> {
        let mut first = Checkpoint::default();
        first.advance(&Progress::of(PartitionId::new("a"), None, Position::Start)).unwrap();
        let mut all = Vec::new();
        for mut checkpoint in [first.clone(), first.hand_over(), first.hand_over().hand_over()] {
            for reads_on in [false, true] {
                if reads_on {
                    checkpoint.advance(&Progress::of(PartitionId::new("b"), None, Position::Start)).unwrap();
                }
                let mut runs = checkpoint.clone();
                runs.take_up();
                all.push(runs);
                if checkpoint.is_handed_over() {
                    all.push(checkpoint.clone());
                }
            }
        }
        assert_eq!(all.len(), 10);
        all
    }

    fn sure(committed: &Checkpoint) -> Own<'_> {
        Own { committed, doubtful: None }
    }

    #[test]
    fn a_commit_whose_answer_was_lost_is_the_runners_own() {
        let mut own = Checkpoint::default();
        own.advance(&Progress::of(PartitionId::new("a"), None, Position::Start)).unwrap();
        let mut next = own.clone();
        next.advance(&Progress::of(PartitionId::new("b"), None, Position::Start)).unwrap();
        assert_eq!(decide(sure(&own), Some(&next)), Found::Runner);
        let doubtful = Own { committed: &own, doubtful: Some(&next) };
        assert_eq!(decide(doubtful, Some(&next)), Found::Nothing);
        assert_eq!(decide(doubtful, Some(&own)), Found::Nothing);
        let handed_over = next.hand_over();
        assert_eq!(decide(doubtful, Some(&handed_over)), Found::HandedOver(handed_over.epoch()));
    }

    #[test]
    fn every_pair_of_checkpoints_is_decided() {
        let (mut handed_over, mut nothing, mut runner) = (0, 0, 0);
        for mut own in all() {
            // A runner takes a table up when it opens it.
            own.take_up();
            assert_eq!(decide(sure(&own), None), Found::Runner);
            for found in all() {
                let newer = found.epoch() > own.epoch();
                let same = found.epoch() == own.epoch() && found.partitions() == own.partitions();
                let expected = match (found.is_handed_over(), newer, same) {
                    (true, true, _) => Found::HandedOver(found.epoch()),
                    (_, _, true) => Found::Nothing,
                    _ => Found::Runner,
                };
                *(match expected {
                    Found::HandedOver(_) => &mut handed_over,
                    Found::Nothing => &mut nothing,
                    Found::Runner => &mut runner,
                }) += 1;
                assert_eq!(decide(sure(&own), Some(&found)), expected, "{own:?} {found:?}");
            }
        }
        assert_eq!((handed_over, nothing, runner), (16, 18, 66));
    }

    #[test]
    fn a_mark_brings_a_runner_back_once_at_most() {
        for mut own in all() {
            own.take_up();
            for found in all() {
                if let Found::HandedOver(_) = decide(sure(&own), Some(&found)) {
                    let mut reopened = found.clone();
                    reopened.take_up();
                    assert_eq!(decide(sure(&reopened), Some(&found)), Found::Nothing);
                }
            }
        }
    }
}
