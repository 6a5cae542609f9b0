//! Running a source against the fake, and what came out of it.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::cast::AsArray as _;
use commutator_core::{
    Budget, Checkpoint, Error, Extras, Gap, OnBadRecord, Op, Position, ReadRequest, Source as _, SourceBatch,
    SourceEvent, SourceStream, TableName, Until,
};
use futures_util::StreamExt as _;

use super::fake::Fake;
use super::server::Server;
use crate::clock::{Clock, Surroundings};
use crate::tuning::Tuning;
use crate::{Config, DynamoDb};

/// The time at which tests run, in milliseconds: when the fake's records were created.
pub(super) const NOW_MS: i64 = 4_000_000_000_000;
pub(super) const HOUR_MS: i64 = 3_600_000;

#[derive(Debug)]
pub(super) struct FixedClock(pub(super) i64);

impl Clock for FixedClock {
    fn now_ms(&self) -> i64 {
        self.0
    }
}

/// Everything that waits, in milliseconds instead of seconds.
pub(super) fn fast() -> Tuning {
    let ms = Duration::from_millis;
    Tuning {
        first_backoff: ms(1),
        longest_backoff: ms(5),
        poll_apart: ms(1),
        idle_poll: ms(5),
        relist: ms(20),
        confirm: ms(2),
        lag: ms(5),
        caught_up: ms(5),
        ..Tuning::default()
    }
}

pub(super) fn orders() -> TableName {
    TableName::new("orders")
}

/// A source that reads from the fake.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) source: DynamoDb,
    pub(super) fake: Fake,
    _server: Server,
}

/// The machine's network at a fixed time.
pub(super) fn at(now_ms: i64) -> Surroundings {
    Surroundings { clock: Arc::new(FixedClock(now_ms)), ..Surroundings::default() }
}

impl Running {
    pub(super) async fn new(fake: Fake) -> Self {
        Self::configured(fake, NOW_MS, fast(), |_| {}).await
    }

    pub(super) async fn at(fake: Fake, now_ms: i64) -> Self {
        Self::configured(fake, now_ms, fast(), |_| {}).await
    }

    pub(super) async fn configured(fake: Fake, now_ms: i64, tuning: Tuning, change: impl FnOnce(&mut Config)) -> Self {
        let answering = fake.clone();
        let server = Server::start(move |request| answering.answer(&request)).await;
        let mut config = Config {
            region: Some("eu-west-1".to_owned()),
            access_key_id: Some(commutator_core::Secret::new("test".to_owned())),
            secret_access_key: Some(commutator_core::Secret::new("test".to_owned())),
            endpoint_url: Some(server.url.clone()),
            tables: vec!["orders".to_owned()],
            segments: Some(1),
            ..Config::default()
        };
        change(&mut config);
        config.validate().unwrap();
        let connecting = DynamoDb::connect_with(config, Budget::new(1 << 24), at(now_ms), tuning);
        let source = Box::pin(connecting).await.unwrap();
        Self { source, fake, _server: server }
    }

    pub(super) fn client(&self) -> &crate::client::Client {
        &self.source.connected().client
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.source.connected().budget
    }

    pub(super) async fn stream(&self, from: &Checkpoint, until: Until) -> Result<SourceStream, Error> {
        self.source
            .read(ReadRequest {
                table: orders(),
                from: from.clone(),
                until,
                on_bad_record: OnBadRecord::Fail,
                extras: Extras::default(),
            })
            .await
    }

    /// Reads until the end, a gap or an error.
    pub(super) async fn read(&self, from: &Checkpoint, until: Until) -> Outcome {
        let mut outcome = Outcome::new(from);
        match self.stream(from, until).await {
            Ok(mut stream) => while outcome.take(stream.next().await) {},
            Err(error) => outcome.error = Some(error),
        }
        outcome
    }

    /// Reads until so many rows came, and stops there.
    pub(super) async fn read_rows(&self, from: &Checkpoint, rows: usize) -> Outcome {
        let mut outcome = Outcome::new(from);
        let mut stream = self.stream(from, Until::Stopped).await.unwrap();
        while outcome.rows.len() < rows && outcome.take(stream.next().await) {}
        outcome
    }
}

/// A row that came: the item's id, what happened, and its order key's text.
pub(super) type Row = (String, Op, String);

/// What a run gave.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) checkpoint: Checkpoint,
    pub(super) rows: Vec<Row>,
    /// Facts and partitions of each batch, in order.
    pub(super) batches: Vec<Batch>,
    pub(super) gap: Option<Gap>,
    pub(super) error: Option<Error>,
    pub(super) lags: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) progress: commutator_core::Progress,
    pub(super) rows: usize,
}

impl Outcome {
    pub(super) fn new(from: &Checkpoint) -> Self {
        Self { checkpoint: from.clone(), rows: vec![], batches: vec![], gap: None, error: None, lags: vec![] }
    }

    /// Takes an event; returns whether more can come.
    pub(super) fn take(&mut self, event: Option<Result<SourceEvent, Error>>) -> bool {
        match event {
            None => false,
            Some(Ok(SourceEvent::Batch(batch))) => {
                self.batch(batch);
                true
            }
            Some(Ok(SourceEvent::Lag(lag))) => {
                self.lags.push(lag.milliseconds);
                true
            }
            Some(Ok(SourceEvent::Gap(gap))) => {
                self.gap = Some(gap);
                true
            }
            Some(Err(error)) => {
                self.error = Some(error);
                true
            }
        }
    }

    fn batch(&mut self, batch: SourceBatch) {
        assert!(self.gap.is_none() && self.error.is_none(), "nothing follows a gap or an error");
        if let Err(error) = self.checkpoint.advance(&batch.progress) {
            panic!("{error} {:#?} at {:#?} after {:#?}", batch.progress, self.checkpoint, self.batches);
        }
        let before = self.rows.len();
        if let Some(changes) = &batch.changes {
            let ids = changes.rows().column(0).as_string::<i32>();
            for (i, id) in ids.iter().enumerate() {
                let row = (id.unwrap().to_owned(), changes.ops()[i], changes.orders()[i].to_string());
                self.rows.push(row);
            }
        }
        self.batches.push(Batch { progress: batch.progress, rows: self.rows.len() - before });
    }

    pub(super) fn ids(&self) -> Vec<&str> {
        self.rows.iter().map(|(id, ..)| id.as_str()).collect()
    }

    pub(super) fn sorted_ids(&self) -> Vec<&str> {
        let mut ids = self.ids();
        ids.sort_unstable();
        ids
    }

    pub(super) fn position(&self, partition: &str) -> Option<&Position> {
        self.checkpoint.position(&commutator_core::PartitionId::new(partition))
    }

    pub(super) fn shards(&self) -> Vec<(&str, bool)> {
        let shards = self.checkpoint.partitions().iter();
        shards.filter_map(|(id, p)| Some((id.as_str().strip_prefix("shard/")?, *p == Position::End))).collect()
    }

    /// Fails unless the run ended by itself.
    pub(super) fn expect_end(self) -> Self {
        assert!(self.error.is_none(), "{:?}", self.error);
        assert!(self.gap.is_none(), "{:?}", self.gap);
        self
    }
}
