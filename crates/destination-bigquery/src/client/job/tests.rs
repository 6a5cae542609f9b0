//! Jobs in every state, against a server in the test.

use serde_json::json;

use super::super::tests::{Reply, Server, google};
use super::*;

fn work() -> Work {
    Work {
        query: "SELECT 1".to_owned(),
        files: None,
        label: "commit",
        location: "EU".to_owned(),
        doing: "Rows cannot be applied",
        repeatable: false,
    }
}

/// A job as `jobs.insert` and `jobs.get` give it ("Job" in the REST reference).
fn job(state: &str, error: Option<(&str, &str)>) -> Reply {
    let mut status = json!({ "state": state });
    if let Some((reason, message)) = error {
        status["errorResult"] = json!({ "reason": reason, "message": message, "location": "query" });
    }
    Reply::Json(
        200,
        json!({
            "kind": "bigquery#job",
            "jobReference": { "projectId": "proj", "jobId": "x-0", "location": "EU" },
            "status": status,
            "statistics": { "query": { "totalBytesBilled": "10485760" } },
        }),
    )
}

/// "Already Exists: Job" ("Troubleshoot query errors").
fn taken() -> Reply {
    Reply::Json(409, google(409, "duplicate", "Already Exists: Job proj:EU.x-0"))
}

fn incomplete() -> Reply {
    Reply::Json(200, json!({ "kind": "bigquery#getQueryResultsResponse", "jobComplete": false }))
}

fn is_insert(line: &str) -> bool {
    line.starts_with("POST ")
}

fn is_results(line: &str) -> bool {
    line.contains("/queries/")
}

#[tokio::test]
async fn a_job_has_our_id_its_region_and_labels() {
    let server = Server::answering(|_, _| job("DONE", None)).await;
    let files = Some(json!({ "_ct_files": { "sourceFormat": "PARQUET" } }));
    let reference = server.client().run("x", &Work { files, ..work() }).await.unwrap();
    assert_eq!(reference.job_id, "x-0");
    let seen = server.seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "POST /bigquery/v2/projects/proj/jobs");
    let expected = json!({
        "jobReference": { "projectId": "proj", "jobId": "x-0", "location": "EU" },
        "configuration": {
            "query": {
                "query": "SELECT 1",
                "useLegacySql": false,
                "useQueryCache": false,
                "tableDefinitions": { "_ct_files": { "sourceFormat": "PARQUET" } },
            },
            "labels": { "team": "data", "commutator": "commit" },
        },
    });
    assert_eq!(seen[0].body, expected);
}

#[tokio::test]
async fn a_long_job_is_waited_for() {
    let server = Server::answering(|number, seen| match number {
        0 => job("PENDING", None),
        _ if is_results(&seen.line) => incomplete(),
        1..=6 => job("RUNNING", None),
        _ => job("DONE", None),
    })
    .await;
    server.client().run("x", &work()).await.unwrap();
    let lines = server.lines();
    assert_eq!(lines[1], "GET /bigquery/v2/projects/proj/queries/x-0?location=EU&timeoutMs=60000&maxResults=0");
    assert_eq!(lines[2], "GET /bigquery/v2/projects/proj/jobs/x-0?location=EU");
    assert_eq!(lines.iter().filter(|line| is_insert(line)).count(), 1);
}

