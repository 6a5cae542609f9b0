//! Numbers within documents, which `JSON` holds or which are refused.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::ErrorKind;
use commutator_destination_bigquery::Json;

use crate::place::Emulated;

/// Longer than a whole number of 64 bits, with or without a sign: of others the emulator keeps what the service would round.
const BENDS: &str = "123456789012345678901234567890";

#[tokio::test]
async fn a_number_that_would_be_rounded_is_refused_and_text_takes_it() {
    let document = || Value::json(&format!("[{BENDS}]"));
    let Some(place) = Emulated::new(Json::Json).await else { return };
    let mut table = Table::open(&place.bigquery().await, target("t")).await;
    let error = table.try_commit(&[put(1, 1, [("doc", document())])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DataInvalid, "{error:?}");
    let said = format!("{error:?} {}", error.report());
    assert!(said.contains("json = \"string\"") && !said.contains("12345678"), "{said}");

    let Some(place) = Emulated::new(Json::String).await else { return };
    let mut table = Table::open(&place.bigquery().await, target("t")).await;
    table.commit(&[put(1, 1, [("doc", document())])]).await;
    let rows = place.query("SELECT doc FROM shop.t").await;
    assert_eq!(Value::json(rows[0][0].as_deref().unwrap()), document());
}

#[tokio::test]
async fn a_column_of_numbers_that_would_be_rounded_does_not_become_one_of_documents() {
    let Some(place) = Emulated::new(Json::Json).await else { return };
    let bigquery = place.bigquery().await;
    for (name, number, fits) in [("fits", "12345678901234567.5", true), ("bends", BENDS, false)] {
        let mut table = Table::open(&bigquery, target(name)).await;
        table.commit(&[put(1, 1, [("a", Value::number(number))])]).await;
        let widened = table.try_commit(&[put(2, 2, [("a", Value::json("[1]"))])]).await;
        assert_eq!(widened.is_ok(), fits, "{name}: {widened:?}");
        if let Err(error) = widened {
            // Of the column's rows, and of none that could be set aside.
            assert_eq!(error.kind(), ErrorKind::SchemaConflict, "{error:?}");
            assert!(error.to_string().contains("column: a"), "{error}");
            // Nothing was decided and nothing changed: whoever opens the table goes on with it.
            let mut table = Table::open(&bigquery, target(name)).await;
            table.commit(&[put(3, 3, [("a", Value::number("2.5"))])]).await;
            let rows = place.query(&format!("SELECT count(*) FROM shop.{name}")).await;
            assert_eq!(rows, [[Some("2".to_owned())]]);
        }
    }
}
