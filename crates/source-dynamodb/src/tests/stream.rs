//! The stream: lineage, last pages, iterators, trimmed data, gaps.

use std::time::Duration;

use commutator_core::{Checkpoint, ErrorKind, Op, OrderKey, PartitionId, Position, Until};
use futures_util::StreamExt as _;

use super::fake::{ARN, Fake, Shard};
use super::read::{HOUR_MS, NOW_MS, Running, fast};
use super::server::Reply;
use crate::tuning::Tuning;

/// Shards of an empty table.
fn shards(shards: Vec<Shard>) -> Fake {
    Fake::new(|state| state.shards = shards)
}

/// The checkpoint after everything was read.
async fn caught_up(run: &Running) -> Checkpoint {
    run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end().checkpoint
}

#[tokio::test]
async fn the_last_page_of_a_closed_shard_has_records_and_a_null_iterator() {
    let closed = Shard::new("s0", None, &[&[1, 2], &[3]]).closed();
    let run = Running::new(shards(vec![closed, Shard::new("s1", Some("s0"), &[&[4]])])).await;
    let outcome = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.ids(), ["r1", "r2", "r3", "r4"]);
    assert_eq!(outcome.shards(), [("s0", true), ("s1", false)]);
    let order = OrderKey::new(outcome.checkpoint.epoch(), 4.into()).to_string();
    assert_eq!(outcome.rows[3], ("r4".to_owned(), Op::Insert, order));
}

#[tokio::test]
async fn a_shard_is_open_although_its_ending_sequence_number_is_set() {
    // The fake sets it on every shard.
    let run = Running::new(shards(vec![Shard::new("s0", None, &[&[1]])])).await;
    let first = caught_up(&run).await;
    run.fake.with(|state| state.shards[0].pages.push(vec![12]));
    assert_eq!(run.read(&first, Until::CaughtUp).await.expect_end().ids(), ["r12"]);
}

#[tokio::test]
async fn parents_come_before_their_children_whatever_order_they_are_listed_in() {
    let mut tree = vec![Shard::new("root", None, &[&[1], &[], &[2]]).closed()];
    for (side, base) in [("l", 10), ("r", 20)] {
        tree.push(Shard::new(side, Some("root"), &[&[base], &[base + 1]]).closed());
        tree.push(Shard::new(&format!("{side}{side}"), Some(side), &[&[], &[base + 2]]));
    }
    tree.reverse();
    let fake = shards(tree);
    fake.with(|state| state.describe_pages = 3);
    let run = Running::new(fake).await;
    let outcome = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.sorted_ids(), ["r1", "r10", "r11", "r12", "r2", "r20", "r21", "r22"]);
    let at = |id: &str| outcome.ids().iter().position(|i| *i == id).unwrap();
    for order in [["r1", "r2", "r10", "r11", "r12"], ["r1", "r2", "r20", "r21", "r22"]] {
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{:?}", outcome.ids());
    }
    let iterators = run.fake.requests("GetShardIterator");
    assert!(iterators.iter().all(|line| line.contains("TRIM_HORIZON")), "{iterators:?}");
}

#[tokio::test]
async fn empty_pages_in_the_middle_are_not_the_end() {
    let run = Running::new(shards(vec![Shard::new("s0", None, &[&[], &[1], &[], &[], &[2]])])).await;
    assert_eq!(run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end().ids(), ["r1", "r2"]);
}

#[tokio::test]
async fn many_shards_share_few_readers() {
    let many = (0..60).map(|i| Shard::new(&format!("s{i:02}"), None, &[&[i + 1], &[i + 101]])).collect();
    let run = Running::new(shards(many)).await;
    let outcome = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.rows.len(), 120);
}

#[tokio::test]
async fn a_run_goes_on_after_the_last_record_and_finds_shards_that_are_new() {
    let run = Running::new(shards(vec![Shard::new("s0", None, &[&[1], &[2]])])).await;
    let first = caught_up(&run).await;
    run.fake.with(|state| {
        state.log.clear();
        state.shards[0].pages.push(vec![3]);
        state.shards[0].closed = true;
        state.shards.push(Shard::new("s1", Some("s0"), &[&[4]]));
    });
    let outcome = run.read(&first, Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.ids(), ["r3", "r4"]);
    let iterators = run.fake.requests("GetShardIterator");
    assert_eq!(iterators, ["GetShardIterator s0 AFTER_SEQUENCE_NUMBER 2", "GetShardIterator s1 TRIM_HORIZON 0"]);
    assert!(run.fake.requests("Scan").is_empty(), "the snapshot has ended");
}

