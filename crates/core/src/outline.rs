//! What commits send to a destination, in a form to be shown before anything is sent.

use std::fmt;

use serde::Serialize;

/// What the commits of one table send, from taking it over to the checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CommitOutline {
    /// The statements in the order in which they are sent; empty for a destination that has none.
    pub statements: Vec<Statement>,
    /// How many files a full commit writes or stages, at most; `None` where that depends on what is there already.
    pub files: Option<u64>,
    /// About how many bytes a staged file has at most, compressed; `None` where [`files`](Self::files) says all there is to say.
    pub file_bytes: Option<u64>,
}

/// One text that is sent, with its parameters as they stand in it: no value of an item is ever part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// What it is part of.
    pub step: Step,
    /// What has to be true for it to be sent, such as `if rows were removed`; `None` if it always is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<&'static str>,
    /// Whether it is then sent in the place of the one before it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub instead: bool,
    /// The text as it is sent, or a comment (`-- …`) where rows are sent and not a statement.
    pub text: String,
}

/// What a statement is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Taking the table over, once per run.
    Open,
    /// Entering a transaction: whether the table is still ours.
    Begin,
    /// Making and changing the table, in the first commit that needs it.
    Columns,
    /// Carrying rows to where they are applied from.
    Stage,
    /// Applying them.
    Apply,
    /// Ending a snapshot, in the commit that does.
    EndSnapshot,
    /// Writing the checkpoint and committing.
    Checkpoint,
}

impl Step {
    /// Returns whether every commit has this step.
    pub fn is_of_every_commit(self) -> bool {
        match self {
            Self::Begin | Self::Stage | Self::Apply | Self::Checkpoint => true,
            Self::Open | Self::Columns | Self::EndSnapshot => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Begin => "begin",
            Self::Columns => "columns",
            Self::Stage => "stage",
            Self::Apply => "apply",
            Self::EndSnapshot => "end of snapshot",
            Self::Checkpoint => "checkpoint",
        })
    }
}

impl CommitOutline {
    /// Adds a statement that is always sent in its step.
    pub fn add(&mut self, step: Step, text: impl Into<String>) {
        self.statements.push(Statement { step, only: None, instead: false, text: text.into() });
    }

    /// Adds a statement that is sent under a condition, such as `if rows were removed`.
    pub fn add_only(&mut self, step: Step, only: &'static str, text: impl Into<String>) {
        self.statements.push(Statement { step, only: Some(only), instead: false, text: text.into() });
    }

    /// Adds a statement that is sent in the place of the one before it under a condition.
    pub fn add_instead(&mut self, step: Step, only: &'static str, text: impl Into<String>) {
        self.statements.push(Statement { step, only: Some(only), instead: true, text: text.into() });
    }

    /// Adds statements that are sent in this run while the table is taken over, such as those that give it another mode; within the transaction
    /// that this ends with, if it ends with one.
    pub fn add_to_open(&mut self, texts: &[String]) {
        let end = self.statements.iter().position(|it| it.step > Step::Open).unwrap_or(self.statements.len());
        let commits = self.statements[..end].last().is_some_and(|it| it.text == "COMMIT");
        let at = end - usize::from(commits);
        let added =
            texts.iter().map(|text| Statement { step: Step::Open, only: None, instead: false, text: text.clone() });
        self.statements.splice(at..at, added);
    }

    /// Returns how many statements a commit sends that neither changes columns nor ends a snapshot: at least, and at most.
    pub fn statements_per_commit(&self) -> (usize, usize) {
        let of_every_commit = |it: &&Statement| it.step.is_of_every_commit() && !it.is_comment() && !it.instead;
        let every = || self.statements.iter().filter(of_every_commit);
        (every().filter(|statement| statement.only.is_none()).count(), every().count())
    }
}

impl Statement {
    /// Returns whether it stands for rows that are sent, and is no statement itself.
    pub fn is_comment(&self) -> bool {
        self.text.lines().all(|line| line.starts_with("--"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opening_sends_comes_before_everything_else() {
        let mut outline = CommitOutline::default();
        outline.add(Step::Open, "a");
        outline.add(Step::Begin, "c");
        outline.add_to_open(&["b".to_owned()]);
        let texts: Vec<_> = outline.statements.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["a", "b", "c"]);
        assert_eq!(outline.statements_per_commit(), (1, 1));
    }

    #[test]
    fn what_opening_sends_is_within_its_transaction() {
        let mut outline = CommitOutline::default();
        for text in ["BEGIN", "COMMIT"] {
            outline.add(Step::Open, text);
        }
        outline.add_to_open(&["b".to_owned()]);
        outline.add(Step::Begin, "c");
        outline.add_to_open(&["d".to_owned()]);
        let texts: Vec<_> = outline.statements.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(texts, ["BEGIN", "b", "d", "COMMIT", "c"]);
    }

    #[test]
    fn what_every_commit_sends_is_counted() {
        let mut outline = CommitOutline::default();
        outline.add(Step::Open, "UPDATE owner");
        outline.add(Step::Begin, "BEGIN");
        outline.add(Step::Columns, "CREATE TABLE t");
        outline.add(Step::Stage, "-- Rows are appended.");
        outline.add_only(Step::Apply, "if rows were removed", "DELETE");
        outline.add_instead(Step::Apply, "if many were removed", "TRUNCATE");
        outline.add(Step::EndSnapshot, "DELETE older");
        outline.add(Step::Checkpoint, "COMMIT");
        assert_eq!(outline.statements_per_commit(), (2, 3));
        assert_eq!(CommitOutline::default().statements_per_commit(), (0, 0));
    }
}
