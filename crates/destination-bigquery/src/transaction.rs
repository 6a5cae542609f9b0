//! The commit: one job, whose script stages the rows and applies them in a transaction.

use commutator_warehouse::{Failure, Script};

use crate::client::job::{Ended, Work};
use crate::session::Service;
use crate::statements;

impl Service {
    /// Runs a script as one job; the job's id is made of the attempt's, so a repeated request finds it.
    pub(crate) async fn commit(&self, script: &Script, id: &str) -> Result<(), Failure> {
        let location = self.location().await.map_err(Failure::Refused)?.to_owned();
        let addresses: Vec<_> = script.files.iter().map(|file| self.address(&file.path)).collect();
        let files = (!addresses.is_empty()).then(|| statements::files(&addresses));
        let doing = "Rows cannot be applied";
        self.finish(
            id,
            &Work { query: statements::script(script), files, label: "commit", location, doing, repeatable: false },
        )
        .await
    }

    /// Runs statements that change tables as one job.
    pub(crate) async fn change(&self, statements: &[String], id: &str) -> Result<(), Failure> {
        let location = self.location().await.map_err(Failure::Refused)?.to_owned();
        let doing = "The table's columns cannot be changed";
        let query = statements::alterations(statements);
        self.finish(id, &Work { query, files: None, label: "alter", location, doing, repeatable: false }).await
    }

    async fn finish(&self, id: &str, work: &Work) -> Result<(), Failure> {
        match self.client.run(&format!("commutator-{id}"), work).await {
            Ok(_) => Ok(()),
            Err(Ended::Failed(error)) => Err(Failure::Refused(error)),
            Err(Ended::Unclear(error)) => Err(Failure::Unclear(error)),
        }
    }

    /// The address of a staged file.
    fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.config.staging.url.trim_end_matches('/'))
    }
}
