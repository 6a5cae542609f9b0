//! What is special about `soft_delete` and `history` here, and about a mode that changes.

use commutator_conformance::{Change, Value};
use commutator_core::{Column, Destination as _, Epoch, ErrorKind, LogicalType, Op, OrderKey, SyncMode, Target};

use crate::server::{Server, fresh};
use crate::table::{Table, at, item, put, remove, seen, target};

fn of(mode: SyncMode, name: &str) -> Target {
    Target { mode, ..target(name) }
}

async fn text(server: &Server, query: &str) -> Vec<String> {
    let line =
        |row: &Vec<Option<String>>| row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" ");
    server.query(query).await.iter().map(line).collect()
}

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
    Target { keys: vec![Column::key("pk", LogicalType::Text), Column::key("sk", LogicalType::Text)], ..of(mode, "t") }
}

fn version(key: &str, order: OrderKey, op: Op, value: i64) -> Change {
    let item = if op.is_removal() { item([]) } else { item([("v", Value::int(value))]) };
    // The longest partition key of DynamoDB has 2,048 bytes.
    let (pk, sk) = key.split_at(key.len().min(2_000));
    Change::new(vec![Value::text(pk), Value::text(sk)], order, op, item)
}

#[tokio::test]
async fn deleted_rows_look_as_documented() {
    let Some(server) = fresh("deleted_rows_look_as_documented") else { return };
    let mut table = Table::open(&server, of(SyncMode::SoftDelete, "t")).await;
    table.commit(&[seen(1, [("a", Value::int(1))]), seen(2, [("a", Value::int(2))]), seen(3, [])]).await;
    // A first load went straight into the table.
    assert_eq!(text(&server, "SELECT straight FROM _ct_checkpoints").await, ["1"]);
    table.commit(&[remove(1, 5).later(60), remove(4, 6)]).await;
    let select =
        "SELECT id, a, _ct_deleted, _ct_changed_at AT TIME ZONE 'UTC', _ct_synced_at IS NOT NULL FROM t ORDER BY id";
    assert_eq!(
        text(&server, select).await,
        ["1 1 t 2023-11-14 22:14:20 t", "2 2 f - t", "3 - f - t", "4 - t 2023-11-14 22:13:20 t"]
    );
    table.end_snapshot().await;
    assert_eq!(text(&server, "SELECT to_regclass('_ct_tombstones_t')").await, ["-"]);
    // The second snapshot sees 3 alone; nobody knows when 2 was removed.
    table.checkpoint = table.checkpoint.next_epoch(|_| true);
    let again = Change::new(vec![Value::int(3)], OrderKey::snapshot(Epoch(2)), Op::Snapshot, item([]));
    table.try_commit_all(&[&[again]], true).await.unwrap();
    assert_eq!(
        text(&server, "SELECT id, a, _ct_deleted, _ct_changed_at IS NULL, left(_ct_order, 8) FROM t ORDER BY id").await,
        ["1 1 t f 00000001", "2 2 t t 00000002", "3 - f t 00000002", "4 - t f 00000001"]
    );
}

#[tokio::test]
async fn a_table_of_versions_looks_as_documented() {
    let Some(server) = fresh("a_table_of_versions_looks_as_documented") else { return };
    let mut table = Table::open(&server, of(SyncMode::History, "Orders")).await;
    table.commit(&[seen(1, [("doc", Value::json("[1]"))]), seen(2, [])]).await;
    assert_eq!(text(&server, "SELECT straight FROM _ct_checkpoints").await, ["1"]);
    let first = text(
        &server,
        "SELECT _ct_op, _ct_valid_from = _ct_synced_at, _ct_valid_to, _ct_current, doc FROM \"Orders\" ORDER BY id",
    );
    assert_eq!(first.await, ["snapshot t - t [1]", "snapshot t - t -"]);
    table.commit(&[put(1, 5, [("doc", Value::json("[2]"))]), remove(1, 6).later(60)]).await;
    let versions = "SELECT doc, _ct_op, _ct_valid_from AT TIME ZONE 'UTC', _ct_valid_to AT TIME ZONE 'UTC', _ct_current FROM \"Orders\" \
                    WHERE id = 1 ORDER BY _ct_order";
    assert_eq!(
        text(&server, versions).await,
        [
            "[1] snapshot 2023-11-14 22:13:20 2023-11-14 22:13:20 f",
            "[2] modify 2023-11-14 22:13:20 2023-11-14 22:14:20 f",
            "- remove 2023-11-14 22:14:20 2023-11-14 22:14:20 f",
        ]
    );
    let columns = "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute \
                   WHERE attrelid = '\"Orders\"'::regclass AND attnum > 2 ORDER BY attnum";
    assert_eq!(
        text(&server, columns).await,
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
    assert_eq!(text(&server, indexes).await, ["USING btree (id) WHERE _ct_current", "USING btree (id, _ct_order)"]);
}

/// A key with many versions costs no more than one with two: only rows that differ are written.
#[tokio::test]
async fn a_new_version_writes_itself_and_the_one_before() {
    let Some(server) = fresh("a_new_version_writes_itself_and_the_one_before") else { return };
    let mut table = Table::open(&server, of(SyncMode::History, "t")).await;
    let many: Vec<_> = (1..200).map(|n| put(1, n * 10, [("n", Value::int(1))]).later(n.cast_signed())).collect();
    table.commit(&many).await;
    let last = "SELECT count(*) FROM t WHERE xmin = (SELECT xmin FROM _ct_checkpoints)";
    assert_eq!(text(&server, last).await, ["199"]);
    table.commit(&[put(1, 3_000, []).later(300), put(2, 3_001, [])]).await;
    assert_eq!(text(&server, last).await, ["3"]);
    // A late one, and one whose clock is behind those of the 9 before it.
    table.commit(&[put(1, 55, []).later(5)]).await;
    assert_eq!(text(&server, last).await, ["2"]);
    table.commit(&[put(1, 4_000, []).later(191)]).await;
    assert_eq!(text(&server, last).await, ["11"]);
    let torn = "SELECT count(*) FROM (SELECT _ct_valid_to, lead(_ct_valid_from) OVER (ORDER BY _ct_order) AS next FROM t WHERE id = 1) v \
                WHERE _ct_valid_to IS DISTINCT FROM next";
    assert_eq!(text(&server, torn).await, ["0"]);
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
        let mut table = Table::open(&server, target()).await;
        table.commit(&[version("a", snapshot, Op::Snapshot, 1), remove_text("a", 2)]).await;
        let (first, second) = (long(1), format!("{}x", long(2)));
        table.commit(&[version(&first, at(3), Op::Insert, 2), version(&second, at(4), Op::Insert, 4)]).await;
        table.commit(&[version(&first, at(5), Op::Modify, 3), version(&second, at(7), Op::Modify, 5)]).await;
        let mut table = Table::open(&server, target()).await;
        table.commit(&[remove_text(&first, 6), version(&second, at(4), Op::Insert, 4)]).await;
        if filtered {
            // Of an item that never passed.
            table.commit(&[remove_text(&format!("{}yz", long(3)), 8)]).await;
        }
        table.end_snapshot().await;
        let flag = if mode == SyncMode::History { "_ct_current" } else { "_ct_deleted" };
        let rows = format!("SELECT length(pk || sk), v, {flag} FROM t ORDER BY length(pk || sk), _ct_order");
        assert_eq!(text(&server, &rows).await, expected(mode), "{mode} {filtered}");
        table.checkpoint = table.checkpoint.next_epoch(|_| true);
        table.end_snapshot().await;
        let left = format!("SELECT count(*) FROM t WHERE {flag} = {}", mode == SyncMode::History);
        assert_eq!(text(&server, &left).await, ["0"], "{mode}");
    }
}

