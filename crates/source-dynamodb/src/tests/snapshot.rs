//! The snapshot: segments, pages, resuming, faults.

use std::sync::Arc;
use std::time::Duration;

use commutator_core::{Checkpoint, Op, OrderKey, Position, Until};
use futures_util::StreamExt as _;

use super::fake::{Fake, Shard, State};
use super::read::{Outcome, Running};
use super::server::Reply;
use crate::tuning::Tuning;

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

#[tokio::test]
async fn a_snapshot_waits_for_its_turn_while_the_stream_is_followed() {
    let run = Running::configured(
        Fake::new(|state| {
            state.segments = vec![pages(&[&["a"]])];
            state.shards = vec![Shard::new("s0", None, &[&[1, 2], &[3]])];
        }),
        super::read::NOW_MS,
        super::read::fast(),
        |config| config.snapshot_concurrency = Some(1),
    )
    .await;
    let others_turn = Arc::clone(&run.source.connected().snapshots).acquire_owned().await.unwrap();
    let mut outcome = Outcome::new(&Checkpoint::default());
    let mut stream = run.stream(&Checkpoint::default(), Until::CaughtUp).await.unwrap();
    while outcome.rows.len() < 3 {
        assert!(outcome.take(stream.next().await));
    }
    assert_eq!(outcome.sorted_ids(), ["r1", "r2", "r3"]);
    assert!(run.fake.with(|state| !state.log.iter().any(|line| line.starts_with("Scan"))));
    drop(others_turn);
    while outcome.take(stream.next().await) {}
    assert_eq!(outcome.expect_end().sorted_ids(), ["a", "r1", "r2", "r3"]);
    assert_eq!(run.source.connected().snapshots.available_permits(), 1, "its turn is over");
}

#[tokio::test]
async fn the_shards_positions_and_facts_come_before_the_first_scan() {
    let run = Running::new(Fake::new(|state| {
        state.segments = vec![pages(&[&["a"]])];
        state.shards = vec![Shard::new("s0", None, &[&[1]]), Shard::new("s1", Some("s0"), &[])];
    }))
    .await;
    let outcome = run.read_rows(&Checkpoint::default(), 1).await;
    let first = &outcome.batches[0];
    assert_eq!(first.rows, 0);
    let spans: Vec<_> = first.progress.spans.keys().map(commutator_core::PartitionId::as_str).collect();
    assert_eq!(spans, ["shard/s0", "shard/s1"]);
    let facts: Vec<_> = first.progress.facts.keys().map(String::as_str).collect();
    assert_eq!(
        facts,
        ["changes_since", "segments", "segments_done", "snapshot_epoch", "snapshot_started_at", "stream_arn"]
    );
    let requests = run.fake.with(|state| state.log.clone());
    let first_scan = requests.iter().position(|line| line.starts_with("Scan")).unwrap();
    let listing = requests.iter().position(|line| line == "DescribeStream").unwrap();
    assert!(listing < first_scan);
}

#[tokio::test]
async fn a_snapshot_alone_makes_no_call_to_the_stream() {
    let run = Running::new(Fake::new(|state| {
        two_segments(state);
        state.view = None;
    }))
    .await;
    let outcome = run.read(&Checkpoint::default(), Until::SnapshotEnd).await.expect_end();
    assert_eq!(outcome.sorted_ids(), ["a", "b", "c", "d"]);
    assert!(outcome.checkpoint.snapshot_ended());
    assert!(run.fake.with(|state| state.log.iter().all(|l| l.starts_with("Scan") || l.starts_with("DescribeTable"))));
    let error = run.read(&outcome.checkpoint, Until::CaughtUp).await.error.unwrap();
    assert!(error.message().contains("--snapshot-only"), "{error}");
}

#[tokio::test]
async fn after_a_snapshot_alone_the_stream_is_read_from_its_beginning() {
    let run = Running::new(Fake::new(|state| {
        state.segments = vec![pages(&[&["a"]])];
        state.shards = vec![Shard::new("s0", None, &[&[1]])];
    }))
    .await;
    let alone = run.read(&Checkpoint::default(), Until::SnapshotEnd).await.expect_end();
    assert_eq!(alone.ids(), ["a"]);
    let both = run.read(&alone.checkpoint, Until::CaughtUp).await.expect_end();
    assert_eq!(both.ids(), ["r1"]);
}

