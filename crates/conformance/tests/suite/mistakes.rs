//! Each trial catches a mistake that was made for it, so no trial can become one that always passes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use commutator_conformance::{Bench, Stop, TRIALS, Trial, judge};

use crate::double::{Double, DoubleHarness, Fault};

/// Every mistake, and the trials that must find it.
const MISTAKES: &[(Fault, &[&str])] = &[
    (Fault::AnyModeOpens, &["check::a_mode_that_is_not_offered_is_refused"]),
    (Fault::ChecksFail, &["check::the_checks_of_a_healthy_destination_pass"]),
    (Fault::ChecksFence, &["check::checks_may_run_beside_an_open_table"]),
    (Fault::EmptyInterval, &["check::capabilities_are_plausible"]),
    (
        Fault::FenceIsOff,
        &["fencing::an_older_session_cannot_commit", "replay::random_histories_arrive_whatever_breaks"],
    ),
    (Fault::FenceIsCheckedTooEarly, &["fencing::writers_at_the_same_time_lose_and_double_nothing"]),
    (Fault::FenceIsCheckedAtBegin, &["fencing::a_transaction_begun_before_the_takeover_cannot_commit"]),
    (Fault::FencedFailsAsUnexpected, &["fencing::an_older_session_cannot_commit"]),
    (Fault::FencedStillEndsSnapshot, &["fencing::a_fenced_end_of_a_snapshot_removes_nothing"]),
    (Fault::OpenFencesAll, &["fencing::tables_are_fenced_one_by_one"]),
    (Fault::PeekFences, &["fencing::peek_does_not_fence"]),
    (Fault::TransactionsLock, &["fencing::a_new_session_works_while_an_old_transaction_is_open"]),
    (Fault::CheckpointBeforeRows, &["replay::random_histories_arrive_whatever_breaks"]),
    (Fault::RowsBeforeCheckpoint, &["replay::random_histories_arrive_whatever_breaks"]),
    (
        Fault::WritesAtOnce,
        &[
            "transactions::a_dropped_transaction_leaves_nothing",
            "transactions::the_first_transaction_may_be_dropped",
            "schema::an_evolution_outlives_a_dropped_transaction",
        ],
    ),
    (Fault::EndsSnapshotAtOnce, &["transactions::a_dropped_end_of_a_snapshot_leaves_nothing"]),
    (
        Fault::OnlyTheLastBatch,
        &[
            "transactions::a_commit_of_many_rows_and_batches_is_one_unit",
            "schema::batches_of_several_schemas_share_a_transaction",
        ],
    ),
    (Fault::SmallCheckpoints, &["transactions::a_checkpoint_may_be_large"]),
    (Fault::CheckpointLosesNames, &["transactions::a_checkpoint_is_read_back_as_it_was_committed"]),
    (Fault::CheckpointNeedsRows, &["transactions::a_transaction_without_rows_commits_its_checkpoint"]),
    (Fault::SessionKeepsOldCheckpoint, &["transactions::a_session_makes_many_transactions"]),
    (Fault::PipelinesShareCheckpoint, &["transactions::pipelines_have_checkpoints_of_their_own"]),
    (Fault::SlotsIgnoreCase, &["transactions::source_tables_have_checkpoints_of_their_own"]),
    (Fault::TablesShareRows, &["transactions::tables_are_apart"]),
    (
        Fault::LaterWriteWins,
        &[
            "rows::an_older_version_changes_nothing",
            "replay::a_replay_changes_nothing",
            "replay::random_histories_arrive",
        ],
    ),
    (
        Fault::LaterWriteWinsWithinTransaction,
        &["rows::order_is_by_number_not_by_arrival_within_a_transaction", "replay::random_histories_arrive"],
    ),
    (Fault::LaterWriteWinsWithinBatch, &["rows::order_is_by_number_not_by_arrival_within_a_batch"]),
    (Fault::SequencesAreCut, &["rows::sequences_of_forty_digits_are_told_apart"]),
    (Fault::EpochsAreIgnored, &["rows::a_later_epoch_is_newer_than_any_sequence", "replay::random_histories_arrive"]),
    (
        Fault::ModifyMerges,
        &[
            "rows::a_newer_version_replaces_the_whole_row",
            "types::nulls_come_and_go",
            "replay::random_histories_arrive",
        ],
    ),
    (Fault::ExpiryIsIgnored, &["rows::a_removal_removes"]),
    (
        Fault::RemovedForEver,
        &["rows::a_removed_key_comes_back_with_a_newer_insert", "snapshot::a_tombstone_gives_way_to_a_newer_row"],
    ),
    (Fault::KeysIgnoreCase, &["rows::keys_of_every_type_are_told_apart"]),
    (Fault::KeysAreJoined, &["rows::keys_of_two_columns_are_told_apart"]),
    (Fault::AppendKeepsNewest, &["rows::append_keeps_every_change"]),
    (Fault::AppendForgetsOp, &["rows::a_row_is_read_back", "rows::append_keeps_every_change"]),
    (
        Fault::TombstonesAreOff,
        &[
            "snapshot::a_removed_row_does_not_come_back_with_the_snapshot",
            "snapshot::a_tombstone_of_a_resync_stops_its_snapshot",
            "widening::tombstones_outlive_the_widening_of_their_key",
            "replay::random_histories_arrive",
        ],
    ),
    (Fault::TombstonesLostAtOpen, &["snapshot::tombstones_outlive_a_restart"]),
    (Fault::TombstonesAreNotStaged, &["snapshot::tombstones_work_within_a_transaction"]),
    (Fault::SnapshotEndKeepsOlderRows, &["snapshot::rows_that_a_resync_did_not_see_go_at_its_end"]),
    (Fault::SnapshotEndDropsStreamedRows, &["snapshot::the_snapshot_s_end_keeps_every_row_of_its_epoch"]),
    (Fault::SnapshotEndComesFirst, &["snapshot::the_snapshot_s_end_comes_after_the_rows_of_its_transaction"]),
    (Fault::SnapshotEndEmptiesAppend, &["snapshot::an_append_table_keeps_its_older_epochs"]),
    (Fault::SnapshotEndNeedsTable, &["snapshot::a_snapshot_of_nothing_may_end"]),
    (Fault::DescribesSystemColumns, &["schema::what_was_planned_is_described"]),
    (Fault::DescribesTooFewColumns, &["schema::what_was_planned_is_described"]),
    (Fault::DescribesKeysLast, &["schema::keys_of_every_type_are_described"]),
    (Fault::DescribesWhatIsNotThere, &["transactions::nobody_opened_it_is_not_the_same_as_nothing_was_read"]),
    (Fault::EvolvesOnce, &["schema::a_plan_done_twice_is_done_once"]),
    (Fault::EvolvesOnlyWhatIsMissingFromFirst, &["schema::a_plan_half_done_is_completed"]),
    (
        Fault::FirstSchemaOnly,
        &["schema::a_new_column_is_null_in_older_rows", "schema::an_evolution_that_nobody_committed_is_harmless"],
    ),
    (Fault::EvolutionDropsRows, &["widening::columns_are_added_and_widened_with_many_rows_there"]),
    (Fault::EvolutionIsLostWithItsTransaction, &["schema::an_evolution_outlives_a_dropped_transaction"]),
    (Fault::EvolutionEmptiesTableOfKeys, &["schema::a_table_may_have_only_its_key"]),
    (Fault::ManyColumnsAreCut, &["schema::a_table_may_have_many_columns"]),
    (
        Fault::WideningRounds,
        &["widening::numbers_keep_every_digit_while_their_column_widens", "widening::a_key_column_widens"],
    ),
    (
        Fault::WideningForgetsKeys,
        &["widening::a_key_column_widens", "widening::tombstones_outlive_the_widening_of_their_key"],
    ),
    (Fault::JsonFromTextIsParsed, &["widening::any_value_stays_itself_when_its_column_becomes_json"]),
    (Fault::BoolsAreNumbers, &["types::booleans_are_exact"]),
    (
        Fault::NumbersAreFloats,
        &["types::whole_numbers_are_exact", "types::decimals_are_exact", "types::numbers_are_exact"],
    ),
    (Fault::TinyNumbersAreZero, &["types::numbers_are_exact"]),
    (Fault::EmptyTextIsNull, &["types::text_is_exact"]),
    (Fault::BinaryIsText, &["types::binary_is_exact"]),
    (Fault::JsonNumbersAreFloats, &["types::json_is_exact"]),
    (Fault::NullsAreNotWritten, &["types::nulls_come_and_go"]),
    (Fault::ColumnsIgnoreCase, &["identifiers::hard_attribute_names_stay_apart"]),
    (Fault::KeyNamesAreFixed, &["identifiers::hard_attribute_names_can_be_keys"]),
    (Fault::TableNamesIgnoreCase, &["identifiers::hard_table_names_stay_apart_or_are_refused"]),
    (Fault::TableNamesAreCut, &["identifiers::hard_table_names_stay_apart_or_are_refused"]),
];

/// Returns why a trial fails on a double with this mistake; `None` if it does not.
fn caught(trial: &Trial, fault: Fault) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = || {
        runtime.block_on(async {
            let bench = Bench::new(DoubleHarness(Double::with(fault))).await.with_sampling(1, 60);
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
    for (fault, names) in MISTAKES {
        for name in *names {
            let trial = TRIALS.iter().find(|trial| format!("{trial:?}") == *name).unwrap_or_else(|| panic!("{name}"));
            if caught(trial, *fault).is_none() {
                missed.push(format!("{fault:?} by {name}"));
            }
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

#[test]
fn what_the_contract_leaves_open_is_no_mistake() {
    for liberty in [Fault::EvolutionComesWithCommit, Fault::TombstonesStay] {
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
    let problem = caught(trial, Fault::LaterWriteWins).unwrap();
    assert!(problem.starts_with("table table_0 has "), "{problem}");
    assert!(problem.contains("missing: {") && problem.contains("newest"), "{problem}");
}
