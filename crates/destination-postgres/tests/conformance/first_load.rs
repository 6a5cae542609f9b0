//! Rows that are copied straight into a new table.

use commutator_conformance::sql::{Table, item, put, remove, seen, target};
use commutator_conformance::{Change, Value};
use commutator_core::{Epoch, Op, OrderKey};

use crate::server::{Server, fresh};

/// Values of every type, with their edges.
fn rows() -> Vec<Change> {
    let nines = "9".repeat(38);
    let numbers = ["0", "-1", "1e-130", "9.9e125", &nines, "-0.00000000000000000000000000000000000001"];
    let texts = ["", "a\"b\\c\n", "\u{1f980}", "{\"a\":1}"];
    (0..400)
        .map(|id| {
            let i = usize::try_from(id).unwrap();
            let attributes = [
                ("bool", Value::Bool(id % 2 == 0)),
                ("int", Value::int(i64::MAX - id)),
                ("decimal", Value::number(&format!("{id}.{id:03}"))),
                ("number", Value::number(numbers[i % numbers.len()])),
                ("text", Value::text(texts[i % texts.len()])),
                ("binary", Value::binary(vec![0xff; i % 5])),
                ("json", Value::json(&format!("{{\"n\":[{},\"\\\\u0000\"]}}", numbers[i % numbers.len()]))),
            ];
            let mut change = seen(id, attributes);
            // Every row lacks another attribute.
            let absent = change.item.keys().nth(i % 8).cloned();
            absent.map(|name| change.item.remove(&name));
            change
        })
        .collect()
}

/// The whole table as text, but for when it was synced.
async fn everything(server: &Server, table: &str) -> Vec<Vec<Option<String>>> {
    let columns = "id, bool, int, \"decimal\", number, text, \"binary\", json, _ct_order, _ct_changed_at";
    server.query(&format!("SELECT {columns} FROM {table} ORDER BY id")).await
}

async fn straight(server: &Server, table: &str) -> Option<String> {
    let query = format!("SELECT straight FROM _ct_checkpoints WHERE target = '{table}'");
    server.query(&query).await.remove(0).remove(0)
}

#[tokio::test]
async fn rows_are_the_same_on_either_way() {
    let Some(server) = fresh("rows_are_the_same_on_either_way") else { return };
    let mut first = Table::open(&server.postgres().await, target("copied")).await;
    let mut second = Table::open(&server.postgres().await, target("merged")).await;
    let rows = rows();
    first.commit(&rows).await;
    assert_eq!(straight(&server, "copied").await.as_deref(), Some("1"));
    // A change of the stream closes the straight way; it is gone again before the rows come.
    second.commit(&[put(-1, 1, [])]).await;
    second.commit(&[remove(-1, 2)]).await;
    second.commit(&rows).await;
    assert_eq!(straight(&server, "merged").await, None);
    let copied = everything(&server, "copied").await;
    assert_eq!(copied.len(), rows.len());
    assert_eq!(copied, everything(&server, "merged").await);
}

#[tokio::test]
async fn the_straight_way_stays_open_over_restarts_until_anything_else_is_written() {
    let Some(server) = fresh("the_straight_way_stays_open") else { return };
    let row = |id| seen(id, [("a", Value::int(id))]);
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    table.commit(&[row(1)]).await;
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    table.commit(&[row(2), row(3)]).await;
    assert_eq!(straight(&server, "t").await.as_deref(), Some("1"));
    // Within one transaction: rows of the snapshot, of the stream, of the snapshot.
    let newer = [put(2, 7, [("a", Value::int(20))]), put(4, 8, [("a", Value::int(40))]), remove(3, 9)];
    table.try_commit_all(&[&[row(5)], &newer, &[row(4), row(6), row(2)]], false).await.unwrap();
    assert_eq!(straight(&server, "t").await, None);
    let rows = server.query("SELECT string_agg(id || '=' || a, ' ' ORDER BY id) FROM t").await;
    assert_eq!(rows[0][0].as_deref(), Some("1=1 2=20 4=40 5=5 6=6"));
}

#[tokio::test]
async fn a_key_that_comes_twice_is_no_error() {
    let Some(server) = fresh("a_key_that_comes_twice_is_no_error") else { return };
    let row = |id| seen(id, [("a", Value::int(id))]);
    let mut table = Table::open(&server.postgres().await, target("twice")).await;
    table.try_commit_all(&[&[row(1), row(2)], &[row(2), row(3)]], false).await.unwrap();
    assert_eq!(straight(&server, "twice").await, None);
    let mut table = Table::open(&server.postgres().await, target("later")).await;
    table.commit(&[row(1), row(2)]).await;
    assert_eq!(straight(&server, "later").await.as_deref(), Some("1"));
    table.commit(&[row(2), row(3)]).await;
    for name in ["twice", "later"] {
        let rows = server.query(&format!("SELECT count(*), sum(id) FROM {name}")).await;
        assert_eq!(rows[0], [Some("3".to_owned()), Some("6".to_owned())], "{name}");
    }
}

#[tokio::test]
async fn the_rows_of_another_epoch_do_not_go_straight() {
    let Some(server) = fresh("the_rows_of_another_epoch_do_not_go_straight") else { return };
    let second = |id: i64, a: i64| {
        let order = OrderKey::snapshot(Epoch(2));
        Change::new(vec![Value::int(id)], order, Op::Snapshot, item([("a", Value::int(a))]))
    };
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    table.commit(&[seen(1, [("a", Value::int(1))]), seen(2, [])]).await;
    table.commit(&[second(1, 10)]).await;
    table.checkpoint = table.checkpoint.next_epoch(|_| true);
    table.end_snapshot().await;
    let rows = server.query("SELECT id, a FROM t").await;
    assert_eq!(rows, [[Some("1".to_owned()), Some("10".to_owned())]]);
}

#[tokio::test]
async fn large_batches_are_sent_in_many_pieces() {
    let Some(server) = fresh("large_batches_are_sent_in_many_pieces") else { return };
    let text = "x".repeat(9_000);
    let rows: Vec<_> = (0..3_000).map(|id| seen(id, [("a", Value::text(text.as_str()))])).collect();
    let mut table = Table::open(&server.postgres().await, target("t")).await;
    let (some, rest) = rows.split_at(2_000);
    table.try_commit_all(&[&some[..1_000], &some[1_000..]], false).await.unwrap();
    assert_eq!(straight(&server, "t").await.as_deref(), Some("1"));
    table.try_commit_all(&[rest, &[put(5, 1, [])]], false).await.unwrap();
    let sums = server.query("SELECT count(*), sum(length(a)) FROM t").await;
    assert_eq!(sums[0], [Some("3000".to_owned()), Some((2_999 * 9_000).to_string())]);
}
