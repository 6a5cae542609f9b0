//! Roles, external IDs, sessions that end, signatures.

use std::time::Duration;

use aws_sdk_sts::types::Credentials;
use commutator_simulator::{Operation, Role, Simulator};

use crate::client::{Clients, code, credentials, orders};

const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

async fn assume(clients: &Clients, role: &str, external_id: Option<&str>) -> Result<Credentials, String> {
    let call = clients.sts.assume_role().role_arn(role).role_session_name("test").duration_seconds(900);
    let answer = call.set_external_id(external_id.map(str::to_owned)).send().await.map_err(|e| code(&e))?;
    Ok(answer.credentials.unwrap())
}

fn with_session(url: &str, session: &Credentials) -> Clients {
    let token = Some(session.session_token.as_str());
    Clients::with(url, credentials(&session.access_key_id, &session.secret_access_key, token), 1)
}

async fn list(clients: &Clients) -> Result<Vec<String>, String> {
    Ok(clients.dynamodb.list_tables().send().await.map_err(|e| code(&e))?.table_names.unwrap_or_default())
}

#[tokio::test]
async fn roles_want_their_external_id_even_if_nothing_else_is_enforced() {
    let simulator = Simulator::new(0);
    simulator.add_role(Role::new(ROLE).external_id("tenant-7"));
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    assert!(assume(&clients, ROLE, Some("tenant-7")).await.is_ok());
    assert_eq!(assume(&clients, ROLE, Some("tenant-8")).await.unwrap_err(), "AccessDenied");
    assert_eq!(assume(&clients, ROLE, None).await.unwrap_err(), "AccessDenied");
    assert_eq!(assume(&clients, "arn:aws:iam::123456789012:role/other", None).await.unwrap_err(), "AccessDenied");
}

#[tokio::test]
async fn sessions_work_until_they_end() {
    let simulator = Simulator::new(0);
    simulator.create_table(orders()).unwrap();
    simulator.enforce_access(true);
    simulator.add_user("AKIDUSER", "user-secret");
    simulator.add_role(Role::new(ROLE).trusts("AKIDUSER").deny(Operation::Scan));
    let server = simulator.serve().await.unwrap();
    let url = server.url();
    let user = Clients::with(&url, credentials("AKIDUSER", "user-secret", None), 1);
    assert_eq!(list(&user).await.unwrap(), ["orders"]);

    let session = assume(&user, ROLE, None).await.unwrap();
    let left = session.expiration.secs() - i64::try_from(simulator.clock().now_ms() / 1000).unwrap();
    assert_eq!(left, 900);
    let reader = with_session(&url, &session);
    assert_eq!(list(&reader).await.unwrap(), ["orders"]);
    let denied = reader.dynamodb.scan().table_name("orders").send().await.unwrap_err();
    assert_eq!(code(&denied), "AccessDeniedException");
    let who = reader.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.arn(), Some("arn:aws:sts::123456789012:assumed-role/reader/test"));
    assert_eq!(assume(&reader, ROLE, None).await.unwrap_err(), "AccessDenied", "it trusts the user only");

    simulator.clock().advance(Duration::from_secs(899));
    assert!(list(&reader).await.is_ok());
    simulator.clock().advance(Duration::from_secs(1));
    assert_eq!(list(&reader).await.unwrap_err(), "ExpiredTokenException");
    assert_eq!(reader.sts.get_caller_identity().send().await.map_err(|e| code(&e)).unwrap_err(), "ExpiredToken");

    let again = with_session(&url, &assume(&user, ROLE, None).await.unwrap());
    assert!(list(&again).await.is_ok());
    simulator.expire_sessions();
    assert_eq!(list(&again).await.unwrap_err(), "ExpiredTokenException");
    let third = with_session(&url, &assume(&user, ROLE, None).await.unwrap());
    simulator.remove_role(ROLE);
    assert_eq!(list(&third).await.unwrap_err(), "AccessDeniedException");
    assert_eq!(assume(&user, ROLE, None).await.unwrap_err(), "AccessDenied");
}

#[tokio::test]
async fn credentials_must_be_known_and_the_signature_right() {
    let simulator = Simulator::new(0);
    simulator.enforce_access(true);
    simulator.add_user("AKIDUSER", "user-secret");
    simulator.add_role(Role::new(ROLE));
    let server = simulator.serve().await.unwrap();
    let url = server.url();
    let user = Clients::with(&url, credentials("AKIDUSER", "user-secret", None), 1);
    let session = assume(&user, ROLE, None).await.unwrap();
    let (id, secret, token) = (&session.access_key_id, &session.secret_access_key, session.session_token.as_str());
    for (id, secret, token, expected) in [
        ("AKIDUSER", "wrong", None, "InvalidSignatureException"),
        ("AKIDNOBODY", "user-secret", None, "UnrecognizedClientException"),
        ("AKIDUSER", "user-secret", Some("token"), "UnrecognizedClientException"),
        (id, secret, None, "UnrecognizedClientException"),
        (id, secret, Some("wrong"), "UnrecognizedClientException"),
        (id, "wrong", Some(token), "InvalidSignatureException"),
    ] {
        let clients = Clients::with(&url, credentials(id, secret, token), 1);
        assert_eq!(list(&clients).await.unwrap_err(), expected);
    }
    let nobody = Clients::with(&url, credentials("AKIDNOBODY", "x", None), 1);
    assert_eq!(assume(&nobody, ROLE, None).await.unwrap_err(), "InvalidClientTokenId");
}

#[tokio::test]
async fn an_identity_token_gives_a_session() {
    let simulator = Simulator::new(0);
    simulator.enforce_access(true);
    simulator.add_role(Role::new(ROLE).web_identity("pod-token").longest(3_600));
    let server = simulator.serve().await.unwrap();
    let clients = Clients::new(&server.url());
    let ask = |token: &str, seconds| {
        let call = clients.sts.assume_role_with_web_identity().role_arn(ROLE).role_session_name("pod");
        call.web_identity_token(token).duration_seconds(seconds).send()
    };
    let session = ask("pod-token", 3_600).await.unwrap().credentials.unwrap();
    assert!(list(&with_session(&server.url(), &session)).await.is_ok());
    assert_eq!(ask("other", 3_600).await.map_err(|e| code(&e)).unwrap_err(), "InvalidIdentityToken");
    assert_eq!(ask("pod-token", 7_200).await.map_err(|e| code(&e)).unwrap_err(), "ValidationError");
    assert_eq!(assume(&clients, ROLE, None).await.unwrap_err(), "InvalidClientTokenId", "the caller is nobody");
}
