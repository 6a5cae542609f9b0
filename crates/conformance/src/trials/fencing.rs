//! Who opens a table last owns it.

use commutator_core::{
    Checkpoint, Column, ErrorKind, LogicalType, Offset, PartitionId, Position, Progress, Result, SyncMode, Target,
};
use futures_util::future::join_all;

use crate::bench::{Writer, next_checkpoint, rows};
use crate::change::{at, put};
use crate::verdict::ensure;
use crate::{Bench, Change, Stop, Value, Verdict, batch};

/// The end of a commit that must have been refused.
fn refused(result: Result<()>) -> Verdict {
    match result {
        Ok(()) => Err(Stop::Failed("a session committed after another had taken its table over".to_owned())),
        Err(e) if e.kind() == ErrorKind::Fenced => Ok(()),
        Err(e) => Err(Stop::from(e).within("a fenced commit fails with another kind than `fenced`")),
    }
}

fn change(id: i64, sequence: u64) -> Vec<Change> {
    vec![put(id, at(sequence), [("a", Value::int(id))])]
}

pub(crate) async fn an_older_session_cannot_commit(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&change(1, 1)).await?;
        let newer = bench.destination().open(&table.target).await?;
        let mut older = std::mem::replace(&mut table.writer, Writer::new(newer, &table.target).await?);
        let checkpoint = next_checkpoint(&older.checkpoint, false);
        refused(older.transact(&[change(2, 2)], None, &checkpoint).await)?;
        table.agrees_with(1).await?;
        table.commit(&change(3, 3)).await?;
        refused(older.transact(&[change(4, 4)], None, &checkpoint).await)?;
        table.reopen().await?;
        table.agrees_with(2).await?;
    }
    Ok(())
}

pub(crate) async fn a_transaction_begun_before_the_takeover_cannot_commit(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&change(1, 1)).await?;
        let newer = bench.reconnect().await;
        let target = table.target.clone();
        let checkpoint = next_checkpoint(&table.writer.checkpoint, false);
        let rows = table.writer.prepare(&[batch(&target.keys, &change(2, 2))?]).await?;
        let mut transaction = table.writer.session.begin().await?;
        transaction.write(&rows[0]).await?;
        let session = newer.open(&target).await?;
        refused(transaction.commit(&checkpoint).await)?;
        table.writer = Writer::new(session, &target).await?;
        table.agrees_with(1).await?;
        table.commit(&change(3, 3)).await?;
        table.agrees_with(2).await?;
    }
    Ok(())
}

pub(crate) async fn a_new_session_works_while_an_old_transaction_is_open(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&change(1, 1)).await?;
        let session = bench.reconnect().await.open(&table.target).await?;
        let mut older = std::mem::replace(&mut table.writer, Writer::new(session, &table.target).await?);
        let session = bench.reconnect().await.open(&table.target).await?;
        table.writer = Writer::new(session, &table.target).await?;
        let rows = older.prepare(&[batch(&table.target.keys, &change(1, 2))?]).await;
        if let Ok(rows) = &rows {
            let mut transaction = older.session.begin().await?;
            // A destination may notice here already that it was fenced.
            let written = transaction.write(&rows[0]).await;
            table.commit(&[put(1, at(3), [("a", Value::int(7)), ("b", Value::text("new column"))])]).await?;
            table.agrees().await?;
            if written.is_ok() {
                refused(transaction.commit(&next_checkpoint(&table.writer.checkpoint, false)).await)?;
            }
        }
        table.agrees().await?;
        table.reopen().await?;
    }
    Ok(())
}

pub(crate) async fn a_fenced_end_of_a_snapshot_removes_nothing(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&change(1, 1)).await?;
    let newer = bench.reconnect().await.open(&table.target).await?;
    let mut older = std::mem::replace(&mut table.writer, Writer::new(newer, &table.target).await?);
    let checkpoint = next_checkpoint(&older.checkpoint, true);
    refused(older.transact(&[], Some(commutator_core::Epoch(2)), &checkpoint).await)?;
    table.agrees_with(1).await
}

