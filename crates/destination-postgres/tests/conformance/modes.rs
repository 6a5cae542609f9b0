//! What is special about `soft_delete` and `history` here, and about a mode that changes.

use commutator_conformance::sql::{Table, at, item, put, seen, target_in};
use commutator_conformance::{Change, Value};
use commutator_core::{Column, Destination as _, Epoch, ErrorKind, LogicalType, Op, OrderKey, SyncMode, Target};

use crate::server::fresh;

/// A key that is too long for an index entry, and does not compress.
fn long(n: u64) -> String {
    let mut state = n + 1;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    };
    (0..3_000).map(|_| next()).collect()
}

fn long_keys(mode: SyncMode) -> Target {
    Target {
        keys: vec![Column::key("pk", LogicalType::Text), Column::key("sk", LogicalType::Text)],
        ..target_in(mode, "t")
    }
}

fn version(key: &str, order: OrderKey, op: Op, value: i64) -> Change {
    let item = if op.is_removal() { item([]) } else { item([("v", Value::int(value))]) };
    // The longest partition key of DynamoDB has 2,048 bytes.
    let (pk, sk) = key.split_at(key.len().min(2_000));
    Change::new(vec![Value::text(pk), Value::text(sk)], order, op, item)
}

#[tokio::test]
async fn a_first_load_goes_straight_into_the_table() {
    let Some(server) = fresh("a_first_load_goes_straight_into_the_table") else { return };
    for mode in [SyncMode::SoftDelete, SyncMode::History] {
        let mut table = Table::open(&server.postgres().await, target_in(mode, mode.as_str())).await;
        table.commit(&[seen(1, [("a", Value::int(1))]), seen(2, []), seen(3, [])]).await;
        let straight = format!("SELECT straight FROM _ct_checkpoints WHERE target = '{mode}'");
        assert_eq!(server.lines(&straight).await, ["1"], "{mode}");
    }
}

#[tokio::test]
async fn a_table_of_versions_has_these_columns_and_indexes() {
    let Some(server) = fresh("a_table_of_versions_has_these_columns_and_indexes") else { return };
    let mut table = Table::open(&server.postgres().await, target_in(SyncMode::History, "Orders")).await;
    table.commit(&[seen(1, [("doc", Value::json("[1]"))])]).await;
    let columns = "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute \
                   WHERE attrelid = '\"Orders\"'::regclass AND attnum > 2 ORDER BY attnum";
    assert_eq!(
        server.lines(columns).await,
        [
            "_ct_order text t",
            "_ct_op text t",
            "_ct_valid_from timestamp with time zone t",
            "_ct_valid_to timestamp with time zone f",
            "_ct_current boolean t",
            "_ct_synced_at timestamp with time zone t",
            "_ct_changed_at timestamp with time zone f",
        ]
    );
    let indexes =
        "SELECT substr(indexdef, position('USING' IN indexdef)) FROM pg_indexes WHERE tablename = 'Orders' ORDER BY 1";
    assert_eq!(server.lines(indexes).await, ["USING btree (id) WHERE _ct_current", "USING btree (id, _ct_order)"]);
}

/// A key with many versions costs no more than one with two: only rows that differ are written.
#[tokio::test]
async fn a_new_version_writes_itself_and_the_one_before() {
    let Some(server) = fresh("a_new_version_writes_itself_and_the_one_before") else { return };
    let mut table = Table::open(&server.postgres().await, target_in(SyncMode::History, "t")).await;
    let many: Vec<_> = (1..200).map(|n| put(1, n * 10, [("n", Value::int(1))]).later(n.cast_signed())).collect();
    table.commit(&many).await;
    let last = "SELECT count(*) FROM t WHERE xmin = (SELECT xmin FROM _ct_checkpoints)";
    assert_eq!(server.lines(last).await, ["199"]);
    table.commit(&[put(1, 3_000, []).later(300), put(2, 3_001, [])]).await;
    assert_eq!(server.lines(last).await, ["3"]);
    // A late one, and one whose clock is behind those of the 9 before it.
    table.commit(&[put(1, 55, []).later(5)]).await;
    assert_eq!(server.lines(last).await, ["2"]);
    table.commit(&[put(1, 4_000, []).later(191)]).await;
    assert_eq!(server.lines(last).await, ["11"]);
    let torn = "SELECT count(*) FROM (SELECT _ct_valid_to, lead(_ct_valid_from) OVER (ORDER BY _ct_order) AS next FROM t WHERE id = 1) v \
                WHERE _ct_valid_to IS DISTINCT FROM next";
    assert_eq!(server.lines(torn).await, ["0"]);
}

