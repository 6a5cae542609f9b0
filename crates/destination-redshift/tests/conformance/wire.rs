//! What becomes of requests when the API is busy, slow, fails, or its answers are lost: each message is one of those that the API reference
//! documents (docs.aws.amazon.com/redshift-data/latest/APIReference/CommonErrors.html, and the errors of each operation there).

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::{Destination as _, ErrorKind, Outcome};
use commutator_destination_redshift::Documents;

use crate::cluster::Cluster;
use crate::double::api::Trouble;

/// A cluster of the test's own, or nothing where there is no Postgres.
async fn cluster() -> Option<Cluster> {
    Cluster::fresh(Documents::Super).await
}

async fn rows_of(cluster: &Cluster, table: &str) -> String {
    let counted = cluster.query(&format!("SELECT count(*) FROM {table}")).await;
    counted[0][0].clone().unwrap()
}

#[tokio::test]
async fn a_busy_api_is_asked_again_with_the_same_token() {
    let Some(cluster) = cluster().await else { return };
    cluster.api.trouble("ExecuteStatement", &[Trouble::Throttled, Trouble::Failed, Trouble::Unavailable]);
    cluster.api.trouble("DescribeStatement", &[Trouble::Throttled, Trouble::Failed]);
    cluster.api.trouble("GetStatementResult", &[Trouble::Throttled, Trouble::AnswerLost]);
    let report = cluster.redshift().await.check().await.unwrap();
    assert!(report.passed(), "{report:#?}");
    let requests = cluster.api.requests("ExecuteStatement");
    let tokens: Vec<_> = requests[..4].iter().map(|request| request["ClientToken"].clone()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert!(requests[4..].iter().all(|request| request["ClientToken"] != tokens[0]));
    assert_eq!(requests[0]["ClusterIdentifier"], "main");
    assert_eq!(requests[0]["DbUser"], "loader");
    // A rest of the check is nowhere.
    assert_eq!(rows_of(&cluster, "pg_tables WHERE schemaname = current_schema()").await, "0");
}

#[tokio::test]
async fn a_lost_answer_to_a_commit_runs_it_once() {
    let Some(cluster) = cluster().await else { return };
    let mut table = Table::open(
        &cluster.redshift().await,
        commutator_core::Target { mode: commutator_core::SyncMode::Append, ..target("t") },
    )
    .await;
    table.commit(&[put(1, 1, [])]).await;
    let before = cluster.api.requests("BatchExecuteStatement").len();
    cluster.api.trouble("BatchExecuteStatement", &[Trouble::AnswerLost, Trouble::AnswerLost]);
    table.commit(&[put(2, 2, [])]).await;
    assert_eq!(cluster.api.requests("BatchExecuteStatement").len(), before + 3);
    assert_eq!(rows_of(&cluster, "t").await, "2");
}

/// Requests that were turned away after one whose answer was lost say nothing about that one.
#[tokio::test]
async fn a_commit_of_which_nobody_knows_is_answered_by_opening_again() {
    let Some(cluster) = cluster().await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    let troubles: Vec<_> = std::iter::once(Trouble::AnswerLost).chain([Trouble::Throttled; 6]).collect();
    cluster.api.trouble("BatchExecuteStatement", &troubles);
    let error = table.try_commit(&[put(2, 2, [])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error:?}");
    let error = table.try_commit(&[put(3, 3, [])]).await.unwrap_err();
    assert!(error.report().contains("open the table again"), "{}", error.report());
    // It happened, and the checkpoint says so.
    let mut again = Table::open(&cluster.redshift().await, target("t")).await;
    assert_eq!(again.steps(), 2);
    again.commit(&[put(3, 3, [])]).await;
    assert_eq!(rows_of(&cluster, "t").await, "3");
}

/// An error of the service's own does not say whether it had taken the batch before (API reference, `BatchExecuteStatement`, errors:
/// `InternalServerException`).
#[tokio::test]
async fn an_outage_in_the_answer_to_a_commit_is_unclear() {
    let Some(cluster) = cluster().await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    cluster.api.trouble("BatchExecuteStatement", &[Trouble::Failed; 7]);
    let error = table.try_commit(&[put(2, 2, [])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let error = table.try_commit(&[put(2, 2, [])]).await.unwrap_err();
    assert!(error.report().contains("open the table again"), "{}", error.report());
    let mut again = Table::open(&cluster.redshift().await, target("t")).await;
    again.commit(&[put(2, 2, [])]).await;
    assert_eq!(rows_of(&cluster, "t").await, "2");
}

#[tokio::test]
async fn a_commit_that_was_only_turned_away_did_not_happen_and_can_be_sent_again() {
    let Some(cluster) = cluster().await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    cluster.api.trouble("BatchExecuteStatement", &[Trouble::Throttled; 7]);
    let error = table.try_commit(&[put(2, 2, [])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error:?}");
    assert!(error.report().contains("ThrottlingException"), "{}", error.report());
    table.commit(&[put(2, 2, [])]).await;
    assert_eq!(rows_of(&cluster, "t").await, "2");
}

#[tokio::test]
async fn long_statements_are_waited_for() {
    let Some(cluster) = cluster().await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    let before = cluster.api.requests("DescribeStatement").len();
    cluster.api.slow(15);
    table.commit(&[put(1, 1, [])]).await;
    assert!(cluster.api.requests("DescribeStatement").len() > before + 15);
    assert_eq!(rows_of(&cluster, "t").await, "1");
}

/// Nobody says whether a transaction ended when its end failed, or somebody stopped it, or the way to the cluster broke.
#[tokio::test]
async fn statements_that_were_stopped_or_whose_end_failed_are_unclear() {
    let Some(cluster) = cluster().await else { return };
    for (n, abort) in [(1, true), (2, false)] {
        let mut table = Table::open(&cluster.redshift().await, target("t")).await;
        table.commit(&[put(n, 1, [])]).await;
        if abort {
            cluster.api.abort();
        } else {
            cluster.api.fail(6, "Connection to hunter2 was reset");
        }
        let error = table.try_commit(&[put(9, 9, [])]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(!error.report().contains("hunter2"));
        let error = table.try_commit(&[put(9, 9, [])]).await.unwrap_err();
        assert!(error.report().contains("open the table again"), "{}", error.report());
    }
    assert_eq!(rows_of(&cluster, "t").await, "2");
}

/// The batch was taken and runs on, so that nobody says how it ended does not mean that nothing happened.
#[tokio::test]
async fn a_batch_whose_end_is_asked_for_in_vain_is_unclear() {
    let Some(cluster) = cluster().await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    // Of the questions before it one is about the columns.
    let troubles: Vec<_> = [Trouble::Throttled; 7].into();
    cluster.api.trouble_after_batch("DescribeStatement", &troubles);
    let error = table.try_commit(&[put(2, 2, [])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled, "{error:?}");
    let error = table.try_commit(&[put(3, 3, [])]).await.unwrap_err();
    assert!(error.report().contains("open the table again"), "{}", error.report());
    let mut again = Table::open(&cluster.redshift().await, target("t")).await;
    assert_eq!(again.steps(), 2);
    again.commit(&[put(3, 3, [])]).await;
    assert_eq!(rows_of(&cluster, "t").await, "3");
}

#[tokio::test]
async fn an_api_that_stays_away_is_unclear_and_said() {
    let Some(cluster) = cluster().await else { return };
    cluster.api.trouble("ExecuteStatement", &[Trouble::Failed; 7]);
    let report = cluster.redshift().await.check().await.unwrap();
    let Outcome::Failed { problem, .. } = &report.checks[0].outcome else { panic!("{report:#?}") };
    assert!(problem.contains("does not answer"), "{problem}");
}

#[tokio::test]
async fn rows_come_in_pages() {
    let Some(cluster) = cluster().await else { return };
    cluster.api.page(2);
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    table.commit(&[put(1, 1, [("a", Value::int(1)), ("b", Value::text("x")), ("c", Value::Bool(true))])]).await;
    let pages = cluster.api.requests("GetStatementResult");
    assert!(pages.iter().any(|page| page["NextToken"].is_string()));
    let found = Table::open(&cluster.redshift().await, target("t")).await.columns().await;
    assert_eq!(found, ["id", "a", "b", "c"]);
}

#[tokio::test]
async fn a_result_that_lacks_rows_is_no_result() {
    let Some(cluster) = cluster().await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    cluster.api.miss(1);
    let error = cluster.redshift().await.peek(&target("t")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected, "{error:?}");
}

#[tokio::test]
async fn a_commit_is_shown_without_asking() {
    let Some(cluster) = cluster().await else { return };
    let redshift = cluster.redshift().await;
    let target = target("t");
    let columns = commutator_core::TableSchema::new(target.keys.clone()).unwrap();
    let shown = redshift.explain(&target, &columns);
    let copy = shown.iter().find(|statement| statement.starts_with("COPY ")).unwrap();
    assert!(copy.contains("MANIFEST FORMAT AS JSON 'auto' GZIP") && copy.contains("(c0, _ct_order"), "{copy}");
    assert!(cluster.api.requests("ExecuteStatement").is_empty(), "nobody is asked");
    let wrong = commutator_core::Target { name: "_ct_x".to_owned(), ..target };
    assert_eq!(redshift.open(&wrong).await.map(|_| ()).unwrap_err().kind(), ErrorKind::ConfigInvalid);
}
