//! Tokens of every kind of credentials that a test can have, from a server in the test.

use std::time::Duration;

use http::Method;
use serde_json::json;

use super::super::tests::{Reply, Seen, Server};
use super::super::{Client, Request};
use super::*;

/// A configuration whose credentials are in a file.
fn with_file(folder: &Path, credentials: &Value) -> Config {
    let file = folder.join("credentials.json");
    std::fs::write(&file, credentials.to_string()).unwrap();
    Config { credentials_file: Some(file), ..Config::new("proj", "shop", "gs://bucket/folder") }
}

fn user(server: &Server) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "id",
        "client_secret": "hunter2",
        "refresh_token": "hunter2",
        "token_uri": format!("{}/token", server.address),
    })
}

async fn token(auth: &Auth) -> String {
    auth.token().await.unwrap().unwrap().expose().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_kept_and_renewed_before_it_ends() {
    // "Using OAuth 2.0": the answer of the token's endpoint.
    let server = Server::answering(|number, _| {
        let lifetime = if number == 0 { 1 } else { 3600 };
        Reply::Json(
            200,
            json!({ "access_token": format!("token-{number}"), "expires_in": lifetime, "token_type": "Bearer" }),
        )
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let auth = Auth::new(&with_file(folder.path(), &user(&server))).unwrap();
    let first = token(&auth).await;
    assert!(first.starts_with("token-"), "{first}");
    tokio::time::timeout(Duration::from_secs(30), async {
        while token(&auth).await == "token-0" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(token(&auth).await, "token-1");
    assert_eq!(token(&auth).await, "token-1");
    assert_eq!(server.lines(), ["POST /token", "POST /token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_the_bucket_carry_the_token_and_nobody_shows_it() {
    let server = Server::answering(|_, seen| {
        if seen.line == "POST /token" {
            Reply::Json(200, json!({ "access_token": "hunter2", "expires_in": 3600, "token_type": "Bearer" }))
        } else {
            Reply::Json(200, json!({}))
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let config = Config { endpoint_url: Some(server.address.clone()), ..with_file(folder.path(), &user(&server)) };
    let auth = Auth::new(&config).unwrap();
    assert_eq!(auth.get_credential().await.unwrap().bearer, "hunter2");
    let client = Client::new(&config, auth.clone()).unwrap();
    let request = Request { method: &Method::GET, path: "proj", query: &[], body: None };
    client.send::<Value>(request).await.unwrap();
    let seen: Vec<Seen> = server.seen.lock().unwrap().clone();
    assert_eq!(seen.last().unwrap().token.as_deref(), Some("Bearer hunter2"));
    assert!(!format!("{auth:?} {client:?} {config:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_are_no_longer_valid_are_named_without_their_secrets() {
    let server = Server::answering(|_, _| {
        Reply::Json(
            400,
            json!({ "error": "invalid_grant", "error_description": "Token hunter2 has been expired or revoked." }),
        )
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let auth = Auth::new(&with_file(folder.path(), &user(&server))).unwrap();
    let error = auth.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(!format!("{error:?} {}", error.report()).contains("hunter2"));
}

/// Workload identity federation: a token of somebody else's is exchanged for one of Google's, and that for a service account's.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_identity_becomes_a_service_account() {
    let server = Server::answering(|_, seen| match seen.line.as_str() {
        "POST /sts" => Reply::Json(
            200,
            json!({
                "access_token": "federated", "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "token_type": "Bearer", "expires_in": 3600,
            }),
        ),
        _ => Reply::Json(200, json!({ "accessToken": "of-the-account", "expireTime": "2999-01-01T00:00:00Z" })),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let subject = folder.path().join("subject");
    std::fs::write(&subject, "a-token-of-another-issuer").unwrap();
    let auth = Auth::new(&with_file(folder.path(), &json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/sts", server.address),
        "service_account_impersonation_url":
            format!("{}/v1/projects/-/serviceAccounts/loader@proj.iam.gserviceaccount.com:generateAccessToken", server.address),
        "credential_source": { "file": subject },
    })))
    .unwrap();
    assert_eq!(token(&auth).await, "of-the-account");
    assert!(server.lines()[1].ends_with(":generateAccessToken"), "{:?}", server.lines());
    assert_eq!(server.seen.lock().unwrap()[1].token.as_deref(), Some("Bearer federated"));
}

#[tokio::test]
async fn files_that_are_no_credentials_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for credentials in
        [json!({}), json!({ "type": "hunter2" }), json!({ "type": "authorized_user", "client_secret": "hunter2" })]
    {
        let config = with_file(folder.path(), &credentials);
        let error = Auth::new(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        let shown = format!("{error:?} {}", error.report());
        assert!(shown.contains("credentials.json") && !shown.contains("hunter2"), "{shown}");
    }
    let missing = Config { credentials_file: Some(folder.path().join("none")), ..Config::new("p", "d", "gs://b/f") };
    assert_eq!(Auth::new(&missing).unwrap_err().kind(), ErrorKind::ConfigInvalid);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_without_being_shown() {
    let folder = tempfile::tempdir().unwrap();
    let auth = Auth::new(&with_file(
        folder.path(),
        &json!({
            "type": "service_account",
            "client_email": "loader@proj.iam.gserviceaccount.com",
            "private_key_id": "1",
            "private_key": "hunter2",
            "project_id": "proj",
        }),
    ));
    let error = match auth {
        Ok(auth) => auth.token().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error.kind(), ErrorKind::ConfigInvalid | ErrorKind::PermissionDenied), "{error:?}");
    assert!(!format!("{error:?} {}", error.report()).contains("hunter2"));
}
