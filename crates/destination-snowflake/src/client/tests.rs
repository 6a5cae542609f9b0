//! The client against a server that says what a test has written down, of the documented answers.

use std::time::Duration;

use commutator_core::{ErrorKind, Secret};
use commutator_warehouse::Failure;
use serde_json::json;

use super::*;
use crate::auth::Credentials;
use server::{Reply, Server};

mod server;

/// A result of one row, as the reference shows one.
fn one_row() -> Value {
    json!({
        "resultSetMetaData": { "numRows": 1, "format": "jsonv2", "partitionInfo": [{ "rowCount": 1, "uncompressedSize": 9 }] },
        "data": [["1", null]],
        "code": "090001",
        "message": "Statement executed successfully.",
        "sqlState": "00000",
        "statementHandle": "01aa-1",
    })
}

/// "The response contains a statementHandles field" (page on multiple statements).
fn script_done(statements: usize) -> Value {
    let handles: Vec<_> = (0..statements).map(|n| format!("01aa-{n}")).collect();
    json!({
        "resultSetMetaData": { "numRows": 1, "format": "jsonv2", "partitionInfo": [{ "rowCount": 1 }] },
        "data": [["Multiple statements executed successfully."]],
        "code": "090001",
        "statementHandles": handles,
        "statementHandle": "01aa-9",
        "message": "Statement executed successfully.",
    })
}

/// "Asynchronous execution in progress" (docs.snowflake.com/en/developer-guide/sql-api/handling-responses).
fn running() -> Value {
    json!({
        "code": "333334",
        "message": "Asynchronous execution in progress. Use provided query id to perform query monitoring and management.",
        "statementHandle": "01aa/7",
        "statementStatusUrl": "/api/v2/statements/01aa/7",
    })
}

fn client(server: &Server) -> Client {
    client_as(server, Credentials::AccessToken(Secret::new("token".to_owned())))
}

fn client_as(server: &Server, credentials: Credentials) -> Client {
    let session = Session {
        database: "SHOP".to_owned(),
        schema: Some("PUBLIC".to_owned()),
        warehouse: Some("LOAD".to_owned()),
        role: None,
        timeout_seconds: 60,
    };
    let mut client = Client::new(server.url(), session, Identity::new(credentials), None).unwrap();
    client.patience = Patience {
        repeats: 3,
        pause: Duration::from_millis(5),
        longest: Duration::from_secs(2),
        poll: Duration::from_millis(2),
        longest_poll: Duration::from_millis(10),
    };
    client
}

fn refused(failure: Failure) -> Error {
    match failure {
        Failure::Refused(error) => error,
        Failure::Unclear(error) => panic!("unclear: {error:?}"),
    }
}

fn unclear(failure: Failure) -> Error {
    match failure {
        Failure::Unclear(error) => error,
        Failure::Refused(error) => panic!("refused: {error:?}"),
    }
}

#[test]
fn an_attempt_has_one_uuid() {
    assert_eq!(uuid_of("a"), "ca978112-ca1b-8dca-aac2-31b39a23dc4d");
    assert_ne!(uuid_of("a"), uuid_of("b"));
}

#[tokio::test]
async fn a_query_says_who_asks_and_where_it_runs() {
    let server = Server::start([Reply::json(200, &one_row())]).await;
    let rows = client(&server).query("SELECT 1", "a").await.unwrap();
    assert_eq!(rows, [vec![Some("1".to_owned()), None]]);
    let asked = server.requests();
    let [request] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(request.line, format!("POST /api/v2/statements?requestId={}", uuid_of("a")));
    for (name, value) in [
        ("authorization", "Bearer token"),
        ("x-snowflake-authorization-token-type", "PROGRAMMATIC_ACCESS_TOKEN"),
        ("content-type", "application/json"),
        ("accept", "application/json"),
    ] {
        assert_eq!(request.headers[name], value, "{name}");
    }
    assert!(request.headers["user-agent"].to_str().unwrap().starts_with("commutator/"));
    let expected = json!({
        "statement": "SELECT 1",
        "timeout": 60,
        "database": "SHOP",
        "schema": "PUBLIC",
        "warehouse": "LOAD",
        "parameters": { "MULTI_STATEMENT_COUNT": "1", "TIMEZONE": "UTC", "QUERY_TAG": "commutator" },
    });
    assert_eq!(request.json(), expected);
}

