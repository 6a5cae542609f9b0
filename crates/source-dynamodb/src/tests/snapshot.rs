//! The snapshot: segments, pages, resuming, faults.

use commutator_core::{Checkpoint, Op, OrderKey, Position, Until};

use super::fake::{Fake, Shard, State};
use super::read::Running;

fn pages(pages: &[&[&str]]) -> Vec<Vec<String>> {
    pages.iter().map(|page| page.iter().map(|&id| id.to_owned()).collect()).collect()
}

fn two_segments(state: &mut State) {
    state.segments = vec![pages(&[&["a", "b"], &[], &["c"]]), pages(&[&["d"]])];
}

#[tokio::test]
async fn every_item_of_every_page_comes_once_and_the_snapshot_ends_last() {
    let run = Running::configured(Fake::new(two_segments), super::read::NOW_MS, super::read::fast(), |config| {
        config.segments = Some(2);
    })
    .await;
    let outcome = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.sorted_ids(), ["a", "b", "c", "d"]);
    let snapshot = OrderKey::snapshot(outcome.checkpoint.epoch()).to_string();
    assert!(outcome.rows.iter().all(|(_, op, order)| *op == Op::Snapshot && *order == snapshot));
    assert!(outcome.checkpoint.snapshot_ended());
    assert_eq!(outcome.position("segment/0/2"), None, "ended segments are forgotten");
    assert_eq!(outcome.position("shard/s0"), Some(&Position::Start));
    assert_eq!(outcome.checkpoint.fact("segments"), Some("2"));
    let ended = outcome.batches.iter().position(|batch| batch.progress.snapshot_ended).unwrap();
    assert_eq!(outcome.batches[ended..].iter().map(|batch| batch.rows).sum::<usize>(), 0);
}

#[tokio::test]
async fn a_stream_is_read_together_with_the_snapshot() {
    let run = Running::new(Fake::new(|state| {
        state.segments = vec![pages(&[&["a"]])];
        state.shards = vec![Shard::new("s0", None, &[&[1, 2], &[3]])];
    }))
    .await;
    let outcome = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.sorted_ids(), ["a", "r1", "r2", "r3"]);
    assert_eq!(outcome.lags.last(), Some(&0));
}
