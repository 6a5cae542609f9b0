//! Rows and checkpoint are one unit.

use std::collections::{BTreeMap, BTreeSet};

use commutator_core::{
    Checkpoint, NameMap, Offset, PartitionId, PipelineId, Position, Progress, Span, SyncMode, TableName,
};

use crate::bench::{next_checkpoint, rows};
use crate::change::{at, put};
use crate::verdict::ensure;
use crate::{Bench, Value, Verdict};

pub(crate) async fn a_dropped_transaction_leaves_nothing(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        table.abandon(&[put(1, at(2), [("a", Value::int(2))]), put(2, at(3), [("a", Value::int(3))])]).await?;
        table.agrees_with(1).await?;
        table.commit(&[put(3, at(4), [("a", Value::int(4))])]).await?;
        table.agrees_with(2).await?;
        table.abandon(&[put(2, at(5), [("a", Value::int(5))])]).await?;
        table.reopen().await?;
        table.agrees_with(2).await?;
        table.commit(&[put(4, at(6), [("a", Value::int(6))])]).await?;
        table.agrees_with(3).await?;
    }
    Ok(())
}

pub(crate) async fn the_first_transaction_may_be_dropped(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.abandon(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        table.reopen().await?;
        table.agrees_with(0).await?;
        table.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        table.agrees_with(1).await?;
    }
    Ok(())
}

pub(crate) async fn a_dropped_end_of_a_snapshot_leaves_nothing(bench: &Bench) -> Verdict {
    let mut table = bench.table(SyncMode::Mirror).await?;
    table.commit(&[put(1, at(1), [])]).await?;
    let mut transaction = table.writer.session.begin().await?;
    transaction.end_snapshot(commutator_core::Epoch(2)).await?;
    drop(transaction);
    table.commit(&[put(2, at(2), [])]).await?;
    table.agrees_with(2).await
}

pub(crate) async fn nobody_opened_it_is_not_the_same_as_nothing_was_read(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let target = bench.target(mode, vec![commutator_core::Column::key("id", commutator_core::LogicalType::Int64)]);
        let peeked = bench.destination().peek(&target).await?;
        ensure!(peeked.is_none(), "peek gives {peeked:?} for a target that nobody opened");
        let mut table = bench.open(target).await?;
        ensure!(
            table.writer.checkpoint == Checkpoint::default(),
            "a new table starts at {:?}",
            table.writer.checkpoint
        );
        let described = table.writer.session.describe().await?;
        ensure!(described.is_none(), "a table that was never created is described as {described:?}");
    }
    Ok(())
}

pub(crate) async fn a_checkpoint_is_read_back_as_it_was_committed(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        let mut checkpoint = table.writer.checkpoint.clone();
        checkpoint.advance(&rich_progress())?;
        checkpoint.set_names(NameMap::from([("Straße \"1\"".to_owned(), "Stra_e__1_".to_owned())]));
        table.writer.transact(&[], None, &checkpoint).await?;
        let known = table.writer.session.checkpoint();
        ensure!(*known == checkpoint, "the session's checkpoint is {known:?}, {checkpoint:?} was committed");
        let peeked = bench.reconnect().await.peek(&table.target).await?;
        ensure!(peeked.as_ref() == Some(&checkpoint), "peek gives {peeked:?}, {checkpoint:?} was committed");
        table.reopen().await?;
        let next = checkpoint.next_epoch(|partition| partition.as_str().starts_with("shard"));
        table.writer.transact(&[], None, &next).await?;
        table.reopen().await?;
        table.agrees_with(1).await?;
    }
    Ok(())
}

fn rich_progress() -> Progress {
    let resume = r#"{"id":{"S":"a\u0000'\\\"ä🦀"},"n":{"N":"12345678901234567890123456789012345678"}}"#;
    let at = |order: String| Position::At(Offset { order, resume: Some(resume.to_owned()) });
    let span = |to| Span { from: None, to };
    Progress {
        spans: BTreeMap::from([
            (PartitionId::new("segment 1/4"), span(at("0001".to_owned()))),
            (PartitionId::new("shardId-00000001234567890123-abcdefgh"), span(at("9".repeat(40)))),
            (PartitionId::new("shardId-2"), span(Position::End)),
            (PartitionId::new("shardId-3"), span(Position::Start)),
        ]),
        facts: BTreeMap::from([
            (
                "stream".to_owned(),
                "arn:aws:dynamodb:eu-west-1:123456789012:table/a/stream/2026-01-01T00:00:00.000".to_owned(),
            ),
            ("empty".to_owned(), String::new()),
            ("ünïcode '\";--".to_owned(), "\\ \n \t $1 {} %s 🦀".to_owned()),
        ]),
        forget: BTreeSet::new(),
        snapshot_ended: false,
    }
}

