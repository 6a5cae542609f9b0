//! What the commits of a table take at the destination, and the statements that they send.

use commutator::{CommitInterval, CommitOutline, Statement, Step};
use serde_json::{Value, json};

use crate::output::{bytes, count};

/// What the commits of one table take.
#[derive(Debug)]
pub(super) struct Commits {
    pub(super) outline: CommitOutline,
    pub(super) interval: CommitInterval,
}

impl Commits {
    /// Says in one line what a commit takes that neither changes columns nor ends a snapshot.
    pub(super) fn summary(&self) -> String {
        let CommitInterval { max_bytes, max_rows, max_delay } = self.interval;
        let statements = match self.outline.statements_per_commit() {
            (_, 0) => String::new(),
            (least, most) if least == most => format!("; {least} statements"),
            (least, most) => format!("; {least} to {most} statements"),
        };
        let files = match (self.outline.files, self.outline.file_bytes) {
            (None, None) => String::new(),
            (None, Some(each)) => format!(", files of up to {}", bytes(each)),
            (Some(0), _) => ", no files".to_owned(),
            (Some(files), _) => format!(", at most {} files", count(files)),
        };
        let (bytes, rows, seconds) = (bytes(max_bytes), count(max_rows), max_delay.as_secs_f64());
        format!("a commit: after {bytes}, {rows} rows or {seconds} s{statements}{files}")
    }

    /// Returns the statements as a script, each part under the name of its step.
    pub(super) fn script(&self) -> String {
        let mut text = String::new();
        let mut step = None;
        for statement in &self.outline.statements {
            if step.replace(statement.step) != Some(statement.step) {
                text.push_str(&["\n-- ", title(statement.step), "\n"].concat());
            }
            if let Some(only) = statement.only {
                let instead = if statement.instead { "Instead, " } else { "Only " };
                text.push_str(&["-- ", instead, only, ":\n"].concat());
            }
            text.push_str(&statement.text);
            text.push_str(if statement.is_comment() || statement.text.ends_with(';') { "\n" } else { ";\n" });
        }
        text
    }

    pub(super) fn to_json(&self, sql: bool) -> Value {
        let (least, most) = self.outline.statements_per_commit();
        let statements: Option<&[Statement]> = sql.then_some(&self.outline.statements);
        let mut value = json!({
            "max_bytes": self.interval.max_bytes,
            "max_rows": self.interval.max_rows,
            "max_delay_ms": u64::try_from(self.interval.max_delay.as_millis()).unwrap_or(u64::MAX),
            "statements": [least, most],
            "files": self.outline.files,
            "file_bytes": self.outline.file_bytes,
        });
        if let Some(statements) = statements {
            value["sql"] = json!(statements);
        }
        value
    }
}

fn title(step: Step) -> &'static str {
    match step {
        Step::Open => "Taking the table over, once per run.",
        Step::Begin => "Every commit: is the table still ours?",
        Step::Columns => "The first commit that needs it: columns.",
        Step::Stage => "Every commit: carrying the rows.",
        Step::Apply => "Every commit: applying them.",
        Step::EndSnapshot => "The commit that ends a snapshot.",
        Step::Checkpoint => "Every commit: the checkpoint.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn commits() -> Commits {
        let mut outline = CommitOutline { files: Some(0), ..CommitOutline::default() };
        outline.add(Step::Open, "UPDATE owner");
        outline.add(Step::Begin, "BEGIN;");
        outline.add(Step::Stage, "-- Rows go here.");
        outline.add(Step::Apply, "MERGE");
        outline.add_instead(Step::Apply, "if there is more", "MERGE more");
        outline.add_only(Step::Apply, "if items were removed", "DELETE");
        outline.add(Step::Checkpoint, "COMMIT");
        let interval = CommitInterval { max_bytes: 64 << 20, max_rows: 100_000, max_delay: Duration::from_millis(500) };
        Commits { outline, interval }
    }

    #[test]
    fn a_commit_is_summed_up() {
        assert_eq!(commits().summary(), "a commit: after 64.0 MB, 100,000 rows or 0.5 s; 3 to 4 statements, no files");
        let staged = CommitOutline { file_bytes: Some(8 << 20), ..CommitOutline::default() };
        let staged = Commits { outline: staged, ..commits() };
        assert_eq!(staged.summary(), "a commit: after 64.0 MB, 100,000 rows or 0.5 s, files of up to 8.0 MB");
        let none = Commits { outline: CommitOutline::default(), ..commits() };
        assert_eq!(none.summary(), "a commit: after 64.0 MB, 100,000 rows or 0.5 s");
    }

    #[test]
    fn the_statements_are_a_script() {
        let expected = "
-- Taking the table over, once per run.
UPDATE owner;

-- Every commit: is the table still ours?
BEGIN;

-- Every commit: carrying the rows.
-- Rows go here.

-- Every commit: applying them.
MERGE;
-- Instead, if there is more:
MERGE more;
-- Only if items were removed:
DELETE;

-- Every commit: the checkpoint.
COMMIT;
";
        assert_eq!(commits().script(), expected);
        let json = commits().to_json(true);
        assert_eq!(
            json["sql"][4],
            json!({"step": "apply", "only": "if there is more", "instead": true, "text": "MERGE more"})
        );
        assert!(commits().to_json(false).get("sql").is_none());
    }
}
