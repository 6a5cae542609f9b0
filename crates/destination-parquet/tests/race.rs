//! Writers that take a table from each other all the time: what was committed is there, once.

use std::collections::HashMap;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use commutator_core::{ErrorKind, LogicalType, Op, SyncMode};
use commutator_destination_parquet::{Config, Parquet};

use crate::table::{Writer, at, batch, schema, target};

const WRITERS: i64 = 4;
const COMMITS: i64 = 12;

/// Commits rows of its own, taking the table over anew after it was fenced; returns the ids of those that were acknowledged.
async fn write(parquet: Parquet, writer: i64) -> Vec<i64> {
    let columns = schema(&[("id", LogicalType::Int64)]);
    let target = target("orders", SyncMode::Append);
    let mut acknowledged = Vec::new();
    let mut session = None;
    for commit in 0..COMMITS {
        let id = writer * COMMITS + commit;
        let mut open = match session.take() {
            Some(open) => open,
            // With so many writers nobody may get through for a while.
            None => match Writer::try_open(&parquet, &target).await {
                Ok(open) => open,
                Err(error) if error.kind() == ErrorKind::Unavailable => continue,
                Err(error) => panic!("{error:?}"),
            },
        };
        match open.commit(&batch(&columns, &[(Op::Insert, at(1), vec![id.into()])])).await {
            Ok(()) => {
                acknowledged.push(id);
                session = Some(open);
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Fenced, "{error:?}"),
        }
        tokio::task::yield_now().await;
    }
    acknowledged
}

async fn race(config: Config) {
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        // Connections of their own, as of different processes.
        writers.spawn(write(config.clone().connect().await.unwrap(), writer));
    }
    let acknowledged: Vec<i64> = writers.join_all().await.concat();
    assert!(!acknowledged.is_empty());
    let rows = config.connect().await.unwrap().rows(&target("orders", SyncMode::Append)).await.unwrap().unwrap();
    let mut counts: HashMap<i64, u32> = HashMap::new();
    for &id in rows.rows().column(0).as_primitive::<Int64Type>().values() {
        *counts.entry(id).or_default() += 1;
    }
    assert!(acknowledged.iter().all(|id| counts.contains_key(id)), "a commit was lost: {acknowledged:?} {counts:?}");
    assert!(counts.values().all(|&count| count == 1), "a commit was doubled: {counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_on_a_local_disk_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    race(Config::new(folder.path().to_str().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_on_s3_lose_and_double_nothing() {
    if let Some(config) = crate::s3::config_or_skip() {
        race(config).await;
    }
}
