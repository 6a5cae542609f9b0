//! Credentials that come from the environment and from shared files.
//!
//! A process' environment cannot be changed safely while it runs, so each test runs itself once more in a process of its own.

use std::path::Path;
use std::process::Command;

use aws_credential_types::provider::ProvideCredentials as _;
use commutator_core::{Budget, ErrorKind};

use crate::Config;

const CHILD: &str = "COMMUTATOR_TEST_CHILD";

/// Runs a test of this file in another process with an environment of only these variables; `false` in that process itself.
fn in_child(test: &str, home: &Path, variables: &[(&str, &str)]) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return false;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("tests::environment::{test}"), "--nocapture"])
        .env_clear()
        .env(CHILD, "1")
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", home.join("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", home.join("credentials"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("1 passed"), "{printed}");
    true
}

/// A home folder with two profiles.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let config = "[default]\nregion = eu-north-1\n[profile shop]\nregion = eu-west-3\n";
    let credentials = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = s\n\
                       [shop]\naws_access_key_id = AKIASHOP\naws_secret_access_key = s\n";
    std::fs::write(home.path().join("config"), config).unwrap();
    std::fs::write(home.path().join("credentials"), credentials).unwrap();
    home
}

/// The region and the access key id that a configuration leads to.
async fn found(change: impl FnOnce(&mut Config)) -> (String, String) {
    let mut config = Config { tables: vec!["orders".to_owned()], ..Config::default() };
    change(&mut config);
    let source = Box::pin(config.connect(Budget::new(1))).await.unwrap();
    let credentials = source.credentials().unwrap().provide_credentials().await.unwrap();
    (source.aws_config().region().unwrap().to_string(), credentials.access_key_id().to_owned())
}

fn pair(region: &str, key: &str) -> (String, String) {
    (region.to_owned(), key.to_owned())
}

#[tokio::test]
async fn a_named_profile_gives_region_and_keys() {
    if in_child("a_named_profile_gives_region_and_keys", home().path(), &[]) {
        return;
    }
    assert_eq!(found(|config| config.profile = Some("shop".to_owned())).await, pair("eu-west-3", "AKIASHOP"));
    assert_eq!(found(|_| {}).await, pair("eu-north-1", "AKIADEFAULT"));
    let region = |config: &mut Config| config.region = Some("us-east-2".to_owned());
    assert_eq!(found(region).await, pair("us-east-2", "AKIADEFAULT"));
}

#[tokio::test]
async fn the_environment_comes_before_the_files_and_the_configuration_before_both() {
    let variables = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "ca-west-1")];
    if in_child("the_environment_comes_before_the_files_and_the_configuration_before_both", home().path(), &variables) {
        return;
    }
    assert_eq!(found(|_| {}).await, pair("ca-west-1", "AKIAENV"));
    let keys = |config: &mut Config| {
        config.access_key_id = Some(commutator_core::Secret::new("AKIACONFIG".to_owned()));
        config.secret_access_key = Some(commutator_core::Secret::new("s".to_owned()));
    };
    assert_eq!(found(keys).await, pair("ca-west-1", "AKIACONFIG"));
    let local = |config: &mut Config| config.endpoint_url = Some("http://127.0.0.1:1".to_owned());
    assert_eq!(found(local).await, pair("ca-west-1", "AKIAENV"), "keys are made up only if there are none");
}

#[tokio::test]
async fn an_emulator_on_this_machine_needs_neither_region_nor_keys() {
    let nothing = tempfile::tempdir().unwrap();
    if in_child("an_emulator_on_this_machine_needs_neither_region_nor_keys", nothing.path(), &[]) {
        return;
    }
    let local = |config: &mut Config| config.endpoint_url = Some("http://localhost:8000".to_owned());
    assert_eq!(found(local).await, pair("us-east-1", "local"));
    let elsewhere = Config { tables: vec!["orders".to_owned()], ..Config::default() };
    let error = Box::pin(elsewhere.connect(Budget::new(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(error.message().contains("region"), "{error}");
}

#[tokio::test]
async fn missing_credentials_are_told_by_check_and_by_calls() {
    use commutator_core::{Outcome, Source as _};
    let nothing = tempfile::tempdir().unwrap();
    if in_child("missing_credentials_are_told_by_check_and_by_calls", nothing.path(), &[]) {
        return;
    }
    let config =
        Config { tables: vec!["orders".to_owned()], region: Some("eu-west-1".to_owned()), ..Config::default() };
    let source = Box::pin(config.connect(Budget::new(1))).await.unwrap();
    let report = source.check().await.unwrap();
    assert_eq!(report.checks[0].name, "credentials");
    assert!(matches!(&report.checks[0].outcome, Outcome::Failed { remedy, .. } if remedy.contains("access_key_id")));
    assert!(matches!(report.checks[1].outcome, Outcome::Skipped { .. }));
    let error = source.discover().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (ErrorKind::PermissionDenied, commutator_core::Retry::Never),
        "{error:?}"
    );
}
