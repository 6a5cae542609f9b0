//! Roles with external IDs, chains, web identity, and sessions that end during a run.

use std::time::Duration;

use commutator_core::{
    Budget, Checkpoint, ErrorKind, Extras, OnBadRecord, Outcome, ReadRequest, Secret, Source as _, Until,
};
use futures_util::StreamExt as _;

use super::fake::{Fake, Shard};
use super::read::{fast, orders};
use super::server::Server;
use super::sts::{BASE_KEY, Sts, Trust, WEB_TOKEN};
use crate::{AssumeRole, Config, DynamoDb, WebIdentity};

const FIRST: &str = "arn:aws:iam::111111111111:role/first";
const LAST: &str = "arn:aws:iam::222222222222:role/last";
const ID: &str = "shop:7c0e/1";

fn trust(external_id: Option<&'static str>, trusts: &str) -> Trust {
    Trust { external_id, trusts: trusts.to_owned() }
}

fn role(arn: &str, external_id: Option<&str>) -> AssumeRole {
    AssumeRole { role_arn: arn.to_owned(), external_id: external_id.map(str::to_owned), ..AssumeRole::default() }
}

/// A source behind the door of an STS, which lets only sessions of `lets_in` through.
struct Setup {
    source: DynamoDb,
    sts: Sts,
    _servers: [Server; 2],
}

async fn setup(fake: Fake, sts: Sts, lets_in: &'static str, change: impl FnOnce(&mut Config)) -> Setup {
    let door = sts.clone();
    let dynamodb =
        Server::start(move |request| door.refuses(&request, lets_in).unwrap_or_else(|| fake.answer(&request))).await;
    let answering = sts.clone();
    let issuer = Server::start(move |request| answering.answer(&request)).await;
    let mut config = Config {
        region: Some("eu-west-1".to_owned()),
        access_key_id: Some(Secret::new(BASE_KEY.to_owned())),
        secret_access_key: Some(Secret::new("s".to_owned())),
        endpoint_url: Some(dynamodb.url.clone()),
        sts_endpoint_url: Some(issuer.url.clone()),
        tables: vec!["orders".to_owned()],
        segments: Some(1),
        ..Config::default()
    };
    change(&mut config);
    config.validate().unwrap();
    let tuning = crate::tuning::Tuning { credentials_ahead: Duration::from_millis(700), ..fast() };
    // Sessions end by the machine's clock here.
    let surroundings = crate::clock::Surroundings::default();
    let source = Box::pin(DynamoDb::connect_with(config, Budget::new(1 << 20), surroundings, tuning)).await.unwrap();
    Setup { source, sts, _servers: [dynamodb, issuer] }
}

fn an_hour(roles: &[(&str, Trust)]) -> Sts {
    Sts::new(Duration::from_hours(1), roles)
}

/// Reads everything, and fails unless that went well.
async fn rows(setup: &Setup) -> usize {
    let request = ReadRequest {
        table: orders(),
        from: Checkpoint::default(),
        until: Until::CaughtUp,
        on_bad_record: OnBadRecord::Fail,
        extras: Extras::default(),
    };
    let mut outcome = super::read::Outcome::new(&Checkpoint::default());
    let mut stream = setup.source.read(request).await.unwrap();
    while outcome.take(stream.next().await) {}
    outcome.expect_end().rows.len()
}

fn one_item() -> Fake {
    Fake::new(|state| state.segments = vec![vec![vec!["a".to_owned()]]])
}

/// The one check that failed: its name, the problem and the remedy.
async fn failed_check(source: &DynamoDb) -> (String, String, String) {
    let report = source.check().await.unwrap();
    let failed: Vec<_> = report.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. })).collect();
    assert_eq!(failed.len(), 1, "{report:#?}");
    let Outcome::Failed { problem, remedy } = &failed[0].outcome else { unreachable!() };
    (failed[0].name.clone(), problem.clone(), remedy.clone())
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_and_once_for_everything() {
    let sts = an_hour(&[(FIRST, trust(Some(ID), BASE_KEY))]);
    let setup = setup(one_item(), sts, "first", |config| {
        let named = AssumeRole {
            session_name: Some("nightly".to_owned()),
            duration_seconds: Some(900),
            ..role(FIRST, Some(ID))
        };
        config.assume_role = Some(named);
    })
    .await;
    assert_eq!(rows(&setup).await, 1);
    let asked = setup.sts.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].external_id.as_deref(), Some(ID));
    assert_eq!((asked[0].session_name.as_str(), asked[0].duration.as_deref()), ("nightly", Some("900")));
    assert!(setup.source.check().await.unwrap().passed());
    assert_eq!(setup.sts.asked().len(), 1, "the session is shared");
}

#[tokio::test]
async fn a_wrong_and_a_missing_external_id_are_refused_with_what_to_do() {
    for (id, words) in [(Some("wrong-id"), "exactly the configured external_id"), (None, "none was sent")] {
        let sts = an_hour(&[(FIRST, trust(Some(ID), BASE_KEY))]);
        let setup = setup(one_item(), sts, "first", |config| config.assume_role = Some(role(FIRST, id))).await;
        let request = ReadRequest {
            table: orders(),
            from: Checkpoint::default(),
            until: Until::CaughtUp,
            on_bad_record: OnBadRecord::Fail,
            extras: Extras::default(),
        };
        let error = setup.source.read(request).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        assert!(error.to_string().contains(FIRST) && error.message().contains(words), "{error}");
        let (name, problem, remedy) = failed_check(&setup.source).await;
        assert_eq!(name, format!("role {FIRST}"));
        assert!(problem.contains(words) && remedy.contains("external_id"), "{problem} {remedy}");
        assert!(!problem.contains(ID), "the right one is not ours to tell");
    }
}

