//! Each trial catches a mistake that was made for it, so no trial can become one that always passes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use commutator_conformance::{Bench, Double, DoubleHarness, Mistake, Stop, TRIALS, Trial, judge};

/// Every mistake, and the trials that must find it.
const MISTAKES: &[(Mistake, &[&str])] = &[
    (Mistake::AnyModeOpens, &["check::a_mode_that_is_not_offered_is_refused"]),
    (Mistake::ChecksFail, &["check::the_checks_of_a_healthy_destination_pass"]),
    (Mistake::ChecksFence, &["check::checks_may_run_beside_an_open_table"]),
    (Mistake::EmptyInterval, &["check::capabilities_are_plausible"]),
    (
        Mistake::FenceIsOff,
        &["fencing::an_older_session_cannot_commit", "replay::random_histories_arrive_whatever_breaks"],
    ),
    (Mistake::FenceIsCheckedTooEarly, &["fencing::writers_at_the_same_time_lose_and_double_nothing"]),
    (Mistake::FenceIsCheckedAtBegin, &["fencing::a_transaction_begun_before_the_takeover_cannot_commit"]),
    (Mistake::FencedFailsAsUnexpected, &["fencing::an_older_session_cannot_commit"]),
    (Mistake::FencedStillEndsSnapshot, &["fencing::a_fenced_end_of_a_snapshot_removes_nothing"]),
    (Mistake::FencedTakesTheTableForForeign, &["fencing::a_fenced_session_takes_nothing_for_foreign"]),
    (Mistake::OpenFencesAll, &["fencing::tables_are_fenced_one_by_one"]),
    (Mistake::PeekFences, &["fencing::peek_does_not_fence"]),
    (Mistake::TransactionsLock, &["fencing::a_new_session_works_while_an_old_transaction_is_open"]),
    (Mistake::CheckpointBeforeRows, &["replay::random_histories_arrive_whatever_breaks"]),
    (Mistake::RowsBeforeCheckpoint, &["replay::random_histories_arrive_whatever_breaks"]),
    (
        Mistake::WritesAtOnce,
        &[
            "transactions::a_dropped_transaction_leaves_nothing",
            "transactions::the_first_transaction_may_be_dropped",
            "schema::an_evolution_outlives_a_dropped_transaction",
        ],
    ),
    (Mistake::EndsSnapshotAtOnce, &["transactions::a_dropped_end_of_a_snapshot_leaves_nothing"]),
    (
        Mistake::OnlyTheLastBatch,
        &[
            "transactions::a_commit_of_many_rows_and_batches_is_one_unit",
            "schema::batches_of_several_schemas_share_a_transaction",
        ],
    ),
    (Mistake::SmallCheckpoints, &["transactions::a_checkpoint_may_be_large"]),
    (Mistake::CheckpointLosesNames, &["transactions::a_checkpoint_is_read_back_as_it_was_committed"]),
    (Mistake::CheckpointNeedsRows, &["transactions::a_transaction_without_rows_commits_its_checkpoint"]),
    (Mistake::SessionKeepsOldCheckpoint, &["transactions::a_session_makes_many_transactions"]),
    (Mistake::PipelinesShareCheckpoint, &["transactions::pipelines_have_checkpoints_of_their_own"]),
    (Mistake::SlotsIgnoreCase, &["transactions::source_tables_have_checkpoints_of_their_own"]),
    (Mistake::TablesShareRows, &["transactions::tables_are_apart"]),
    (
        Mistake::LaterWriteWins,
        &[
            "rows::an_older_version_changes_nothing",
            "replay::a_replay_changes_nothing",
            "replay::random_histories_arrive",
        ],
    ),
    (
        Mistake::LaterWriteWinsWithinTransaction,
        &["rows::order_is_by_number_not_by_arrival_within_a_transaction", "replay::random_histories_arrive"],
    ),
    (Mistake::LaterWriteWinsWithinBatch, &["rows::order_is_by_number_not_by_arrival_within_a_batch"]),
    (Mistake::SequencesAreCut, &["rows::sequences_of_forty_digits_are_told_apart"]),
    (Mistake::EpochsAreIgnored, &["rows::a_later_epoch_is_newer_than_any_sequence", "replay::random_histories_arrive"]),
    (
        Mistake::ModifyMerges,
        &[
            "rows::a_newer_version_replaces_the_whole_row",
            "types::nulls_come_and_go",
            "replay::random_histories_arrive",
        ],
    ),
    (Mistake::ExpiryIsIgnored, &["rows::a_removal_removes"]),
    (
        Mistake::RemovedForEver,
        &["rows::a_removed_key_comes_back_with_a_newer_insert", "snapshot::a_tombstone_gives_way_to_a_newer_row"],
    ),
    (Mistake::KeysIgnoreCase, &["rows::keys_of_every_type_are_told_apart"]),
    (Mistake::KeysAreJoined, &["rows::keys_of_two_columns_are_told_apart"]),
    (Mistake::AppendKeepsNewest, &["rows::append_keeps_every_change"]),
    (Mistake::AppendForgetsOp, &["rows::a_row_is_read_back", "rows::append_keeps_every_change"]),
    (
        Mistake::TombstonesAreOff,
        &[
            "snapshot::a_removed_row_does_not_come_back_with_the_snapshot",
            "snapshot::a_tombstone_of_a_resync_stops_its_snapshot",
            "widening::tombstones_outlive_the_widening_of_their_key",
            "replay::random_histories_arrive",
        ],
    ),
    (Mistake::TombstonesLostAtOpen, &["snapshot::tombstones_outlive_a_restart"]),
    (Mistake::TombstonesAreNotStaged, &["snapshot::tombstones_work_within_a_transaction"]),
    (Mistake::SnapshotEndKeepsOlderRows, &["snapshot::rows_that_a_resync_did_not_see_go_at_its_end"]),
    (Mistake::SnapshotEndDropsStreamedRows, &["snapshot::the_snapshot_s_end_keeps_every_row_of_its_epoch"]),
    (Mistake::SnapshotEndComesFirst, &["snapshot::the_snapshot_s_end_comes_after_the_rows_of_its_transaction"]),
    (Mistake::SnapshotEndEmptiesAppend, &["snapshot::an_append_table_keeps_its_older_epochs"]),
    (Mistake::SnapshotEndNeedsTable, &["snapshot::a_snapshot_of_nothing_may_end"]),
    (Mistake::SoftDeleteRemoves, &["soft_delete::a_removal_marks_the_row_deleted", "replay::random_histories_arrive"]),
    (
        Mistake::SoftDeleteForgetsValues,
        &["soft_delete::a_deleted_row_keeps_its_values", "replay::random_histories_arrive"],
    ),
    (
        Mistake::SoftDeleteForgetsNewValues,
        &[
            "soft_delete::an_item_that_came_and_went_in_one_transaction_is_a_deleted_row",
            "replay::random_histories_arrive",
        ],
    ),
    (
        Mistake::SoftDeleteForgetsOrder,
        &["soft_delete::a_removal_marks_the_row_deleted", "soft_delete::a_deleted_row_comes_back"],
    ),
    (Mistake::SoftDeleteKeepsOldValues, &["soft_delete::a_deleted_row_comes_back", "replay::random_histories_arrive"]),
    (Mistake::SoftDeleteIsForEver, &["soft_delete::a_deleted_row_comes_back", "replay::random_histories_arrive"]),
    (
        Mistake::SoftDeleteIgnoresUnknown,
        &["soft_delete::a_removal_of_what_was_never_there_is_a_deleted_row", "replay::random_histories_arrive"],
    ),
    (Mistake::SoftDeleteByArrival, &["soft_delete::an_item_that_came_and_went_in_one_transaction_is_a_deleted_row"]),
    (
        Mistake::SoftDeleteTakesOlder,
        &["soft_delete::an_older_version_changes_nothing_of_a_deleted_row", "replay::random_histories_arrive"],
    ),
    (
        Mistake::SoftDeleteEndRemoves,
        &["soft_delete::what_a_resync_did_not_see_is_marked_deleted", "replay::random_histories_arrive"],
    ),
    (
        Mistake::SoftDeleteEndKeeps,
        &["soft_delete::what_a_resync_did_not_see_is_marked_deleted", "replay::random_histories_arrive"],
    ),
    (
        Mistake::SoftDeleteEndMarksAgain,
        &["soft_delete::the_snapshot_s_end_leaves_deleted_rows_as_they_are", "replay::random_histories_arrive"],
    ),
    (Mistake::HistoryKeepsNewest, &["history::every_version_is_kept", "replay::random_histories_arrive"]),
    (Mistake::HistoryIsByTime, &["history::versions_of_one_second_stay_apart", "replay::random_histories_arrive"]),
    (Mistake::HistoryRemovesKey, &["history::a_removal_closes_the_last_version", "replay::random_histories_arrive"]),
    (Mistake::HistoryLeavesRemovedOpen, &["history::a_removal_closes_the_last_version"]),
    (Mistake::HistoryForgetsExpiry, &["history::an_expiry_is_told_from_a_removal", "replay::random_histories_arrive"]),
    (
        Mistake::HistoryAppendsAtEnd,
        &[
            "history::a_late_older_version_takes_its_place",
            "history::intervals_do_not_overlap_whatever_arrives",
            "replay::random_histories_arrive",
        ],
    ),
    (
        Mistake::HistoryTakesClocksAsTheyAre,
        &[
            "history::a_clock_that_goes_back_leaves_no_interval_torn",
            "history::intervals_do_not_overlap_whatever_arrives",
            "replay::random_histories_arrive",
        ],
    ),
    (Mistake::HistoryDoublesReplays, &["history::a_replay_leaves_no_torn_interval"]),
    (Mistake::HistorySyncsReplaysAgain, &["history::a_replay_leaves_no_torn_interval"]),
    (Mistake::HistoryHasNoHole, &["history::a_key_that_comes_back_has_a_hole_between"]),
    (Mistake::HistoryEndRemoves, &["history::what_a_resync_did_not_see_is_closed", "replay::random_histories_arrive"]),
    (
        Mistake::HistoryEndLeavesOpen,
        &[
            "history::what_a_resync_did_not_see_is_closed",
            "history::a_version_that_a_resync_saw_goes_on",
            "replay::random_histories_arrive",
        ],
    ),
    (
        Mistake::HistoryEndClosesAgain,
        &["history::what_a_resync_did_not_see_is_closed", "replay::random_histories_arrive"],
    ),
    (Mistake::DescribesSystemColumns, &["schema::what_was_planned_is_described"]),
    (Mistake::DescribesTooFewColumns, &["schema::what_was_planned_is_described"]),
    (Mistake::DescribesKeysLast, &["schema::keys_of_every_type_are_described"]),
    (Mistake::DescribesWhatIsNotThere, &["transactions::nobody_opened_it_is_not_the_same_as_nothing_was_read"]),
    (Mistake::IdleRemovalsAreRows, &["filtered::a_removal_of_what_never_passed_leaves_no_row"]),
    (Mistake::IdleRemovalsAreForgotten, &["filtered::a_removal_before_the_snapshot_s_row_keeps_it_away"]),
    (Mistake::FilteredRemovalsDoNothing, &["filtered::a_removal_of_what_passed_marks_its_row"]),
    (Mistake::IdleVersionsStay, &["filtered::a_version_before_which_nothing_was_is_not_kept"]),
    (
        Mistake::IdleVersionsGoAtOnce,
        &[
            "filtered::versions_are_sorted_out_when_the_snapshot_ends",
            "filtered::a_resync_of_versions_keeps_what_removes_something",
        ],
    ),
    (Mistake::IdleVersionsStayAtEnd, &["filtered::versions_are_sorted_out_when_the_snapshot_ends"]),
    (Mistake::EveryRemovalIsIdle, &["filtered::a_version_before_which_nothing_was_is_not_kept"]),
    (Mistake::PeekShowsNoColumns, &["schema::committed_columns_can_be_peeked"]),
    (Mistake::EvolvesOnce, &["schema::a_plan_done_twice_is_done_once"]),
    (Mistake::EvolvesOnlyWhatIsMissingFromFirst, &["schema::a_plan_half_done_is_completed"]),
    (
        Mistake::FirstSchemaOnly,
        &["schema::a_new_column_is_null_in_older_rows", "schema::an_evolution_that_nobody_committed_is_harmless"],
    ),
    (Mistake::EvolutionDropsRows, &["widening::columns_are_added_and_widened_with_many_rows_there"]),
    (Mistake::EvolutionIsLostWithItsTransaction, &["schema::an_evolution_outlives_a_dropped_transaction"]),
    (Mistake::EvolutionEmptiesTableOfKeys, &["schema::a_table_may_have_only_its_key"]),
    (Mistake::ManyColumnsAreCut, &["schema::a_table_may_have_many_columns"]),
    (
        Mistake::WideningRounds,
        &[
            "widening::numbers_keep_every_digit_while_their_column_widens",
            "widening::a_key_column_widens",
            "widening::any_number_stays_itself_when_its_column_becomes_json",
        ],
    ),
    (
        Mistake::WideningForgetsKeys,
        &["widening::a_key_column_widens", "widening::tombstones_outlive_the_widening_of_their_key"],
    ),
    (Mistake::JsonFromTextIsParsed, &["widening::any_value_stays_itself_when_its_column_becomes_json"]),
    (Mistake::JsonFromNothingIsNull, &["widening::any_value_stays_itself_when_its_column_becomes_json"]),
    (Mistake::BoolsAreNumbers, &["types::booleans_are_exact"]),
    (
        Mistake::NumbersAreFloats,
        &["types::whole_numbers_are_exact", "types::decimals_are_exact", "types::numbers_are_exact"],
    ),
    (Mistake::TinyNumbersAreZero, &["types::numbers_are_exact"]),
    (Mistake::EmptyTextIsNull, &["types::text_is_exact"]),
    (Mistake::BinaryIsText, &["types::binary_is_exact"]),
    (Mistake::JsonNumbersAreFloats, &["types::json_is_exact"]),
    (Mistake::FloatsAreSingle, &["floats::a_column_of_doubles_holds_the_nearest_ones"]),
    (Mistake::FloatsWidenToFifteenDigits, &["floats::doubles_keep_their_digits_when_their_column_widens"]),
    (
        Mistake::DescribesNumbersAsFloats,
        &["floats::an_exact_column_stays_exact_when_numbers_become_doubles", "schema::what_was_planned_is_described"],
    ),
    (Mistake::NullsAreNotWritten, &["types::nulls_come_and_go"]),
    (Mistake::ColumnsIgnoreCase, &["identifiers::hard_attribute_names_stay_apart"]),
    (Mistake::KeyNamesAreFixed, &["identifiers::hard_attribute_names_can_be_keys"]),
    (Mistake::TableNamesIgnoreCase, &["identifiers::hard_table_names_stay_apart_or_are_refused"]),
    (Mistake::TableNamesAreCut, &["identifiers::hard_table_names_stay_apart_or_are_refused"]),
];

