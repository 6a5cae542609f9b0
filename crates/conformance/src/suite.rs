//! The list of all trials, the macro that makes each of them a test, and how one is run.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::{Bench, Harness, Stop, Verdict, trials};

/// A trial that takes longer than this hangs: the destination waits for something that does not come.
const PATIENCE: Duration = Duration::from_mins(10);

/// One test of the contract.
#[derive(Clone, Copy)]
pub struct Trial {
    /// What part of the contract it is about.
    pub topic: &'static str,
    /// What it claims.
    pub name: &'static str,
    /// Runs it.
    pub run: for<'a> fn(&'a Bench) -> Pin<Box<dyn Future<Output = Verdict> + 'a>>,
}

impl std::fmt::Debug for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{}", self.topic, self.name)
    }
}

/// Makes one `#[test]` per trial for a [`Harness`], in a module per topic.
///
/// It needs nothing in scope but the harness, and brings its own runtime. `suite!(Harness; rows::a_row_is_read_back)` makes one of those trials only
/// that it names.
#[macro_export]
macro_rules! suite {
    ($harness:ty) => {
        $crate::suite! { @list tests [$harness] }
    };
    // Those trials that are named, without a module per topic.
    ($harness:ty; $($topic:ident::$trial:ident),* $(,)?) => {
        $(#[test]
        fn $trial() {
            $crate::run::<$harness>(stringify!($topic), stringify!($trial));
        })*
    };
    // The one list of all trials.
    (@list $what:ident [$($harness:ty)?]) => {
        $crate::suite! { @$what [$($harness)?]
            rows {
                a_row_is_read_back,
                a_newer_version_replaces_the_whole_row,
                an_older_version_changes_nothing,
                order_is_by_number_not_by_arrival_within_a_transaction,
                order_is_by_number_not_by_arrival_within_a_batch,
                sequences_of_forty_digits_are_told_apart,
                a_later_epoch_is_newer_than_any_sequence,
                a_removal_removes,
                a_removed_key_comes_back_with_a_newer_insert,
                keys_of_every_type_are_told_apart,
                keys_of_two_columns_are_told_apart,
                append_keeps_every_change,
            }
            types {
                booleans_are_exact,
                whole_numbers_are_exact,
                decimals_are_exact,
                numbers_are_exact,
                text_is_exact,
                binary_is_exact,
                json_is_exact,
                nulls_come_and_go,
            }
            schema {
                what_was_planned_is_described,
                keys_of_every_type_are_described,
                committed_columns_can_be_peeked,
                a_plan_done_twice_is_done_once,
                a_plan_half_done_is_completed,
                an_evolution_that_nobody_committed_is_harmless,
                an_evolution_outlives_a_dropped_transaction,
                a_new_column_is_null_in_older_rows,
                batches_of_several_schemas_share_a_transaction,
                a_table_may_have_only_its_key,
                a_table_may_have_many_columns,
            }
            widening {
                numbers_keep_every_digit_while_their_column_widens,
                any_value_stays_itself_when_its_column_becomes_json,
                any_number_stays_itself_when_its_column_becomes_json,
                a_key_column_widens,
                tombstones_outlive_the_widening_of_their_key,
                columns_are_added_and_widened_with_many_rows_there,
            }
            floats {
                a_column_of_doubles_holds_the_nearest_ones,
                doubles_keep_their_digits_when_their_column_widens,
                an_exact_column_stays_exact_when_numbers_become_doubles,
            }
            transactions {
                a_dropped_transaction_leaves_nothing,
                the_first_transaction_may_be_dropped,
                a_dropped_end_of_a_snapshot_leaves_nothing,
                nobody_opened_it_is_not_the_same_as_nothing_was_read,
                a_checkpoint_is_read_back_as_it_was_committed,
                a_checkpoint_may_be_large,
                a_transaction_without_rows_commits_its_checkpoint,
                a_commit_of_many_rows_and_batches_is_one_unit,
                tables_are_apart,
                pipelines_have_checkpoints_of_their_own,
                source_tables_have_checkpoints_of_their_own,
                a_session_makes_many_transactions,
            }
            fencing {
                an_older_session_cannot_commit,
                a_transaction_begun_before_the_takeover_cannot_commit,
                a_new_session_works_while_an_old_transaction_is_open,
                a_fenced_end_of_a_snapshot_removes_nothing,
                tables_are_fenced_one_by_one,
                peek_does_not_fence,
                a_fenced_session_takes_nothing_for_foreign,
                writers_at_the_same_time_lose_and_double_nothing,
            }
            replay {
                a_replay_changes_nothing,
                random_histories_arrive,
                random_histories_arrive_whatever_breaks,
            }
            snapshot {
                a_removed_row_does_not_come_back_with_the_snapshot,
                tombstones_outlive_a_restart,
                tombstones_work_within_a_transaction,
                a_tombstone_gives_way_to_a_newer_row,
                the_snapshot_s_end_keeps_every_row_of_its_epoch,
                the_snapshot_s_end_comes_after_the_rows_of_its_transaction,
                rows_that_a_resync_did_not_see_go_at_its_end,
                a_tombstone_of_a_resync_stops_its_snapshot,
                an_append_table_keeps_its_older_epochs,
                a_snapshot_of_nothing_may_end,
            }
            soft_delete {
                a_removal_marks_the_row_deleted,
                a_deleted_row_keeps_its_values,
                a_deleted_row_comes_back,
                a_removal_of_what_was_never_there_is_a_deleted_row,
                an_item_that_came_and_went_in_one_transaction_is_a_deleted_row,
                an_older_version_changes_nothing_of_a_deleted_row,
                what_a_resync_did_not_see_is_marked_deleted,
                the_snapshot_s_end_leaves_deleted_rows_as_they_are,
            }
            history {
                every_version_is_kept,
                versions_of_one_second_stay_apart,
                a_removal_closes_the_last_version,
                an_expiry_is_told_from_a_removal,
                a_key_that_comes_back_has_a_hole_between,
                a_late_older_version_takes_its_place,
                a_clock_that_goes_back_leaves_no_interval_torn,
                intervals_do_not_overlap_whatever_arrives,
                a_replay_leaves_no_torn_interval,
                what_a_resync_did_not_see_is_closed,
                a_version_that_a_resync_saw_goes_on,
            }
            filtered {
                a_removal_of_what_never_passed_leaves_no_row,
                a_removal_of_what_passed_marks_its_row,
                a_removal_before_the_snapshot_s_row_keeps_it_away,
                a_version_before_which_nothing_was_is_not_kept,
                versions_are_sorted_out_when_the_snapshot_ends,
                a_resync_of_versions_keeps_what_removes_something,
            }
            identifiers {
                hard_attribute_names_stay_apart,
                hard_attribute_names_can_be_keys,
                hard_table_names_stay_apart_or_are_refused,
            }
            check {
                the_checks_of_a_healthy_destination_pass,
                checks_may_run_beside_an_open_table,
                capabilities_are_plausible,
                a_mode_that_is_not_offered_is_refused,
            }
        }
    };
    (@tests [$harness:ty] $($topic:ident { $($trial:ident),* $(,)? })*) => {
        $(mod $topic {
            #[allow(unused_imports, clippy::wildcard_imports, reason = "the harness may be named by any path")]
            use super::*;

            $(#[test]
            fn $trial() {
                $crate::run::<$harness>(stringify!($topic), stringify!($trial));
            })*
        })*
    };
    (@table [] $($topic:ident { $($trial:ident),* $(,)? })*) => {
        /// Every trial.
        pub const TRIALS: &[Trial] = &[$($(Trial {
            topic: stringify!($topic),
            name: stringify!($trial),
            run: |bench| Box::pin(trials::$topic::$trial(bench)),
        }),*),*];
    };
}

