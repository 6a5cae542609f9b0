//! The suite over `MotherDuck`, for whoever has an account: nobody has run it yet. `docs/duckdb.md` says how.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use commutator_conformance::{Harness, Row};
use commutator_core::{Destination, Target};
use commutator_destination_duckdb::{Config, DuckDb};

use crate::place::read;

/// A schema of its own in a database of theirs, which stays; the extension finds the token in the environment.
struct MotherDuck {
    config: Config,
    shared: DuckDb,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

#[async_trait]
impl Harness for MotherDuck {
    async fn fresh() -> Option<Self> {
        let database = std::env::var("COMMUTATOR_TEST_MOTHERDUCK_DATABASE").ok()?;
        let schema = format!("trial_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let config = Config { schema, ..Config::new(format!("md:{database}")) };
        let shared = config.clone().connect().await.expect("the settings are fine");
        Some(Self { config, shared })
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.config.clone().connect().await.expect("the settings are fine"))
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        read(&self.shared, &self.config.schema, target).await
    }

    /// Every statement goes over the network.
    fn cases(&self) -> u32 {
        2
    }
}

/// What every destination must do.
mod contract {
    commutator_conformance::suite!(crate::motherduck::MotherDuck);
}