/// Returns why a trial fails on a double with this mistake; `None` if it does not.
fn caught(trial: &Trial, mistake: Mistake) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = || {
        runtime.block_on(async {
            let bench = Bench::new(DoubleHarness(Double::with(mistake))).await.with_sampling(1, 60);
            judge(trial, &bench).await
        })
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(()) | Err(Stop::Skipped(_))) => None,
        Ok(Err(Stop::Failed(problem))) => Some(problem),
        Err(_) => Some("it panicked".to_owned()),
    }
}

#[test]
fn every_mistake_is_caught() {
    let mut missed = Vec::new();
    for (mistake, names) in MISTAKES {
        for name in *names {
            let trial = TRIALS.iter().find(|trial| format!("{trial:?}") == *name).unwrap_or_else(|| panic!("{name}"));
            if caught(trial, *mistake).is_none() {
                missed.push(format!("{mistake:?} by {name}"));
            }
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

#[test]
fn what_the_contract_leaves_open_is_no_mistake() {
    for liberty in [Mistake::EvolutionComesWithCommit, Mistake::TombstonesStay] {
        for trial in TRIALS {
            assert_eq!(caught(trial, liberty), None, "{liberty:?} by {trial:?}");
        }
    }
}

#[test]
fn every_trial_catches_a_mistake() {
    let named: Vec<_> = MISTAKES.iter().flat_map(|(_, names)| *names).copied().collect();
    let idle: Vec<_> =
        TRIALS.iter().map(|trial| format!("{trial:?}")).filter(|n| !named.contains(&n.as_str())).collect();
    assert!(idle.is_empty(), "no mistake was made for: {idle:#?}");
}

/// A message without what differs is as good as none.
#[test]
fn a_failure_says_what_differs() {
    let trial = TRIALS.iter().find(|trial| trial.name == "an_older_version_changes_nothing").unwrap();
    let problem = caught(trial, Mistake::LaterWriteWins).unwrap();
    assert!(problem.starts_with("table table_0 has "), "{problem}");
    assert!(problem.contains("missing: {") && problem.contains("newest"), "{problem}");
}
