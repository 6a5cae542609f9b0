//! What is left in the staging area of tables that others drop.

use commutator_conformance::sql::{Table, put, target};

use crate::place::Place;

#[tokio::test]
async fn what_owners_of_a_dropped_table_staged_goes_when_it_is_loaded_anew() {
    let place = Place::plain();
    let mut table = Table::open(&place.loader(), target("t")).await;
    table.commit(&[put(1, 1, [])]).await;
    let staged = table.prepare(&[put(2, 2, [])]).await.unwrap();
    let mut transaction = table.session.begin().await.unwrap();
    transaction.write(&staged).await.unwrap();
    // The upload goes on in the background, and the transaction never ends.
    while !place.files().iter().any(|file| file.ends_with(".parquet")) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drop(transaction);
    drop(table);
    place.execute("DROP TABLE t; DROP TABLE _ct_checkpoint_t");
    let mut table = Table::open(&place.loader(), target("t")).await;
    assert!(place.files().is_empty(), "{:?}", place.files());
    table.commit(&[put(3, 3, [])]).await;
    assert_eq!(place.query("SELECT id FROM t"), ["3"]);
}
