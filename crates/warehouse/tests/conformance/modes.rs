//! What is special about `soft_delete` and `history` here, and about a mode that changes.

use commutator_conformance::{Change, Value};
use commutator_core::{Destination as _, Epoch, ErrorKind, Op, OrderKey, SyncMode, Target};

use crate::place::Place;
use crate::table::{Table, item, put, remove, seen, target};

fn of(mode: SyncMode, name: &str) -> Target {
    Target { mode, ..target(name) }
}

#[tokio::test]
async fn deleted_rows_look_as_documented() {
    let place = Place::apart();
    let mut table = Table::open(&place, of(SyncMode::SoftDelete, "t")).await;
    table.commit(&[seen(1, [("a", Value::int(1))]), seen(2, [("a", Value::int(2))]), seen(3, [])]).await;
    table.commit(&[remove(1, 5).later(60), remove(4, 6)]).await;
    let select = "SELECT id, a, _ct_deleted, epoch(_ct_changed_at), _ct_synced_at IS NOT NULL FROM t ORDER BY id";
    assert_eq!(
        place.query(select),
        ["1 1 true 1700000060.0 true", "2 2 false - true", "3 - false - true", "4 - true 1700000000.0 true"]
    );
    table.end_snapshot().await;
    // The second snapshot sees 3 alone; nobody knows when 2 was removed.
    table.checkpoint = table.checkpoint.next_epoch(|_| true);
    let again = Change::new(vec![Value::int(3)], OrderKey::snapshot(Epoch(2)), Op::Snapshot, item([]));
    table.try_commit_all(&[&[again]], true).await.unwrap();
    let left = "SELECT id, a, _ct_deleted, _ct_changed_at IS NULL, left(_ct_order, 8) FROM t ORDER BY id";
    assert_eq!(
        place.query(left),
        ["1 1 true false 00000001", "2 2 true true 00000002", "3 - false true 00000002", "4 - true false 00000001"]
    );
}

#[tokio::test]
async fn a_table_of_versions_looks_as_documented() {
    let place = Place::apart();
    let mut table = Table::open(&place, of(SyncMode::History, "Orders")).await;
    table.commit(&[seen(1, [("doc", Value::json("[1]"))]), seen(2, [])]).await;
    let first = "SELECT _ct_op, _ct_valid_from = _ct_synced_at, _ct_valid_to, _ct_current, doc FROM Orders ORDER BY id";
    assert_eq!(place.query(first), ["snapshot true - true [1]", "snapshot true - true -"]);
    table.commit(&[put(1, 5, [("doc", Value::json("[2]"))]), remove(1, 6).later(60)]).await;
    let versions = "SELECT doc, _ct_op, epoch(_ct_valid_from)::BIGINT, epoch(_ct_valid_to)::BIGINT, _ct_current FROM Orders \
                    WHERE id = 1 ORDER BY _ct_order";
    assert_eq!(
        place.query(versions),
        [
            "[1] snapshot 1700000000 1700000000 false",
            "[2] modify 1700000000 1700000060 false",
            "- remove 1700000060 1700000060 false",
        ]
    );
}

#[tokio::test]
async fn a_mirror_may_become_a_table_that_keeps_deleted_rows() {
    let place = Place::apart();
    let mut table = Table::open(&place, target("t")).await;
    table.commit(&[seen(1, [("v", Value::int(1))]), seen(2, [("v", Value::int(2))])]).await;
    // Tombstones, for the snapshot still runs.
    table.commit(&[remove(2, 5), remove(3, 6)]).await;
    // What is shown before is what happens, and nothing happens by showing it.
    let preview = async |mode| place.loader().preview_mode(&of(mode, "t")).await;
    let shown = preview(SyncMode::SoftDelete).await.unwrap();
    assert!(shown[0].contains("ADD COLUMN _ct_deleted") && shown[2].starts_with("INSERT INTO"), "{shown:?}");
    assert!(shown[3].starts_with("DROP TABLE") && shown.len() == 4, "{shown:?}");
    assert!(preview(SyncMode::Mirror).await.unwrap().is_empty());
    assert_eq!(preview(SyncMode::History).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    table.commit(&[put(4, 7, []), remove(4, 8)]).await;
    let mut table = Table::open(&place, of(SyncMode::SoftDelete, "t")).await;
    assert!(preview(SyncMode::SoftDelete).await.unwrap().is_empty());
    table.commit(&[seen(3, [("v", Value::int(3))]), remove(1, 9)]).await;
    let rows = "SELECT id, v, _ct_deleted FROM t WHERE id < 4 ORDER BY id";
    assert_eq!(place.query(rows), ["1 1 true", "2 - true", "3 - true"]);
    let left = "SELECT mode, (SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE '_ct_tomb%') FROM _ct_checkpoint_t WHERE part = 'checkpoint'";
    assert_eq!(place.query(left), ["soft_delete 0"]);
    let mut table = Table::open(&place, of(SyncMode::SoftDelete, "t")).await;
    table.commit(&[put(2, 10, [("v", Value::int(4))])]).await;
    assert_eq!(place.query(rows)[1], "2 4 false");
}

/// A rule may be dropped while the snapshot runs: what was removed until then stays away all the same.
#[tokio::test]
async fn a_table_that_is_filtered_no_more_keeps_its_tombstones_until_the_snapshot_ends() {
    let place = Place::apart();
    let filtered = Target { filtered: true, ..of(SyncMode::SoftDelete, "t") };
    let mut table = Table::open(&place, filtered).await;
    table.commit(&[seen(1, []), remove(2, 5)]).await;
    assert_eq!(place.query("SELECT id FROM t"), ["1"]);
    let mut table = Table::open(&place, of(SyncMode::SoftDelete, "t")).await;
    table.commit(&[seen(2, []), seen(3, [])]).await;
    assert_eq!(place.query("SELECT id FROM t ORDER BY id"), ["1", "3"]);
    table.end_snapshot().await;
    let tombstones = "SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE '_ct_tomb%'";
    assert_eq!(place.query(tombstones), ["0"]);
}

#[tokio::test]
async fn modes_whose_rows_mean_something_else_are_refused() {
    let place = Place::apart();
    let modes = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
    for before in modes {
        let name = before.as_str();
        let mut table = Table::open(&place, of(before, name)).await;
        table.commit(&[put(1, 1, [("a", Value::int(1))])]).await;
        for now in modes {
            let opened = Table::try_open(&place.loader(), of(now, name)).await.map(|_| ());
            let kept = now == before || (before, now) == (SyncMode::Mirror, SyncMode::SoftDelete);
            // From here on it is the other mode, to which there is no way back.
            let became = before == SyncMode::Mirror && now != SyncMode::Mirror;
            match opened {
                Ok(()) => assert!(kept, "{before} to {now}"),
                Err(error) => {
                    assert!(!kept || became, "{before} to {now}: {error}");
                    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
                    assert!(error.to_string().contains("setting: mode"), "{error}");
                }
            }
        }
    }
    // A table that was never made has no rows that could mean something else.
    let mut table = Table::open(&place, of(SyncMode::Append, "empty")).await;
    table.end_snapshot().await;
    let mut table = Table::open(&place, of(SyncMode::History, "empty")).await;
    table.commit(&[put(1, 1, [])]).await;
    assert_eq!(place.query("SELECT _ct_current FROM empty"), ["true"]);
}
