//! Requests that are refused, lost, or whose answers are lost: at every one of them, a table that is opened again goes on, and nothing is
//! lost or doubled.

use commutator_conformance::sql::{Table, put, remove, seen, target};
use commutator_conformance::{Change, Value};
use commutator_core::{ErrorKind, Result, SyncMode, Target};

use crate::duck::Fault;
use crate::place::Place;

const FAULTS: [Fault; 3] = [Fault::Refused, Fault::Lost, Fault::AnswerLost];

/// What is committed, one after the other: a new table, a new column, widenings, tombstones, and the end of the snapshot.
fn script() -> Vec<(Vec<Change>, bool)> {
    vec![
        (vec![seen(1, [("a", Value::int(1))]), seen(2, [("a", Value::int(2))])], false),
        (vec![put(1, 2, [("a", Value::number("1.5")), ("b", Value::text("x"))]), remove(2, 3)], false),
        (vec![seen(2, [("a", Value::int(9))]), put(3, 4, [("b", Value::json("[1.10]"))])], false),
        (vec![put(4, 5, [("c", Value::Bool(true))])], true),
        (vec![put(4, 6, [("c", Value::text("z"))]), remove(1, 7)], false),
    ]
}

/// Commits everything, opening the table again after each error as the pipeline does; returns how many errors there were.
async fn run(place: &Place, mode: SyncMode) -> Result<usize> {
    let target = Target { mode, ..target("t") };
    let mut errors = 0;
    let mut table = None;
    let mut done = 0;
    let script = script();
    while done < script.len() {
        let open: &mut Table = match &mut table {
            Some(open) => open,
            None => match Table::try_open(&place.loader(), target.clone()).await {
                Ok(open) => {
                    done = open.steps();
                    table.insert(open)
                }
                Err(error) => {
                    errors += 1;
                    allowed(&error, errors);
                    continue;
                }
            },
        };
        if done == script.len() {
            break;
        }
        let (changes, ended) = &script[done];
        match open.try_commit_all(&[changes], *ended).await {
            Ok(()) => done += 1,
            Err(error) => {
                errors += 1;
                table = None;
                allowed(&error, errors);
            }
        }
    }
    Ok(errors)
}

fn allowed(error: &commutator_core::Error, errors: usize) {
    assert!(errors < 5, "it goes on and on: {error:?}");
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

fn columns(mode: SyncMode) -> &'static str {
    match mode {
        SyncMode::Mirror => "id, a, b, c, _ct_order",
        SyncMode::SoftDelete => "id, a, b, c, _ct_order, _ct_deleted",
        SyncMode::History => "id, a, b, c, _ct_order, _ct_op, _ct_current",
        SyncMode::Append => "id, a, b, c, _ct_order, _ct_op",
    }
}

fn contents(place: &Place, mode: SyncMode) -> Vec<String> {
    let mut rows = place.query(&format!("SELECT {} FROM memory.shop.t", columns(mode)));
    rows.sort();
    rows
}

/// Tries every `step`th call.
async fn every_call(place: fn() -> Place, mode: SyncMode, step: usize) {
    let well = place();
    assert_eq!(run(&well, mode).await.unwrap(), 0);
    let (expected, calls) = (contents(&well, mode), well.duck.calls().len());
    assert!(calls > 20, "{calls}");
    let changes = "SELECT count(*) FROM memory.shop._ct_schema_changes";
    let (expected_changes, mut hit) = (well.query(changes), 0);
    for fault in FAULTS {
        for after in (0..calls).step_by(step) {
            let place = place();
            place.duck.fail(after, fault);
            let errors = run(&place, mode).await.unwrap();
            let at = format!("{mode} {fault:?} after {after}: {:?}", place.duck.calls()[after]);
            assert!(!place.duck.waits(), "{at}");
            assert_eq!(contents(&place, mode), expected, "{at}");
            assert_eq!(place.query(changes), expected_changes, "{at}");
            // Whoever opens the table next finds nothing half-done, and no file is left.
            let left = "SELECT count(*) FROM duckdb_columns() WHERE regexp_matches(column_name, '_ct_(wider|narrow)')";
            let mut again = Table::open(&place.loader(), Target { mode, ..target("t") }).await;
            again.commit(&[]).await;
            assert_eq!(place.query(left), ["0"], "{at}");
            assert_eq!(place.files(), Vec::<String>::new(), "{at}");
            assert_eq!(place.query("SELECT count(*) FROM memory.shop._ct_checkpoint_t WHERE part = 'planned'"), ["0"]);
            hit += usize::from(errors > 0);
        }
    }
    assert!(hit > calls / step, "most faults are felt: {hit} of {}", calls * 3 / step);
}

#[tokio::test]
async fn a_mirror_survives_every_fault() {
    every_call(Place::plain, SyncMode::Mirror, 1).await;
}

