//! What the destinations have in common whose tables others reach with SQL: trials in which somebody does, and a table that is written to.
//!
//! A destination's tests say in a [`SqlHarness`] how statements are run beside it, and let [`sql_suite!`](crate::sql_suite) make a test of every trial.
//! Statements are such as Postgres and `DuckDB` take.

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use commutator_core::{Error, Target};

use crate::{Harness, suite};

mod foreign;
mod modes;
mod shown;
mod table;
mod widening;

pub use shown::{outlines, shows_a_replacement, texts};
pub use table::{Table, at, item, put, remove, seen, target, target_in};

/// A place for a destination's tables that others reach with SQL.
#[async_trait]
pub trait SqlHarness: Harness {
    /// Runs statements, in which a name alone is a table of the place, as somebody else does.
    async fn execute(&self, statements: &str);

    /// Returns the rows of a query, their values as text with spaces between, and null as `-`.
    async fn query(&self, query: &str) -> Vec<String>;

    /// Returns whether all targets' checkpoints are in one table; otherwise each target has its own.
    fn shares_checkpoints(&self) -> bool {
        true
    }

    /// Returns the name of the table in which a target's checkpoint is.
    fn checkpoints(&self, target: &str) -> String {
        if self.shares_checkpoints() { "_ct_checkpoints".to_owned() } else { format!("_ct_checkpoint_{target}") }
    }

    /// Returns statements that change columns of the table `t` to what rows cannot be written to, beside those of the trials.
    fn conflicts(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Returns the statement after which nothing is known of a target: the way out that errors name.
fn forget(place: &dyn SqlHarness, target: &str) -> String {
    let checkpoints = place.checkpoints(target);
    if place.shares_checkpoints() {
        format!("DELETE FROM {checkpoints} WHERE target = '{target}'")
    } else {
        format!("DROP TABLE {checkpoints}")
    }
}

impl dyn SqlHarness + '_ {
    async fn open(&self, target: Target) -> Table {
        Table::open(&*self.connect().await, target).await
    }

    async fn refused(&self, target: Target) -> Error {
        Table::refused(&*self.connect().await, target).await
    }
}

/// Makes one `#[test]` per trial for a [`SqlHarness`], in a module per topic.
///
/// It needs nothing in scope but the harness, and brings its own runtime.
#[macro_export]
macro_rules! sql_suite {
    ($harness:ty) => {
        $crate::sql_suite! { @list tests [$harness] }
    };
    // The one list of all trials.
    (@list $what:ident [$($harness:ty)?]) => {
        $crate::sql_suite! { @$what [$($harness)?]
            foreign {
                a_table_of_another_pipeline_is_refused,
                a_table_that_nobody_here_made_is_refused_and_left_alone,
                a_table_that_was_dropped_is_not_made_anew_half_full,
                removals_of_a_table_that_was_dropped_keep_no_row_of_the_next_away,
                columns_that_were_changed_are_conflicts,
                a_number_is_never_rounded_because_a_column_was_changed_under_an_open_session,
                a_checkpoint_that_was_deleted_is_named_and_is_no_other_writer,
                a_column_that_was_dropped_is_not_added_again_in_silence,
                harmless_changes_are_lived_with,
                many_tables_share_a_database,
                a_session_from_before_a_reset_has_not_the_number_of_the_next_owner,
            }
            modes {
                tombstones_are_there_only_while_a_snapshot_runs,
                an_append_table_has_operations_and_every_change,
                deleted_rows_look_as_documented,
                a_table_of_versions_looks_as_documented,
                a_mirror_may_become_a_table_that_keeps_deleted_rows,
                a_table_that_is_filtered_no_more_keeps_its_tombstones_until_the_snapshot_ends,
                modes_whose_rows_mean_something_else_are_refused,
                attributes_may_have_the_names_that_statements_give_to_rows,
            }
            widening {
                a_widened_column_holds_what_conform_would_have_sent,
            }
        }
    };
    (@tests [$harness:ty] $($topic:ident { $($trial:ident),* $(,)? })*) => {
        $(mod $topic {
            #[allow(unused_imports, clippy::wildcard_imports, reason = "the harness may be named by any path")]
            use super::*;

            $(#[test]
            fn $trial() {
                $crate::sql::run::<$harness>(stringify!($topic), stringify!($trial));
            })*
        })*
    };
    (@table [] $($topic:ident { $($trial:ident),* $(,)? })*) => {
        const TRIALS: &[Trial] = &[$($((
            stringify!($topic), stringify!($trial), |place| Box::pin($topic::$trial(place))
        ),)*)*];
    };
}

/// A topic, a claim, and what fails by a panic if it is not so.
type Trial = (&'static str, &'static str, for<'a> fn(&'a dyn SqlHarness) -> Pin<Box<dyn Future<Output = ()> + 'a>>);

crate::sql_suite! { @list table [] }

/// Runs one trial against a fresh harness.
///
/// # Panics
///
/// Panics as [`run`](crate::run) does.
pub fn run<H: SqlHarness>(topic: &str, name: &str) {
    let (.., trial) = TRIALS.iter().find(|trial| (trial.0, trial.1) == (topic, name)).expect("a trial of the list");
    suite::play(topic, name, async |place: H| {
        trial(&place).await;
        Ok(())
    });
}
