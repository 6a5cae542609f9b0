//! Dead letters, and runs that fail: what they print and write has no secret, and what they print no value either.

use std::path::Path;
use std::time::Duration;

use commutator_tests::{Program, server, until};

use super::{PASSWORD, SECRET, Search, marked, objects, parts};
use crate::fixture::{Place, Source};

/// Stands in every item that Postgres refuses.
const VALUE: &str = "secret-word";

const LIST: &[&str] = &["dead-letter", "list"];
const REPLAY: &[&str] = &["dead-letter", "replay"];
const RUN: &[&str] = &["run", "--until-caught-up"];

/// A server's key from the environment.
fn key(test: &str, name: &str) -> String {
    server(test, &format!("COMMUTATOR_TEST_S3_{name}")).expect("it stands beside the endpoint")
}

/// A file with the keys of the S3 server as the profile `letters`.
fn profile(folder: &Path, access: &str, secret: &str) -> std::path::PathBuf {
    let file = folder.join("credentials");
    let text = format!("[letters]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n");
    std::fs::write(&file, text).expect("a file");
    file
}

/// A program that sets aside what Postgres refuses, with this policy for the character NUL.
fn program(source: &Source, schema: &str, letters: &str, nul: &str, credentials: &Path) -> Program {
    let mut program = Program::new(&format!(
        "[pipeline]\nid = \"secrets\"\ndead_letters = \"{letters}\"\n{}[destination]\ntype = \"postgres\"\n\
         url = \"${{COMMUTATOR_TEST_POSTGRES_URL}}\"\nschema = \"{schema}\"\nnul = \"{nul}\"\n\
         [defaults]\non_bad_record = \"dead_letter\"\n",
        marked(source)
    ));
    program.variable("AWS_SHARED_CREDENTIALS_FILE", credentials);
    program
}

#[test]
fn dead_letters_show_no_secret_and_their_list_no_value() {
    let test = "secrets_letters";
    let (Some(Place::Postgres { url, schema }), Some(Place::S3 { endpoint, path })) =
        (Place::postgres(test), Place::s3(test))
    else {
        return;
    };
    let Some(source) = Source::create(test, "NEW_AND_OLD_IMAGES") else { return };
    source.fill(20);
    source.load("spoil", &["--first", "3", "--items", "2"]);
    let [_, password, ..] = parts(&url);
    let secret = key(test, "SECRET_KEY");
    let (home, disk, copies) = (folder(), folder(), folder());
    let credentials = profile(home.path(), &key(test, "ACCESS_KEY"), &secret);
    let on_s3 = format!("s3://{path}?endpoint_url={endpoint}&allow_http=true&region=us-east-1&profile=letters");
    for (n, letters) in [disk.path().display().to_string(), on_s3].iter().enumerate() {
        let schema = format!("{schema}_{n}");
        let mut search = Search::new(&[&password, &secret, VALUE]);
        let strict = program(&source, &schema, letters, "fail", &credentials);
        search.run(&strict, &[RUN, &["status"], LIST], &[], true);
        // They are refused again, and stay.
        search.run(&strict, &[REPLAY], &[], false);
        assert!(strict.succeed(LIST).contains("NUL"), "nothing was set aside");
        search.trace(&strict, LIST, &[]);
        let lenient = program(&source, &schema, letters, "replace", &credentials);
        search.run(&lenient, &[REPLAY, RUN], &[], true);
        assert!(lenient.succeed(LIST).contains("no dead letters"));
    }
    // The letters themselves, which hold values.
    objects(&endpoint, &path, copies.path());
    for folder in [&disk, &copies] {
        let mut search = Search::new(&[&password, &secret]);
        search.folder(folder.path());
        assert!(search.searched > 0, "no letter was kept");
    }
}

#[test]
fn runs_that_fail_show_no_secret_and_no_value() {
    let test = "secrets_failing_runs";
    let (Some(Place::Postgres { url, schema }), Some(Place::S3 { endpoint, path })) =
        (Place::postgres(test), Place::s3(test))
    else {
        return;
    };
    let Some(source) = Source::create(test, "NEW_AND_OLD_IMAGES") else { return };
    source.fill(5);
    source.load("spoil", &["--first", "1", "--items", "2"]);
    let [user, password, host, port, database] = parts(&url);
    let pipeline = "[pipeline]\nid = \"secrets\"\n";
    let resync: &[&str] = &["resync", &source.table];
    let mut search = Search::new(&[&password, VALUE]);

    // A row that stops its table.
    let strict = format!(
        "{pipeline}{}[destination]\ntype = \"postgres\"\nurl = \"{url}\"\nschema = \"{schema}\"\nnul = \"fail\"\n",
        marked(&source)
    );
    let stopped = Program::new(&strict);
    search.run(&stopped, &[RUN], &[], false);
    search.run(&stopped, &[&["status"]], &[], true);

    // A place of letters that refuses the keys.
    let home = folder();
    let credentials = profile(home.path(), &key(test, "ACCESS_KEY"), SECRET);
    let letters = format!("s3://{path}?endpoint_url={endpoint}&allow_http=true&region=us-east-1&profile=letters");
    let refused = program(&source, &format!("{schema}_refused"), &letters, "fail", &credentials);
    search.run(&refused, &[RUN, LIST, REPLAY], &[], false);

    // A destination that refuses the password or the keys.
    let marked = marked(&source);
    let postgres = format!("type = \"postgres\"\nurl = \"postgres://{user}:{PASSWORD}@{host}:{port}/{database}\"\n");
    let s3 = format!(
        "type = \"parquet\"\nurl = \"s3://{path}\"\nendpoint_url = \"{endpoint}\"\nallow_http = true\n\
         region = \"us-east-1\"\naccess_key_id = \"{}\"\nsecret_access_key = \"{SECRET}\"\n",
        key(test, "ACCESS_KEY")
    );
    for destination in [postgres, s3] {
        let program = Program::new(&format!("{pipeline}{marked}[destination]\n{destination}"));
        search.run(&program, &[RUN, &["status"], resync], &[], false);
    }

    // One that nobody answers for, which a run waits for.
    let silent = format!("type = \"postgres\"\nurl = \"host={host} port=1 user={user} password={PASSWORD}\"\n");
    let program = Program::new(&format!("{pipeline}{marked}[destination]\n{silent}"));
    search.run(&program, &[&["status"]], &[], false);
    let waiting = program.start(&["run", "-vv"]);
    until(Duration::from_secs(30), || program.log().contains("trying again"), || program.log());
    assert!(waiting.terminate(Duration::from_secs(30)).success(), "{}", program.log());
    search.loud = true;
    search.bytes("the log of a run that waits", program.log().as_bytes());
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}