#[tokio::test]
async fn a_mirror_survives_every_fault_where_columns_take_the_place_of_others() {
    every_call(Place::apart, SyncMode::Mirror, 2).await;
}

#[tokio::test]
async fn other_modes_survive_every_fault() {
    for mode in [SyncMode::SoftDelete, SyncMode::History, SyncMode::Append] {
        every_call(Place::apart, mode, 7).await;
    }
}

#[tokio::test]
async fn after_a_lost_answer_a_session_refuses_to_go_on() {
    for (fault, arrived) in [(Fault::Lost, "1"), (Fault::AnswerLost, "2")] {
        let place = Place::plain();
        let mut table = Table::open(&place.loader(), target("t")).await;
        table.commit(&[put(1, 1, [])]).await;
        let rows = table.prepare(&[put(2, 2, [])]).await.unwrap();
        place.duck.fail(0, fault);
        let checkpoint = table.checkpoint.clone();
        let mut transaction = table.session.begin().await.unwrap();
        transaction.write(&rows).await.unwrap();
        transaction.commit(&checkpoint).await.unwrap_err();
        let error = table.session.begin().await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("open the table again"), "{error}");
        // They may still be read, so they are not removed yet.
        assert_eq!(place.files().len(), 1);
        Table::open(&place.loader(), target("t")).await;
        assert!(place.files().is_empty());
        assert_eq!(place.query("SELECT count(*) FROM memory.shop.t"), [arrived]);
    }
}

#[tokio::test]
async fn a_refused_commit_of_a_fenced_session_says_fenced() {
    let place = Place::plain();
    let mut old = Table::open(&place.loader(), target("t")).await;
    old.commit(&[put(1, 1, [])]).await;
    let mut new = Table::open(&place.loader(), target("t")).await;
    assert_eq!(old.try_commit(&[put(2, 2, [])]).await.unwrap_err().kind(), ErrorKind::Fenced);
    // Nor does it change columns.
    let error = old.try_commit(&[put(2, 2, [("x", Value::int(1))])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert_eq!(place.query("SELECT count(*) FROM duckdb_columns() WHERE column_name = 'x'"), ["0"]);
    new.commit(&[put(3, 3, [])]).await;
    assert_eq!(place.query("SELECT id FROM memory.shop.t ORDER BY id"), ["1", "3"]);
}

#[tokio::test]
async fn two_that_come_to_the_same_number_are_told_apart() {
    let place = Place::plain();
    let mut first = Table::open(&place.loader(), target("t")).await;
    first.commit(&[put(1, 1, [])]).await;
    // As if both had raised the number that they found, and the second had won.
    place.execute("UPDATE _ct_checkpoint_t SET token = 'another' WHERE part = 'checkpoint'");
    assert_eq!(first.try_commit(&[put(2, 2, [])]).await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(place.query("SELECT id FROM memory.shop.t"), ["1"]);
}

#[tokio::test]
async fn many_open_a_table_at_once_and_one_owns_it() {
    let place = Place::plain();
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let loader = place.loader();
            tokio::spawn(async move {
                let Ok(mut table) = Table::try_open(&loader, target("t")).await else { return 0 };
                usize::from(table.try_commit(&[put(n, 1, [])]).await.is_ok())
            })
        })
        .collect();
    let mut committed = 0;
    for task in tasks {
        committed += task.await.unwrap();
    }
    let rows = place.query("SELECT count(*) FROM memory.shop.t");
    assert_eq!(rows, [committed.to_string()], "only who committed has a row");
    assert_eq!(place.query("SELECT count(*) FROM memory.shop._ct_checkpoint_t WHERE part = 'checkpoint'"), ["1"]);
}

#[tokio::test]
async fn a_rehearsal_leaves_nothing_and_says_what_is_refused() {
    for place in [Place::plain(), Place::apart()] {
        let mut table = Table::open(&place.loader(), target("t")).await;
        table.commit(&[put(1, 1, [("a", Value::int(1))])]).await;
        let rows = table.prepare(&[put(2, 2, [("a", Value::int(2))])]).await.unwrap();
        let mut transaction = table.session.begin().await.unwrap();
        transaction.write(&rows).await.unwrap();
        transaction.rehearse().await.unwrap();
        assert_eq!(place.query("SELECT id FROM memory.shop.t"), ["1"]);
        assert!(place.files().is_empty());
        // A check that refuses what is new.
        place.execute("CREATE UNIQUE INDEX one ON t (a)");
        let rows = table.prepare(&[put(3, 3, [("a", Value::int(1))])]).await.unwrap();
        let mut transaction = table.session.begin().await.unwrap();
        transaction.write(&rows).await.unwrap();
        assert!(transaction.rehearse().await.unwrap_err().report().contains("Constraint Error"));
        table.commit(&[put(4, 4, [("a", Value::int(4))])]).await;
    }
}
