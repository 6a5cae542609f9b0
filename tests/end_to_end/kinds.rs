//! Items of every kind and at every limit: 38 digits, 390 KB, 31 levels, thousands of attributes, empty, with NUL, oddly named.

use crate::fixture::{Place, Source, program};

#[test]
fn every_kind_of_item_arrives_in_postgres() {
    let Some(place) = Place::postgres("every_kind_of_item_arrives_in_postgres") else { return };
    // A page of Postgres, and so a row, holds less than a thousand numbers.
    arrives("kinds_postgres", &place, "900");
}

#[test]
fn every_kind_of_item_arrives_in_parquet_on_disk() {
    arrives("kinds_parquet_disk", &Place::disk(), "2000");
}

#[test]
fn every_kind_of_item_arrives_in_parquet_on_s3() {
    let Some(place) = Place::s3("every_kind_of_item_arrives_in_parquet_on_s3") else { return };
    arrives("kinds_parquet_s3", &place, "2000");
}

/// Read back by Google's own client for Python.
#[cfg(feature = "bigquery")]
#[test]
fn every_kind_of_item_arrives_in_bigquery() {
    let Some(place) = Place::bigquery("every_kind_of_item_arrives_in_bigquery") else { return };
    // The emulator adds a column in a fifth of a second.
    arrives("kinds_bigquery", &place, "60");
}

#[test]
fn every_kind_of_item_arrives_in_snowflake() {
    let Some(place) = Place::snowflake("every_kind_of_item_arrives_in_snowflake") else { return };
    // The stand-in translates every statement, and one on thousands of columns takes it a while.
    arrives("kinds_snowflake", &place, "200");
    let Place::Snowflake { staging, .. } = &place else { return };
    assert_eq!(files_below(staging.path()), 0, "nothing is left in the staging area");
}

/// Read back by Snowflake's own client for Python.
#[test]
fn items_arrive_in_fakesnow() {
    let Some(place) = Place::fakesnow("items_arrive_in_fakesnow") else { return };
    // It takes `Case` and `case` for one column, none of dashes, and `$dollar` within a text for a variable.
    arrive("kinds_fakesnow", &place, &["--no-name=case", "--no-name=-dash", "--no-name=$dollar"]);
}

fn files_below(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[cfg(feature = "duckdb")]
#[test]
fn every_kind_of_item_arrives_in_duckdb() {
    arrives("kinds_duckdb", &Place::duckdb(), "2000");
}

fn arrives(test: &str, place: &Place, attributes: &str) {
    arrive(test, place, &["--special", attributes]);
}

/// The items of the snapshot, then the same ones written again as changes, into columns that have met other types meanwhile.
fn arrive(test: &str, place: &Place, which: &[&str]) {
    let Some(source) = Source::create(test, "NEW_AND_OLD_IMAGES") else { return };
    source.load("fill", &[&["--items", "300"], which].concat());
    let program = program("kinds", &source.config(), place);
    if matches!(place, Place::Snowflake { .. }) {
        let plan = program.succeed(&["plan", "--sql"]);
        // Taking the table over, its columns, a commit, and what a commit takes.
        for part in ["SET owner = owner + 1", "_ct_schema_changes", "_ct_fenced", "COPY INTO", "MERGE INTO", "COMMIT;"]
        {
            assert!(plan.contains(part), "{part}: {plan}");
        }
        assert!(plan.contains("10 to 15 statements, files of up to"), "{plan}");
    }
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
    source.load("fill", &[&["--items", "400", "--seed", "2"], which].concat());
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}