#[tokio::test]
async fn a_cut_snapshot_goes_on_at_the_page_with_the_number_of_segments_it_began_with() {
    let fake = Fake::new(|state| {
        state.segments = vec![pages(&[&["a"], &["b"], &["c"]]), pages(&[&["d"], &["e"]])];
    });
    let run = Running::configured(fake, super::read::NOW_MS, super::read::fast(), |config| {
        config.segments = Some(2);
        config.scan_concurrency = Some(1);
    })
    .await;
    let mut checkpoint = Checkpoint::default();
    let mut ids = Vec::new();
    // Each run is cut after one row, wherever that is; the next one is configured for another number of segments.
    for _ in 0..5 {
        let cut = run.read_rows(&checkpoint, 1).await;
        ids.extend(cut.ids().into_iter().map(str::to_owned));
        checkpoint = cut.checkpoint;
    }
    assert_eq!(ids, ["a", "b", "c", "d", "e"]);
    run.fake.with(|state| state.log.clear());
    let other = Running::configured(run.fake.clone(), super::read::NOW_MS, super::read::fast(), |config| {
        config.segments = Some(5);
    })
    .await;
    let rest = other.read(&checkpoint, Until::CaughtUp).await.expect_end();
    assert_eq!(rest.ids(), Vec::<&str>::new());
    assert!(rest.checkpoint.snapshot_ended());
    assert_eq!(run.fake.requests("Scan"), Vec::<String>::new(), "both segments had ended");
}

#[tokio::test]
async fn an_epoch_that_begins_clears_what_is_left_of_the_one_before() {
    let run = Running::configured(Fake::new(two_segments), super::read::NOW_MS, super::read::fast(), |config| {
        config.segments = Some(2);
    })
    .await;
    let cut = run.read_rows(&Checkpoint::default(), 1).await;
    let next = cut.checkpoint.next_epoch(|_| true);
    let outcome = run.read(&next, Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.sorted_ids(), ["a", "b", "c", "d"]);
    let snapshot = OrderKey::snapshot(next.epoch()).to_string();
    assert!(outcome.rows.iter().all(|(_, _, order)| *order == snapshot));
}

#[tokio::test]
async fn a_consistent_snapshot_asks_for_consistent_reads() {
    let run = Running::configured(Fake::new(two_segments), super::read::NOW_MS, super::read::fast(), |config| {
        config.consistent_read = true;
    })
    .await;
    run.read(&Checkpoint::default(), Until::SnapshotEnd).await.expect_end();
    let scans = run.fake.requests("Scan");
    assert!(!scans.is_empty() && scans.iter().all(|line| line.ends_with("consistent")), "{scans:?}");
}

#[tokio::test]
async fn a_scan_asks_for_consistent_reads_until_what_was_written_before_it_has_settled() {
    for (settling, consistent) in [(Duration::from_mins(1), true), (Duration::ZERO, false)] {
        let tuning = Tuning { settling, ..super::read::fast() };
        let run = Running::configured(Fake::new(two_segments), super::read::NOW_MS, tuning, |_| {}).await;
        run.read(&Checkpoint::default(), Until::SnapshotEnd).await.expect_end();
        let scans = run.fake.requests("Scan");
        assert!(!scans.is_empty() && scans.iter().all(|line| line.ends_with("consistent") == consistent), "{scans:?}");
    }
}

#[tokio::test]
async fn a_page_of_several_batches_is_resumed_between_them() {
    // Tiny items and then one of very many attributes: the page does not fit one batch.
    let tiny: Vec<_> = (0..20_000).map(|i| format!(r#"{{"id":{{"S":"t{i:05}"}}}}"#)).collect();
    let wide = (0..400).fold(String::new(), |all, i| all + &format!(r#","a{i}":{{"N":"1"}}"#));
    let body = format!(r#"{{"Items":[{},{{"id":{{"S":"w"}}{wide}}}],"Count":20001}}"#, tiny.join(","));
    let run = Running::configured(
        Fake::new(|state| {
            state.segments = vec![pages(&[&["after"]])];
            state.faults.push_back(("Scan", Reply::ok(body)));
        }),
        super::read::NOW_MS,
        super::read::fast(),
        |config| config.segments = Some(1),
    )
    .await;
    let outcome = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.rows.len(), 20_001);
    let segment = commutator_core::PartitionId::new("segment/0/1");
    let ends: Vec<_> = outcome
        .batches
        .iter()
        .filter_map(|batch| Some((batch.rows, &batch.progress.spans.get(&segment)?.to)))
        .collect();
    assert_eq!(ends.iter().map(|(rows, _)| *rows).collect::<Vec<_>>(), [20_000, 1], "{ends:?}");
    let Position::At(between) = ends[0].1 else { panic!("{ends:?}") };
    assert_eq!(between.resume.as_deref(), Some(r#"{"id":{"S":"t19999"}}"#));
    assert_eq!(*ends[1].1, Position::End);
    assert!(outcome.checkpoint.snapshot_ended());
}
