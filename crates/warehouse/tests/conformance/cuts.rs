//! Changes of columns that end after each of their statements, and are completed by whoever opens the table next.

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, remove, seen, target};
use commutator_core::{ErrorKind, SyncMode, Target};

use crate::duck::Fault;
use crate::place::Place;

/// A table with a snapshot that runs and a tombstone, whose key and columns then widen in every way and beside which new ones come.
async fn evolve(place: &Place, cut: Option<(usize, Fault)>) -> bool {
    let mut table = Table::open(&place.loader(), target("t")).await;
    table.commit(&[seen(1, [("n", Value::int(7)), ("t", Value::text("q"))]), remove(9, 2)]).await;
    let calls = place.duck.calls().len();
    if let Some((after, fault)) = cut {
        place.duck.fail(after, fault);
    }
    // The key becomes a decimal, in the table and in its tombstones.
    let change = commutator_conformance::Change {
        key: vec![Value::number("2.5")],
        ..put(
            2,
            3,
            [("n", Value::number("1.25")), ("t", Value::json("[1]")), ("new", Value::int(1)), ("other", Value::int(2))],
        )
    };
    let committed = table.try_commit(std::slice::from_ref(&change)).await.is_ok();
    let reached = cut.is_none_or(|(after, _)| place.duck.calls().len() - calls > after);
    if !committed {
        // Nobody but who comes next completes it, whatever that one writes.
        let mut table = Table::open(&place.loader(), target("t")).await;
        assert!(table.session.describe().await.unwrap().is_some());
        if table.steps() < 2 {
            table.commit(&[change]).await;
        }
    }
    if !reached {
        return false;
    }
    // What a column left whose type was changed may stay until the table is opened again.
    Table::open(&place.loader(), target("t")).await;
    true
}

fn picture(place: &Place) -> Vec<String> {
    let mut all = place.query("SELECT id, n, t, new, other FROM memory.shop.t ORDER BY id");
    all.extend(place.query("SELECT id FROM memory.shop._ct_tombstones_t"));
    all.extend(place.query(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = 'shop' AND table_name IN ('t', '_ct_tombstones_t') \
         ORDER BY table_name, column_name",
    ));
    all.extend(place.query(
        "SELECT action, column_name, from_type, to_type FROM memory.shop._ct_schema_changes ORDER BY column_name, action",
    ));
    all
}

#[tokio::test]
async fn a_change_of_columns_is_completed_wherever_it_was_cut() {
    for place in [Place::plain as fn() -> Place, Place::apart] {
        let well = place();
        assert!(evolve(&well, None).await);
        let expected = picture(&well);
        assert_eq!(expected[..3], ["1.0 7.00 \"q\" - -", "2.5 1.25 [1] 1 2", "9.0"], "{expected:#?}");
        let mut cuts = 0;
        for fault in [Fault::Refused, Fault::Lost, Fault::AnswerLost] {
            for after in 0.. {
                let place = place();
                if !evolve(&place, Some((after, fault))).await {
                    break;
                }
                assert_eq!(picture(&place), expected, "{fault:?} after {after}: {:#?}", place.duck.calls());
                cuts += 1;
            }
        }
        assert!(cuts > 20, "{cuts}");
    }
}

#[tokio::test]
async fn a_mode_change_is_completed_wherever_it_was_cut() {
    let soft = || Target { mode: SyncMode::SoftDelete, ..target("t") };
    let rows = "SELECT id, v, _ct_deleted FROM memory.shop.t ORDER BY id";
    let mut cuts = 0;
    for fault in [Fault::Refused, Fault::Lost, Fault::AnswerLost] {
        for after in 0..40 {
            let place = Place::apart();
            let mut table = Table::open(&place.loader(), target("t")).await;
            table.commit(&[seen(1, [("v", Value::int(1))]), seen(2, [("v", Value::int(2))])]).await;
            table.commit(&[remove(2, 5)]).await;
            place.duck.fail(after, fault);
            let mut table = match Table::try_open(&place.loader(), soft()).await {
                Ok(table) => table,
                Err(_) => Table::try_open(&place.loader(), soft()).await.unwrap(),
            };
            if place.duck.waits() {
                break;
            }
            cuts += 1;
            table.commit(&[remove(1, 7)]).await;
            assert_eq!(place.query(rows), ["1 1 true", "2 - true"], "{fault:?} {after}");
            let mut table = Table::open(&place.loader(), soft()).await;
            table.commit(&[put(2, 8, [("v", Value::int(4))])]).await;
            assert_eq!(place.query(rows)[1], "2 4 false");
            let error = Table::refused(&place.loader(), target("t")).await;
            assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        }
    }
    assert!(cuts > 20, "{cuts}");
}
