//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use std::time::Duration;

use commutator_core::{Capabilities, CommitInterval, Limit};
use commutator_sql::BIGQUERY;

/// The most columns of a table (page "Quotas and limits", "Tables").
const MAX_COLUMNS: usize = 10_000;

/// What `BigQuery` can do.
pub(crate) fn capabilities() -> Capabilities {
    let common = commutator_warehouse::capabilities("bigquery", &BIGQUERY);
    Capabilities {
        max_columns: Limit::AtMost(MAX_COLUMNS),
        // Where queries are billed by the bytes that they read, each commit of a mirror is billed as much as its table is large.
        commit_interval: CommitInterval { max_delay: Duration::from_mins(5), ..common.commit_interval },
        ..common
    }
}

#[cfg(test)]
mod tests {
    use commutator_conformance::sql::{outlines, shows_a_replacement, texts};
    use commutator_core::{Step, SyncMode};

    use crate::{BigQuery, Config};

    async fn destination() -> BigQuery {
        let config = Config { anonymous: true, ..Config::new("my-project", "shop", "gs://my-bucket/staging") };
        config.connect().await.unwrap()
    }

    #[tokio::test]
    async fn everything_that_is_sent_is_shown_without_asking() {
        // The page on this destination says so.
        let per_commit = [
            (SyncMode::Mirror, (7, 12)),
            (SyncMode::SoftDelete, (7, 10)),
            (SyncMode::History, (8, 10)),
            (SyncMode::Append, (7, 9)),
        ];
        let destination = destination().await;
        for (mode, per_commit) in per_commit {
            let [created, changed] = outlines(&destination, mode);
            assert_eq!(created.statements_per_commit(), per_commit, "{mode}");
            assert_eq!(texts(&changed, Step::Apply)[0], "BEGIN TRANSACTION");
            assert_eq!(texts(&changed, Step::Checkpoint).last(), Some(&"COMMIT TRANSACTION"));
            shows_a_replacement(&changed);
        }
    }
}
