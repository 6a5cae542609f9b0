//! A destination's table that someone altered, dropped or emptied: the run repairs it, or stops and says which table and what to do;
//! what the error says to do, the tests do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use commutator_tests::Program;

#[cfg(feature = "duckdb")]
use crate::fixture::database_in;
use crate::fixture::{Place, Source, program};

const ITEMS: u32 = 200;
const LIMIT: Duration = Duration::from_mins(2);

/// What someone does to a table, what the error then says, and what a user does about it; `{t}` is the table, `{c}` the checkpoints.
struct Meddling {
    statement: &'static str,
    said: &'static str,
    remedy: &'static str,
}

const ANEW: &str = "DROP TABLE IF EXISTS {t}; DELETE FROM {c}";

const MEDDLINGS: &[Meddling] = &[
    Meddling {
        statement: "ALTER TABLE {t} DROP COLUMN title",
        said: "drop the table and what is recorded of it",
        remedy: ANEW,
    },
    Meddling {
        statement: "ALTER TABLE {t} ALTER COLUMN count TYPE double precision",
        said: "change it back",
        remedy: "ALTER TABLE {t} ALTER COLUMN count TYPE bigint",
    },
    Meddling { statement: "DROP TABLE {t}", said: "delete its row in _ct_checkpoints", remedy: ANEW },
    Meddling { statement: "DELETE FROM {c}", said: "drop", remedy: ANEW },
];

/// A schema of Postgres in which someone meddles.
struct Postgres<'a> {
    url: &'a str,
    schema: &'a str,
    table: &'a str,
}

impl Postgres<'_> {
    fn execute(&self, statement: &str) {
        let Self { url, schema, table } = self;
        let statement = statement
            .replace("{t}", &format!("\"{schema}\".\"{table}\""))
            .replace("{c}", &format!("\"{schema}\"._ct_checkpoints"));
        let run = async {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute(&statement).await
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(run).unwrap_or_else(|e| panic!("{statement}: {e:?}"));
    }
}

/// Runs until the program refuses to go on, and returns what it said.
fn refused(program: &Program, source: &Source) -> String {
    let output = program.run(&["run", "--until-caught-up"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&source.table), "{said}");
    said
}

