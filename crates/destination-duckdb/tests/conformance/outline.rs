//! What `plan --sql` shows is what is sent: the database's own log of statements is compared with it.

use std::collections::BTreeSet;

use commutator_conformance::sql::{Table, at, item, put, remove, seen, target};
use commutator_conformance::{Change, Value};
use commutator_core::schema::plan;
use commutator_core::{CommitOutline, Destination, Epoch, Op, OrderKey, SyncMode, TableSchema, Target};

use crate::place::File;

/// The statements that an outline shows, one by one: some are sent together.
fn shown(outline: &CommitOutline) -> BTreeSet<String> {
    let statements = outline.statements.iter().filter(|statement| !statement.is_comment());
    statements.flat_map(|statement| statement.text.split(";\n")).map(plain).collect()
}

fn plain(statement: &str) -> String {
    statement.trim().trim_end_matches(';').to_owned()
}

#[tokio::test]
async fn what_is_shown_is_what_is_sent() {
    for mode in [SyncMode::Mirror, SyncMode::SoftDelete, SyncMode::History, SyncMode::Append] {
        let place = File::new();
        let destination = place.duckdb().await;
        let connection = destination.connection().await.unwrap();
        connection.execute_batch("CALL enable_logging('QueryLog')").unwrap();
        let target = Target { mode, ..target("t") };
        live(&destination, &target).await;
        connection.execute_batch("CALL disable_logging()").unwrap();

        let mut log = connection.prepare("SELECT message FROM duckdb_logs WHERE type = 'QueryLog'").unwrap();
        let sent = log.query_map([], |row| row.get::<_, String>(0)).unwrap().map(|message| plain(&message.unwrap()));
        // The second is what the appender is to the log.
        let others = ["able_logging", "FROM __duckdb_internal_appended_data"];
        let sent: BTreeSet<String> = sent.filter(|sent| !others.iter().any(|other| sent.contains(other))).collect();

        let schema = |price: &str| {
            let changes = [put(1, 1, [("price", Value::number(price)), ("name", Value::text("x"))])];
            commutator_conformance::batch(&target.keys, &changes).unwrap().schema().as_ref().clone()
        };
        let (first, second): (TableSchema, TableSchema) = (schema("1"), schema("1.5"));
        let created = destination.outline(&target, &plan(None, &first).unwrap());
        // The page on this destination says so.
        let per_commit = match mode {
            SyncMode::Mirror => (10, 14),
            SyncMode::SoftDelete => (10, 11),
            SyncMode::History => (9, 9),
            SyncMode::Append => (8, 8),
        };
        assert_eq!(created.statements_per_commit(), per_commit, "{mode}");
        let widened = destination.outline(&target, &plan(Some(&first), &second).unwrap());
        let shown: BTreeSet<String> = shown(&created).union(&shown(&widened)).cloned().collect();

        let unseen: Vec<_> = sent.difference(&shown).collect();
        assert!(unseen.is_empty(), "{mode}: sent and not shown: {unseen:#?}");
        let unsent: Vec<_> = shown.difference(&sent).filter(|statement| !statement.contains("SET mode =")).collect();
        assert!(unsent.is_empty(), "{mode}: shown and not sent: {unsent:#?}");
    }
}

/// A table's life in which everything happens that depends on something.
async fn live(destination: &dyn Destination, target: &Target) {
    let of = |price: &str| [("price", Value::number(price)), ("name", Value::text("x"))];
    let mut table = Table::try_open(destination, target.clone()).await.unwrap();
    table.commit(&[seen(1, of("1")), seen(2, of("2"))]).await;
    table.commit(&[remove(2, 3)]).await;
    table.commit(&[remove(1, 4), put(3, 5, of("1.5"))]).await;
    // New rows alone are merged in another way.
    table.commit(&[Change::new(vec![Value::int(4)], at(6), Op::Insert, item(of("1.5")))]).await;
    table.end_snapshot().await;
    table.checkpoint = table.checkpoint.next_epoch(|_| true);
    let again = Change::new(vec![Value::int(3)], OrderKey::snapshot(Epoch(2)), Op::Snapshot, item(of("2.5")));
    table.try_commit_all(&[&[again]], true).await.unwrap();
}
