//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use commutator_core::{Capabilities, Limit};
use commutator_sql::REDSHIFT;

/// What Redshift can do. Commits of a cluster wait for each other, so few large ones are better than many small ones.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        // "The maximum number of columns you can define in a single table is 1,600" (database developer guide, "CREATE TABLE"); some are ours,
        // and one is added while a column is replaced.
        max_columns: Limit::AtMost(1_590),
        // CHAR and VARCHAR take no NUL ("Character types").
        nul_in_text: false,
        ..commutator_warehouse::capabilities("redshift", &REDSHIFT)
    }
}

#[cfg(test)]
mod tests {
    use commutator_conformance::sql::{outlines, shows_a_replacement, texts};
    use commutator_core::{Step, SyncMode};
    use commutator_warehouse::StagingConfig;

    use crate::Config;

    async fn destination() -> commutator_warehouse::Loader {
        let config = Config {
            workgroup: Some("small".to_owned()),
            database: "dev".to_owned(),
            schema: "shop".to_owned(),
            region: Some("eu-west-1".to_owned()),
            staging: StagingConfig::new("s3://my-bucket/commutator"),
            ..Config::default()
        };
        config.connect().await.unwrap()
    }

    #[tokio::test]
    async fn everything_that_is_sent_is_shown_without_asking() {
        // The page on this destination says so.
        let per_commit = [
            (SyncMode::Mirror, (9, 15)),
            (SyncMode::SoftDelete, (8, 12)),
            (SyncMode::History, (8, 10)),
            (SyncMode::Append, (7, 9)),
        ];
        let destination = destination().await;
        for (mode, per_commit) in per_commit {
            let [created, changed] = outlines(&destination, mode);
            assert_eq!(created.statements_per_commit(), per_commit, "{mode}");
            assert_eq!(texts(&changed, Step::Checkpoint).last(), Some(&"DROP TABLE _ct_stage"));
            shows_a_replacement(&changed);
        }
    }
}
