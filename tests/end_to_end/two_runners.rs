//! Two programs on one pipeline: one of them stops with `fenced`, and no row is doubled or lost.

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
