//! Deleted items stay, marked.

use commutator_core::{Epoch, Op, OrderKey, SyncMode};

use crate::change::{at, item, key, put, remove};
use crate::{Bench, Change, Expected, Item, Value, Verdict};

const SECOND: Epoch = Epoch(2);

fn text(text: &str) -> [(&'static str, Value); 1] {
    [("a", Value::text(text))]
}

fn row(id: i64, order: OrderKey, item: Item, deleted: bool) -> Expected {
    Expected { deleted: Some(deleted), ..Expected::new(key(id), order, item) }
}

pub(crate) async fn a_removal_marks_the_row_deleted(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::SoftDelete).await?;
    table.commit(&[put(1, at(1), text("one")), put(2, at(2), text("two")), put(3, at(3), text("three"))]).await?;
    table.agrees_with(3).await?;
    let expired = Change::new(key(2), at(5), Op::Expire, Item::new());
    table.commit(&[remove(1, at(4)), expired]).await?;
    table.agrees_with(3).await?;
    table.reopen().await?;
    table.commit(&[remove(1, at(6))]).await?;
    table.agrees_with(3).await
}

pub(crate) async fn a_deleted_row_keeps_its_values(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::SoftDelete).await?;
    let items = [[("a", Value::text("old")), ("b", Value::int(1))], [("a", Value::text("new")), ("b", Value::Null)]];
    let [old, new] = items;
    table.commit(&[put(1, at(1), old)]).await?;
    table.commit(&[put(1, at(2), new), put(2, at(3), text("two"))]).await?;
    table.commit(&[remove(1, at(4)), remove(2, at(5))]).await?;
    let rows = || vec![row(1, at(4), item(text("new")), true), row(2, at(5), item(text("two")), true)];
    table.holds(rows()).await?;
    // A column that comes later, and a removal that comes again.
    table.commit(&[put(3, at(6), [("late", Value::int(3))]), remove(1, at(4))]).await?;
    table.transact(&[], Some(Epoch(1))).await?;
    table.reopen().await?;
    let last = row(3, at(6), item([("late", Value::int(3))]), false);
    table.holds(rows().into_iter().chain([last]).collect()).await
}

pub(crate) async fn a_deleted_row_comes_back(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::SoftDelete).await?;
    table.commit(&[put(1, at(1), [("a", Value::text("x")), ("gone", Value::int(1))]), remove(2, at(2))]).await?;
    table.commit(&[remove(1, at(3))]).await?;
    let again = |id: i64, sequence, text: &str| {
        Change::new(key(id), at(sequence), Op::Insert, item([("a", Value::text(text))]))
    };
    table.commit(&[again(1, 4, "again"), again(2, 5, "first")]).await?;
    table.holds(vec![row(1, at(4), item(text("again")), false), row(2, at(5), item(text("first")), false)]).await?;
    table
        .commit(&[remove(1, at(6)), again(1, 7, "third"), remove(2, at(8)), again(3, 9, "x"), remove(3, at(10))])
        .await?;
    let rows = vec![
        row(1, at(7), item(text("third")), false),
        row(2, at(8), item(text("first")), true),
        row(3, at(10), item(text("x")), true),
    ];
    table.holds(rows).await
}

pub(crate) async fn a_removal_of_what_was_never_there_is_a_deleted_row(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::SoftDelete).await?;
    table.commit(&[remove(1, at(5)), put(2, at(6), text("two"))]).await?;
    let two = || row(2, at(6), item(text("two")), false);
    table.holds(vec![row(1, at(5), Item::new(), true), two()]).await?;
    // The snapshot had read the item before it was removed; whether its values are taken is left open.
    table.reopen().await?;
    table.commit(&[put(1, OrderKey::snapshot(Epoch(1)), text("read before"))]).await?;
    table.agrees_with(2).await?;
    table.transact(&[], Some(Epoch(1))).await?;
    table.agrees_with(2).await
}

pub(crate) async fn an_item_that_came_and_went_in_one_transaction_is_a_deleted_row(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::SoftDelete).await?;
    table.commit(&[put(4, at(1), text("before")), put(5, at(2), text("before"))]).await?;
    let first = [
        put(1, at(10), text("in order")),
        remove(1, at(11)),
        remove(2, at(13)),
        put(2, at(12), text("last but one")),
        put(2, at(3), text("older")),
        put(4, at(14), text("changed")),
        remove(4, at(15)),
    ];
    let second = [remove(3, at(17)), remove(5, at(19))];
    let third = [put(3, at(16), text("in another batch")), put(5, at(18), text("changed"))];
    table.commit_all(&[&first, &second, &third]).await?;
    let last = [(1, 11, "in order"), (2, 13, "last but one"), (3, 17, "in another batch"), (4, 15, "changed")];
    let rows = last.into_iter().chain([(5, 19, "changed")]);
    table.holds(rows.map(|(id, sequence, last)| row(id, at(sequence), item(text(last)), true)).collect()).await
}

pub(crate) async fn an_older_version_changes_nothing_of_a_deleted_row(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::SoftDelete).await?;
    table.commit(&[put(1, at(10), text("last")), put(2, at(11), text("live"))]).await?;
    table.commit(&[remove(1, at(12))]).await?;
    let rows = || vec![row(1, at(12), item(text("last")), true), row(2, at(11), item(text("live")), false)];
    let snapshot = |id| put(id, OrderKey::snapshot(Epoch(1)), text("read before"));
    for older in
        [vec![put(1, at(9), text("older"))], vec![snapshot(1), snapshot(2)], vec![remove(1, at(11)), remove(2, at(10))]]
    {
        table.commit(&older).await?;
        table.holds(rows()).await?;
    }
    Ok(())
}

pub(crate) async fn what_a_resync_did_not_see_is_marked_deleted(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::SoftDelete).await?;
    let snapshot = |epoch, id: i64, said: &str| put(id, OrderKey::snapshot(epoch), text(said));
    let rows: Vec<_> = (1..=4).map(|id| snapshot(Epoch(1), id, "first")).collect();
    table.transact(&[&rows, &[put(5, at(50), text("streamed"))]], Some(Epoch(1))).await?;
    table.resync().await?;
    let second = |sequence: u64| OrderKey::new(SECOND, sequence.into());
    table.commit(&[snapshot(SECOND, 1, "second"), put(2, second(60), text("changed"))]).await?;
    table.agrees_with(5).await?;
    table.transact(&[&[snapshot(SECOND, 3, "seen last")]], Some(SECOND)).await?;
    let end = OrderKey::snapshot(SECOND);
    let rows = |fourth| {
        vec![
            row(1, end, item(text("second")), false),
            row(2, second(60), item(text("changed")), false),
            row(3, end, item(text("seen last")), false),
            fourth,
            row(5, end, item(text("streamed")), true),
        ]
    };
    table.holds(rows(row(4, end, item(text("first")), true))).await?;
    table.reopen().await?;
    table.commit(&[put(4, second(70), text("inserted again"))]).await?;
    table.holds(rows(row(4, second(70), item(text("inserted again")), false))).await
}

pub(crate) async fn the_snapshot_s_end_leaves_deleted_rows_as_they_are(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::SoftDelete).await?;
    table.commit(&[put(1, at(1), text("one")), remove(2, at(3))]).await?;
    table.transact(&[&[remove(1, at(2))]], Some(Epoch(1))).await?;
    let rows = || vec![row(1, at(2), item(text("one")), true), row(2, at(3), Item::new(), true)];
    table.holds(rows()).await?;
    table.resync().await?;
    table.transact(&[], Some(SECOND)).await?;
    table.holds(rows()).await?;
    table.agrees_with(2).await
}