pub(crate) async fn a_checkpoint_may_be_large(bench: &Bench) -> Verdict {
    let mut table = bench.table(bench.modes()[0]).await?;
    let mut progress = Progress::default();
    for shard in 0..5_000 {
        let to = Position::At(Offset { order: "9".repeat(40), resume: None });
        progress.spans.insert(PartitionId::new(format!("shardId-{shard:020}-abcdefgh")), Span { from: None, to });
    }
    let mut checkpoint = table.writer.checkpoint.clone();
    checkpoint.advance(&progress)?;
    table.writer.transact(&[], None, &checkpoint).await?;
    table.reopen().await
}

pub(crate) async fn a_transaction_without_rows_commits_its_checkpoint(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        table.commit_all(&[]).await?;
        table.reopen().await?;
        table.agrees_with(0).await?;
        table.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        table.commit_all(&[]).await?;
        table.commit(&[]).await?;
        table.reopen().await?;
        table.agrees_with(1).await?;
    }
    Ok(())
}

pub(crate) async fn a_commit_of_many_rows_and_batches_is_one_unit(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        let batches: Vec<Vec<_>> = (0..8)
            .map(|b| {
                (0..500)
                    .map(|i| put(b * 250 + i, at((b * 500 + i + 1).cast_unsigned()), [("b", Value::int(b))]))
                    .collect()
            })
            .collect();
        table.commit_all(&batches.iter().map(Vec::as_slice).collect::<Vec<_>>()).await?;
        table.agrees_with(rows(mode, 2_250, 2_250, 4_000)).await?;
    }
    Ok(())
}

pub(crate) async fn tables_are_apart(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut first = bench.table(mode).await?;
        let mut second = bench.table(mode).await?;
        first.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        second.commit(&[put(1, at(1), [("a", Value::text("other"))]), put(2, at(2), [])]).await?;
        first.commit(&[put(1, at(3), [("a", Value::int(2))])]).await?;
        first.agrees().await?;
        second.agrees_with(2).await?;
        first.reopen().await?;
        second.reopen().await?;
    }
    Ok(())
}

pub(crate) async fn pipelines_have_checkpoints_of_their_own(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut first = bench.table(mode).await?;
        let mut target = first.target.clone();
        target.pipeline = PipelineId::new("another-suite")?;
        target.name = format!("{}_another", target.name);
        let mut second = bench.open(target).await?;
        ensure!(second.writer.checkpoint == Checkpoint::default(), "a pipeline starts at another's checkpoint");
        first.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
        second.commit(&[put(2, at(2), [("a", Value::int(2))])]).await?;
        second.commit(&[put(3, at(3), [("a", Value::int(2))])]).await?;
        first.reopen().await?;
        second.reopen().await?;
        first.agrees_with(1).await?;
        second.agrees_with(2).await?;
    }
    Ok(())
}

pub(crate) async fn source_tables_have_checkpoints_of_their_own(bench: &Bench) -> Verdict {
    let mut first = bench.table(bench.modes()[0]).await?;
    first.commit(&[put(1, at(1), [("a", Value::int(1))])]).await?;
    let mut target = bench.target(first.target.mode, first.target.keys.clone());
    target.table = TableName::new(first.target.table.as_str().to_uppercase());
    let second = bench.open(target).await?;
    ensure!(second.writer.checkpoint == Checkpoint::default(), "tables whose names differ in case share a checkpoint");
    first.reopen().await
}

pub(crate) async fn a_session_makes_many_transactions(bench: &Bench) -> Verdict {
    for mode in bench.modes() {
        let mut table = bench.table(mode).await?;
        for n in 0..20_i64 {
            table.commit(&[put(n % 7, at((n + 1).cast_unsigned()), [("n", Value::int(n))])]).await?;
            let (known, wanted) = (table.writer.session.checkpoint(), &table.writer.checkpoint);
            ensure!(known == wanted, "the session's checkpoint is {known:?}, {wanted:?} was committed");
        }
        ensure!(
            next_checkpoint(&Checkpoint::default(), false) != table.writer.checkpoint,
            "the checkpoint stood still"
        );
        table.agrees_with(rows(mode, 7, 7, 20)).await?;
    }
    Ok(())
}
