//! Mistakes that the author of a warehouse may make, each of which a trial of the suite catches.

use std::sync::Arc;

use async_trait::async_trait;
use commutator_conformance::{Bench, Harness, Row, Stop, TRIALS, judge};
use commutator_core::{Destination, Target};
use commutator_sql::DUCKDB;
use commutator_warehouse::Form;

use crate::duck::Mistake;
use crate::place::{Place, read};

struct Broken(Place);

#[async_trait]
impl Harness for Broken {
    async fn fresh() -> Option<Self> {
        None
    }

    async fn connect(&self) -> Arc<dyn Destination> {
        Arc::new(self.0.loader())
    }

    async fn rows(&self, target: &Target) -> Vec<Row> {
        read(&self.0.duck, target)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_of_a_warehouse_are_caught() {
    let trials =
        || TRIALS.iter().filter(|trial| trial.topic == "fencing" || trial.name.contains("share_a_transaction"));
    for mistake in [
        Mistake::None,
        Mistake::NoTransaction,
        Mistake::GoesOn,
        Mistake::NoFence,
        Mistake::UnclearAsRefused,
        Mistake::FirstFileOnly,
    ] {
        let mut caught_by = Vec::new();
        for trial in trials() {
            let harness = Broken(Place::new(&DUCKDB, Form::PARQUET, mistake));
            if let Err(Stop::Failed(_)) = judge(trial, &Bench::new(harness).await).await {
                caught_by.push(trial.name);
            }
        }
        // A lost answer that is called a refusal is felt only where answers are lost: `faults.rs` loses them.
        let harmless = matches!(mistake, Mistake::None | Mistake::UnclearAsRefused);
        assert_eq!(caught_by.is_empty(), harmless, "{mistake:?} is caught by {caught_by:?}");
    }
}
