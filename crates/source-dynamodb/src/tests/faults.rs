//! Faults of the wire and of the service: slowed down or stopped, nothing lost.

use commutator_core::{Checkpoint, ErrorKind, Until};
use futures_util::StreamExt as _;

use super::fake::{Fake, Shard};
use super::read::{NOW_MS, Outcome, Running, fast};
use super::server::{Crc, Reply, Sent};

fn a_table() -> Fake {
    Fake::new(|state| {
        state.segments = vec![vec![vec!["a".to_owned()], vec!["b".to_owned()]]];
        state.shards = vec![Shard::new("s0", None, &[&[1], &[2]])];
    })
}

fn throttled() -> Reply {
    Reply::error(400, "ProvisionedThroughputExceededException", "slow down")
}

fn page() -> Reply {
    Reply::ok(r#"{"Items": [{"id": {"S": "wrong"}}], "Count": 1, "Records": []}"#)
}

#[tokio::test]
async fn throttling_server_errors_dropped_connections_and_damaged_pages_are_retried() {
    let faults = [
        throttled(),
        Reply::error(400, "ThrottlingException", "slow down"),
        Reply::error(500, "InternalServerError", "oops"),
        Reply { status: 503, ..Reply::ok("<html>") },
        Reply { sent: Sent::Half, ..page() },
        Reply { sent: Sent::Nothing, ..page() },
        Reply { crc: Crc::Wrong, ..page() },
    ];
    for operation in ["Scan", "GetRecords"] {
        for fault in &faults {
            let fake = a_table();
            fake.with(|state| state.faults.extend(vec![(operation, fault.clone()); 3]));
            let run = Running::new(fake).await;
            let outcome = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
            assert_eq!(outcome.sorted_ids(), ["a", "b", "r1", "r2"], "{operation} {fault:?}");
            assert!(run.fake.with(|state| state.faults.is_empty()));
        }
    }
}

#[tokio::test]
async fn an_error_after_a_damaged_page_is_still_the_services_error() {
    let denied = Reply::error(400, "AccessDeniedException", "not allowed");
    for damaged in [Reply { crc: Crc::Wrong, ..page() }, Reply { sent: Sent::Half, ..page() }] {
        let fake = a_table();
        // The call starts over after the first refusal, so that the SDK reads the second.
        let faults = [damaged, denied.clone(), denied.clone()].map(|reply| ("Scan", reply));
        fake.with(|state| state.faults.extend(faults));
        let error = Running::new(fake).await.read(&Checkpoint::default(), Until::SnapshotEnd).await.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        assert!(error.message().contains("dynamodb:Scan"), "{error}");
    }
}

#[tokio::test]
async fn damaged_pages_and_throttling_in_turns_are_survived() {
    for operation in ["Scan", "GetRecords"] {
        let fake = a_table();
        let turns =
            [Reply { crc: Crc::Wrong, ..page() }, throttled(), Reply { sent: Sent::Half, ..page() }, throttled()];
        fake.with(|state| state.faults.extend(turns.map(|reply| (operation, reply))));
        let outcome = Running::new(fake).await.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end();
        assert_eq!(outcome.sorted_ids(), ["a", "b", "r1", "r2"]);
    }
}

#[tokio::test]
async fn a_page_without_a_checksum_is_taken() {
    let fake = a_table();
    let reply = Reply { crc: Crc::Absent, ..Reply::ok(r#"{"Items": [{"id": {"S": "x"}}], "Count": 1}"#) };
    fake.with(|state| state.faults.push_back(("Scan", reply)));
    let outcome = Running::new(fake).await.read(&Checkpoint::default(), Until::SnapshotEnd).await.expect_end();
    assert_eq!(outcome.ids(), ["x"]);
}

/// Fails when an upgrade of the SDK goes around the hook: its own deserializer reads bodies into values that are thrown away here.
#[tokio::test]
async fn the_hook_hands_out_the_bytes_as_they_were_sent() {
    let fake = a_table();
    let body = r#"{ "Items": [ ], "unknown": "ü\n",   "Count":0 }"#;
    fake.with(|state| {
        state.faults.push_back(("Scan", Reply::ok(body)));
        state.faults.push_back(("GetRecords", Reply::ok(body)));
    });
    let run = Running::new(fake).await;
    let client = run.client();
    let request = crate::client::ScanPageRequest {
        table: super::read::orders(),
        segment: 0,
        segments: 1,
        consistent: false,
        after: None,
        limit: None,
    };
    assert_eq!(client.scan(&request).await.unwrap(), body.as_bytes());
    assert_eq!(client.records("s0|0|0").await.unwrap(), body.as_bytes());
}

#[tokio::test]
async fn attempts_are_bounded_and_the_error_can_be_retried() {
    let fake = a_table();
    fake.with(|state| state.faults.extend(vec![("Scan", throttled()); 50]));
    let tuning = crate::tuning::Tuning { attempts: 5, ..fast() };
    let run = Running::configured(fake, NOW_MS, tuning, |_| {}).await;
    let error = run.read(&Checkpoint::default(), Until::SnapshotEnd).await.error.unwrap();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Throttled, commutator_core::Retry::Backoff));
    assert_eq!(run.fake.requests("Scan").len(), 5);
}

#[tokio::test]
async fn a_page_that_cannot_be_decoded_stops_the_table_with_its_position() {
    let fake = a_table();
    let broken = Reply::ok(r#"{"Items": [{"id": {"S": "secret-value}]}"#);
    fake.with(|state| state.faults.push_back(("Scan", broken.clone())));
    let error = Running::new(fake).await.read(&Checkpoint::default(), Until::SnapshotEnd).await.error.unwrap();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    let context = |key: &str| error.context().iter().find(|(k, _)| *k == key).unwrap().1.clone();
    assert_eq!((context("table"), context("partition")), ("orders".to_owned(), "segment/0/1".to_owned()));
    assert_eq!(context("position"), "after page 0");
    assert!(!format!("{error:?}").contains("secret-value"), "{error:?}");

    let fake = a_table();
    let run = Running::new(fake.clone()).await;
    let caught_up = run.read(&Checkpoint::default(), Until::CaughtUp).await.expect_end().checkpoint;
    fake.with(|state| {
        state.shards[0].pages.extend([vec![3], vec![4]]);
        state.faults.push_back(("GetRecords", Reply::ok(r#"{"Records": [{"eventName": 1}]}"#)));
    });
    let error = run.read(&caught_up, Until::CaughtUp).await.error.unwrap();
    let context = |key: &str| error.context().iter().find(|(k, _)| *k == key).unwrap().1.clone();
    assert_eq!(error.kind(), ErrorKind::DataInvalid);
    assert_eq!(
        (context("partition"), context("position")),
        ("shard/s0".to_owned(), "after sequence number 2".to_owned())
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_denied_table_names_the_action() {
    for (operation, action) in [
        ("DescribeTable", "dynamodb:DescribeTable"),
        ("Scan", "dynamodb:Scan"),
        ("DescribeStream", "dynamodb:DescribeStream"),
        ("GetShardIterator", "dynamodb:GetShardIterator"),
        ("GetRecords", "dynamodb:GetRecords"),
    ] {
        let fake = a_table();
        fake.with(|state| state.faults.push_back((operation, Reply::error(400, "AccessDeniedException", "no"))));
        let error = Running::new(fake).await.read(&Checkpoint::default(), Until::Stopped).await.error.unwrap();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        assert!(error.message().contains(action), "{error}");
        assert!(error.to_string().contains("table: orders"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let run = Running::configured(a_table(), NOW_MS, crate::tuning::Tuning { attempts: 2, ..fast() }, |config| {
        // Nothing listens on the discard port of this machine.
        config.endpoint_url = Some("http://127.0.0.1:9".to_owned());
    })
    .await;
    let error = run.read(&Checkpoint::default(), Until::CaughtUp).await.error.unwrap();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, commutator_core::Retry::Backoff), "{error:?}");
}

#[tokio::test]
async fn dropping_the_events_stops_all_calls() {
    let run = Running::new(a_table()).await;
    let mut outcome = Outcome::new(&Checkpoint::default());
    let mut stream = run.stream(&Checkpoint::default(), Until::Stopped).await.unwrap();
    while outcome.rows.len() < 4 {
        assert!(outcome.take(stream.next().await));
    }
    drop(stream);
    // What was on its way may still arrive; after that nothing does.
    let mut calls = run.fake.with(|state| state.log.len());
    for _ in 0..50 {
        tokio::time::sleep(fast().idle_poll * 4).await;
        let now = run.fake.with(|state| state.log.len());
        if now == calls {
            return;
        }
        calls = now;
    }
    panic!("calls go on");
}

#[tokio::test]
async fn memory_of_waiting_batches_is_bounded_and_comes_back() {
    let fake = Fake::new(|state| {
        let page = |p: usize| (0..200).map(|i| format!("{p}-{i}")).collect();
        state.segments = vec![(0..40).map(page).collect()];
    });
    let run = Running::new(fake).await;
    let mut stream = run.stream(&Checkpoint::default(), Until::SnapshotEnd).await.unwrap();
    let (mut rows, mut most) = (0, 0);
    while let Some(event) = stream.next().await {
        if let commutator_core::SourceEvent::Batch(batch) = event.unwrap() {
            rows += batch.changes.as_ref().map_or(0, commutator_core::ChangeBatch::len);
            most = most.max(run.budget().used());
        }
    }
    assert_eq!(rows, 8_000);
    assert!(most > 0);
    assert_eq!(run.budget().used(), 0);
}
