//! Numbers within documents, which a `VARIANT` holds or which are refused.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::ErrorKind;
use commutator_destination_snowflake::Documents;

use crate::place::Place;

#[tokio::test]
async fn numbers_that_fit_are_kept_whatever_their_spelling() {
    let Some(place) = Place::fresh(Documents::Variant) else { return };
    let mut table = Table::open(&place.snowflake().await, target("t")).await;
    table.commit(&[put(1, 1, [("doc", Value::json(r#"{"a": [1.5e3, 12345678901234567890.25, "1e9"]}"#))])]).await;
    let rows = place.query(&format!("SELECT TO_JSON(\"doc\") FROM {}", place.table("t"))).await;
    assert_eq!(rows, [[Some(r#"{"a":[1500,12345678901234567890.25,"1e9"]}"#.to_owned())]]);
}

#[tokio::test]
async fn a_number_that_would_be_rounded_is_refused_and_text_takes_it() {
    let document = || Value::json(r#"{"a": 1.2345e120}"#);
    let Some(place) = Place::fresh(Documents::Variant) else { return };
    let mut table = Table::open(&place.snowflake().await, target("t")).await;
    let error = table.try_commit(&[put(1, 1, [("doc", document())])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error:?}");
    let said = format!("{error:?} {}", error.report());
    assert!(said.contains("column: doc") && said.contains("documents") && !said.contains("2345"), "{said}");

    let Some(place) = Place::fresh(Documents::Text) else { return };
    let mut table = Table::open(&place.snowflake().await, target("t")).await;
    table.commit(&[put(1, 1, [("doc", document())])]).await;
    let rows = place.query(&format!("SELECT \"doc\" FROM {}", place.table("t"))).await;
    assert_eq!(Value::json(rows[0][0].as_deref().unwrap()), document());
}

#[tokio::test]
async fn a_column_of_numbers_that_would_be_rounded_does_not_become_one_of_documents() {
    let Some(place) = Place::fresh(Documents::Variant) else { return };
    for (name, number, fits) in [("fits", "12345678901234567890123456789012345678", true), ("bends", "1e100", false)] {
        let mut table = Table::open(&place.snowflake().await, target(name)).await;
        table.commit(&[put(1, 1, [("a", Value::number(number))])]).await;
        let widened = table.try_commit(&[put(2, 2, [("a", Value::json("[1]"))])]).await;
        assert_eq!(widened.is_ok(), fits, "{name}: {widened:?}");
        if let Err(error) = widened {
            // Of the column's rows, and of none that could be set aside.
            assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{error:?}");
            assert!(error.report().contains("documents"), "{}", error.report());
            assert!(error.to_string().contains("column: a"), "{error}");
            // Nothing was decided and nothing changed: whoever opens the table goes on with it.
            let mut table = Table::open(&place.snowflake().await, target(name)).await;
            table.commit(&[put(3, 3, [("a", Value::number("2.5"))])]).await;
            let columns = place.query(&format!("DESCRIBE TABLE {}", place.table(name))).await;
            let left =
                columns.iter().flatten().flatten().find(|cell| cell.to_ascii_lowercase().starts_with("_ct_wider"));
            assert_eq!(left, None);
            let rows = place.query(&format!("SELECT count(*) FROM {}", place.table(name))).await;
            assert_eq!(rows, [[Some("2".to_owned())]]);
        }
    }
}
