//! The suite over the real service, for whoever has a project: nobody has run it yet.
//!
//! `COMMUTATOR_TEST_BIGQUERY_PROJECT`, `COMMUTATOR_TEST_BIGQUERY_DATASET` (which exists) and `COMMUTATOR_TEST_BIGQUERY_STAGING` (`gs://bucket/folder` in the
//! dataset's region) say where; application default credentials say who. It leaves its tables behind, with names that begin with `trial_`.

use commutator_core::Destination as _;
use commutator_destination_bigquery::Config;

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
async fn checks_pass() {
    let variable = |name: &str| std::env::var(format!("COMMUTATOR_TEST_BIGQUERY_{name}")).ok();
    let (Some(project), Some(dataset), Some(staging)) = (variable("PROJECT"), variable("DATASET"), variable("STAGING"))
    else {
        eprintln!("skipped: the real service needs COMMUTATOR_TEST_BIGQUERY_PROJECT, …_DATASET and …_STAGING");
        return;
    };
    let bigquery = Config::new(project, dataset, staging).connect().await.unwrap();
    let report = bigquery.check().await.unwrap();
    assert!(report.passed(), "{report:#?}");
}
