//! The commit: one batch of statements, which stage the rows and apply them in one transaction.

use commutator_core::{Error, ErrorKind, Result};
use commutator_sql::REHEARSED;
use commutator_warehouse::{Failure, Script};

use crate::client::Stop;
use crate::session::Database;
use crate::statements;

impl Database {
    /// Runs a script as one transaction, in which a temporary table may be made and `COPY` may run.
    pub(crate) async fn commit(&self, script: &Script, id: &str) -> Result<(), Failure> {
        self.client.batch(&whole(script), id).await.map_err(|stop| stop.failure)
    }

    /// Runs a script that ends with a statement which fails, so that the transaction is taken back.
    ///
    /// Whether it was that statement follows from its number: messages of the service's compute nodes have the text that was no number in
    /// their details, and those may be cut.
    pub(crate) async fn try_commit(&self, script: &Script, fail: &str, id: &str) -> Result<()> {
        let mut statements = whole(script);
        statements.push(fail.to_owned());
        match self.client.batch(&statements, id).await {
            Ok(()) => Err(Error::new(ErrorKind::Unexpected, "A rehearsal was not taken back")),
            Err(Stop { failure: Failure::Refused(error), at, by_cast }) => {
                let is_last = at.is_some_and(|at| at + 1 == statements.len());
                if (is_last && by_cast) || error.report().contains(REHEARSED) { Ok(()) } else { Err(error) }
            }
            Err(Stop { failure, .. }) => Err(failure.into_error()),
        }
    }
}

/// Returns all statements of a script. The staging table goes with them: a temporary table is the session's, and nobody says that a session
/// serves one batch only.
fn whole(script: &Script) -> Vec<String> {
    let last = (!script.stage.is_empty()).then(statements::drop_stage);
    script.stage.iter().chain(&script.apply).cloned().chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_staging_table_goes_with_its_transaction() {
        let text = |text: &str| vec![text.to_owned()];
        let script = Script { stage: text("COPY"), apply: text("INSERT"), ..Script::default() };
        assert_eq!(whole(&script), ["COPY", "INSERT", "DROP TABLE _ct_stage"]);
        let script = Script { apply: text("UPDATE"), ..Script::default() };
        assert_eq!(whole(&script), ["UPDATE"]);
    }
}
