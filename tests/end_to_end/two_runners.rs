//! Two programs on one pipeline: one of them stops, and no row is doubled or lost.

use std::time::Duration;

use crate::fixture::{Place, Source, program};

const LIMIT: Duration = Duration::from_mins(2);

#[test]
fn in_postgres_one_is_fenced() {
    let Some(place) = Place::postgres("in_postgres_one_is_fenced") else { return };
    one_is_fenced("two_postgres", &place);
}

#[test]
fn in_parquet_one_is_fenced() {
    one_is_fenced("two_parquet", &Place::disk());
}

fn one_is_fenced(test: &str, place: &Place) {
    let Some(source) = Source::create(test, "NEW_IMAGE") else { return };
    source.fill(500);
    let (first, second) = (program("two", &source.config(), place), program("two", &source.config(), place));
    let churn = source.churn(500);
    let loser = first.start(&["run"]);
    std::thread::sleep(Duration::from_secs(2));
    let winner = second.start(&["run"]);
    let status = loser.wait(LIMIT);
    assert_eq!(status.code(), Some(1), "{}", first.log());
    assert!(first.log().contains("kind=\"fenced\""), "{}", first.log());
    std::thread::sleep(Duration::from_secs(2));
    churn.kill();
    assert!(winner.terminate(LIMIT).success(), "{}", second.log());
    second.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}

/// `DuckDB` lets one process in: whoever comes second stops at once and says why, and the first one is not disturbed.
#[cfg(feature = "duckdb")]
#[test]
fn in_duckdb_the_second_one_is_kept_out() {
    let place = Place::duckdb();
    let Some(source) = Source::create("two_duckdb", "NEW_IMAGE") else { return };
    source.fill(500);
    let (first, second) = (program("two", &source.config(), &place), program("two", &source.config(), &place));
    let churn = source.churn(500);
    let winner = first.start(&["run"]);
    commutator_tests::until(LIMIT, || first.log().contains("snapshot complete"), || first.log());
    let commands = [&["run"][..], &["status"], &["plan"], &["check"], &["resync", &source.table]];
    for command in commands {
        let output = second.run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains("another process has the file open"), "{command:?}: {said}");
    }
    churn.kill();
    assert!(winner.terminate(LIMIT).success(), "{}", first.log());
    second.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}
