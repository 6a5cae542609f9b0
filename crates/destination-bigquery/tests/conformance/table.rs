//! What only `BigQuery` has: its checks, its types, its names, and documents as JSON.

use commutator_core::{Destination as _, Outcome};

use commutator_destination_bigquery::Json;

use crate::place::Emulated;

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
async fn checks_try_everything_for_real() {
    let Some(place) = Emulated::new(Json::String).await else {
        eprintln!("skipped: the emulator needs COMMUTATOR_TEST_BIGQUERY_EMULATOR_URL");
        return;
    };
    let report = place.bigquery().await.check().await.unwrap();
    assert!(report.passed(), "{report:#?}");
    assert_eq!(report.checks.len(), 4);
    // Nothing is left of it.
    let tables = "SELECT table_name FROM shop.INFORMATION_SCHEMA.TABLES WHERE table_name LIKE '_ct%'";
    assert_eq!(place.query(tables).await, Vec::<Vec<Option<String>>>::new());

    let mut missing = place.config();
    missing.dataset = "none".to_owned();
    let report = missing.connect().await.unwrap().check().await.unwrap();
    let problems: Vec<_> = report
        .checks
        .iter()
        .filter_map(|check| match &check.outcome {
            Outcome::Failed { problem, .. } => Some(problem.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(problems.len(), 1, "{report:#?}");
    assert!(problems[0].contains("create the dataset"), "{problems:?}");
}
