//! What a user finds in a table of each mode, and what becomes of a mode that changes.

use commutator_core::{Epoch, ErrorKind, Op, OrderKey, SyncMode, Target};

use super::{SqlHarness, item, put, remove, seen, target, target_in};
use crate::{Change, Value};

async fn tombstones(place: &dyn SqlHarness) -> bool {
    let tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name LIKE '_ct_tomb%'";
    place.query(tables).await != ["0"]
}

pub(super) async fn tombstones_are_there_only_while_a_snapshot_runs(place: &dyn SqlHarness) {
    let mut table = place.open(target("t")).await;
    table.commit(&[seen(1, []), put(2, 3, [])]).await;
    assert!(!tombstones(place).await);
    table.commit(&[remove(2, 4)]).await;
    assert!(tombstones(place).await);
    table.end_snapshot().await;
    assert!(!tombstones(place).await);
    table.commit(&[remove(1, 5)]).await;
    assert!(!tombstones(place).await);
    assert_eq!(place.query("SELECT count(*) FROM t").await, ["0"]);
}

pub(super) async fn an_append_table_has_operations_and_every_change(place: &dyn SqlHarness) {
    let mut table = place.open(target_in(SyncMode::Append, "log")).await;
    table.commit(&[put(1, 2, [("a", Value::int(1))]), remove(1, 3)]).await;
    table.commit(&[put(1, 2, [("a", Value::int(1))])]).await;
    let rows = place.query("SELECT id, a, _ct_op FROM log ORDER BY _ct_order").await;
    assert_eq!(rows, ["1 1 modify", "1 1 modify", "1 - remove"]);
}

pub(super) async fn deleted_rows_look_as_documented(place: &dyn SqlHarness) {
    let mut table = place.open(target_in(SyncMode::SoftDelete, "t")).await;
    table.commit(&[seen(1, [("a", Value::int(1))]), seen(2, [("a", Value::int(2))]), seen(3, [])]).await;
    table.commit(&[remove(1, 5).later(60), remove(4, 6)]).await;
    let rows = "SELECT id, a, CAST(_ct_deleted AS VARCHAR), CAST(extract(epoch FROM _ct_changed_at) AS BIGINT) FROM t \
                WHERE _ct_synced_at IS NOT NULL ORDER BY id";
    assert_eq!(place.query(rows).await, ["1 1 true 1700000060", "2 2 false -", "3 - false -", "4 - true 1700000000"]);
    table.end_snapshot().await;
    assert!(!tombstones(place).await);
    // The second snapshot sees 3 alone; nobody knows when 2 was removed.
    table.checkpoint = table.checkpoint.next_epoch(|_| true);
    let again = Change::new(vec![Value::int(3)], OrderKey::snapshot(Epoch(2)), Op::Snapshot, item([]));
    table.try_commit_all(&[&[again]], true).await.expect("the snapshot ends");
    let left = "SELECT id, a, CAST(_ct_deleted AS VARCHAR), CAST(_ct_changed_at IS NULL AS VARCHAR), left(_ct_order, 8) FROM t ORDER BY id";
    assert_eq!(
        place.query(left).await,
        ["1 1 true false 00000001", "2 2 true true 00000002", "3 - false true 00000002", "4 - true false 00000001"]
    );
}

pub(super) async fn a_table_of_versions_looks_as_documented(place: &dyn SqlHarness) {
    let mut table = place.open(target_in(SyncMode::History, "Orders")).await;
    table.commit(&[seen(1, [("doc", Value::json("[1]"))]), seen(2, [])]).await;
    let first = "SELECT _ct_op, CAST(_ct_valid_from = _ct_synced_at AS VARCHAR), _ct_valid_to, CAST(_ct_current AS VARCHAR), doc \
                 FROM \"Orders\" ORDER BY id";
    assert_eq!(place.query(first).await, ["snapshot true - true [1]", "snapshot true - true -"]);
    table.commit(&[put(1, 5, [("doc", Value::json("[2]"))]), remove(1, 6).later(60)]).await;
    let versions = "SELECT doc, _ct_op, CAST(extract(epoch FROM _ct_valid_from) AS BIGINT), CAST(extract(epoch FROM _ct_valid_to) AS BIGINT), \
                    CAST(_ct_current AS VARCHAR) FROM \"Orders\" WHERE id = 1 ORDER BY _ct_order";
    assert_eq!(
        place.query(versions).await,
        [
            "[1] snapshot 1700000000 1700000000 false",
            "[2] modify 1700000000 1700000060 false",
            "- remove 1700000060 1700000060 false",
        ]
    );
}