/// "To retrieve additional partitions, send GET /api/v2/statements/<handle>?partition=<n>"; they are compressed, and have no metadata
/// (docs.snowflake.com/en/developer-guide/sql-api/handling-responses).
#[tokio::test]
async fn all_partitions_of_a_result_are_read() {
    let mut first = one_row();
    first["resultSetMetaData"]["numRows"] = 3.into();
    first["resultSetMetaData"]["partitionInfo"] = json!([{ "rowCount": 1 }, { "rowCount": 1 }, { "rowCount": 1 }]);
    let rest = |value: &str| Reply::gzip(200, &json!({ "data": [[value, null]] }));
    let script = [Reply::json(200, &first), rest("2"), Reply::json(503, &json!({})), rest("3")];
    let server = Server::start(script).await;
    let rows = client(&server).query("SELECT x", "a").await.unwrap();
    let values: Vec<_> = rows.iter().map(|row| row[0].as_deref().unwrap()).collect();
    assert_eq!(values, ["1", "2", "3"]);
    let lines: Vec<_> = server.requests().into_iter().skip(1).map(|request| request.line).collect();
    let of = |n| format!("GET /api/v2/statements/01aa-1?partition={n}");
    assert_eq!(lines, [of(1), of(2), of(2)]);
}

#[tokio::test]
async fn a_result_that_lacks_rows_is_no_result() {
    let mut short = one_row();
    short["resultSetMetaData"]["numRows"] = 2.into();
    let server = Server::start([Reply::json(200, &short)]).await;
    let error = refused(client(&server).query("SELECT x", "a").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unexpected);
}

