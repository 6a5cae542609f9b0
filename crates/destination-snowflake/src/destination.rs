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
    use commutator_core::schema::plan;
    use commutator_core::{
        Column, CommitOutline, Destination as _, LogicalType, PipelineId, Secret, Slice, Step, SyncMode, TableName,
        TableSchema, Target,
    };
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

    /// What is sent for a new table and for one whose columns change.
    async fn outlines(mode: SyncMode) -> [CommitOutline; 2] {
        let key = Column::key("id", LogicalType::Text);
        let columns = |price, more: &[Column]| {
            TableSchema::new([&[key.clone(), Column::new("price", price)], more].concat()).unwrap()
        };
        let first = columns(LogicalType::Int64, &[]);
        let second = columns(LogicalType::Json, &[Column::new("more", LogicalType::Bool)]);
        let target = Target {
            pipeline: PipelineId::new("shop").unwrap(),
            table: TableName::new("orders"),
            name: "orders".to_owned(),
            keys: vec![key.clone()],
            mode,
            filtered: false,
            slice: Slice::whole(),
            expected_bytes: 0,
        };
        let destination = destination().await;
        [plan(None, &first), plan(Some(&first), &second)].map(|plan| destination.outline(&target, &plan.unwrap()))
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
        for (mode, per_commit) in per_commit {
            let [created, changed] = outlines(mode).await;
            assert_eq!(created.statements_per_commit(), per_commit, "{mode}");
            let texts = |step| -> Vec<&str> {
                let of_step = changed.statements.iter().filter(|it| it.step == step && !it.is_comment());
                of_step.map(|it| it.text.as_str()).collect()
            };
            assert_eq!(texts(Step::Apply)[0], "BEGIN");
            assert_eq!(texts(Step::Checkpoint).last(), Some(&"COMMIT"));
            let detour = [
                "ADD COLUMN _ct_wider_1",
                "SET _ct_wider_1",
                "TO _ct_narrow_1",
                "_ct_wider_1 TO",
                "DROP COLUMN _ct_narrow_1",
            ];
            for part in detour {
                assert!(texts(Step::Columns).iter().any(|text| text.contains(part)), "{mode}: {part}");
            }
        }
    }
}