#[tokio::test]
async fn a_run_without_end_delivers_what_comes_later() {
    let run = Running::new(shards(vec![Shard::new("s0", None, &[&[1]])])).await;
    let mut outcome = super::read::Outcome::new(&Checkpoint::default());
    let mut stream = run.stream(&Checkpoint::default(), Until::Stopped).await.unwrap();
    for (rows, more) in [(1, vec![2]), (2, vec![]), (2, vec![3])] {
        while outcome.rows.len() < rows {
            assert!(outcome.take(stream.next().await));
        }
        run.fake.with(|state| state.shards[0].pages.push(more));
    }
    while outcome.rows.len() < 3 {
        assert!(outcome.take(stream.next().await));
    }
    assert_eq!(outcome.ids(), ["r1", "r2", "r3"]);
    // Without changes, too, it is stored from time to time that the stream was read.
    while outcome.checkpoint.fact("caught_up_at").is_none() {
        assert!(outcome.take(stream.next().await));
    }
    drop(stream);
}

#[tokio::test]
async fn an_expired_iterator_is_replaced() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1], &[2]])]);
    let expired = || Reply::error(400, "ExpiredIteratorException", "expired");
    fake.with(|state| state.faults.extend([("GetRecords", expired()), ("GetRecords", expired())]));
    let run = Running::new(fake).await;
    assert_eq!(run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end().ids(), ["r1", "r2"]);
    assert_eq!(run.fake.requests("GetShardIterator").len(), 3);
}

#[tokio::test]
async fn old_records_are_left_out_because_the_scan_has_seen_them() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let run = Running::new(fake.clone()).await;
    fake.with(|state| state.created_s = NOW_MS / 1000 - 601);
    let outcome = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.ids(), Vec::<&str>::new());
    assert!(matches!(outcome.position("shard/s0"), Some(Position::At(_))), "they move the position");
    fake.with(|state| state.created_s = NOW_MS / 1000 - 600);
    assert_eq!(run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end().ids(), ["r1"]);
}

#[tokio::test]
async fn trimmed_data_is_a_gap_if_something_can_have_been_lost() {
    for at_iterator in [true, false] {
        let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
        let run = Running::new(fake.clone()).await;
        let first = caught_up(&run).await;
        fake.with(|state| {
            state.trimmed_at_iterator = at_iterator;
            state.shards = vec![Shard::new("s0", None, &[&[1], &[2], &[3]]).trimmed(2)];
        });
        // Within a day of the last time that the stream was read to its tip, only what was read can have been trimmed.
        let soon = Running::at(fake.clone(), NOW_MS + 22 * HOUR_MS).await;
        let outcome = soon.read(&first, Until::CaughtUp).await.expect_end();
        assert_eq!(outcome.ids(), ["r3"]);
        let late = Running::at(fake, NOW_MS + 24 * HOUR_MS).await;
        let gap = late.read(&first, Until::CaughtUp).await.gap.unwrap();
        assert_eq!(gap.partitions, [PartitionId::new("shard/s0")]);
    }
}

#[tokio::test]
async fn records_that_were_read_before_the_trim_do_not_come_again() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1], &[2]])]);
    let first = caught_up(&Running::new(fake.clone()).await).await;
    // The page of the position is gone for a moment, and a horizon behind it: page 1 has record 2, which was read.
    fake.with(|state| {
        state.faults.push_back(("GetShardIterator", Reply::error(400, "TrimmedDataAccessException", "trimmed")));
        state.shards[0].pages.push(vec![3]);
    });
    let outcome = Running::new(fake).await.read(&first, Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.ids(), ["r3"]);
}

#[tokio::test]
async fn a_stream_that_was_idle_for_a_day_is_a_gap_and_the_next_epoch_repairs_it() {
    let fake = shards(vec![Shard::new("s0", None, &[])]);
    let first = caught_up(&Running::new(fake.clone()).await).await;
    let late = Running::at(fake.clone(), NOW_MS + 30 * HOUR_MS).await;
    let gap = late.read(&first, Until::CaughtUp).await.gap.unwrap();
    assert!(gap.reason.contains("30 hours"), "{}", gap.reason);
    assert_eq!(gap.noticed_at, NOW_MS + 30 * HOUR_MS);
    let next = first.after_gap(&gap);
    fake.with(|state| {
        state.segments = vec![vec![vec!["a".to_owned()]]];
        state.created_s = NOW_MS / 1000 + 30 * 3600;
        state.shards[0].pages.push(vec![1]);
    });
    let repaired = late.read(&next, Until::CaughtUp).await.expect_end();
    assert_eq!(repaired.sorted_ids(), ["a", "r1"]);
}

