//! What a user finds in the database.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::{Destination as _, ErrorKind, Outcome};
use commutator_destination_redshift::{Config, Documents};

use crate::cluster::Cluster;

#[tokio::test]
async fn a_table_looks_as_documented() {
    let Some(cluster) = Cluster::fresh(Documents::Super).await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("Orders")).await;
    let mut row =
        put(1, 5, [("Name", Value::text(r"\N")), ("price", Value::number("1.50")), ("doc", Value::json("[1]"))]);
    row.item.insert("raw".to_owned(), Value::binary([1, 2]));
    row.item.insert("big".to_owned(), Value::number("1e100"));
    row.item.insert("ok".to_owned(), Value::Bool(true));
    table.commit(&[row]).await;
    let described = cluster
        .query("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 ORDER BY attnum")
        .await;
    let described: Vec<_> =
        described.iter().map(|row| format!("{} {}", row[0].as_deref().unwrap(), row[1].as_deref().unwrap())).collect();
    assert_eq!(
        described,
        [
            "id bigint",
            "name character varying(65535)",
            "big character varying(65535)",
            "doc super",
            "ok boolean",
            "price numeric(2,1)",
            "raw varbyte",
            "_ct_order character varying(65535)",
            "_ct_synced_at timestamp with time zone",
            "_ct_changed_at timestamp with time zone",
        ]
    );
    // Nothing is left of what was staged.
    assert_eq!(walk(&cluster.folder.path().join("_ct_staging")), 0);
}

/// Returns how many files are in a folder and those in it.
fn walk(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { walk(&path) } else { 1 }).sum()
}

#[tokio::test]
async fn a_text_that_redshift_would_cut_is_refused() {
    let Some(cluster) = Cluster::fresh(Documents::Super).await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    let error = table.try_commit(&[put(1, 1, [("a", Value::text("hunter2".repeat(10_000)))])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error:?}");
    assert!(error.report().contains("column: a") && !error.report().contains("hunter2"), "{}", error.report());
    let texts = [
        "x".repeat(65_535),
        "\u{1f980}".repeat(16_000),
        String::new(),
        " a b ".to_owned(),
        r#"\N \ " ' \u0041 $1 %s {} [] null"#.to_owned(),
        "line\nbreak\r\n\ttab\u{1}\u{2028}ž日本語".to_owned(),
    ];
    let rows: Vec<_> = (1..).zip(&texts).map(|(id, text)| put(id, 1, [("a", Value::text(text))])).collect();
    table.commit(&rows).await;
    let read = cluster.query("SELECT a FROM t ORDER BY id").await;
    assert_eq!(read.into_iter().map(|row| row[0].clone().unwrap()).collect::<Vec<_>>(), texts);
}

/// A folder that was never written to is where Redshift, as the tests have it, reads.
#[tokio::test]
async fn a_role_that_may_not_read_the_files_is_named_by_the_check() {
    let Some(cluster) = Cluster::fresh(Documents::Super).await else { return };
    cluster.postgres.lock_files();
    let report = cluster.redshift().await.check().await.unwrap();
    let Outcome::Failed { problem, .. } = &report.checks.last().unwrap().outcome else { panic!("{report:#?}") };
    assert!(problem.contains("copy_role") && problem.contains("AccessDenied"), "{problem}");
    // The check leaves nothing behind, whatever it finds.
    let left = cluster.query("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()").await;
    assert_eq!(left, [[Some("0".to_owned())]]);
}

#[tokio::test]
async fn a_workgroup_and_a_secret_are_asked_for_by_their_names() {
    let Some(cluster) = Cluster::fresh(Documents::Super).await else { return };
    let config = Config {
        cluster: None,
        db_user: None,
        workgroup: Some("small".to_owned()),
        secret_arn: Some("arn:aws:secretsmanager:eu-west-1:1:secret:x".to_owned()),
        ..cluster.config()
    };
    assert!(Box::pin(config.connect()).await.unwrap().check().await.unwrap().passed());
    for operation in ["ExecuteStatement", "BatchExecuteStatement"] {
        for request in cluster.api.requests(operation) {
            assert_eq!(request["WorkgroupName"], "small");
            assert_eq!(request["SecretArn"], "arn:aws:secretsmanager:eu-west-1:1:secret:x");
            assert!(request["ClusterIdentifier"].is_null() && request["DbUser"].is_null(), "{request}");
        }
    }
}
