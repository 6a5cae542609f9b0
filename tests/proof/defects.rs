//! Deliberate defects, one at a time: the proof catches each of them.

use commutator_conformance::{DoubleHarness, Mistake};
use commutator_core::SyncMode;

use crate::bent::{Defect, RuleDefect};
use crate::chaos::Place;
use crate::compare::check;
use crate::destinations::mistaken;
use crate::run::{MODES, play};
use crate::scenario::Scenario;
use crate::transport::ReaderDefect;

/// A defect must show within so many seeds, in one of the modes. The slowest needs 62 of them.
const SEEDS: u64 = 200;

/// The modes in which all of these show.
const PLAIN: &[SyncMode] = &[SyncMode::Mirror, SyncMode::Append];

/// Returns the first seed that shows a defect in some mode, and what it showed.
fn caught(
    place: impl Fn() -> DoubleHarness,
    defect: Option<Defect>,
    seeds: u64,
    modes: &[SyncMode],
) -> Option<(u64, String)> {
    let runs: Vec<_> = (0..seeds).flat_map(|seed| modes.iter().map(move |&mode| (seed, mode))).collect();
    runs.into_iter().find_map(|(seed, mode)| {
        let outcome = play(&Scenario::new(seed, mode), &place(), Place::Here, defect);
        outcome.and_then(|outcome| check(&outcome)).err().map(|problem| (seed, problem))
    })
}

fn reader(defect: ReaderDefect) {
    let (_, problem) =
        caught(DoubleHarness::default, Some(Defect::Reader(defect)), SEEDS, PLAIN).expect("the defect is caught");
    assert!(!problem.is_empty());
}

fn destination(mistake: Mistake) {
    destination_in(PLAIN, mistake);
}

fn destination_in(modes: &[SyncMode], mistake: Mistake) {
    let (_, problem) = caught(|| mistaken(mistake), None, SEEDS, modes).expect("the defect is caught");
    assert!(!problem.is_empty());
}

#[test]
fn without_a_defect_nothing_is_caught() {
    assert_eq!(caught(DoubleHarness::default, None, 20, &MODES), None);
}

/// Mistakes of rules show sooner: at seeds 3 (salt, flattened maps) and 0 (parts, packed rows).
fn rule(defect: RuleDefect, modes: &[SyncMode]) {
    let defect = Some(Defect::Rule(defect));
    let (_, problem) = caught(DoubleHarness::default, defect, SEEDS, modes).expect("the defect is caught");
    assert!(!problem.is_empty());
}

#[test]
fn hashes_without_salt() {
    rule(RuleDefect::HashesWithoutSalt, &MODES);
}

#[test]
fn items_that_stay_in_a_part_when_they_move_to_another() {
    rule(RuleDefect::MovedItemsStay, &[SyncMode::Mirror]);
}

#[test]
fn a_packed_row_without_one_of_its_attributes() {
    rule(RuleDefect::PackedDropsAnAttribute, &MODES);
}

#[test]
fn a_flattened_map_that_overwrites_a_column() {
    rule(RuleDefect::FlattenOverwritesAColumn, &MODES);
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

#[test]
fn deleted_rows_that_older_versions_bring_back() {
    destination_in(&[SyncMode::SoftDelete], Mistake::SoftDeleteTakesOlder);
}

#[test]
fn intervals_by_clocks_that_differ() {
    destination_in(&[SyncMode::History], Mistake::HistoryTakesClocksAsTheyAre);
}

#[test]
fn versions_in_the_order_of_their_arrival() {
    destination_in(&[SyncMode::History], Mistake::HistoryAppendsAtEnd);
}

#[test]
fn versions_that_a_resync_leaves_open() {
    destination_in(&[SyncMode::History], Mistake::HistoryEndLeavesOpen);
}