pub(super) async fn a_mirror_may_become_a_table_that_keeps_deleted_rows(place: &dyn SqlHarness) {
    let mut table = place.open(target("t")).await;
    table.commit(&[seen(1, [("v", Value::int(1))]), seen(2, [("v", Value::int(2))])]).await;
    // Tombstones, for the snapshot still runs.
    table.commit(&[remove(2, 5), remove(3, 6)]).await;
    // What is shown before is what happens, and nothing happens by showing it.
    let preview = async |mode| place.connect().await.preview_mode(&target_in(mode, "t")).await;
    let shown = preview(SyncMode::SoftDelete).await.expect("it can be done");
    let at =
        |words: &str| shown.iter().position(|it| it.contains(words)).unwrap_or_else(|| panic!("{words}: {shown:?}"));
    assert!([at("ADD COLUMN _ct_deleted"), at("INSERT INTO"), at("DROP TABLE")].is_sorted(), "{shown:?}");
    assert_eq!(preview(SyncMode::Mirror).await.expect("it can be done"), Vec::<String>::new());
    assert_eq!(preview(SyncMode::History).await.expect_err("it cannot be done").kind(), ErrorKind::ConfigInvalid);
    table.commit(&[put(4, 7, []), remove(4, 8)]).await;
    let mut table = place.open(target_in(SyncMode::SoftDelete, "t")).await;
    assert_eq!(preview(SyncMode::SoftDelete).await.expect("it can be done"), Vec::<String>::new());
    table.commit(&[seen(3, [("v", Value::int(3))]), remove(1, 9)]).await;
    let rows = "SELECT id, v, CAST(_ct_deleted AS VARCHAR) FROM t WHERE id < 4 ORDER BY id";
    assert_eq!(place.query(rows).await, ["1 1 true", "2 - true", "3 - true"]);
    let mode = format!("SELECT mode FROM {} WHERE target = 't'", place.checkpoints("t"));
    assert_eq!(place.query(&mode).await, ["soft_delete"]);
    assert!(!tombstones(place).await);
    let mut table = place.open(target_in(SyncMode::SoftDelete, "t")).await;
    table.commit(&[put(2, 10, [("v", Value::int(4))])]).await;
    assert_eq!(place.query(rows).await[1], "2 4 false");
}

/// A rule may be dropped while the snapshot runs: what was removed until then stays away all the same.
pub(super) async fn a_table_that_is_filtered_no_more_keeps_its_tombstones_until_the_snapshot_ends(
    place: &dyn SqlHarness,
) {
    let filtered = Target { filtered: true, ..target_in(SyncMode::SoftDelete, "t") };
    let mut table = place.open(filtered).await;
    table.commit(&[seen(1, []), remove(2, 5)]).await;
    assert_eq!(place.query("SELECT id FROM t").await, ["1"]);
    let mut table = place.open(target_in(SyncMode::SoftDelete, "t")).await;
    table.commit(&[seen(2, []), seen(3, [])]).await;
    assert_eq!(place.query("SELECT id FROM t ORDER BY id").await, ["1", "3"]);
    table.end_snapshot().await;
    assert!(!tombstones(place).await);
}

pub(super) async fn modes_whose_rows_mean_something_else_are_refused(place: &dyn SqlHarness) {
    let modes = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
    for before in modes {
        let name = before.as_str();
        place.open(target_in(before, name)).await.commit(&[put(1, 1, [("a", Value::int(1))])]).await;
        for now in modes {
            let opened = place.connect().await.open(&target_in(now, name)).await.map(drop);
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
        assert_eq!(place.refused(target_in(SyncMode::Mirror, name)).await.kind(), ErrorKind::ConfigInvalid);
    }
    // A table that was never made has no rows that could mean something else.
    place.open(target_in(SyncMode::Append, "empty")).await.end_snapshot().await;
    place.open(target_in(SyncMode::History, "empty")).await.commit(&[put(1, 1, [])]).await;
    assert_eq!(place.query("SELECT CAST(_ct_current AS VARCHAR) FROM empty").await, ["true"]);
}

/// Statements call rows `n`, `t`, `d`, …; an attribute of that name is none of them, even if it has members of the names of columns.
pub(super) async fn attributes_may_have_the_names_that_statements_give_to_rows(place: &dyn SqlHarness) {
    let document = || Value::json(r#"{"c0": 7, "id": 7, "_ct_order": "x", "_ct_op": "x"}"#);
    let names = || ["d", "h", "i", "n", "s", "t", "v", "x"].map(|name| (name, document()));
    for (mode, rows) in [(SyncMode::Mirror, "1"), (SyncMode::SoftDelete, "2"), (SyncMode::History, "3")] {
        let mut table = place.open(target_in(mode, mode.as_str())).await;
        for _ in 0..2 {
            table.commit(&[put(1, 5, names()), put(2, 6, names()), remove(2, 7)]).await;
        }
        assert_eq!(place.query(&format!("SELECT count(*) FROM {mode}")).await, [rows], "{mode}");
    }
    place.open(target("mirror")).await.commit(&[put(3, 8, names())]).await;
    drop(place.open(target_in(SyncMode::SoftDelete, "mirror")).await);
    let rows = "SELECT id, CAST(_ct_deleted AS VARCHAR) FROM mirror ORDER BY id";
    assert_eq!(place.query(rows).await, ["1 false", "2 true", "3 false"]);
}
