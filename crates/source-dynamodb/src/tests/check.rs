//! Named checks, and discovery.

use commutator_core::{Check, ErrorKind, Outcome, Source as _};

use super::fake::{Fake, State};
use super::read::{NOW_MS, Running, fast};
use super::server::Reply;

async fn checks(change: impl FnOnce(&mut State), tables: &[&str]) -> Vec<Check> {
    let tables: Vec<String> = tables.iter().map(|&table| table.to_owned()).collect();
    let run = Running::configured(Fake::new(change), NOW_MS, fast(), |config| config.tables = tables).await;
    run.source.check().await.unwrap().checks
}

fn failure<'a>(checks: &'a [Check], name: &str) -> (&'a str, &'a str) {
    let check = checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("{name} in {checks:#?}"));
    match &check.outcome {
        Outcome::Failed { problem, remedy } => (problem, remedy),
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn a_good_table_passes_every_check() {
    let checks = checks(|_| {}, &["orders", "cust*"]).await;
    let names: Vec<_> = checks.iter().map(|check| check.name.as_str()).collect();
    let expected = [
        "credentials",
        "tables",
        "table customers: describe",
        "table customers: scan",
        "table customers: stream",
        "table orders: describe",
        "table orders: scan",
        "table orders: stream",
    ];
    assert_eq!(names, expected);
    assert!(checks.iter().all(|check| matches!(check.outcome, Outcome::Passed { .. })), "{checks:#?}");
}

#[tokio::test]
async fn a_denied_call_names_the_action_to_allow() {
    for (operation, check) in [
        ("DescribeTable", "table orders: describe"),
        ("Scan", "table orders: scan"),
        ("DescribeStream", "table orders: stream"),
        ("GetShardIterator", "table orders: stream"),
        ("GetRecords", "table orders: stream"),
    ] {
        let denied = Reply::error(400, "AccessDeniedException", "no");
        let checks = checks(|state| state.faults.push_back((operation, denied)), &["orders"]).await;
        let (problem, remedy) = failure(&checks, check);
        let action = format!("dynamodb:{operation}");
        assert!(problem.contains(&action) && remedy.contains(&format!("allow {action} on ")), "{problem} / {remedy}");
    }
    let denied = Reply::error(400, "AccessDeniedException", "no");
    let checks = checks(|state| state.faults.push_back(("ListTables", denied)), &["o*"]).await;
    assert!(failure(&checks, "tables").1.contains("dynamodb:ListTables"));
}

#[tokio::test]
async fn a_missing_stream_comes_with_the_command_that_turns_it_on() {
    let on = "aws dynamodb update-table --table-name orders --stream-specification StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES";
    for (view, more) in
        [(None, "turn it on"), (Some("KEYS_ONLY"), "StreamEnabled=false"), (Some("OLD_IMAGE"), "StreamEnabled=false")]
    {
        let checks = checks(|state| state.view = view, &["orders"]).await;
        let (_, remedy) = failure(&checks, "table orders: stream");
        assert!(remedy.contains(on) && remedy.contains(more) && remedy.contains("--snapshot-only"), "{remedy}");
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_fails_alone() {
    let checks = checks(|_| {}, &["missing", "orders"]).await;
    assert!(failure(&checks, "table missing: describe").1.contains("region"));
    assert!(checks.iter().any(|c| c.name == "table missing: scan" && matches!(c.outcome, Outcome::Skipped { .. })));
    assert!(checks.iter().any(|c| c.name == "table orders: stream" && matches!(c.outcome, Outcome::Passed { .. })));
}

#[tokio::test]
async fn tables_are_discovered_by_name_and_pattern_over_all_pages_of_the_list() {
    let discover = async |tables: &[&str]| {
        let tables: Vec<String> = tables.iter().map(|&table| table.to_owned()).collect();
        let run = Running::configured(Fake::new(|_| {}), NOW_MS, fast(), |config| config.tables = tables).await;
        let found = run.source.discover().await;
        (found.map(|found| found.into_iter().map(|table| table.name.to_string()).collect::<Vec<_>>()), run)
    };
    assert_eq!(discover(&["*"]).await.0.unwrap(), ["customers", "orders", "orders_old"]);
    assert_eq!(discover(&["orders*", "customers", "orders"]).await.0.unwrap(), ["customers", "orders", "orders_old"]);
    let (found, run) = discover(&["orders"]).await;
    assert_eq!(found.unwrap(), ["orders"]);
    assert!(run.fake.requests("ListTables").is_empty(), "names alone do not need the right to list tables");
    let error = discover(&["users_*", "orders"]).await.0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("`users_*`"), "{error}");
    let error = discover(&["missing"]).await.0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("table: missing"), "{error}");
}
