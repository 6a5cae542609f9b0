//! A dataset and a folder of the bucket of its own for each test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use commutator_conformance::{Harness, Row};
use commutator_core::{Destination, Target};
use commutator_destination_bigquery::{BigQuery, Config, Json};

use crate::emulator::Emulator;
use crate::{front, read};

/// A dataset in the emulator.
pub(crate) struct Emulated {
    pub(crate) emulator: Emulator,
    pub(crate) dataset: String,
    json: Json,
    front: String,
}

/// A dataset in the emulator whose documents are JSON.
pub(crate) struct EmulatedJson(Emulated);

static NEXT: AtomicU64 = AtomicU64::new(0);

impl Emulated {
    pub(crate) async fn new(json: Json) -> Option<Self> {
        let emulator = Emulator::of_environment()?;
        let dataset = format!("trial_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        emulator.create_dataset(&dataset).await;
        let front = front::start(emulator.clone()).await;
        Some(Self { emulator, dataset, json, front })
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(&self.emulator.project, &self.dataset, format!("gs://bkt/{}", self.dataset));
        config.endpoint_url = Some(self.front.clone());
        config.staging.endpoint_url = Some(self.emulator.address.clone());
        config.staging.allow_http = true;
        config.anonymous = true;
        config.json = self.json;
        config
    }

    pub(crate) async fn bigquery(&self) -> BigQuery {
        self.config().connect().await.expect("the settings are fine")
    }

    /// Runs statements, in which `shop.` is the dataset, and returns the rows of the last one.
    pub(crate) async fn query(&self, statements: &str) -> Vec<Vec<Option<String>>> {
        self.emulator.query(&statements.replace("shop.", &format!("`{}`.", self.dataset))).await
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        self.emulator.drop_dataset(&self.dataset);
    }
}

#[async_trait]
impl Harness for Emulated {
    async fn fresh() -> Option<Self> {
        Self::new(Json::String).await
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.bigquery().await)
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        read::rows(&self.emulator, &self.dataset, target).await
    }

    /// A statement takes the emulator a quarter of a second.
    fn cases(&self) -> u32 {
        2
    }
}

#[async_trait]
impl Harness for EmulatedJson {
    async fn fresh() -> Option<Self> {
        Emulated::new(Json::Json).await.map(Self)
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        self.0.connect().await
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        self.0.rows(target).await
    }

    fn cases(&self) -> u32 {
        self.0.cases()
    }
}