pub(crate) async fn tables_are_fenced_one_by_one(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut first = bench.table(mode).await?;
        let mut second = bench.table(mode).await?;
        first.commit(&change(1, 1)).await?;
        second.commit(&change(1, 1)).await?;
        second.reopen().await?;
        first.commit(&change(2, 2)).await?;
        second.commit(&change(2, 2)).await?;
        first.agrees_with(2).await?;
        second.agrees_with(2).await?;
    }
    Ok(())
}

pub(crate) async fn peek_does_not_fence(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&change(1, 1)).await?;
        let peeked = bench.reconnect().await.peek(&table.target).await?;
        ensure!(peeked.as_ref() == Some(&table.writer.checkpoint), "peek gives {peeked:?}");
        table.commit(&change(2, 2)).await?;
        table.agrees_with(2).await?;
    }
    Ok(())
}

pub(crate) async fn a_fenced_session_takes_nothing_for_foreign(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let target = bench.target(mode, vec![Column::key("id", LogicalType::Int64)]);
        let older = bench.reconnect().await.open(&target).await?;
        // The older session knows of no table, and finds the one that its successor makes.
        let mut table = bench.open(target.clone()).await?;
        table.commit(&change(1, 1)).await?;
        match Writer::new(older, &target).await {
            Ok(mut older) => {
                let checkpoint = next_checkpoint(&older.checkpoint, false);
                refused(older.transact(&[change(2, 2)], None, &checkpoint).await)?;
            }
            Err(error) => refused(Err(error))?,
        }
        table.agrees_with(1).await?;
        table.commit(&change(3, 3)).await?;
        table.agrees_with(2).await?;
    }
    Ok(())
}

pub(crate) async fn writers_at_the_same_time_lose_and_double_nothing(bench: &Bench) -> Verdict {
    // They fence each other all the time, so each gives up after some defeats, and one alone finishes the work.
    const DEFEATS: usize = 12;
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let work: Vec<_> =
            (0..60_u64).map(|n| put((n % 7).cast_signed(), at(n + 1), [("n", Value::int(n.cast_signed()))])).collect();
        let writers = (0..3).map(|_| write_all(bench, &table.target, &work, DEFEATS));
        for verdict in join_all(writers).await {
            verdict?;
        }
        write_all(bench, &table.target, &work, 0).await?;
        for change in &work {
            table.model.apply(change);
        }
        let session = bench.reconnect().await.open(&table.target).await?;
        table.writer = Writer::new(session, &table.target).await?;
        table.agrees_with(rows(mode, 7, 7, work.len())).await?;
    }
    Ok(())
}

/// Writes what the checkpoint says is left, two changes per commit, and opens the table again after each defeat.
async fn write_all(bench: &Bench, target: &Target, work: &[Change], defeats: usize) -> Verdict {
    for _ in 0..=defeats {
        match write_until_fenced(bench, target, work).await {
            Ok(()) => return Ok(()),
            // Of two that commit at once, one may be told to try again.
            Err(e) if matches!(e.kind(), ErrorKind::Fenced | ErrorKind::Unavailable | ErrorKind::Throttled) => {}
            Err(e) => return Err(Stop::from(e).within("a writer beside others")),
        }
    }
    ensure!(defeats > 0, "a writer that is alone is fenced");
    Ok(())
}

async fn write_until_fenced(bench: &Bench, target: &Target, work: &[Change]) -> Result<()> {
    let session = bench.reconnect().await.open(target).await?;
    let mut writer = Writer::new(session, target).await?;
    let partition = PartitionId::new("work");
    loop {
        let from = writer.checkpoint.position(&partition).cloned();
        let done = match &from {
            Some(Position::At(offset)) => offset.order.parse().expect("the suite wrote a number"),
            _ => 0,
        };
        let next = work.len().min(done + 2);
        if next == done {
            return Ok(());
        }
        let to = Position::At(Offset { order: format!("{next:04}"), resume: None });
        let mut checkpoint: Checkpoint = writer.checkpoint.clone();
        checkpoint.advance(&Progress::of(partition.clone(), from, to))?;
        writer.transact(&[work[done..next].to_vec()], None, &checkpoint).await?;
    }
}
