//! What becomes of requests when the API is busy, fails, or its answers are lost.

use commutator_conformance::Harness as _;
use commutator_core::{Destination as _, ErrorKind, Outcome};

use crate::api::Trouble;
use crate::place::Cluster;

/// A cluster of the test's own, or nothing where there is no Postgres.
async fn cluster() -> Option<Cluster> {
    Cluster::fresh().await
}

#[tokio::test]
async fn a_busy_api_is_asked_again_with_the_same_token() {
    let Some(cluster) = cluster().await else { return };
    cluster.api.trouble("ExecuteStatement", &[Trouble::Throttled, Trouble::Failed, Trouble::Throttled]);
    cluster.api.trouble("DescribeStatement", &[Trouble::Throttled, Trouble::Failed]);
    cluster.api.trouble("GetStatementResult", &[Trouble::Throttled]);
    let report = cluster.redshift().await.check().await.unwrap();
    assert!(report.passed(), "{report:#?}");
    let requests = cluster.api.requests("ExecuteStatement");
    let tokens: Vec<_> = requests[..4].iter().map(|request| request["ClientToken"].clone()).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert_eq!(requests[0]["ClusterIdentifier"], "main");
    assert_eq!(requests[0]["DbUser"], "loader");
    // A rest of the check is nowhere.
    let left = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()";
    assert_eq!(cluster.query(left).await, [[Some("0".to_owned())]]);
}

#[tokio::test]
async fn a_lost_answer_runs_statements_once() {
    let Some(cluster) = cluster().await else { return };
    cluster.api.trouble("BatchExecuteStatement", &[Trouble::AnswerLost, Trouble::AnswerLost]);
    let report = cluster.redshift().await.check().await.unwrap();
    assert!(report.passed(), "{report:#?}");
    assert_eq!(cluster.api.requests("BatchExecuteStatement").len(), 3);
}

#[tokio::test]
async fn an_api_that_stays_away_is_unclear_and_said() {
    let Some(cluster) = cluster().await else { return };
    cluster.api.trouble("ExecuteStatement", &[Trouble::Failed; 6]);
    let report = cluster.redshift().await.check().await.unwrap();
    let Outcome::Failed { problem, .. } = &report.checks[0].outcome else { panic!("{report:#?}") };
    assert!(problem.contains("does not answer"), "{problem}");
}

#[tokio::test]
async fn a_commit_is_shown_without_asking() {
    let Some(cluster) = cluster().await else { return };
    let redshift = cluster.redshift().await;
    let target = commutator_core::Target {
        pipeline: commutator_core::PipelineId::new("p").unwrap(),
        table: commutator_core::TableName::new("t"),
        name: "t".to_owned(),
        keys: vec![commutator_core::Column::key("id", commutator_core::LogicalType::Int64)],
        mode: commutator_core::SyncMode::Mirror,
        slice: commutator_core::Slice::whole(),
        expected_bytes: 0,
        filtered: false,
    };
    let columns = commutator_core::TableSchema::new(target.keys.clone()).unwrap();
    let shown = redshift.explain(&target, &columns);
    let copy = shown.iter().find(|statement| statement.starts_with("COPY ")).unwrap();
    assert!(copy.contains("MANIFEST FORMAT AS JSON 'auto' GZIP") && copy.contains("(c0, _ct_order"), "{copy}");
    assert!(cluster.api.requests("ExecuteStatement").is_empty(), "nobody is asked");
    let wrong = commutator_core::Target { mode: commutator_core::SyncMode::Mirror, name: "_ct_x".to_owned(), ..target };
    assert_eq!(redshift.open(&wrong).await.map(|_| ()).unwrap_err().kind(), ErrorKind::ConfigInvalid);
}
