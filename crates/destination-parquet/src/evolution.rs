//! How a table's columns came about: a file of JSON lines for each commit that changed them, which nothing deletes.
//!
//! A file beside the manifest cannot be committed with it. So the manifest of such a commit holds the change itself; the file is
//! written from it after the commit, or, if that failed, when the table is opened or before it commits again.

use bytes::Bytes;
use commutator_core::{Column, Epoch, Error, ErrorKind, Result, TableSchema};
use serde::{Deserialize, Serialize};

use crate::folder::{Folder, HIDDEN};
use crate::form::{Form, Forms};

/// What one commit did to a table's columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Evolution {
    changes: Vec<Change>,
}

/// What became of one column, a line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    /// When, in milliseconds since 1970.
    at_ms: i64,
    /// The manifest that committed it.
    version: u64,
    epoch: Epoch,
    action: Action,
    column: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    to: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    CreateTable,
    AddColumn,
    WidenColumn,
}

impl Evolution {
    /// Returns what the commit of manifest `version` does to the columns that there were before; `None` if they stay as they are.
    pub(crate) fn between(
        before: Option<(&TableSchema, &Forms)>,
        (after, forms): (&TableSchema, &Forms),
        (version, epoch, at_ms): (u64, Epoch, i64),
    ) -> Option<Self> {
        let change = |action, column: &str, from, to| {
            let column = column.to_owned();
            Some(Change { at_ms, version, epoch, action, column, from, to })
        };
        let known = before.map(|(schema, forms)| (schema.by_name(), forms));
        let became = |column: &Column| {
            let to = kind(column, forms);
            let Some((columns, forms)) = &known else { return change(Action::CreateTable, &column.name, None, to) };
            let Some((_, old)) = columns.get(column.name.as_str()) else {
                return change(Action::AddColumn, &column.name, None, to);
            };
            let from = kind(old, forms);
            if from == to { None } else { change(Action::WidenColumn, &column.name, Some(from), to) }
        };
        let changes: Vec<_> = after.columns().iter().filter_map(became).collect();
        (!changes.is_empty()).then_some(Self { changes })
    }

    /// Writes the file; doing it again writes the same one.
    pub(crate) async fn keep(&self, folder: &Folder) -> Result<()> {
        let Some(first) = self.changes.first() else { return Ok(()) };
        let mut lines = Vec::new();
        for change in &self.changes {
            serde_json::to_writer(&mut lines, change).map_err(|e| {
                Error::new(ErrorKind::Unexpected, "A change of columns cannot be written").with_source(e)
            })?;
            lines.push(b'\n');
        }
        folder.keep(&file_name(first.version), Bytes::from(lines)).await
    }
}

/// Returns a column's type, and that of a native one down to its leaves.
fn kind(column: &Column, forms: &Forms) -> String {
    forms.get(&column.name).map_or_else(|| column.ty.to_string(), Form::to_string)
}

/// Names of these files come before those of manifests, so that looking for the newest manifest passes none of them.
fn file_name(version: u64) -> String {
    format!("{HIDDEN}/evolution/{version:020}.jsonl")
}

#[cfg(test)]
mod tests {
    use commutator_core::LogicalType;

    use super::*;
    use crate::manifest::{file_owner, manifest_name};

    #[test]
    fn a_change_is_a_line_per_column() {
        let narrow = TableSchema::new(vec![Column::key("id", LogicalType::Int64)]).unwrap();
        let wide = TableSchema::new(vec![Column::key("id", LogicalType::Number), Column::new("a", LogicalType::Text)])
            .unwrap();
        let at = (7, Epoch(2), 1000);
        let none = Forms::new();
        let between = |before: Option<&TableSchema>, after| {
            Evolution::between(before.map(|schema| (schema, &none)), (after, &none), at)
        };
        let shown =
            |evolution: Option<Evolution>| serde_json::to_value(evolution.unwrap().changes).unwrap().to_string();
        assert_eq!(between(Some(&narrow), &narrow), None);
        let created = r#"[{"at_ms":1000,"version":7,"epoch":2,"action":"create_table","column":"id","to":"int64"}]"#;
        assert_eq!(shown(between(None, &narrow)), created);
        let widened = shown(between(Some(&narrow), &wide));
        assert!(widened.contains(r#""action":"widen_column","column":"id","from":"int64","to":"number""#), "{widened}");
        assert!(widened.contains(r#""action":"add_column","column":"a","to":"text""#), "{widened}");
    }

    #[test]
    fn their_names_are_in_nobodys_way() {
        assert!(file_name(9) < file_name(10) && file_name(u64::MAX) < manifest_name(0));
        assert_eq!(file_owner(&file_name(1)), None);
    }
}
