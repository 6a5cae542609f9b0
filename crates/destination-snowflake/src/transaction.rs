//! The commit: one request, whose statements stage the rows and apply them in a transaction.

use commutator_warehouse::{Failure, Script};

use crate::session::Account;

pub(crate) const BEGIN: &str = "BEGIN";
pub(crate) const COMMIT: &str = "COMMIT";

impl Account {
    /// Runs a script.
    ///
    /// What is staged comes first, because a statement that makes a table commits what was done before it: "Each DDL statement executes as a
    /// separate transaction". One that fails is the last that runs, and the transaction that it leaves open is taken back with the session,
    /// which is the request's (docs.snowflake.com/en/sql-reference/transactions).
    pub(crate) async fn commit(&self, script: &Script, id: &str) -> Result<(), Failure> {
        self.client.script(&statements(script), id).await
    }

    /// Runs statements that change tables, each a transaction of its own.
    pub(crate) async fn change(&self, statements: &[String], id: &str) -> Result<(), Failure> {
        let statements: Vec<_> = statements.iter().map(String::as_str).collect();
        self.client.script(&statements, id).await
    }
}

/// Returns all statements of a script, in their order.
fn statements(script: &Script) -> Vec<&str> {
    let stage = script.stage.iter().map(String::as_str);
    let apply = script.apply.iter().map(String::as_str);
    stage.chain([BEGIN]).chain(apply).chain([COMMIT]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_staged_comes_before_the_transaction() {
        let text = |text: &str| vec![text.to_owned()];
        let script = Script { stage: text("COPY"), apply: text("MERGE"), ..Script::default() };
        assert_eq!(statements(&script), ["COPY", "BEGIN", "MERGE", "COMMIT"]);
    }
}
