//! Jobs: begun under an id of ours, so that a request that is repeated finds the job of the first one.

use std::time::Duration;

use commutator_core::{Error, ErrorKind};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::wire::{Job, JobReference, Results};
use super::{Client, GaveUp, Problem, Request};
use crate::error;

/// How long the service is asked to hold an answer back until a job is done; it holds none for more than about 200 s.
const LONG_POLL: Duration = Duration::from_mins(1);

/// How many jobs are tried for one call, where each failed by what passes by itself.
const ATTEMPTS: u32 = 4;

/// What a job is to do.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// The statements.
    pub(crate) query: String,
    /// Files that the statements read as tables, as `JobConfigurationQuery.tableDefinitions` has them.
    pub(crate) files: Option<Value>,
    /// What the job's label `commutator` says.
    pub(crate) label: &'static str,
    /// The dataset's location, in which the job has to run.
    pub(crate) location: String,
    /// How the sentence about a failure begins.
    pub(crate) doing: &'static str,
    /// Whether it does no harm if it happens twice.
    pub(crate) repeatable: bool,
}

/// How a job did not end well.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It failed, so nothing of it happened, or it was never begun.
    Failed(Error),
    /// Nobody knows.
    Unclear(Error),
}

/// How one attempt did not end well.
enum Attempt {
    /// It failed, and under another id the same may succeed; with the pause before that.
    Passing(Error, Duration),
    Ended(Ended),
}

impl From<Ended> for Attempt {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl Client {
    /// Runs a job to its end, once under each of the ids `id-0`, `id-1`, …, of which the next is taken only once the one before has failed.
    ///
    /// Called again, also by another process, with the same id and the same work it finds the jobs that there are, and goes on with the
    /// one that has not failed.
    pub(crate) async fn run(&self, id: &str, work: &Work) -> Result<JobReference, Ended> {
        let mut attempt = 0;
        loop {
            match self.attempt(&format!("{id}-{attempt}"), work).await {
                Ok(job) => return Ok(job),
                Err(Attempt::Ended(ended)) => return Err(ended),
                Err(Attempt::Passing(error, _)) if attempt + 1 == ATTEMPTS => return Err(Ended::Failed(error)),
                Err(Attempt::Passing(error, pause)) => {
                    tracing::debug!(%error, attempt, ?pause, "a job is tried again under another id");
                    sleep(pause).await;
                    attempt += 1;
                }
            }
        }
    }

    async fn attempt(&self, id: &str, work: &Work) -> Result<JobReference, Attempt> {
        let name = |error: Error| error.with("job", id);
        let reference = JobReference {
            project_id: self.payer.clone(),
            job_id: id.to_owned(),
            location: Some(work.location.clone()),
        };
        let job = match self.insert(&reference, work).await {
            Ok(job) => job,
            // "Already Exists": a request of ours has been here before, and its job says the rest.
            Err(gave_up) if gave_up.problem.is(StatusCode::CONFLICT) => {
                self.get(&reference).await.map_err(|e| Ended::Unclear(name(e.problem.into_error(work.doing))))?
            }
            Err(GaveUp { problem, perhaps_taken: false }) => {
                return Err(Ended::Failed(name(problem.into_error(work.doing))).into());
            }
            Err(GaveUp { problem, perhaps_taken: true }) => match self.get(&reference).await {
                Ok(job) => job,
                // That it is not there yet does not say that it never will be.
                Err(_) => return Err(Ended::Unclear(name(problem.into_error(work.doing))).into()),
            },
        };
        self.wait(reference, job, work).await
    }

    /// Waits until a job is done, however long that takes: the service ends it after six hours at the latest.
    async fn wait(&self, reference: JobReference, mut job: Job, work: &Work) -> Result<JobReference, Attempt> {
        let began = Instant::now();
        loop {
            if job.status.state == "DONE" {
                let Some(reason) = job.status.error_result else {
                    let billed = job.statistics.query.and_then(|query| query.total_bytes_billed);
                    let read = job.statistics.total_bytes_processed;
                    tracing::debug!(job = reference.job_id, ?read, ?billed, elapsed = ?began.elapsed(), "a job is done");
                    return Ok(reference);
                };
                let error = error::failed(&reason, None, work.doing).with("job", &reference.job_id);
                // What broke within the service may have been the answer to the commit; whoever asked looks at what there is.
                if reason.is_internal() && !work.repeatable {
                    return Err(Ended::Unclear(error).into());
                }
                return Err(if reason.is_transient() {
                    Attempt::Passing(error, self.patience.pause(0))
                } else {
                    Ended::Failed(error).into()
                });
            }
            // Its answer is not looked at: that of `jobs.get` tells a job's errors from the request's.
            let polled = self.results(&reference, None, Some(0)).await;
            if let Err(GaveUp { problem: Problem::Lost(error) | Problem::NotSent(error), .. }) = polled {
                tracing::debug!(%error, "a job is no longer waited for");
            }
            let asked = self.get(&reference).await;
            job = asked.map_err(|e| {
                let lost = Error::new(
                    ErrorKind::Unavailable,
                    format!("{}: BigQuery runs a job and does not say how it ended", work.doing),
                );
                Ended::Unclear(lost.with("job", &reference.job_id).with_source(e.problem.into_error(work.doing)))
            })?;
            if job.status.state != "DONE" {
                // The service may answer at once, whatever it was asked to wait for.
                sleep(self.patience.first / 4).await;
            }
        }
    }

    async fn insert(&self, reference: &JobReference, work: &Work) -> Result<Job, GaveUp> {
        let mut labels = self.labels.clone();
        labels.insert("commutator".to_owned(), Value::from(work.label));
        let mut query = json!({ "query": work.query, "useLegacySql": false, "useQueryCache": false });
        if let Some(files) = &work.files {
            query["tableDefinitions"] = files.clone();
        }
        let body = json!({
            "jobReference": reference,
            "configuration": { "query": query, "labels": labels },
        });
        let path = format!("{}/jobs", self.payer);
        self.send(Request { method: &Method::POST, path: &path, query: &[], body: Some(&body) }).await
    }

    async fn get(&self, reference: &JobReference) -> Result<Job, GaveUp> {
        let path = format!("{}/jobs/{}", self.payer, reference.job_id);
        let location = reference.location.as_deref().unwrap_or_default();
        self.send(Request { method: &Method::GET, path: &path, query: &[("location", location)], body: None }).await
    }

    /// Asks for a page of a query's rows, once the job is done or the service no longer waits for it.
    pub(crate) async fn results(
        &self,
        reference: &JobReference,
        page: Option<&str>,
        most: Option<u32>,
    ) -> Result<Results, GaveUp> {
        let path = format!("{}/queries/{}", self.payer, reference.job_id);
        let (wait, most) = (LONG_POLL.as_millis().to_string(), most.map(|most| most.to_string()));
        let mut query =
            vec![("location", reference.location.as_deref().unwrap_or_default()), ("timeoutMs", wait.as_str())];
        query.extend(page.map(|page| ("pageToken", page)));
        query.extend(most.as_deref().map(|most| ("maxResults", most)));
        self.send(Request { method: &Method::GET, path: &path, query: &query, body: None }).await
    }
}

#[cfg(test)]
mod tests;
