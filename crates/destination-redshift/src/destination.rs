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
    use commutator_core::schema::plan;
    use commutator_core::{
        Column, CommitOutline, Destination as _, LogicalType, PipelineId, Slice, Step, SyncMode, TableName,
        TableSchema, Target,
    };
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
            (SyncMode::Mirror, (9, 15)),
            (SyncMode::SoftDelete, (8, 12)),
            (SyncMode::History, (8, 10)),
            (SyncMode::Append, (7, 9)),
        ];
        for (mode, per_commit) in per_commit {
            let [created, changed] = outlines(mode).await;
            assert_eq!(created.statements_per_commit(), per_commit, "{mode}");
            let texts = |step| -> Vec<&str> {
                let of_step = changed.statements.iter().filter(|it| it.step == step && !it.is_comment());
                of_step.map(|it| it.text.as_str()).collect()
            };
            assert_eq!(texts(Step::Checkpoint).last(), Some(&"DROP TABLE _ct_stage"));
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
