//! What the REST API v2 sends and takes, as far as it is used here. Names are those of its reference.

use serde::{Deserialize, Serialize};

use crate::error::Reason;

/// `JobReference`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobReference {
    pub(crate) project_id: String,
    pub(crate) job_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<String>,
}

/// `Job`, as `jobs.insert` and `jobs.get` give it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Job {
    pub(crate) status: Status,
    pub(crate) statistics: Statistics,
}

/// `JobStatus`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    /// `PENDING`, `RUNNING` or `DONE`.
    pub(crate) state: String,
    /// Why the job failed as a whole; absent if it did not.
    pub(crate) error_result: Option<Reason>,
}

/// `JobStatistics`; numbers of 64 bits are text.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Statistics {
    pub(crate) total_bytes_processed: Option<String>,
    pub(crate) query: Option<QueryStatistics>,
}

/// `JobStatistics2`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct QueryStatistics {
    pub(crate) total_bytes_billed: Option<String>,
}

/// `GetQueryResultsResponse`.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Results {
    pub(crate) job_complete: bool,
    pub(crate) rows: Vec<Fields>,
    pub(crate) page_token: Option<String>,
}

/// One row: `{"f": [{"v": …}, …]}`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fields {
    f: Vec<Field>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Field {
    v: serde_json::Value,
}

impl Fields {
    /// Returns the values as text; what was null is `None`. Values of nested types are their JSON.
    pub(crate) fn texts(self) -> Vec<Option<String>> {
        let text = |field: Field| match field.v {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        };
        self.f.into_iter().map(text).collect()
    }
}

/// `Table`, as `tables.get` gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Table {
    /// `TABLE`, `VIEW`, `EXTERNAL`, ….
    pub(crate) r#type: String,
    pub(crate) schema: TableFields,
}

/// `TableSchema`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TableFields {
    pub(crate) fields: Vec<TableField>,
}

/// `TableFieldSchema`; numbers of 64 bits are text.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TableField {
    pub(crate) name: String,
    pub(crate) r#type: String,
    pub(crate) mode: Option<String>,
    pub(crate) precision: Option<String>,
    pub(crate) scale: Option<String>,
    pub(crate) max_length: Option<String>,
}

/// `Dataset`, as `datasets.get` gives it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Dataset {
    pub(crate) location: Option<String>,
}

/// `{"error": …}`, the body of every answer that is an error.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Failed {
    pub(crate) error: FailedInner,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct FailedInner {
    pub(crate) message: String,
    pub(crate) status: String,
    pub(crate) errors: Vec<Reason>,
}
