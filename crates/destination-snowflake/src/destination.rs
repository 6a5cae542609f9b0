//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use commutator_core::Capabilities;
use commutator_sql::SNOWFLAKE;

/// What Snowflake can do: its page names no limit of columns but the size of a row.
///
/// A resumed warehouse is billed for a minute at least; files of 100 to 250 MB are what it loads best
/// (docs.snowflake.com/en/user-guide/data-load-considerations-prepare).
pub(crate) fn capabilities() -> Capabilities {
    commutator_warehouse::capabilities("snowflake", &SNOWFLAKE)
}

#[cfg(test)]
mod tests {
    use commutator_conformance::sql::{outlines, shows_a_replacement, texts};
    use commutator_core::{Secret, Step, SyncMode};
    use commutator_warehouse::StagingConfig;

    use crate::{Config, Snowflake};

    async fn destination() -> Snowflake {
        let config = Config {
            access_token: Some(Secret::new("hunter2".to_owned())),
            storage_integration: Some("COMMUTATOR".to_owned()),
            schema: "DYNAMODB".to_owned(),
            ..Config::new("myorg-myaccount", "SHOP", StagingConfig::new("s3://my-bucket/commutator"))
        };
        config.connect().await.unwrap()
    }

    #[tokio::test]
    async fn everything_that_is_sent_is_shown_without_asking() {
        // The page on this destination says so.
        let per_commit = [
            (SyncMode::Mirror, (10, 15)),
            (SyncMode::SoftDelete, (10, 13)),
            (SyncMode::History, (11, 13)),
            (SyncMode::Append, (10, 12)),
        ];
        let destination = destination().await;
        for (mode, per_commit) in per_commit {
            let [created, changed] = outlines(&destination, mode);
            assert_eq!(created.statements_per_commit(), per_commit, "{mode}");
            assert_eq!(texts(&changed, Step::Apply)[0], "BEGIN");
            assert_eq!(texts(&changed, Step::Checkpoint).last(), Some(&"COMMIT"));
            shows_a_replacement(&changed);
        }
    }
}
