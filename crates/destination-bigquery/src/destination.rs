//! The destination: what it can do. How it does it is what all cloud warehouses have in common.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use commutator_core::{
    Capabilities, CheckReport, Checkpoint, CheckpointHome, CommitGuarantee, CommitInterval, CommitOutline, Destination,
    Error, ErrorKind, Limit, Result, SchemaPlan, Session, Slices, SyncMode, TableSchema, Target,
};
use commutator_sql::BIGQUERY;
use commutator_warehouse::Loader;

use crate::client::auth::Auth;
use crate::client::bucket;
use crate::config::Config;
use crate::session::Service;

const MODES: &[SyncMode] = &[SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];

/// The most columns of a table (page "Quotas and limits", "Tables").
const MAX_COLUMNS: usize = 10_000;

/// A dataset of `BigQuery`.
///
/// Rows and checkpoint of a table commit in one transaction, so a reader sees both or neither ([`CommitGuarantee::Atomic`]).
#[derive(Debug, Clone)]
pub struct BigQuery(Loader);

impl BigQuery {
    pub(crate) fn new(config: Config) -> Result<Self> {
        let auth = Auth::new(&config)?;
        let staging = bucket::open(&config, auth.clone())?;
        let service = Service::new(Arc::new(config), auth)?;
        Ok(Self(Loader::new(Arc::new(service), staging, capabilities())))
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        name: "bigquery",
        modes: MODES,
        guarantee: CommitGuarantee::Atomic,
        checkpoint: CheckpointHome::Destination,
        slices: Slices::One,
        identifiers: BIGQUERY.identifiers,
        max_columns: Limit::AtMost(MAX_COLUMNS),
        nul_in_text: true,
        native_nested: false,
        widens: true,
        // Where queries are billed by the bytes that they read, each commit of a mirror is billed as much as its table is large.
        commit_interval: CommitInterval {
            max_bytes: 256 << 20,
            max_rows: 2_000_000,
            max_delay: Duration::from_mins(5),
        },
    }
}

/// Refuses names that no table can have: those of columns take more characters (page "Creating and using tables", "Table naming").
fn admit(target: &Target) -> Result<()> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    if target.name.chars().all(plain) {
        return Ok(());
    }
    let message = "A table of BigQuery has a name of letters, digits, `_`, `-` and spaces; give it another `name`";
    Err(Error::new(ErrorKind::ConfigInvalid, message)
        .with("setting", "name")
        .with("table", &target.table)
        .with("target", &target.name))
}

#[async_trait]
impl Destination for BigQuery {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn check(&self) -> Result<CheckReport> {
        self.0.check().await
    }

    async fn peek(&self, target: &Target) -> Result<Option<Checkpoint>> {
        admit(target)?;
        self.0.peek(target).await
    }

    async fn peek_schema(&self, target: &Target) -> Result<Option<TableSchema>> {
        admit(target)?;
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
        admit(target)?;
        self.0.preview_mode(target).await
    }

    async fn open(&self, target: &Target) -> Result<Box<dyn Session>> {
        admit(target)?;
        self.0.open(target).await
    }
}

#[cfg(test)]
mod tests {
    use commutator_core::schema::plan;
    use commutator_core::{Column, LogicalType, PipelineId, Slice, Step, TableName};

    use super::*;
    use crate::Config;

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
