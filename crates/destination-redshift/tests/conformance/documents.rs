//! Numbers within documents, which a `SUPER` holds or which are refused.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::ErrorKind;
use commutator_destination_redshift::Documents;

use crate::cluster::Cluster;

#[tokio::test]
async fn numbers_that_fit_are_kept_whatever_their_spelling() {
    let Some(cluster) = Cluster::fresh(Documents::Super).await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    table.commit(&[put(1, 1, [("doc", Value::json(r#"{"a": [1.5e3, 12345678901234567890.25, "1e9"]}"#))])]).await;
    let rows = cluster.query("SELECT doc FROM t").await;
    assert_eq!(rows, [[Some(r#"{"a": [1500, 12345678901234567890.25, "1e9"]}"#.to_owned())]]);
}

#[tokio::test]
async fn a_number_that_would_be_rounded_is_refused_and_text_takes_it() {
    let document = || Value::json(r#"{"a": 1.2345e120}"#);
    let Some(cluster) = Cluster::fresh(Documents::Super).await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    let error = table.try_commit(&[put(1, 1, [("doc", document())])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error:?}");
    let said = format!("{error:?} {}", error.report());
    assert!(said.contains("column: doc") && said.contains("documents") && !said.contains("2345"), "{said}");

    let Some(cluster) = Cluster::fresh(Documents::Text).await else { return };
    let mut table = Table::open(&cluster.redshift().await, target("t")).await;
    table.commit(&[put(1, 1, [("doc", document())])]).await;
    let rows = cluster.query("SELECT doc FROM t").await;
    assert_eq!(Value::json(rows[0][0].as_deref().unwrap()), document());
}

#[tokio::test]
async fn a_column_of_numbers_that_would_be_rounded_does_not_become_one_of_documents() {
    let Some(cluster) = Cluster::fresh(Documents::Super).await else { return };
    let fitting = "0.0000000000000000000000000000000000001";
    for (name, number, fits) in [("fits", fitting, true), ("bends", "1e100", false)] {
        let mut table = Table::open(&cluster.redshift().await, target(name)).await;
        // A column of numbers, whichever the first one is.
        table.commit(&[put(1, 1, [("a", Value::number(number))]), put(2, 2, [("a", Value::number("1e30"))])]).await;
        let widened = table.try_commit(&[put(3, 3, [("a", Value::json("[1]"))])]).await;
        assert_eq!(widened.is_ok(), fits, "{name}: {widened:?}");
        if let Err(error) = widened {
            // Of the column's rows, and of none that could be set aside.
            assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{error:?}");
            assert!(error.report().contains("documents"), "{}", error.report());
            // Nothing was decided and nothing changed: whoever opens the table goes on with it.
            let mut table = Table::open(&cluster.redshift().await, target(name)).await;
            table.commit(&[put(3, 3, [("a", Value::number("2.5"))])]).await;
            assert_eq!(cluster.query(&format!("SELECT count(*) FROM {name}")).await, [[Some("3".to_owned())]]);
        }
    }
}

#[tokio::test]
async fn a_null_stays_null_when_its_column_becomes_one_of_documents() {
    for documents in [Documents::Super, Documents::Text] {
        let Some(cluster) = Cluster::fresh(documents).await else { return };
        let mut table = Table::open(&cluster.redshift().await, target("t")).await;
        table.commit(&[put(1, 1, []), put(2, 2, [("a", Value::text("null"))])]).await;
        table.commit(&[put(3, 3, [("a", Value::json("[1]"))])]).await;
        let rows = cluster.query("SELECT a FROM t ORDER BY id").await;
        assert_eq!(rows, [[None], [Some("\"null\"".to_owned())], [Some("[1]".to_owned())]], "{documents:?}");
    }
}

/// What is left of `types::json_is_exact`, without what a `SUPER` has no room for.
#[tokio::test]
async fn documents_are_read_back_as_they_were() {
    let long = format!("[{}]", vec!["\"0123456789\""; 30_000].join(","));
    let mut texts: Vec<String> = [
        "{}",
        r#"[[],{},{"":{}},["",""]]"#,
        r#"{"a":null,"b":[null,true,false],"A":1,"ä":3,"a ":4," a":5,"a.b":1}"#,
        r#"["\\u0041","\\","\"","/","'","\u0001\u001f\b\f\n\r\t\u007f","👩‍👩‍👧‍👦","\u2028"]"#,
        "[0,-1,1.5,12345678901234567890123456789012345678,0.0000000000000000000000000000000000001,9007199254740993]",
        "\"text\"",
        "true",
        "7",
    ]
    .map(str::to_owned)
    .into();
    for documents in [Documents::Super, Documents::Text] {
        let Some(cluster) = Cluster::fresh(documents).await else { return };
        if documents == Documents::Super {
            texts.push(long.clone());
        } else {
            texts.pop();
        }
        let rows: Vec<_> = (1..).zip(&texts).map(|(id, text)| put(id, 1, [("a", Value::json(text))])).collect();
        Table::open(&cluster.redshift().await, target("t")).await.commit(&rows).await;
        let read = cluster.query("SELECT a::text FROM t ORDER BY id").await;
        let read: Vec<_> = read.iter().map(|row| Value::json(row[0].as_deref().unwrap())).collect();
        assert_eq!(read, texts.iter().map(|text| Value::json(text)).collect::<Vec<_>>(), "{documents:?}");
    }
}
