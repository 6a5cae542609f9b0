//! The suite over the real service, for whoever has a project: nobody has run it yet. `docs/bigquery.md` says how.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use commutator_conformance::{Harness, Row};
use commutator_core::{Destination, Target};
use commutator_destination_bigquery::Config;

use crate::emulator::Emulator;
use crate::read;

/// A dataset of the real service, whose tables are gone the day after.
struct Real {
    service: Emulator,
    dataset: String,
    staging: String,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

#[async_trait]
impl Harness for Real {
    async fn fresh() -> Option<Self> {
        let service = Emulator::real()?;
        let staging = std::env::var("COMMUTATOR_TEST_BIGQUERY_STAGING").ok()?;
        let dataset = format!("trial_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        service.create_dataset(&dataset).await;
        Some(Self { service, dataset, staging })
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        let config = Config::new(&self.service.project, &self.dataset, format!("{}/{}", self.staging, self.dataset));
        Arc::new(config.connect().await.expect("the settings are fine"))
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        read::rows(&self.service, &self.dataset, target).await
    }

    fn cases(&self) -> u32 {
        1
    }
}

/// What every destination must do.
mod contract {
    commutator_conformance::suite!(super::super::Real);
}
