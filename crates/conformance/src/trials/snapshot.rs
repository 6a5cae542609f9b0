//! A snapshot and the stream are read at the same time: tombstones, epochs, the snapshot's end.

use commutator_core::{Epoch, OrderKey, SyncMode};

use crate::bench::rows;
use crate::change::{at, put, remove};
use crate::{Bench, Change, Value, Verdict};

const SECOND: Epoch = Epoch(2);

fn snapshot(epoch: Epoch, id: i64, text: &str) -> Change {
    put(id, OrderKey::snapshot(epoch), [("a", Value::text(text))])
}

pub(crate) async fn a_removed_row_does_not_come_back_with_the_snapshot(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[snapshot(Epoch(1), 1, "one"), snapshot(Epoch(1), 2, "two")]).await?;
    table.commit(&[remove(1, at(5)), remove(3, at(6))]).await?;
    table.agrees_with(1).await?;
    table.commit(&[snapshot(Epoch(1), 1, "one"), snapshot(Epoch(1), 3, "three")]).await?;
    table.agrees_with(1).await
}

pub(crate) async fn tombstones_outlive_a_restart(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[remove(1, at(5))]).await?;
    table.reopen().await?;
    table.commit(&[snapshot(Epoch(1), 2, "two")]).await?;
    table.reopen().await?;
    table.commit(&[snapshot(Epoch(1), 1, "one"), put(1, at(4), [])]).await?;
    table.agrees_with(1).await
}

pub(crate) async fn tombstones_work_within_a_transaction(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit_all(&[&[remove(1, at(5))], &[snapshot(Epoch(1), 1, "one"), snapshot(Epoch(1), 2, "two")]]).await?;
    table.agrees_with(1).await?;
    table.commit_all(&[&[remove(2, at(7))], &[put(2, at(6), [])]]).await?;
    table.agrees_with(0).await
}

pub(crate) async fn a_tombstone_gives_way_to_a_newer_row(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[remove(1, at(5))]).await?;
    table.commit(&[put(1, at(6), [("a", Value::text("again"))])]).await?;
    table.commit(&[snapshot(Epoch(1), 1, "old")]).await?;
    table.agrees_with(1).await?;
    table.commit(&[remove(1, at(7))]).await?;
    table.commit(&[remove(1, at(3)), put(1, at(6), [])]).await?;
    table.agrees_with(0).await
}

pub(crate) async fn the_snapshot_s_end_keeps_every_row_of_its_epoch(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&[snapshot(Epoch(1), 1, "one"), put(2, at(5), []), remove(3, at(6))]).await?;
        table.transact(&[], Some(Epoch(1))).await?;
        table.agrees_with(rows(mode, 2, 3, 3)).await?;
        table.reopen().await?;
        table.commit(&[put(3, at(7), []), remove(1, at(8))]).await?;
        table.agrees_with(rows(mode, 2, 3, 5)).await?;
    }
    Ok(())
}

pub(crate) async fn the_snapshot_s_end_comes_after_the_rows_of_its_transaction(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[snapshot(Epoch(1), 1, "one"), snapshot(Epoch(1), 2, "two"), remove(3, at(9))]).await?;
    let last = [snapshot(SECOND, 1, "one again"), snapshot(SECOND, 4, "four"), snapshot(Epoch(1), 6, "of old")];
    table.transact(&[&last, &[remove(5, OrderKey::new(SECOND, 3.into()))]], Some(SECOND)).await?;
    table.agrees_with(2).await
}

pub(crate) async fn rows_that_a_resync_did_not_see_go_at_its_end(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    let (first, second) = (Epoch(1), |sequence: u64| OrderKey::new(SECOND, sequence.into()));
    let rows: Vec<_> = (1..=6).map(|id| snapshot(first, id, "first")).collect();
    table.transact(&[&rows, &[put(7, at(70), [("a", Value::text("streamed"))])]], Some(first)).await?;
    table.agrees_with(7).await?;
    table.resync().await?;
    // The stream goes on under the new epoch while the table is read anew; row 4 and row 7 are gone from the source.
    table.commit(&[put(1, second(80), [("a", Value::text("changed"))]), remove(2, second(81))]).await?;
    table.agrees_with(6).await?;
    table
        .commit(&[snapshot(SECOND, 1, "read too late"), snapshot(SECOND, 2, "removed"), snapshot(SECOND, 3, "seen")])
        .await?;
    table.reopen().await?;
    table.commit(&[put(5, second(82), [("a", Value::text("only streamed"))])]).await?;
    table.agrees_with(6).await?;
    table.transact(&[&[snapshot(SECOND, 6, "seen last")]], Some(SECOND)).await?;
    table.agrees_with(4).await?;
    table.commit(&[put(4, second(90), [("a", Value::text("inserted again"))])]).await?;
    table.reopen().await?;
    table.agrees_with(5).await
}

pub(crate) async fn a_tombstone_of_a_resync_stops_its_snapshot(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.transact(&[&[snapshot(Epoch(1), 1, "one"), snapshot(Epoch(1), 2, "two")]], Some(Epoch(1))).await?;
    table.resync().await?;
    table.commit(&[remove(1, OrderKey::new(SECOND, 5.into()))]).await?;
    table.reopen().await?;
    table.commit(&[snapshot(SECOND, 1, "one"), snapshot(SECOND, 2, "two")]).await?;
    table.transact(&[], Some(SECOND)).await?;
    table.agrees_with(1).await
}

pub(crate) async fn an_append_table_keeps_its_older_epochs(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Append).await?;
    table.transact(&[&[snapshot(Epoch(1), 1, "one"), remove(2, at(3))]], Some(Epoch(1))).await?;
    table.transact(&[&[snapshot(SECOND, 1, "one")]], Some(SECOND)).await?;
    table.agrees_with(3).await
}

pub(crate) async fn a_snapshot_of_nothing_may_end(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.transact(&[], Some(Epoch(1))).await?;
        table.reopen().await?;
        table.agrees_with(0).await?;
        table.commit(&[put(1, at(1), [])]).await?;
        table.transact(&[], Some(SECOND)).await?;
        table.agrees().await?;
    }
    Ok(())
}