#[tokio::test]
async fn a_script_is_one_request_whose_end_is_asked_for() {
    let script = [
        Reply::json(202, &running()),
        Reply::json(202, &running()),
        Reply::Drop,
        Reply::json(202, &running()),
        Reply::json(200, &script_done(3)),
    ];
    let server = Server::start(script).await;
    client(&server).script(&["BEGIN", "DELETE FROM t", "COMMIT"], "a").await.unwrap();
    let asked = server.requests();
    assert_eq!(asked[0].line, format!("POST /api/v2/statements?requestId={}&async=true", uuid_of("a")));
    assert_eq!(asked[0].json()["statement"], "BEGIN;\nDELETE FROM t;\nCOMMIT");
    assert_eq!(asked[0].json()["parameters"]["MULTI_STATEMENT_COUNT"], "3");
    assert_eq!(asked.len(), 5);
    assert!(asked[1..].iter().all(|request| request.line == "GET /api/v2/statements/01aa%2F7"), "{asked:?}");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_id() {
    let server = Server::start([Reply::Drop, Reply::json(200, &script_done(2))]).await;
    client(&server).script(&["BEGIN", "COMMIT"], "commit-7").await.unwrap();
    let lines: Vec<_> = server.requests().into_iter().map(|request| request.line).collect();
    let first = format!("POST /api/v2/statements?requestId={}&async=true", uuid_of("commit-7"));
    assert_eq!(lines, [first.clone(), format!("{first}&retry=true")]);
}

#[tokio::test]
async fn a_failure_after_a_lost_answer_leaves_it_unclear() {
    let failed = |line: u32| {
        let message = format!(
            "Uncaught Execution of multiple statements failed on statement \"x\" (at line {line}, position 0).\ny in SYSTEM$MULTISTMT at"
        );
        Reply::json(
            422,
            &json!({ "code": "100132", "sqlState": "P0000", "message": message, "statementHandle": "01aa" }),
        )
    };
    let script = ["BEGIN", "DELETE FROM t", "COMMIT"];
    let server = Server::start([Reply::Drop, failed(2)]).await;
    unclear(client(&server).script(&script, "a").await.unwrap_err());
    let server = Server::start([Reply::Drop, Reply::json(202, &running()), failed(2)]).await;
    unclear(client(&server).script(&script, "a").await.unwrap_err());
    let server = Server::start([Reply::json(202, &running()), failed(2)]).await;
    refused(client(&server).script(&script, "a").await.unwrap_err());
    // Whether a `COMMIT` that fails has committed is not said.
    let server = Server::start([failed(3)]).await;
    unclear(client(&server).script(&script, "a").await.unwrap_err());
}

/// What came after a lost answer says nothing about it: "too many requests", or credentials that are not taken any more.
#[tokio::test]
async fn a_refusal_after_a_lost_answer_leaves_it_unclear() {
    let script = ["BEGIN", "COMMIT"];
    let busy = || Reply::json(429, &json!({}));
    let server = Server::start([Reply::Drop, busy(), busy(), busy()]).await;
    assert_eq!(unclear(client(&server).script(&script, "a").await.unwrap_err()).kind(), ErrorKind::Throttled);
    let locked_out = Reply::json(403, &json!({ "code": "390422", "message": "Incoming request is not allowed." }));
    let server = Server::start([Reply::Drop, locked_out]).await;
    assert_eq!(unclear(client(&server).script(&script, "a").await.unwrap_err()).kind(), ErrorKind::PermissionDenied);
}

/// A script that was taken runs on, however long nobody says how it ended.
#[tokio::test]
async fn a_script_whose_end_is_asked_for_in_vain_is_unclear() {
    let busy = || Reply::json(429, &json!({}));
    for reply in [busy, || Reply::Drop] {
        let server = Server::start([Reply::json(202, &running()), reply(), reply(), reply(), reply()]).await;
        unclear(client(&server).script(&["BEGIN", "COMMIT"], "a").await.unwrap_err());
        assert_eq!(server.requests().len(), 5);
    }
}

/// The API sends nobody elsewhere, and a token goes to nobody else.
#[tokio::test]
async fn a_redirection_is_not_followed() {
    let other = Server::start([Reply::json(200, &one_row())]).await;
    let elsewhere = Reply::text(307, "").header("location", other.url().as_str());
    let server = Server::start([elsewhere]).await;
    client(&server).query("SELECT 1", "a").await.unwrap_err();
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_script_that_nobody_tells_about_is_unclear() {
    let gone = json!({ "code": "390404", "message": "Not found" });
    let server = Server::start([Reply::json(202, &running()), Reply::json(404, &gone)]).await;
    unclear(client(&server).script(&["BEGIN", "COMMIT"], "a").await.unwrap_err());
    let server = Server::start([Reply::json(404, &gone)]).await;
    assert_eq!(
        refused(client(&server).script(&["BEGIN", "COMMIT"], "a").await.unwrap_err()).kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn an_answer_that_never_comes_is_unclear_and_a_server_that_is_not_there_is_not() {
    let server = Server::start([Reply::Drop, Reply::Drop, Reply::Drop, Reply::Drop]).await;
    let error = unclear(client(&server).script(&["BEGIN", "COMMIT"], "a").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(server.requests().len(), 4);
    let gone = Server::start([]).await;
    let client = client(&gone);
    gone.stop().await;
    let error = refused(client.script(&["BEGIN", "COMMIT"], "a").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

/// "429: Too many requests. The number of requests submitted to the server exceeds the maximum number of allowed requests" (reference).
#[tokio::test]
async fn throttling_and_outages_are_waited_for() {
    let script = [
        Reply::json(429, &json!({ "code": "390149", "message": "Too many requests." })).header("retry-after", "1"),
        Reply::json(503, &json!({})),
        Reply::json(200, &one_row()),
    ];
    let server = Server::start(script).await;
    let began = std::time::Instant::now();
    client(&server).query("SELECT 1", "a").await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests().len(), 3);

    let busy = || Reply::json(429, &json!({})).header("retry-after", "120");
    let server = Server::start([busy()]).await;
    let error = refused(client(&server).query("SELECT 1", "a").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Throttled);
    // Too long to wait here, so whoever asked waits.
    assert_eq!(error.retry(), commutator_core::Retry::After(Duration::from_mins(2)));
}

#[tokio::test]
async fn an_outage_in_the_answer_to_a_script_is_unclear() {
    let outage = || Reply::json(503, &json!({}));
    let server = Server::start([outage(), outage(), outage(), outage()]).await;
    unclear(client(&server).script(&["BEGIN", "COMMIT"], "a").await.unwrap_err());
    let busy = || Reply::json(429, &json!({}));
    let server = Server::start([busy(), busy(), busy(), busy()]).await;
    assert_eq!(refused(client(&server).script(&["BEGIN"], "a").await.unwrap_err()).kind(), ErrorKind::Throttled);
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_renewed_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "one").unwrap();
    let expired = || Reply::json(401, &json!({ "code": "390318", "message": "OAuth access token expired. [x]" }));
    let server = Server::start([expired(), Reply::json(200, &one_row()), expired(), expired()]).await;
    let client = client_as(&server, Credentials::OAuthFile(path));
    client.query("SELECT 1", "a").await.unwrap();
    let error = refused(client.query("SELECT 1", "b").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.report().contains("390318"), "{}", error.report());
    assert_eq!(server.requests().len(), 4);
    assert_eq!(server.requests()[0].headers["x-snowflake-authorization-token-type"], "OAUTH");
}

/// The answer that the page on multiple statements shows.
#[tokio::test]
async fn a_statement_that_fails_within_a_script_is_named() {
    let failed = json!({
        "code": "100132",
        "message": "JavaScript execution error: Uncaught Execution of multiple statements failed on statement \"insert into table1 (i) \
            values ('This is not a valid integer.')\" (at line 3, position 0).\nNumeric value 'This is not a valid integer.' is not \
            recognized in SYSTEM$MULTISTMT at '    throw `Execution of multiple statements failed on statement {0} (at line {1}, position \
            {2}).`.replace('{1}', LINES[i])' position 4\nstackstrace: \nSYSTEM$MULTISTMT line: 10",
        "sqlState": "P0000",
        "statementHandle": "019d6ed0-0502-3101-0000-096d00421082",
    });
    let server = Server::start([Reply::json(202, &running()), Reply::json(422, &failed)]).await;
    let statements =
        ["create or replace table table1 (i int)", "insert into table1 (i) values (1)", "insert", "select 1"];
    let error = refused(client(&server).script(&statements, "a").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    let shown = format!("{} {error:?}", error.report());
    assert!(shown.contains("statement: 3 of 4") && shown.contains("code: 100132"), "{shown}");
    assert!(!shown.contains("valid integer"), "{shown}");
}

/// "408: The execution of the statement exceeded the timeout period" (reference).
#[tokio::test]
async fn a_statement_that_takes_too_long_is_named_and_not_repeated() {
    let ended = json!({
        "code": "000630",
        "message": "Statement reached its statement or warehouse timeout of 60 second(s) and was canceled.",
        "sqlState": "57014",
        "statementHandle": "01aa",
    });
    let server = Server::start([Reply::json(408, &ended)]).await;
    let error = unclear(client(&server).query("SELECT 1", "a").await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("statement_timeout_seconds"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_is_no_answer_of_snowflake_is_no_success() {
    let server = Server::start([Reply::text(200, "<html>"), Reply::json(200, &one_row())]).await;
    client(&server).query("SELECT 1", "a").await.unwrap();
    assert_eq!(server.requests().len(), 2);
    // A script of which less ran than was sent.
    let server = Server::start([Reply::json(200, &script_done(1))]).await;
    unclear(client(&server).script(&["BEGIN", "COMMIT"], "a").await.unwrap_err());
}

#[tokio::test]
async fn neither_tokens_nor_statements_are_shown() {
    let server = Server::start([Reply::json(400, &json!({ "code": "391911", "message": "hunter2" }))]).await;
    let client = client_as(&server, Credentials::OAuth(Secret::new("hunter2".to_owned())));
    let error = refused(client.query("SELECT 'hunter2'", "a").await.unwrap_err());
    let shown = format!("{client:?} {error:?} {}", error.report());
    assert!(shown.contains("391911") && !shown.contains("hunter2"), "{shown}");
}
