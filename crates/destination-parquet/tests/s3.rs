//! A real S3 server, as far as one is configured: rights, regions and credentials.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use commutator_core::{CheckReport, Destination as _, ErrorKind, Outcome, Secret, SyncMode};
use commutator_destination_parquet::Config;

use crate::table::{SNAPSHOT, Writer, batch, schema, snapshot, target};

/// Returns the configuration of an empty prefix in the test server's bucket; `None` if no server is configured.
pub(crate) fn config() -> Option<Config> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let variable = |name: &str| std::env::var(format!("COMMUTATOR_TEST_S3_{name}")).ok();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let unique = format!("{now}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut config = Config::new(format!("s3://{}/parquet/{unique}", variable("BUCKET")?));
    config.endpoint_url = Some(variable("ENDPOINT")?);
    config.region = Some("us-east-1".to_owned());
    config.allow_http = true;
    config.access_key_id = Some(variable("ACCESS_KEY")?);
    config.secret_access_key = Some(Secret::new(variable("SECRET_KEY")?));
    Some(config)
}

/// The same, or a note why the test is skipped; where the environment variable `CI` is `true` it may not be.
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
pub(crate) fn config_or_skip() -> Option<Config> {
    let config = config();
    if config.is_none() {
        assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "COMMUTATOR_TEST_S3_* are not set");
        eprintln!("skipped: COMMUTATOR_TEST_S3_* are not set");
    }
    config
}

fn failed(report: &CheckReport) -> Vec<&str> {
    let failed = report.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. }));
    failed.map(|check| check.name.as_str()).collect()
}

#[tokio::test]
async fn checks_name_the_right_that_is_missing() {
    let Some(mut config) = config_or_skip() else { return };
    let full = config.clone().connect().await.unwrap().check().await.unwrap();
    assert!(full.passed(), "{full:?}");
    let key = |name: &str| std::env::var(format!("COMMUTATOR_TEST_S3_READ_ONLY_{name}")).ok();
    let (Some(id), Some(secret)) = (key("ACCESS_KEY"), key("SECRET_KEY")) else { return };
    config.access_key_id = Some(id);
    config.secret_access_key = Some(Secret::new(secret));
    let report = config.connect().await.unwrap().check().await.unwrap();
    assert_eq!(failed(&report), ["write"], "{report:?}");
    let Outcome::Failed { remedy, .. } = &report.checks[1].outcome else { panic!("{report:?}") };
    assert!(remedy.contains("s3:PutObject"));
}

#[tokio::test]
async fn wrong_keys_and_buckets_are_told_apart() {
    let Some(config) = config_or_skip() else { return };
    let kind = async |config: Config| {
        let parquet = config.connect().await.unwrap();
        parquet.open(&target("orders", SyncMode::Mirror)).await.unwrap_err().kind()
    };
    let mut wrong = config.clone();
    wrong.secret_access_key = Some(Secret::new("wrong".to_owned()));
    assert_eq!(kind(wrong).await, ErrorKind::PermissionDenied);
    let mut missing = config.clone();
    missing.url = "s3://no-such-bucket-anywhere/x".to_owned();
    assert_eq!(kind(missing).await, ErrorKind::NotFound);
    let mut nobody = config;
    nobody.endpoint_url = Some("http://127.0.0.1:9".to_owned());
    assert_eq!(kind(nobody).await, ErrorKind::Unavailable);
}

#[tokio::test]
async fn credentials_of_an_aws_provider_are_used() {
    let Some(mut config) = config_or_skip() else { return };
    let secret = config.secret_access_key.take().unwrap();
    let id = config.access_key_id.take().unwrap();
    let credentials = Credentials::new(id, secret.expose().clone(), None, None, "test");
    let parquet = config.connect_with(SharedCredentialsProvider::new(credentials)).await.unwrap();
    let target = target("orders", SyncMode::Mirror);
    let mut writer = Writer::open(&parquet, &target).await;
    let columns = schema(&[("id", commutator_core::LogicalType::Int64)]);
    writer.commit_last(Some(&batch(&columns, &[(SNAPSHOT, snapshot(), vec![1.into()])]))).await.unwrap();
    assert_eq!(parquet.rows(&target).await.unwrap().unwrap().len(), 1);
}