#[tokio::test]
async fn roles_are_chained_and_the_one_that_is_refused_is_named() {
    let good = || vec![(FIRST, trust(Some(ID), BASE_KEY)), (LAST, trust(Some("second"), "ASIAfirst"))];
    let chained = |id: &str, last: &str| AssumeRole { chain: vec![role(LAST, Some(last))], ..role(FIRST, Some(id)) };
    let works =
        setup(one_item(), an_hour(&good()), "last", |config| config.assume_role = Some(chained(ID, "second"))).await;
    assert_eq!(rows(&works).await, 1);
    assert_eq!(works.sts.asked().iter().map(|a| a.role.as_str()).collect::<Vec<_>>(), [FIRST, LAST]);
    for (id, last, refused) in [("no", "second", FIRST), (ID, "no", LAST)] {
        let setup = setup(one_item(), an_hour(&good()), "last", |c| c.assume_role = Some(chained(id, last))).await;
        let error = setup.source.discover().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        assert!(error.context().contains(&("role", refused.to_owned())), "{error}");
    }
}

#[tokio::test]
async fn a_web_identity_is_exchanged_at_the_configured_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    for (token, works) in [(WEB_TOKEN, true), ("another", false)] {
        std::fs::write(&token_file, format!("{token}\n")).unwrap();
        let sts = an_hour(&[(FIRST, trust(None, &format!("token:{WEB_TOKEN}")))]);
        let web = WebIdentity {
            role_arn: FIRST.to_owned(),
            token_file: token_file.clone(),
            session_name: None,
            duration_seconds: None,
        };
        let setup = setup(one_item(), sts, "first", |config| {
            config.access_key_id = None;
            config.secret_access_key = None;
            config.web_identity = Some(web);
        })
        .await;
        if works {
            assert_eq!(rows(&setup).await, 1);
            assert_eq!(setup.sts.asked()[0].session_name, "commutator");
        } else {
            let error = setup.source.discover().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
            assert!(error.to_string().contains(FIRST), "{error}");
        }
    }
}

#[tokio::test]
async fn a_token_file_that_is_not_there_is_named() {
    let web = WebIdentity {
        role_arn: FIRST.to_owned(),
        token_file: "/nowhere/token".into(),
        session_name: None,
        duration_seconds: None,
    };
    let setup = setup(one_item(), an_hour(&[]), "first", |config| {
        config.access_key_id = None;
        config.secret_access_key = None;
        config.web_identity = Some(web);
    })
    .await;
    let (_, problem, _) = failed_check(&setup.source).await;
    assert!(problem.contains("/nowhere/token"), "{problem}");
}

#[tokio::test]
async fn sessions_that_end_during_a_run_are_renewed_before_their_end() {
    let sts = Sts::new(Duration::from_millis(1_500), &[(FIRST, trust(Some(ID), BASE_KEY))]);
    let fake = Fake::new(|state| state.shards = vec![Shard::new("s0", None, &[&[1]])]);
    let setup = setup(fake.clone(), sts, "first", |config| config.assume_role = Some(role(FIRST, Some(ID)))).await;
    let request = ReadRequest {
        table: orders(),
        from: Checkpoint::default(),
        until: Until::Stopped,
        on_bad_record: OnBadRecord::Fail,
        extras: Extras::default(),
    };
    let mut outcome = super::read::Outcome::new(&Checkpoint::default());
    let mut stream = setup.source.read(request).await.unwrap();
    // The run lasts until the fourth session; records keep coming all the time.
    let mut number = 1;
    while setup.sts.asked().len() < 4 {
        assert!(outcome.take(stream.next().await), "{:?}", outcome.error);
        if outcome.rows.len() >= number {
            number += 1;
            fake.with(|state| state.shards[0].pages.push(vec![number as u64]));
        }
    }
    assert!(outcome.error.is_none());
    assert_eq!(setup.sts.refused_stale(), 0, "no request was sent with an ended session");
}

#[tokio::test]
async fn a_session_that_was_ended_early_is_an_error_that_can_be_retried() {
    // Its end is said to be far, but the service takes it for ended: as if an administrator revoked it.
    let sts = Sts::new(Duration::ZERO, &[(FIRST, trust(None, BASE_KEY))]);
    let setup = setup(one_item(), sts, "first", |config| config.assume_role = Some(role(FIRST, None))).await;
    let error = setup.source.discover().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::PermissionDenied, commutator_core::Retry::Backoff),
        "{error:?}"
    );
}

#[tokio::test]
async fn credentials_that_aws_does_not_know_are_told() {
    let setup = setup(one_item(), an_hour(&[]), "first", |_| {}).await;
    let error = setup.source.discover().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::PermissionDenied, commutator_core::Retry::Never),
        "{error:?}"
    );
    assert!(error.message().contains("does not accept the credentials"), "{error}");
}