fn remove_text(key: &str, sequence: u64) -> Change {
    version(key, at(sequence), Op::Remove, 0)
}

#[tokio::test]
async fn a_mirror_may_become_a_table_that_keeps_deleted_rows() {
    let Some(server) = fresh("a_mirror_may_become_a_table_that_keeps_deleted_rows") else { return };
    for long_key in [false, true] {
        server.execute("DROP TABLE IF EXISTS t; DROP TABLE IF EXISTS _ct_checkpoints").await;
        let key = if long_key { long(7) } else { "short".to_owned() };
        let snapshot = OrderKey::snapshot(Epoch::FIRST);
        let mut table = Table::open(&server, long_keys(SyncMode::Mirror)).await;
        table.commit(&[version("a", snapshot, Op::Snapshot, 1), version(&key, snapshot, Op::Snapshot, 2)]).await;
        // A tombstone, for the snapshot still runs.
        table.commit(&[remove_text(&key, 5), remove_text("c", 6)]).await;
        // What is shown before is what happens, and nothing happens by showing it.
        let preview = async |mode| server.postgres().await.preview_mode(&long_keys(mode)).await;
        let shown = preview(SyncMode::SoftDelete).await.unwrap();
        assert!(shown[0].contains("ADD COLUMN _ct_deleted") && shown[1].starts_with("INSERT INTO"), "{shown:?}");
        assert!(preview(SyncMode::Mirror).await.unwrap().is_empty());
        assert_eq!(preview(SyncMode::History).await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
        let mut table = Table::open(&server, long_keys(SyncMode::SoftDelete)).await;
        assert!(preview(SyncMode::SoftDelete).await.unwrap().is_empty());
        table.commit(&[version("c", snapshot, Op::Snapshot, 3), remove_text("a", 7)]).await;
        let rows = "SELECT length(pk || sk), v, _ct_deleted FROM t ORDER BY length(pk || sk), pk";
        let length = key.len();
        assert_eq!(text(&server, rows).await, ["1 1 t".to_owned(), "1 - t".to_owned(), format!("{length} - t")]);
        assert_eq!(
            text(&server, "SELECT mode, to_regclass('_ct_tombstones_t') FROM _ct_checkpoints").await,
            ["soft_delete -"]
        );
        let mut table = Table::open(&server, long_keys(SyncMode::SoftDelete)).await;
        table.commit(&[version(&key, at(8), Op::Insert, 4)]).await;
        assert_eq!(text(&server, rows).await[2], format!("{length} 4 f"));
    }
}

#[tokio::test]
async fn modes_whose_rows_mean_something_else_are_refused() {
    let Some(server) = fresh("modes_whose_rows_mean_something_else_are_refused") else { return };
    let modes = [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append];
    for before in modes {
        let name = before.as_str();
        let mut table = Table::open(&server, of(before, name)).await;
        table.commit(&[put(1, 1, [("a", Value::int(1))])]).await;
        for now in modes {
            let opened = Table::try_open(&server.postgres().await, of(now, name)).await.map(|_| ());
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
        let back = Table::try_open(&server.postgres().await, of(SyncMode::Mirror, name)).await;
        assert!(back.is_err(), "{before} to mirror");
    }
    // A table that was never made has no rows that could mean something else.
    let mut table = Table::open(&server, of(SyncMode::Append, "empty")).await;
    table.end_snapshot().await;
    let mut table = Table::open(&server, of(SyncMode::History, "empty")).await;
    table.commit(&[put(1, 1, [])]).await;
    assert_eq!(text(&server, "SELECT _ct_current FROM empty").await, ["t"]);
}