#[tokio::test]
async fn a_replaced_stream_is_a_gap_that_names_it() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let run = Running::new(fake.clone()).await;
    let first = caught_up(&run).await;
    fake.with(|state| state.arn = "arn:another".to_owned());
    let gap = run.read(&first, Until::CaughtUp).await.gap.unwrap();
    assert!(gap.reason.contains(ARN) && gap.reason.contains("arn:another"), "{}", gap.reason);
    assert!(gap.facts.contains(&"stream_arn".to_owned()));
    let next = first.after_gap(&gap);
    let repaired = run.read(&next, Until::CaughtUp).await.expect_end();
    assert_eq!(repaired.ids(), ["r1"]);
    assert_eq!(repaired.checkpoint.fact("stream_arn"), Some("arn:another"));
}

/// Follows a stream of which one record was read, and that is then switched off with another one in it.
async fn switched_off(change: impl FnOnce(&mut super::fake::State)) -> super::read::Outcome {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let run = Running::new(fake.clone()).await;
    let mut outcome = super::read::Outcome::new(&Checkpoint::default());
    let mut stream = run.stream(&Checkpoint::default(), Until::Stopped).await.unwrap();
    while outcome.rows.is_empty() {
        assert!(outcome.take(stream.next().await));
    }
    fake.with(|state| {
        state.shards[0].pages.push(vec![2]);
        state.shards[0].closed = true;
        state.stream_status = "DISABLED";
        change(state);
    });
    while outcome.take(stream.next().await) {}
    assert_eq!(outcome.ids(), ["r1", "r2"], "it is read to its end first");
    outcome
}

#[tokio::test]
async fn a_stream_that_is_switched_off_during_a_run_is_an_error_that_names_the_way_on() {
    let error = switched_off(|state| state.view = None).await.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
    assert!(error.message().contains("StreamEnabled=true"), "{error}");
}

#[tokio::test]
async fn a_stream_that_is_replaced_during_a_run_is_a_gap() {
    let gap = switched_off(|state| state.latest_arn = Some("arn:another".to_owned())).await.gap.unwrap();
    assert!(gap.reason.contains("arn:another"), "{}", gap.reason);
    assert!(gap.facts.contains(&"stream_arn".to_owned()));
}

#[tokio::test]
async fn a_stream_that_does_not_exist_any_more_is_a_gap_if_another_took_its_place() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let run = Running::new(fake.clone()).await;
    let mut outcome = super::read::Outcome::new(&Checkpoint::default());
    let mut stream = run.stream(&Checkpoint::default(), Until::Stopped).await.unwrap();
    while outcome.rows.is_empty() {
        assert!(outcome.take(stream.next().await));
    }
    fake.with(|state| {
        state.arn = "arn:another".to_owned();
        state.shards.clear();
    });
    while outcome.take(stream.next().await) {}
    assert!(outcome.gap.unwrap().reason.contains("arn:another"));
}

#[tokio::test]
async fn iterators_that_are_too_old_are_replaced_before_they_are_used() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1], &[2], &[3]])]);
    let tuning = Tuning { iterator_age: Duration::ZERO, ..fast() };
    let run = Running::configured(fake, NOW_MS, tuning, |_| {}).await;
    let outcome = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
    assert_eq!(outcome.ids(), ["r1", "r2", "r3"]);
    let asked = run.fake.requests("GetShardIterator");
    let expected = ["TRIM_HORIZON 0", "AFTER_SEQUENCE_NUMBER 1", "AFTER_SEQUENCE_NUMBER 2", "AFTER_SEQUENCE_NUMBER 3"];
    assert_eq!(asked[..4], expected.map(|from| format!("GetShardIterator s0 {from}")));
    assert_eq!(asked.len(), run.fake.requests("GetRecords").len());
}

#[tokio::test]
async fn shards_that_vanish_before_their_end_are_a_gap() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let run = Running::new(fake.clone()).await;
    let first = caught_up(&run).await;
    fake.with(|state| state.shards = vec![Shard::new("s9", Some("s8"), &[])]);
    let gap = run.read(&first, Until::CaughtUp).await.gap.unwrap();
    assert!(gap.reason.contains("s0"), "{}", gap.reason);
    assert_eq!(gap.partitions, [PartitionId::new("shard/s0")]);
    // The orphan is no reason for another gap in the next epoch.
    let next = first.after_gap(&gap);
    run.read(&next, Until::CaughtUp).await.expect_end();
}

