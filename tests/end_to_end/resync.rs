//! A table that is read anew by hand: what was deleted without a record is gone, and a run that is going on takes it up.

use std::time::{Duration, Instant};

use commutator_tests::Program;
use serde_json::Value;

use crate::fixture::{Place, Source, program};

const LIMIT: Duration = Duration::from_mins(2);

#[test]
fn what_vanished_is_gone_from_postgres() {
    let Some(place) = Place::postgres("what_vanished_is_gone_from_postgres") else { return };
    what_vanished_is_gone("vanished_postgres", &place);
}

#[test]
fn what_vanished_is_gone_from_parquet() {
    what_vanished_is_gone("vanished_parquet", &Place::disk());
}

#[cfg(feature = "duckdb")]
#[test]
fn what_vanished_is_gone_from_duckdb() {
    what_vanished_is_gone("vanished_duckdb", &Place::duckdb());
}

fn what_vanished_is_gone(test: &str, place: &Place) {
    let Some(source) = Source::create(test, "NEW_AND_OLD_IMAGES") else { return };
    source.fill(500);
    let program = program("vanished", &source.config(), place);
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
    // Without a resync by hand nothing else repairs it.
    let config = program.folder().join("commutator.toml");
    let written = std::fs::read_to_string(&config).expect("a configuration");
    std::fs::write(&config, format!("{written}[defaults]\non_gap = \"fail\"\n")).expect("a configuration");
    source.load("vanish", &["--items", "60"]);
    let refused = program.run(&["run", "--until-caught-up"]);
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("commutator resync"), "{error}");
    let due = &status(&program)["gap"];
    assert!(due.as_str().is_some_and(|gap| gap.contains("replaced")), "{due}");

    program.succeed(&["resync", &source.table]);
    assert_eq!(status(&program)["phase"], "resync asked for");
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
    let status = status(&program);
    assert_eq!((&status["epoch"], &status["gaps"]["count"], &status["gap"]), (&2.into(), &0.into(), &Value::Null));
}

#[test]
fn a_run_into_postgres_takes_it_up() {
    let Some(place) = Place::postgres("a_run_into_postgres_takes_it_up") else { return };
    a_run_takes_it_up("live_postgres", &place);
}

#[test]
fn a_run_into_parquet_on_disk_takes_it_up() {
    a_run_takes_it_up("live_parquet_disk", &Place::disk());
}

#[test]
fn a_run_into_parquet_on_s3_takes_it_up() {
    let Some(place) = Place::s3("a_run_into_parquet_on_s3_takes_it_up") else { return };
    a_run_takes_it_up("live_parquet_s3", &place);
}

/// Several resyncs while items change all along; the run beside them goes on, and the table ends identical.
fn a_run_takes_it_up(test: &str, place: &Place) {
    let Some(source) = Source::create(test, "NEW_AND_OLD_IMAGES") else { return };
    source.fill(1_000);
    let program = program("live", &source.config(), place);
    let churn = source.churn(1_000);
    let mut running = program.start(&["run"]);
    let end = Instant::now() + LIMIT;
    for epoch in 1..=3 {
        loop {
            let status = status(&program);
            if status["epoch"] == epoch && status["phase"] == "streaming" {
                break;
            }
            assert!(running.is_running(), "the run ended: {}", program.log());
            assert!(Instant::now() < end, "epoch {epoch} never came: {status} {}", program.log());
            std::thread::sleep(Duration::from_millis(200));
        }
        if epoch < 3 {
            program.succeed(&["resync", &source.table]);
        }
    }
    churn.kill();
    assert!(running.terminate(LIMIT).success(), "{}", program.log());
    assert_eq!(program.log().matches("a resync was asked for").count(), 2, "{}", program.log());
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}

/// What `status` says of the only table.
fn status(program: &Program) -> Value {
    let text = program.succeed(&["status", "--json"]);
    let mut said: Value = serde_json::from_str(&text).expect("JSON");
    said["tables"][0].take()
}
