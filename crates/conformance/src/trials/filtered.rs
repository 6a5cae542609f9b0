//! Tables of which a filter leaves items out: a removal of what never passed it leaves nothing, and yet nothing comes back.

use commutator_core::{Epoch, Op, OrderKey, SyncMode};

use crate::bench::Table;
use crate::change::{at, item, key, put, remove};
use crate::verdict::ensure;
use crate::{Bench, Change, Expected, Item, Value, Verdict};

const SECOND: Epoch = Epoch(2);

fn text(text: &str) -> [(&'static str, Value); 1] {
    [("a", Value::text(text))]
}

fn snapshot(epoch: Epoch, id: i64, said: &str) -> Change {
    put(id, OrderKey::snapshot(epoch), text(said))
}

fn row(id: i64, sequence: u64, item: Item, deleted: bool) -> Expected {
    Expected { deleted: Some(deleted), ..Expected::new(key(id), at(sequence), item) }
}

pub(crate) async fn a_removal_of_what_never_passed_leaves_no_row(bench: &Bench) -> Verdict {
    let mut table = bench.filtered_table(SyncMode::SoftDelete, true).await?;
    let expired = Change::new(key(3), at(7), Op::Expire, Item::new());
    table.commit(&[put(1, at(5), text("passes")), remove(2, at(6)), expired]).await?;
    table.holds(vec![row(1, 5, item(text("passes")), false)]).await?;
    table.commit_all(&[&[remove(2, at(8))], &[remove(4, at(9)), remove(4, at(10))]]).await?;
    table.reopen().await?;
    table.commit(&[remove(2, at(11))]).await?;
    table.agrees_with(1).await?;
    // It comes to pass, and a removal that comes again is older.
    table.commit(&[put(2, at(12), text("now")), remove(2, at(11))]).await?;
    table.agrees_with(2).await
}

pub(crate) async fn a_removal_of_what_passed_marks_its_row(bench: &Bench) -> Verdict {
    let mut table = bench.filtered_table(SyncMode::SoftDelete, true).await?;
    table.commit(&[put(1, at(5), text("one")), put(2, at(6), text("two"))]).await?;
    table.commit(&[remove(1, at(7)), put(3, at(8), text("three")), remove(3, at(9))]).await?;
    let deleted = || vec![row(1, 7, item(text("one")), true), row(3, 9, item(text("three")), true)];
    table.holds(deleted().into_iter().chain([row(2, 6, item(text("two")), false)]).collect()).await?;
    table.commit(&[put(1, at(10), text("again")), remove(2, at(11))]).await?;
    table.agrees_with(3).await?;
    // What a resync does not see was there.
    table.resync().await?;
    table.transact(&[], Some(SECOND)).await?;
    table.agrees_with(3).await
}

pub(crate) async fn a_removal_before_the_snapshot_s_row_keeps_it_away(bench: &Bench) -> Verdict {
    let mut table = bench.filtered_table(SyncMode::SoftDelete, false).await?;
    let first = Epoch::FIRST;
    table.commit(&[remove(1, at(5)), remove(2, at(6)), remove(3, at(7)), snapshot(first, 4, "four")]).await?;
    table
        .holds(vec![Expected {
            deleted: Some(false),
            ..Expected::new(key(4), OrderKey::snapshot(first), item(text("four")))
        }])
        .await?;
    table.reopen().await?;
    table.commit(&[snapshot(first, 1, "read before"), put(2, at(8), text("passes again"))]).await?;
    table.agrees().await?;
    table
        .transact(&[&[snapshot(first, 3, "read before"), snapshot(first, 2, "old"), remove(5, at(9))]], Some(first))
        .await?;
    table.agrees().await?;
    ensure!(live(&table).await == [2, 4], "only 2 and 4 passed last, not {:?}", live(&table).await);
    table.commit(&[remove(6, at(10)), put(1, at(11), text("passes again"))]).await?;
    ensure!(live(&table).await == [1, 2, 4], "1, 2 and 4 passed last, not {:?}", live(&table).await);
    // The same in the next epoch, of keys that have a row and that have none.
    table.resync().await?;
    let second = |sequence: u64| OrderKey::new(SECOND, sequence.into());
    table.commit(&[remove(4, second(12)), remove(7, second(13))]).await?;
    table.reopen().await?;
    let read = [4, 7, 2].map(|id| snapshot(SECOND, id, "read before"));
    table.transact(&[&read], Some(SECOND)).await?;
    table.agrees().await?;
    ensure!(live(&table).await == [2], "only 2 passed last, not {:?}", live(&table).await);
    Ok(())
}

/// Returns the keys of the rows that are not deleted.
async fn live(table: &Table<'_>) -> Vec<i64> {
    let rows = table.rows().await.into_iter().filter(|row| row.deleted != Some(true));
    let ids: Vec<_> = rows.filter_map(|row| row.columns.get("id").cloned()).collect();
    (0..10).filter(|&id| ids.contains(&Value::int(id))).collect()
}

pub(crate) async fn a_version_before_which_nothing_was_is_not_kept(bench: &Bench) -> Verdict {
    let mut table = bench.filtered_table(SyncMode::History, true).await?;
    table.commit(&[remove(1, at(5)), put(2, at(6), text("two")), remove(3, at(7)), remove(3, at(8)).later(1)]).await?;
    table.agrees_with(1).await?;
    table.commit(&[remove(2, at(9)).later(20), remove(2, at(10)).later(10), remove(1, at(11))]).await?;
    table.agrees_with(2).await?;
    table.reopen().await?;
    table.commit(&[remove(2, at(12)).later(5), remove(2, at(9)).later(20)]).await?;
    table.agrees_with(2).await?;
    table
        .commit(&[put(2, at(13), text("again")).later(30), put(1, at(14), text("one")), remove(2, at(15)).later(40)])
        .await?;
    table.commit(&[remove(2, at(16)).later(50)]).await?;
    table.agrees_with(5).await
}

pub(crate) async fn versions_are_sorted_out_when_the_snapshot_ends(bench: &Bench) -> Verdict {
    let mut table = bench.filtered_table(SyncMode::History, false).await?;
    let first = Epoch::FIRST;
    // 1 is read before its removal and arrives after it, 2 never passed, 3 passed, and 4 came and went.
    table.commit(&[remove(1, at(5)), remove(2, at(6)), snapshot(first, 3, "three"), remove(3, at(7)).later(9)]).await?;
    table.reopen().await?;
    table
        .commit(&[remove(1, at(8)), remove(2, at(9)), remove(3, at(10)).later(2), put(4, at(11), text("four"))])
        .await?;
    table.commit(&[snapshot(first, 1, "read before"), remove(4, at(12)).later(3), remove(4, at(13)).later(1)]).await?;
    table.transact(&[&[remove(5, at(14)), put(6, at(15), text("six"))]], Some(first)).await?;
    table.agrees_with(7).await?;
    table.commit(&[remove(6, at(16)), remove(5, at(17))]).await?;
    table.agrees_with(8).await
}

pub(crate) async fn a_resync_of_versions_keeps_what_removes_something(bench: &Bench) -> Verdict {
    let mut table = bench.filtered_table(SyncMode::History, true).await?;
    table.commit(&[put(1, at(5), text("one")), put(2, at(6), text("two")), put(3, at(7), text("three"))]).await?;
    table.commit(&[remove(1, at(8))]).await?;
    table.resync().await?;
    let second = |sequence: u64| OrderKey::new(SECOND, sequence.into());
    // 1 passes again when it is read, and no more after that; 4 never passed.
    table.commit(&[remove(1, second(9)), remove(4, second(10)), remove(4, second(11))]).await?;
    table.commit(&[snapshot(SECOND, 1, "again"), snapshot(SECOND, 2, "two")]).await?;
    // 3 is not seen.
    table.transact(&[&[remove(4, second(12))]], Some(SECOND)).await?;
    table.agrees_with(8).await?;
    table.reopen().await?;
    table.commit(&[remove(3, second(13)), remove(1, second(14))]).await?;
    table.agrees_with(8).await
}
