//! What a checkpoint does not have yet, and a resync by hand, which leaves no change out.

use commutator_core::{Backlog, Checkpoint, ErrorKind, Source as _, Until};

use super::fake::{Fake, Shard};
use super::read::{HOUR_MS, NOW_MS, Running, orders};
use super::server::Reply;

const HOUR: u64 = 3_600_000;

fn shards(shards: Vec<Shard>) -> Fake {
    Fake::new(|state| state.shards = shards)
}

async fn caught_up(fake: &Fake) -> Checkpoint {
    Running::new(fake.clone()).await.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end().checkpoint
}

async fn backlog(fake: &Fake, now_ms: i64, checkpoint: &Checkpoint) -> Backlog {
    let run = Running::at(fake.clone(), now_ms).await;
    fake.with(|state| state.log.clear());
    run.source.backlog(&orders(), checkpoint).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_table_that_was_read_has_nothing_unread_and_a_day_less_an_hour() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1], &[2]])]);
    let first = caught_up(&fake).await;
    let now = backlog(&fake, NOW_MS, &first).await;
    assert_eq!((now.oldest_unread, now.unread_partitions, now.complete, &now.gap), (None, 0, true, &None));
    assert_eq!((now.behind(), now.time_left), (Some(0), Some(23 * HOUR)));
    let later = backlog(&fake, NOW_MS + 5 * HOUR_MS, &first).await;
    assert_eq!((later.behind(), later.time_left), (Some(5 * HOUR), Some(18 * HOUR)));
}

#[tokio::test]
async fn the_oldest_unread_change_is_found_behind_empty_pages_and_ended_parents() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]]), Shard::new("idle", None, &[])]);
    let first = caught_up(&fake).await;
    fake.with(|state| {
        state.created_s = NOW_MS / 1000 + 3600;
        state.shards[0].closed = true;
        state.shards[0].pages.push(vec![]);
        state.shards.push(Shard::new("s1", Some("s0"), &[&[], &[], &[5]]));
        state.shards.push(Shard::new("s2", Some("s1"), &[&[6]]));
    });
    let now = backlog(&fake, NOW_MS + 3 * HOUR_MS, &first).await;
    assert_eq!((now.oldest_unread_age(), now.unread_partitions, now.complete), (Some(2 * HOUR), 1, true));
    assert_eq!(now.time_left, Some(20 * HOUR), "the time since the stream was read to its tip decides");
    let asked = fake.requests("GetShardIterator");
    assert!(!asked.iter().any(|line| line.contains("s2")), "a child has newer records: {asked:?}");
    assert!(fake.requests("Scan").is_empty());
}

#[tokio::test]
async fn no_more_shards_are_asked_than_is_said() {
    let fake = shards((0..50).map(|i| Shard::new(&format!("s{i:02}"), None, &[])).collect());
    let first = caught_up(&fake).await;
    fake.with(|state| state.shards.iter_mut().for_each(|shard| shard.pages.push(vec![7])));
    let now = backlog(&fake, NOW_MS + HOUR_MS, &first).await;
    assert_eq!((now.unread_partitions, now.complete), (32, false));
    assert_eq!(fake.requests("GetShardIterator").len(), 32);
    assert_eq!(fake.requests("GetRecords").len(), 32);
}

#[tokio::test]
async fn what_a_run_would_call_a_gap_is_named() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let first = caught_up(&fake).await;
    let idle = backlog(&fake, NOW_MS + 30 * HOUR_MS, &first).await;
    assert!(idle.gap.as_ref().unwrap().contains("30 hours ago"), "{idle:?}");
    assert_eq!(idle.time_left, Some(0));
    fake.with(|state| state.shards = vec![Shard::new("s9", None, &[])]);
    let vanished = backlog(&fake, NOW_MS + HOUR_MS, &first).await;
    assert!(vanished.gap.as_ref().unwrap().contains("vanished") && vanished.gap.unwrap().contains("s0"));
    fake.with(|state| state.arn = "arn:another".to_owned());
    let replaced = backlog(&fake, NOW_MS + HOUR_MS, &first).await;
    assert!(replaced.gap.unwrap().contains("arn:another"));
    // Once a resync was asked for, a snapshot begins, and what was lost does not matter.
    let asked = backlog(&fake, NOW_MS + HOUR_MS, &first.hand_over()).await;
    assert_eq!(asked.gap, None);
}

#[tokio::test]
async fn records_that_were_trimmed_after_they_were_read_are_no_gap() {
    for at_iterator in [true, false] {
        let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
        let first = caught_up(&fake).await;
        fake.with(|state| {
            state.trimmed_at_iterator = at_iterator;
            state.shards = vec![Shard::new("s0", None, &[&[1], &[2], &[3]]).trimmed(2)];
        });
        let now = backlog(&fake, NOW_MS + 22 * HOUR_MS, &first).await;
        assert_eq!((now.gap, now.unread_partitions), (None, 1));
        assert_eq!(now.time_left, Some(HOUR));
    }
}

#[tokio::test]
async fn a_stream_that_is_off_leaves_the_time_and_a_refused_call_is_an_error() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let first = caught_up(&fake).await;
    fake.with(|state| state.view = None);
    let off = backlog(&fake, NOW_MS + HOUR_MS, &first).await;
    assert_eq!((off.time_left, off.complete, off.gap), (Some(22 * HOUR), false, None));
    fake.with(|state| {
        state.view = Some("NEW_IMAGE");
        state.faults.push_back(("GetRecords", Reply::error(400, "AccessDeniedException", "no")));
    });
    let run = Running::new(fake).await;
    let error = run.source.backlog(&orders(), &first).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("orders") && error.to_string().contains("shard/s0"), "{error}");
}

#[tokio::test]
async fn a_resync_by_hand_reads_every_change_that_was_not_read_however_old() {
    let fake = shards(vec![Shard::new("s0", None, &[&[1]])]);
    let first = caught_up(&fake).await;
    fake.with(|state| {
        state.shards[0].pages.push(vec![2]);
        state.segments = vec![vec![vec!["a".to_owned()]]];
    });
    let late = Running::at(fake.clone(), NOW_MS + 2 * HOUR_MS).await;
    let anew = late.read(&first.hand_over(), Until::CaughtUp).await.expect_end();
    assert_eq!(anew.sorted_ids(), ["a", "r2"], "the scan, and the change that was made two hours before it");
    // The same, if the run that takes it up is killed before it has read a segment.
    let mut begun = super::read::Outcome::new(&first.hand_over());
    let mut stream = late.stream(&begun.checkpoint, Until::CaughtUp).await.unwrap();
    assert!(begun.take(futures_util::StreamExt::next(&mut stream).await));
    drop(stream);
    assert!(begun.rows.is_empty());
    let later = Running::at(fake, NOW_MS + 3 * HOUR_MS).await;
    let anew = later.read(&begun.checkpoint, Until::CaughtUp).await.expect_end();
    assert_eq!(anew.sorted_ids(), ["a", "r2"]);
}