#[test]
fn a_postgres_table_that_was_altered_between_two_runs() {
    let Some(source) = Source::create("altered_postgres", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(ITEMS);
    for Meddling { statement, said, remedy } in MEDDLINGS {
        let Some(place) = Place::postgres("altered_between") else { return };
        let Place::Postgres { url, schema } = &place else { return };
        let program = program("altered", &source.config(), &place);
        program.succeed(&["run", "--until-caught-up"]);
        let postgres = Postgres { url, schema, table: &source.table };
        postgres.execute(statement);
        change(&source);
        let error = refused(&program, &source);
        assert!(error.contains(said), "{statement}: {error}");
        postgres.execute(remedy);
        program.succeed(&["run", "--until-caught-up"]);
        place.verify(&source);
    }
}

#[test]
fn a_postgres_table_that_was_altered_while_a_run_goes_on() {
    let Some(source) = Source::create("altered_running", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(ITEMS);
    let churn = source.churn(ITEMS);
    let places: Vec<_> = MEDDLINGS.iter().map_while(|_| Place::postgres("altered_meanwhile")).collect();
    for (Meddling { statement, remedy, .. }, place) in MEDDLINGS.iter().zip(&places) {
        let Place::Postgres { url, schema } = place else { return };
        let program = program("altered", &source.config(), place);
        let running = program.start(&["run"]);
        commutator_tests::until(LIMIT, || program.log().contains("snapshot complete"), || program.log());
        let postgres = Postgres { url, schema, table: &source.table };
        postgres.execute(statement);
        let status = running.wait(LIMIT);
        let log = program.log();
        assert_eq!(status.code(), Some(1), "{statement}: {log}");
        let failed = log.lines().find(|line| line.contains("table failed")).unwrap_or_else(|| panic!("{log}"));
        assert!(failed.contains(&source.table) && failed.contains("_ct_checkpoints"), "{statement}: {failed}");
        assert!(!failed.contains("fenced"), "{statement}: {failed}");
        postgres.execute(remedy);
    }
    churn.kill();
    for place in &places {
        program("altered", &source.config(), place).succeed(&["run", "--until-caught-up"]);
        place.verify(&source);
    }
}

/// A file of `DuckDB` in which someone meddles, with a `DuckDB` that is not the program's.
#[cfg(feature = "duckdb")]
fn meddle_in_duckdb(place: &Place, source: &Source, statement: &str) {
    let Place::DuckDb { folder } = place else { unreachable!("it is in DuckDB") };
    let statement = statement.replace("{t}", &format!("\"{}\"", source.table)).replace("{c}", "_ct_checkpoints");
    let path = database_in(folder);
    commutator_tests::python("duck.py", &["--path", &path.to_string_lossy(), "--schema", "e2e", "--sql", &statement]);
}

/// While a run goes on nobody else can open the file, so this happens between two only.
#[cfg(feature = "duckdb")]
#[test]
fn a_duckdb_table_that_was_altered_between_two_runs() {
    let Some(source) = Source::create("altered_duckdb", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(ITEMS);
    for Meddling { statement, said, remedy } in MEDDLINGS {
        let place = Place::duckdb();
        let program = program("altered", &source.config(), &place);
        program.succeed(&["run", "--until-caught-up"]);
        // What this DuckDB calls the type.
        let of_duckdb = |statement: &str| statement.replace("double precision", "DOUBLE");
        meddle_in_duckdb(&place, &source, &of_duckdb(statement));
        change(&source);
        let error = refused(&program, &source);
        assert!(error.contains(said), "{statement}: {error}");
        meddle_in_duckdb(&place, &source, &of_duckdb(remedy));
        program.succeed(&["run", "--until-caught-up"]);
        place.verify(&source);
    }
}

/// No run looks at every row, so a row that someone deleted comes back with the item's next change.
#[test]
fn a_row_that_was_deleted_by_hand_comes_back_with_its_next_change() {
    let Some(source) = Source::create("row_deleted", "NEW_AND_OLD_IMAGES") else { return };
    let Some(place) = Place::postgres("row_deleted") else { return };
    let Place::Postgres { url, schema } = &place else { return };
    comes_back(&source, &place, |statement| Postgres { url, schema, table: &source.table }.execute(statement));
}

#[cfg(feature = "duckdb")]
#[test]
fn a_row_that_was_deleted_by_hand_from_duckdb_comes_back_with_its_next_change() {
    let Some(source) = Source::create("row_deleted_duckdb", "NEW_AND_OLD_IMAGES") else { return };
    let place = Place::duckdb();
    comes_back(&source, &place, |statement| meddle_in_duckdb(&place, &source, statement));
}

fn comes_back(source: &Source, place: &Place, execute: impl FnOnce(&str)) {
    source.fill(ITEMS);
    let program = program("altered", &source.config(), place);
    program.succeed(&["run", "--until-caught-up"]);
    execute("DELETE FROM {t} WHERE sk < 20");
    // Every item again, with other values.
    source.load("fill", &["--items", &ITEMS.to_string(), "--seed", "2"]);
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(source);
}

fn change(source: &Source) {
    source.load("churn", &["--items", &ITEMS.to_string(), "--seconds", "0.5"]);
}

/// The names of the files with this ending, in order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    files.sort();
    files
}

#[test]
fn a_parquet_folder_that_was_altered_between_two_runs() {
    let Some(source) = Source::create("altered_parquet", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(ITEMS);
    for what in ["data", "manifest", "foreign"] {
        let place = Place::disk();
        let Place::Disk { folder } = &place else { return };
        let table = folder.path().join(&source.table);
        let program = program("altered", &source.config(), &place);
        program.succeed(&["run", "--until-caught-up"]);
        change(&source);
        program.succeed(&["run", "--until-caught-up"]);
        let data = files(&table, ".parquet").remove(0);
        let foreign = table.join("part-0.parquet");
        match what {
            "data" => std::fs::remove_file(&data),
            "manifest" => std::fs::remove_file(files(&table.join("_commutator"), ".json").pop().expect("a manifest")),
            _ => std::fs::copy(&data, &foreign).map(drop),
        }
        .expect("the folder is there");
        change(&source);
        if what == "manifest" && program.run(&["run", "--until-caught-up"]).status.success() {
            // The last commit had replaced no file, so the run went on from the one before.
            place.verify(&source);
            continue;
        }
        let error = refused(&program, &source);
        if what == "foreign" {
            assert!(error.contains("remove them") && error.contains("part-0.parquet"), "{error}");
            std::fs::remove_file(foreign).expect("it is there");
        } else {
            assert!(error.contains("remove the table's folder"), "{what}: {error}");
            std::fs::remove_dir_all(&table).expect("it is there");
        }
        program.succeed(&["run", "--until-caught-up"]);
        place.verify(&source);
    }
}

#[test]
fn a_parquet_file_that_was_deleted_while_a_run_goes_on() {
    let Some(source) = Source::create("deleted_running", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(ITEMS);
    let place = Place::disk();
    let Place::Disk { folder } = &place else { return };
    let table = folder.path().join(&source.table);
    let program = program("altered", &source.config(), &place);
    let mut running = program.start(&["run"]);
    commutator_tests::until(LIMIT, || program.log().contains("snapshot complete"), || program.log());
    // Nothing changes yet, so none of these is replaced at this moment.
    for file in files(&table, ".parquet") {
        std::fs::remove_file(file).expect("it is there");
    }
    let churn = source.churn(ITEMS);
    commutator_tests::until(LIMIT, || !running.is_running(), || program.log());
    churn.kill();
    let log = program.log();
    let failed = log.lines().find(|line| line.contains("table failed")).unwrap_or_else(|| panic!("{log}"));
    assert!(failed.contains(&source.table) && failed.contains("remove the table's folder"), "{failed}");
    std::fs::remove_dir_all(&table).expect("it is there");
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}