#[tokio::test]
async fn keys_too_long_for_an_index_work_in_every_mode() {
    let Some(server) = fresh("keys_too_long_for_an_index_work_in_every_mode") else { return };
    let snapshot = OrderKey::snapshot(Epoch::FIRST);
    let expected = |mode| match mode {
        SyncMode::SoftDelete => &["1 1 t", "3000 3 t", "3001 5 f"][..],
        _ => &["1 1 f", "1 - f", "3000 2 f", "3000 3 f", "3000 - f", "3001 4 f", "3001 5 t"],
    };
    let modes = [SyncMode::SoftDelete, SyncMode::History];
    for (mode, filtered) in modes.into_iter().flat_map(|mode| [false, true].map(|filtered| (mode, filtered))) {
        let target = || Target { filtered, ..long_keys(mode) };
        server.execute("DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS _ct_checkpoints").await;
        let mut table = Table::open(&server.postgres().await, target()).await;
        table.commit(&[version("a", snapshot, Op::Snapshot, 1), remove_text("a", 2)]).await;
        let (first, second) = (long(1), format!("{}x", long(2)));
        table.commit(&[version(&first, at(3), Op::Insert, 2), version(&second, at(4), Op::Insert, 4)]).await;
        table.commit(&[version(&first, at(5), Op::Modify, 3), version(&second, at(7), Op::Modify, 5)]).await;
        let mut table = Table::open(&server.postgres().await, target()).await;
        table.commit(&[remove_text(&first, 6), version(&second, at(4), Op::Insert, 4)]).await;
        if filtered {
            // Of an item that never passed.
            table.commit(&[remove_text(&format!("{}yz", long(3)), 8)]).await;
        }
        table.end_snapshot().await;
        let flag = if mode == SyncMode::History { "_ct_current" } else { "_ct_deleted" };
        let rows = format!("SELECT length(pk || sk), v, {flag} FROM t ORDER BY length(pk || sk), _ct_order");
        assert_eq!(server.lines(&rows).await, expected(mode), "{mode} {filtered}");
        table.checkpoint = table.checkpoint.next_epoch(|_| true);
        table.end_snapshot().await;
        let left = format!("SELECT count(*) FROM t WHERE {flag} = {}", mode == SyncMode::History);
        assert_eq!(server.lines(&left).await, ["0"], "{mode}");
    }
}

fn remove_text(key: &str, sequence: u64) -> Change {
    version(key, at(sequence), Op::Remove, 0)
}

#[tokio::test]
async fn a_mirror_with_keys_too_long_for_an_index_may_become_a_table_that_keeps_deleted_rows() {
    let Some(server) = fresh("a_mirror_with_keys_too_long_for_an_index") else { return };
    let key = long(7);
    let snapshot = OrderKey::snapshot(Epoch::FIRST);
    let mut table = Table::open(&server.postgres().await, long_keys(SyncMode::Mirror)).await;
    table.commit(&[version("a", snapshot, Op::Snapshot, 1), version(&key, snapshot, Op::Snapshot, 2)]).await;
    // A tombstone, for the snapshot still runs.
    table.commit(&[remove_text(&key, 5), remove_text("c", 6)]).await;
    // What is shown before is what happens, and nothing happens by showing it.
    let preview = async |mode| server.postgres().await.preview_mode(&long_keys(mode)).await;
    let shown = preview(SyncMode::SoftDelete).await.unwrap();
    assert!(shown[0].contains("ADD COLUMN _ct_deleted") && shown[1].starts_with("INSERT INTO"), "{shown:?}");
    assert!(preview(SyncMode::Mirror).await.unwrap().is_empty());
    assert_eq!(preview(SyncMode::History).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    let mut table = Table::open(&server.postgres().await, long_keys(SyncMode::SoftDelete)).await;
    assert!(preview(SyncMode::SoftDelete).await.unwrap().is_empty());
    table.commit(&[version("c", snapshot, Op::Snapshot, 3), remove_text("a", 7)]).await;
    let rows = "SELECT length(pk || sk), v, _ct_deleted FROM t ORDER BY length(pk || sk), pk";
    let length = key.len();
    assert_eq!(server.lines(rows).await, ["1 1 t".to_owned(), "1 - t".to_owned(), format!("{length} - t")]);
    assert_eq!(
        server.lines("SELECT mode, to_regclass('_ct_tombstones_t') FROM _ct_checkpoints").await,
        ["soft_delete -"]
    );
    let mut table = Table::open(&server.postgres().await, long_keys(SyncMode::SoftDelete)).await;
    table.commit(&[version(&key, at(8), Op::Insert, 4)]).await;
    assert_eq!(server.lines(rows).await[2], format!("{length} 4 f"));
}