#[tokio::test]
async fn a_repeated_request_finds_the_job_that_is_done() {
    let server = Server::answering(|number, seen| match number {
        0 => Reply::Lost,
        _ if is_insert(&seen.line) => taken(),
        _ => job("DONE", None),
    })
    .await;
    assert_eq!(server.client().run("x", &work()).await.unwrap().job_id, "x-0");
    let lines = server.lines();
    let expected = [
        "POST /bigquery/v2/projects/proj/jobs",
        "POST /bigquery/v2/projects/proj/jobs",
        "GET /bigquery/v2/projects/proj/jobs/x-0?location=EU",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_repeated_request_waits_for_the_job_that_runs() {
    let server = Server::answering(|number, seen| match number {
        _ if is_insert(&seen.line) => taken(),
        _ if is_results(&seen.line) => incomplete(),
        0..=3 => job("RUNNING", None),
        _ => job("DONE", None),
    })
    .await;
    assert_eq!(server.client().run("x", &work()).await.unwrap().job_id, "x-0");
    assert_eq!(server.lines().iter().filter(|line| is_insert(line)).count(), 1);
}

#[tokio::test]
async fn a_job_that_failed_for_a_while_has_a_successor_under_the_next_id() {
    // "jobRateLimitExceeded: … retry the job with a new jobId."
    let server = Server::answering(|_, seen| match () {
        () if seen.body["jobReference"]["jobId"] == "x-0" => taken(),
        () if seen.line.contains("/jobs/x-0") => job("DONE", Some(("jobRateLimitExceeded", ""))),
        () if seen.body["jobReference"]["jobId"] == "x-1" => job("DONE", None),
        () => Reply::Json(404, google(404, "notFound", &seen.line)),
    })
    .await;
    assert_eq!(server.client().run("x", &work()).await.unwrap().job_id, "x-1");
}

#[tokio::test]
async fn a_job_that_failed_for_good_is_not_tried_again() {
    let fenced = "Bad int64 value: _ct_fenced";
    let server = Server::answering(move |_, _| job("DONE", Some(("invalidQuery", fenced)))).await;
    let Ended::Failed(error) = server.client().run("x", &work()).await.unwrap_err() else { panic!("it failed") };
    assert!(error.report().contains(commutator_sql::FENCED), "{error:?}");
    assert_eq!(server.lines().len(), 1);

    // A transaction that another one was in the way of comes through the fourth time, or not.
    let conflict = "Transaction is aborted due to concurrent update against table proj:shop.orders";
    let server = Server::answering(move |_, _| job("DONE", Some(("invalidQuery", conflict)))).await;
    let Ended::Failed(error) = server.client().run("x", &work()).await.unwrap_err() else { panic!("it failed") };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.lines().len(), 4);
}

#[tokio::test]
async fn a_job_that_broke_within_the_service_is_looked_after() {
    // "If the job completes but includes an error object that contains backendError, the job failed": but of a script nobody says how far it came.
    for reason in ["backendError", "jobInternalError"] {
        let server = Server::answering(move |_, seen| match () {
            () if seen.body["jobReference"]["jobId"] == "x-1" => job("DONE", None),
            () => job("DONE", Some((reason, ""))),
        })
        .await;
        let ended = server.client().run("x", &work()).await.unwrap_err();
        assert!(matches!(ended, Ended::Unclear(_)), "{ended:?}");
        let again = Work { repeatable: true, ..work() };
        assert_eq!(server.client().run("x", &again).await.unwrap().job_id, "x-1");
    }
}

#[tokio::test]
async fn a_refused_job_was_never_begun() {
    let server =
        Server::answering(|_, _| Reply::Json(403, google(403, "accessDenied", "Access Denied: Project proj"))).await;
    let Ended::Failed(error) = server.client().run("x", &work()).await.unwrap_err() else { panic!("it failed") };
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_lost_answer_leaves_it_open_unless_the_job_is_found() {
    // "If you receive this error when making a jobs.insert call, it's unclear if the job succeeded."
    let not_found = || Reply::Json(404, google(404, "notFound", "Not found: Job proj:EU.x-0"));
    for lost in [|| Reply::Lost, || Reply::Json(503, google(503, "backendError", ""))] {
        let server = Server::answering(move |_, seen| if is_insert(&seen.line) { lost() } else { not_found() }).await;
        let ended = server.client().run("x", &work()).await.unwrap_err();
        assert!(matches!(ended, Ended::Unclear(_)), "{ended:?}");

        let server =
            Server::answering(move |_, seen| if is_insert(&seen.line) { lost() } else { job("DONE", None) }).await;
        server.client().run("x", &work()).await.unwrap();
    }
}

/// The job is there, so a refusal of the question how it ended says nothing about it.
#[tokio::test]
async fn a_job_that_is_there_and_cannot_be_looked_at_is_unclear() {
    let server = Server::answering(|_, seen| match () {
        () if is_insert(&seen.line) => taken(),
        () => Reply::Json(403, google(403, "accessDenied", "Access Denied: Job proj:EU.x-0")),
    })
    .await;
    let Ended::Unclear(error) = server.client().run("x", &work()).await.unwrap_err() else { panic!("it is unclear") };
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_job_of_which_nothing_is_heard_any_more_is_unclear() {
    let server = Server::answering(|number, _| if number == 0 { job("RUNNING", None) } else { Reply::Lost }).await;
    let Ended::Unclear(error) = server.client().run("x", &work()).await.unwrap_err() else { panic!("it is unclear") };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("x-0"), "{error}");
}
