//! Deliberate defects, one at a time: the proof catches each of them.

use commutator_conformance::{DoubleHarness, Mistake};

use crate::chaos::Place;
use crate::compare::check;
use crate::destinations::mistaken;
use crate::run::{MODES, play};
use crate::scenario::Scenario;
use crate::transport::ReaderDefect;

/// A defect must show within so many seeds, in one of the modes. The slowest needs 62 of them.
const SEEDS: u64 = 200;

/// Returns the first seed that shows a defect in some mode, and what it showed.
fn caught(place: impl Fn() -> DoubleHarness, defect: Option<ReaderDefect>, seeds: u64) -> Option<(u64, String)> {
    let runs = (0..seeds).flat_map(|seed| MODES.map(|mode| (seed, mode)));
    runs.into_iter().find_map(|(seed, mode)| {
        let outcome = play(&Scenario::new(seed, mode), &place(), Place::Here, defect);
        outcome.and_then(|outcome| check(&outcome)).err().map(|problem| (seed, problem))
    })
}

fn reader(defect: ReaderDefect) {
    let (_, problem) = caught(DoubleHarness::default, Some(defect), SEEDS).expect("the defect is caught");
    assert!(!problem.is_empty());
}

fn destination(mistake: Mistake) {
    let (_, problem) = caught(|| mistaken(mistake), None, SEEDS).expect("the defect is caught");
    assert!(!problem.is_empty());
}

#[test]
fn without_a_defect_nothing_is_caught() {
    assert_eq!(caught(DoubleHarness::default, None, 20), None);
}

#[test]
fn children_read_before_their_parents() {
    reader(ReaderDefect::ChildrenFirst);
}

#[test]
fn latest_for_a_child() {
    reader(ReaderDefect::LatestForChildren);
}

#[test]
fn the_last_page_dropped() {
    reader(ReaderDefect::LastPageDropped);
}

#[test]
fn order_compared_as_plain_text() {
    destination(Mistake::SequencesAreText);
}

#[test]
fn tombstones_off() {
    destination(Mistake::TombstonesAreOff);
}

#[test]
fn the_fence_off() {
    destination(Mistake::FenceIsOff);
}

#[test]
fn the_checkpoint_committed_before_the_rows() {
    destination(Mistake::CheckpointBeforeRows);
}

#[test]
fn snapshot_rows_that_overwrite_stream_rows() {
    destination(Mistake::SnapshotRowsOverwrite);
}