#[tokio::test]
async fn a_child_that_is_listed_before_its_parent_waits_for_it() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]]).closed(), Shard::new("s1", Some("s0"), &[&[2]]).closed()]);
    let run = Running::new(fake.clone()).await;
    fake.with(|state| state.shards.push(Shard::new("s2", Some("s1"), &[&[3]])));
    let first = caught_up(&run).await;
    // s4 is listed, its parent s3 not yet.
    fake.with(|state| {
        state.shards[2].closed = true;
        state.shards.push(Shard::new("s4", Some("s3"), &[&[5]]));
    });
    let later = fake.clone();
    let appears = tokio::spawn(async move {
        while later.with(|state| state.log.iter().filter(|line| *line == "DescribeStream").count()) < 5 {
            tokio::task::yield_now().await;
        }
        later.with(|state| state.shards.insert(3, Shard::new("s3", Some("s2"), &[&[4]]).closed()));
    });
    let outcome = run.read(&first, Until::CaughtUp).await.expect_end();
    appears.await.unwrap();
    assert_eq!(outcome.ids(), ["r4", "r5"]);
}

#[tokio::test]
async fn a_shard_that_is_missing_for_a_moment_while_an_orphan_waits_is_not_taken_for_gone() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let run = Running::new(fake.clone()).await;
    let first = caught_up(&run).await;
    // A young parent that is listed late is waited for, in more listings than make a shard that is gone believed.
    let young = |name: &str| format!("shardId-{NOW_MS:020}-{name}");
    let (parent, child) = (young("p"), young("c"));
    let listings = |fake: &Fake| fake.with(|state| state.log.iter().filter(|line| *line == "DescribeStream").count());
    fake.with(|state| state.shards.push(Shard::new(&child, Some(&parent), &[&[5]])));
    let later = fake.clone();
    let changes = tokio::spawn(async move {
        let until = async |more: usize| {
            let wanted = listings(&later) + more;
            while listings(&later) < wanted {
                tokio::task::yield_now().await;
            }
        };
        until(10).await;
        let gone = later.with(|state| state.shards.remove(0));
        until(2).await;
        later.with(|state| {
            state.shards.insert(0, gone);
            state.shards.push(Shard::new(&parent, Some("s0"), &[&[4]]).closed());
            state.shards[0].closed = true;
        });
    });
    let outcome = run.read(&first, Until::CaughtUp).await.expect_end();
    changes.await.unwrap();
    assert_eq!(outcome.ids(), ["r4", "r5"]);
}

#[tokio::test]
async fn a_shard_that_the_first_listing_of_a_new_epoch_lacks_goes_on_where_it_stood() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]]), Shard::new("s1", None, &[&[2]])]);
    let run = Running::new(fake.clone()).await;
    let first = caught_up(&run).await;
    let listings = |fake: &Fake| fake.with(|state| state.log.iter().filter(|line| *line == "DescribeStream").count());
    let before = listings(&fake);
    fake.with(|state| drop(state.shards.remove(0)));
    let later = fake.clone();
    let appears = tokio::spawn(async move {
        while listings(&later) < before + 2 {
            tokio::task::yield_now().await;
        }
        later.with(|state| state.shards.insert(0, Shard::new("s0", None, &[&[1], &[3]])));
    });
    let outcome = run.read(&first.next_epoch(|_| true), Until::CaughtUp).await.expect_end();
    appears.await.unwrap();
    assert_eq!(outcome.ids(), ["r3"], "nothing is read twice");
}

#[tokio::test]
async fn an_orphan_is_read_if_nothing_can_be_missing_and_is_a_gap_otherwise() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let first = caught_up(&Running::new(fake.clone()).await).await;
    fake.with(|state| state.shards.push(Shard::new("s9", Some("s8"), &[&[9]])));
    let soon = Running::at(fake.clone(), NOW_MS + HOUR_MS).await;
    assert_eq!(soon.read(&first, Until::CaughtUp).await.expect_end().ids(), ["r9"]);
}

#[tokio::test]
async fn ends_are_forgotten_once_they_are_not_listed_any_more() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]]).closed(), Shard::new("s1", Some("s0"), &[&[2]])]);
    let run = Running::new(fake.clone()).await;
    let first = caught_up(&run).await;
    assert_eq!(first.partitions().len(), 2);
    fake.with(|state| drop(state.shards.remove(0)));
    let mut outcome = super::read::Outcome::new(&first);
    let mut stream = run.stream(&first, Until::Stopped).await.unwrap();
    while outcome.checkpoint.partitions().len() == 2 {
        assert!(outcome.take(stream.next().await));
    }
    drop(stream);
    assert_eq!(outcome.shards(), [("s1", false)]);
    run.read(&outcome.checkpoint, Until::CaughtUp).await.expect_end();
}

#[tokio::test]
async fn streams_that_cannot_be_followed_are_refused_with_the_way_on() {
    for view in [None, Some("KEYS_ONLY"), Some("OLD_IMAGE")] {
        let fake = Fake::new(|state| state.view = view);
        let error = Running::new(fake).await.read(&Checkpoint::default(), Until::Stopped).await.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("--snapshot-only"), "{error}");
        assert!(error.message().contains("aws dynamodb update-table --table-name orders"), "{error}");
    }
}
