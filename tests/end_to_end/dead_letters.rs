//! Rows that Postgres refuses: set aside, counted, listed and replayed, through the built program.

use commutator_tests::{Program, python, server};
use serde_json::Value;

use crate::fixture::{Place, Source};

/// A program that sets aside what Postgres refuses, with this policy for the character NUL.
fn program(source: &Source, place: &Place, letters: &str, mode: &str, nul: &str) -> Program {
    Program::new(&format!(
        "[pipeline]\nid = \"letters\"\ncommit_seconds = 0.5\ndead_letters = \"{letters}\"\n{}{}nul = \"{nul}\"\n\
         [defaults]\nmode = \"{mode}\"\non_bad_record = \"dead_letter\"\n",
        source.config(),
        place.config()
    ))
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

/// Runs until nothing is left; returns how many letters were written.
fn set_aside(program: &Program) -> u64 {
    let said = program.succeed(&["run", "--until-caught-up", "--json"]);
    let done = json(said.lines().last().unwrap_or_default().as_bytes());
    done["tables"][0]["dead_letters"].as_u64().expect("a number")
}

fn waiting(program: &Program) -> u64 {
    let status = json(program.succeed(&["status", "--json"]).as_bytes());
    status["tables"][0]["dead_letters"].as_u64().expect("a number")
}

/// Lists what waits; no value may show.
fn listed(program: &Program) -> Vec<Value> {
    for arguments in [&["dead-letter", "list"][..], &["dead-letter", "list", "--json"]] {
        let text = program.succeed(arguments);
        assert!(!text.contains("secret-word") && !text.contains("customer#"), "{text}");
    }
    let found = json(program.succeed(&["dead-letter", "list", "--json"]).as_bytes());
    found["dead_letters"].as_array().expect("a list").clone()
}

#[test]
fn what_postgres_refuses_is_set_aside_and_replayed_once_it_can_be_held() {
    let Some(place) = Place::postgres("what_postgres_refuses_is_set_aside") else { return };
    let Some(source) = Source::create("refused_mirror", "NEW_AND_OLD_IMAGES") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let letters = folder.path().display().to_string();
    let strict = program(&source, &place, &letters, "mirror", "fail");
    source.fill(300);
    // One in the snapshot's first rows, some in its middle, each another kind of value.
    source.load("spoil", &["--first", "0", "--items", "1"]);
    source.load("spoil", &["--first", "150", "--items", "3"]);
    // Their stream records are younger than the snapshot's margin, so each is met there once more, as another version.
    assert_eq!(set_aside(&strict), 8);
    // As changes: good rows that become bad, and new ones. Only the newest version of a row counts in one commit.
    source.load("fill", &["--items", "40", "--seed", "2"]);
    source.load("spoil", &["--first", "200", "--items", "3"]);
    source.load("spoil", &["--first", "1000", "--items", "2"]);
    let more = set_aside(&strict);
    assert_eq!((more, waiting(&strict)), (5, 13));
    let found = listed(&strict);
    assert_eq!(found.len(), 13);
    for letter in &found {
        assert_eq!((&letter["form"], &letter["table"]), (&"row".into(), &source.table.as_str().into()));
        assert!(letter["error"].as_str().expect("text").contains("NUL"), "{letter}");
    }
    assert_eq!(set_aside(&strict), 0, "nothing is met twice");

    // Some are mended and some removed at the source; the others are refused again, and stay.
    source.load("mend", &["--first", "150", "--items", "2"]);
    source.load("drop", &["--first", "200", "--items", "1"]);
    source.load("drop", &["--first", "1000", "--items", "1"]);
    let replay = strict.run(&["dead-letter", "replay", "--json"]);
    assert_eq!(replay.status.code(), Some(1), "{}", String::from_utf8_lossy(&replay.stderr));
    let report = json(&replay.stdout);
    // Two letters each of 0, which the second filling mended, 150 and 151; one each of 200 and 1000.
    assert_eq!(report["tables"][0]["replayed"], 8, "{report}");
    assert_eq!(report["tables"][0]["failed"].as_array().map(Vec::len), Some(5), "{report}");
    assert!(!report.to_string().contains("secret-word"), "{report}");
    assert_eq!((listed(&strict).len(), waiting(&strict)), (5, 5));

    // The changes above are read after they were replayed, and with another policy the rest can be held.
    let lenient = program(&source, &place, &letters, "mirror", "replace");
    lenient.succeed(&["dead-letter", "replay", &source.table]);
    assert!(lenient.succeed(&["dead-letter", "list"]).contains("no dead letters"));
    lenient.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
    assert_eq!(waiting(&lenient), 0);
    assert!(lenient.succeed(&["dead-letter", "replay"]).contains("no dead letters"));
}

#[test]
fn replayed_changes_are_those_that_would_have_come() {
    let test = "replayed_changes_are_those_that_would_have_come";
    let (Some(place), Some(other)) = (Place::postgres(test), Place::postgres(test)) else { return };
    let Some(source) = Source::create("refused_append", "NEW_AND_OLD_IMAGES") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let letters = folder.path().display().to_string();
    let programs = |nul: &str| program(&source, &place, &letters, "append", nul);
    let straight = program(&source, &other, &letters, "append", "replace");
    source.fill(100);
    source.load("spoil", &["--first", "50", "--items", "2"]);
    for program in [&programs("fail"), &straight] {
        program.succeed(&["run", "--until-caught-up"]);
    }
    source.load("fill", &["--items", "20", "--special", "900", "--seed", "2"]);
    source.load("spoil", &["--first", "0", "--items", "8"]);
    source.load("drop", &["--first", "0", "--items", "4"]);
    straight.succeed(&["run", "--until-caught-up"]);
    assert!(set_aside(&programs("fail")) >= 8);
    assert!(waiting(&programs("fail")) >= 10);
    let report = json(programs("replace").succeed(&["dead-letter", "replay", "--json"]).as_bytes());
    assert_eq!(report["succeeded"], true, "{report}");
    let (Place::Postgres { url, schema }, Place::Postgres { schema: straight, .. }) = (&place, &other) else { return };
    let of = ["--endpoint", &source.endpoint, "--table", &source.table];
    python("verify.py", &[&["same", "--dsn", url, "--schema", schema, "--other", straight], &of[..]].concat());
}

#[test]
fn without_the_policy_the_table_stops() {
    let Some(place) = Place::postgres("without_the_policy_the_table_stops") else { return };
    let Some(source) = Source::create("refused_fail", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(30);
    source.load("spoil", &["--first", "3", "--items", "1"]);
    let strict = crate::fixture::program("strict", &source.config(), &place);
    let config = std::fs::read_to_string(strict.folder().join("commutator.toml")).expect("the file");
    std::fs::write(strict.folder().join("commutator.toml"), format!("{config}nul = \"fail\"\n")).expect("the file");
    let output = strict.run(&["run", "--until-caught-up", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output.stdout);
    assert_eq!(report["tables"][0]["error"]["kind"], "data_invalid", "{report}");
    assert!(!report.to_string().contains("secret-word"), "{report}");
    let list = strict.run(&["dead-letter", "list"]);
    assert_eq!(list.status.code(), Some(2), "there is no place for letters");
}

#[test]
fn letters_lie_on_an_object_store_as_well() {
    let test = "letters_lie_on_an_object_store_as_well";
    let (Some(place), Some(Place::S3 { endpoint, path })) = (Place::postgres(test), Place::s3(test)) else { return };
    let Some(source) = Source::create("refused_s3", "NEW_AND_OLD_IMAGES") else { return };
    let key = |name: &str| server(test, &format!("COMMUTATOR_TEST_S3_{name}")).expect("it stands beside the endpoint");
    let home = tempfile::tempdir().expect("a temporary folder");
    let credentials = home.path().join("credentials");
    let profile = format!(
        "[letters]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        key("ACCESS_KEY"),
        key("SECRET_KEY")
    );
    std::fs::write(&credentials, profile).expect("a file");
    let letters = format!("s3://{path}?endpoint_url={endpoint}&allow_http=true&region=us-east-1&profile=letters");
    let program = |nul: &str| {
        let mut program = program(&source, &place, &letters, "mirror", nul);
        program.variable("AWS_SHARED_CREDENTIALS_FILE", &credentials);
        program
    };
    source.fill(10);
    source.load("spoil", &["--first", "2", "--items", "1"]);
    assert_eq!(set_aside(&program("fail")), 2, "once in the snapshot and once in the stream");
    assert_eq!(listed(&program("fail")).len(), 2);
    let replaced = program("replace");
    replaced.succeed(&["dead-letter", "replay"]);
    assert_eq!(listed(&replaced).len(), 0);
    replaced.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}
