//! Every version stays, with the interval in which it was the row.
//!
//! What intervals must be is said by the model, with `commutator_core::history::intervals`, and here once more in numbers.

use commutator_core::{Epoch, Op, OrderKey, SyncMode};

use crate::bench::Table;
use crate::change::{at, item, key, put, remove};
use crate::verdict::ensure;
use crate::{Bench, Change, Item, Row, Value, Verdict};

const SECOND: Epoch = Epoch(2);

fn text(text: &str) -> [(&'static str, Value); 1] {
    [("a", Value::text(text))]
}

fn snapshot(epoch: Epoch, id: i64, said: &str) -> Change {
    put(id, OrderKey::snapshot(epoch), text(said))
}

/// Returns a table's versions of a key in their order.
async fn versions(table: &Table<'_>, id: i64) -> Vec<Row> {
    let mut rows = table.rows().await;
    rows.retain(|row| row.columns.get("id") == Some(&Value::int(id)));
    rows.sort_by_key(|row| row.order);
    rows
}

/// Fails unless the intervals of a key are these, in seconds after the time of a change that is not `later`.
async fn spans(table: &Table<'_>, id: i64, expected: &[(i64, Option<i64>)]) -> Verdict {
    let start = 1_700_000_000_000_000;
    let seconds = |micros: i64| (micros - start) / 1_000_000;
    let versions = versions(table, id).await;
    let span = |row: &Row| row.validity.map(|v| (seconds(v.from), v.to.map(seconds)));
    let found: Vec<_> = versions.iter().filter_map(span).collect();
    ensure!(found == expected, "the intervals of {id} are {found:?}, not {expected:?}: {versions:?}");
    Ok(())
}

pub(crate) async fn every_version_is_kept(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    table.commit(&[put(1, at(1), text("one")), put(2, at(2), text("two"))]).await?;
    table.commit(&[put(1, at(3), text("three")).later(10)]).await?;
    table.commit_all(&[&[put(1, at(4), []).later(20)], &[put(1, at(5), text("five")).later(30)]]).await?;
    table.agrees_with(5).await?;
    spans(&table, 1, &[(0, Some(10)), (10, Some(20)), (20, Some(30)), (30, None)]).await?;
    spans(&table, 2, &[(0, None)]).await?;
    table.reopen().await?;
    table.commit(&[put(2, at(6), text("six")).later(40)]).await?;
    spans(&table, 2, &[(0, Some(40)), (40, None)]).await?;
    table.agrees_with(6).await
}

pub(crate) async fn versions_of_one_second_stay_apart(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    table.commit(&[put(1, at(1), text("one")), put(1, at(2), text("two")), put(1, at(3), text("three"))]).await?;
    table.commit(&[put(1, at(4), text("four")), remove(1, at(5)), put(1, at(6), text("six"))]).await?;
    spans(&table, 1, &[(0, Some(0)), (0, Some(0)), (0, Some(0)), (0, Some(0)), (0, Some(0)), (0, None)]).await?;
    table.agrees_with(6).await
}

pub(crate) async fn a_removal_closes_the_last_version(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    table.commit(&[put(1, at(1), text("one")), put(2, at(2), text("two"))]).await?;
    table.commit(&[remove(1, at(3)).later(10), remove(3, at(4)).later(10)]).await?;
    table.agrees_with(4).await?;
    spans(&table, 1, &[(0, Some(10)), (10, Some(10))]).await?;
    spans(&table, 3, &[(10, Some(10))]).await?;
    let rows = versions(&table, 1).await;
    let current: Vec<_> = rows.iter().map(|row| row.validity.is_some_and(|v| v.current)).collect();
    ensure!(current == [false, false], "a removed key has a current version: {rows:?}");
    Ok(())
}

pub(crate) async fn an_expiry_is_told_from_a_removal(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    table.commit(&[put(1, at(1), text("one")), put(2, at(2), text("two"))]).await?;
    let expired = Change::new(key(1), at(3), Op::Expire, Item::new()).later(10);
    table.commit(&[expired, remove(2, at(4)).later(10)]).await?;
    for (id, op) in [(1, "expire"), (2, "remove")] {
        let rows = versions(&table, id).await;
        let last = rows.last().and_then(|row| row.op.as_deref());
        ensure!(last == Some(op), "the last version of {id} is {last:?}, not {op}: {rows:?}");
    }
    table.agrees_with(4).await
}

pub(crate) async fn a_key_that_comes_back_has_a_hole_between(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    table.commit(&[put(1, at(1), text("one")), remove(1, at(2)).later(10)]).await?;
    table.commit(&[Change::new(key(1), at(3), Op::Insert, item(text("again"))).later(30)]).await?;
    spans(&table, 1, &[(0, Some(10)), (10, Some(10)), (30, None)]).await?;
    table.commit(&[remove(1, at(4)).later(40)]).await?;
    spans(&table, 1, &[(0, Some(10)), (10, Some(10)), (30, Some(40)), (40, Some(40))]).await?;
    table.agrees_with(4).await
}

pub(crate) async fn a_late_older_version_takes_its_place(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    table.commit(&[put(1, at(1), text("one")), put(1, at(9), text("nine")).later(90)]).await?;
    table.commit(&[put(1, at(5), text("five")).later(50)]).await?;
    spans(&table, 1, &[(0, Some(50)), (50, Some(90)), (90, None)]).await?;
    table.reopen().await?;
    table.commit(&[remove(1, at(3)).later(30), put(2, at(10), [])]).await?;
    spans(&table, 1, &[(0, Some(30)), (30, Some(30)), (50, Some(90)), (90, None)]).await?;
    // A row of the snapshot is older than all changes, whenever it was read.
    table.commit(&[snapshot(Epoch(1), 1, "zero")]).await?;
    spans(&table, 1, &[(0, Some(0)), (0, Some(30)), (30, Some(30)), (50, Some(90)), (90, None)]).await?;
    table.agrees_with(6).await
}

pub(crate) async fn a_clock_that_goes_back_leaves_no_interval_torn(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    table.commit(&[put(1, at(1), text("one")).later(10), put(1, at(2), text("two")).later(30)]).await?;
    table.commit(&[put(1, at(3), text("three")).later(20)]).await?;
    spans(&table, 1, &[(10, Some(20)), (20, Some(20)), (20, None)]).await?;
    table.commit(&[remove(1, at(4)).later(5)]).await?;
    spans(&table, 1, &[(5, Some(5)), (5, Some(5)), (5, Some(5)), (5, Some(5))]).await?;
    table.agrees_with(4).await
}

/// Every order of arrival of a key's versions, cut into transactions in different ways.
pub(crate) async fn intervals_do_not_overlap_whatever_arrives(bench: &Bench) -> Verdict {
    let life = |id: i64| {
        let order = |sequence: u64| at(sequence * 10);
        [
            put(id, OrderKey::snapshot(Epoch(1)), text("read")),
            put(id, order(1), text("one")).later(10),
            remove(id, order(2)).later(20),
            Change::new(key(id), order(3), Op::Insert, item(text("three"))).later(15),
        ]
    };
    let mut table = bench.table(SyncMode::History).await?;
    let orders = permutations(4);
    for step in 0..4 {
        // All of one step arrive together, but for those that come in a second transaction.
        let arriving: Vec<_> = (0..).zip(&orders).map(|(id, order)| (id, life(id)[order[step]].clone())).collect();
        let (first, second): (Vec<_>, Vec<_>) = arriving.into_iter().partition(|(id, _)| id % 3 > 0);
        for part in [first, second] {
            table.commit(&part.into_iter().map(|(_, change)| change).collect::<Vec<_>>()).await?;
        }
        table.agrees().await.map_err(|stop| stop.within(format_args!("after {} of 4 versions", step + 1)))?;
    }
    spans(&table, 0, &[(10, Some(10)), (10, Some(15)), (15, Some(15)), (15, None)]).await?;
    table.agrees_with(4 * orders.len()).await
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    let Some(last) = n.checked_sub(1) else { return vec![Vec::new()] };
    let with = |rest: Vec<usize>| {
        (0..n).map(move |place| {
            let mut all = rest.clone();
            all.insert(place, last);
            all
        })
    };
    permutations(last).into_iter().flat_map(with).collect()
}

pub(crate) async fn a_replay_leaves_no_torn_interval(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    let first = [snapshot(Epoch(1), 1, "read"), snapshot(Epoch(1), 2, "read")];
    let second = [put(1, at(5), text("five")), remove(2, at(6)).later(10), put(3, at(7), [])];
    let third = [remove(1, at(8)).later(20), put(2, at(9), text("again")).later(20), put(1, at(10), []).later(30)];
    for changes in [&first[..], &second, &third] {
        table.commit(changes).await?;
    }
    table.agrees_with(8).await?;
    let sorted = |mut rows: Vec<Row>| {
        rows.sort_by_cached_key(|row| (row.order, format!("{:?}", row.columns)));
        rows
    };
    let before = sorted(table.rows().await);
    table.reopen().await?;
    for changes in [&first[..], &second, &first, &third, &second] {
        table.commit(changes).await?;
        let after = sorted(table.rows().await);
        ensure!(after == before, "a replay made {after:?} of {before:?}");
    }
    table.agrees_with(8).await
}

pub(crate) async fn what_a_resync_did_not_see_is_closed(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    let second = |sequence: u64| OrderKey::new(SECOND, sequence.into());
    table.transact(&[&[snapshot(Epoch(1), 1, "one"), put(2, at(5), []), remove(3, at(6))]], Some(Epoch(1))).await?;
    table.agrees_with(3).await?;
    table.resync().await?;
    table.commit(&[snapshot(SECOND, 4, "new"), put(5, second(7), [])]).await?;
    table.transact(&[&[remove(5, second(8))]], Some(SECOND)).await?;
    // Keys 1 and 2 are closed; 3 was removed before, 4 and 5 are of the new epoch.
    table.agrees_with(8).await?;
    for id in [1, 2] {
        let rows = versions(&table, id).await;
        let closed = rows.last().is_some_and(|row| row.order == OrderKey::snapshot(SECOND));
        ensure!(closed && rows.len() == 2, "what the second snapshot did not see has the versions {rows:?}");
    }
    table.reopen().await?;
    table.commit(&[put(1, second(9), text("inserted again")).later(5)]).await?;
    table.agrees_with(9).await
}

pub(crate) async fn a_version_that_a_resync_saw_goes_on(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::History).await?;
    table.transact(&[&[put(1, at(5), text("one")), snapshot(Epoch(1), 2, "two")]], Some(Epoch(1))).await?;
    table.resync().await?;
    table.commit(&[snapshot(SECOND, 1, "one"), snapshot(SECOND, 2, "two")]).await?;
    table.transact(&[], Some(SECOND)).await?;
    for id in [1, 2] {
        let rows = versions(&table, id).await;
        let bounds: Vec<_> = rows.iter().filter_map(|row| row.validity).map(|v| (v.from, v.to)).collect();
        let whole = matches!(bounds[..], [(_, Some(to)), (from, None)] if to == from);
        ensure!(whole, "a row that was read again has the versions {rows:?}");
    }
    table.transact(&[], Some(Epoch(3))).await?;
    table.agrees_with(6).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn permutations_are_all_different() {
        let all: std::collections::BTreeSet<_> = super::permutations(4).into_iter().collect();
        assert_eq!(all.len(), 24);
    }
}