crate::suite! { @list table [] }

/// Runs one trial against a fresh harness.
///
/// # Panics
///
/// Panics if the destination breaks the contract, if there is no such trial, or if the backend is not configured and the environment
/// variable `CI` is `true`.
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
pub fn run<H: Harness>(topic: &str, name: &str) {
    let trial = TRIALS.iter().find(|trial| trial.topic == topic && trial.name == name).expect("a trial of the list");
    if let Some((_, why)) = H::left_out().iter().find(|(left_out, _)| *left_out == format!("{topic}::{name}")) {
        eprintln!("left out: {topic}::{name}: {why}");
        return;
    }
    play(topic, name, async |harness: H| judge(trial, &Bench::new(harness).await).await);
}

/// Plays a trial in a fresh harness, and says how it ended.
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
pub(crate) fn play<H: Harness>(topic: &str, name: &str, trial: impl AsyncFnOnce(H) -> Verdict) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let verdict = runtime.expect("a runtime").block_on(async {
        let Some(harness) = H::fresh().await else {
            let reason = "the backend is not configured here".to_owned();
            let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
            return Err(if required { Stop::Failed(reason) } else { Stop::Skipped(reason) });
        };
        trial(harness).await
    });
    match verdict {
        Ok(()) => {}
        Err(Stop::Skipped(reason)) => eprintln!("skipped: {topic}::{name}: {reason}"),
        Err(Stop::Failed(problem)) => panic!("{topic}::{name}: {problem}"),
    }
}

/// Returns how a trial ends, with a failure for one that never does.
pub async fn judge(trial: &Trial, bench: &Bench) -> Verdict {
    let hangs = || Stop::Failed(format!("it did not end within {PATIENCE:?}"));
    tokio::time::timeout(PATIENCE, (trial.run)(bench)).await.unwrap_or_else(|_| Err(hangs()))
}
