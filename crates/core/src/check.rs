//! Named checks, as `commutator check` prints them.

use serde::Serialize;

use crate::Error;

/// How one check ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// It is as it should be.
    Passed {
        /// What was found, such as a version or an account; may be empty.
        detail: String,
    },
    /// It is not.
    Failed {
        /// What is wrong.
        problem: String,
        /// What the user can do about it.
        remedy: String,
    },
    /// It was not tried, because an earlier one failed or it does not apply.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// One named check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, such as `table orders: stream`.
    pub name: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The checks of one side, in the order they were run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The checks.
    pub checks: Vec<Check>,
}

impl CheckReport {
    /// Adds a check that passed.
    pub fn pass(&mut self, name: impl Into<String>, detail: impl Into<String>) {
        self.push(name, Outcome::Passed { detail: detail.into() });
    }

    /// Adds a check that failed, and what to do about it.
    pub fn fail(&mut self, name: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) {
        self.push(name, Outcome::Failed { problem: problem.into(), remedy: remedy.into() });
    }

    /// Adds a check that failed with an error.
    pub fn fail_with(&mut self, name: impl Into<String>, error: &Error, remedy: impl Into<String>) {
        self.fail(name, error.report(), remedy);
    }

    /// Adds a check that was not tried.
    pub fn skip(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        self.push(name, Outcome::Skipped { reason: reason.into() });
    }

    /// Returns whether no check failed.
    pub fn passed(&self) -> bool {
        !self.checks.iter().any(|check| matches!(check.outcome, Outcome::Failed { .. }))
    }

    fn push(&mut self, name: impl Into<String>, outcome: Outcome) {
        self.checks.push(Check { name: name.into(), outcome });
    }
}
