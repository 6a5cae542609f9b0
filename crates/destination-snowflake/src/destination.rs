//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, CommitOutline, Destination,
    Limit, Result, SchemaPlan, Session, Slices, SyncMode, TableSchema, Target,
};
use commutator_sql::SNOWFLAKE;
use commutator_warehouse::{Loader, Staging};

use crate::session::Account;

const MODES: &[SyncMode] = &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];

/// A schema of a Snowflake account.
#[derive(Debug, Clone)]
pub struct Snowflake(Loader);

impl Snowflake {
    pub(crate) fn new(account: Account, staging: Staging) -> Self {
        Self(Loader::new(Arc::new(account), staging, capabilities()))
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        name: "snowflake",
        modes: MODES,
        guarantee: CommitGuarantee::Atomic,
        checkpoint: CheckpointHome::Destination,
        slices: Slices::One,
        identifiers: SNOWFLAKE.identifiers,
        // The page names none but the size of a row.
        max_columns: Limit::Unlimited,
        nul_in_text: true,
        native_nested: false,
        widens: true,
        // A resumed warehouse is billed for a minute at least, and each commit is a handful of statements; files of 100 to 250 MB are what it
        // loads best (docs.snowflake.com/en/user-guide/data-load-considerations-prepare).
        commit_interval: CommitInterval {
            max_bytes: 256 << 20,
            max_rows: 2_000_000,
            max_delay: Duration::from_mins(1),
        },
    }
}

#[async_trait]
impl Destination for Snowflake {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn check(&self) -> Result<CheckReport> {
        self.0.check().await
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        self.0.peek(target).await
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        self.0.peek_schema(target).await
    }

    fn preview(&self, target: &Target, plan: &SchemaPlan) -> Vec<String> {
        self.0.preview(target, plan)
    }

    fn explain(&self, target: &Target, columns: &TableSchema) -> Vec<String> {
        self.0.explain(target, columns)
    }

    fn outline(&self, target: &Target, plan: &SchemaPlan) -> CommitOutline {
        self.0.outline(target, plan)
    }

    fn drops_idle_removals(&self) -> bool {
        self.0.drops_idle_removals()
    }

    async fn preview_mode(&self, target: &Target) -> Result<Vec<String>> {
        self.0.preview_mode(target).await
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        self.0.open(target).await
    }
}

#[cfg(test)]
mod tests {
    use commutator_core::schema::plan;
    use commutator_core::{Column, LogicalType, PipelineId, Secret, Slice, Step, TableName};
    use commutator_warehouse::StagingConfig;

    use super::*;
    use crate::Config;

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
