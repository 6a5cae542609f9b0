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
    use commutator_core::schema::plan;
    use commutator_core::{
        Column, CommitOutline, Destination as _, LogicalType, PipelineId, Slice, Step, SyncMode, TableName,
        TableSchema, Target,
    };

    use crate::{BigQuery, Config};

    async fn destination() -> BigQuery {
        let config = Config { anonymous: true, ..Config::new("my-project", "shop", "gs://my-bucket/staging") };
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
            (SyncMode::Mirror, (7, 12)),
            (SyncMode::SoftDelete, (7, 10)),
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
            assert_eq!(texts(Step::Apply)[0], "BEGIN TRANSACTION");
            assert_eq!(texts(Step::Checkpoint).last(), Some(&"COMMIT TRANSACTION"));
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
