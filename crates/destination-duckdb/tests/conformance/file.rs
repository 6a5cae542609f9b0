//! The file: who has it open, what else may be there, and what a process leaves that was killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use commutator_conformance::Value;
use commutator_conformance::sql::{Table, put, target};
use commutator_core::{Destination, ErrorKind, Outcome, Retry, Secret};
use commutator_destination_duckdb::Config;

use crate::place::File;

const HELD: &str = "COMMUTATOR_TEST_HELD_FILE";

/// Not a test of its own: another process that commits a row, stages another, and holds the file until it is killed.
#[tokio::test]
async fn another_process_that_holds_the_file() {
    let Ok(path) = std::env::var(HELD) else { return };
    let duckdb = Config::new(path).connect().await.unwrap();
    let mut table = Table::try_open(&duckdb, target("t")).await.unwrap();
    let half = Value::number("1.50");
    table
        .commit(&[put(
            1,
            1,
            [("a", Value::int(1)), ("b", Value::int(1)), ("c", half.clone()), ("d", Value::binary([0]))],
        )])
        .await;
    // Each of these widens a column by an expression of its own, which stands in the log that is read first when the file is opened again.
    let tiny = Value::number("1e-130");
    table.commit(&[put(3, 3, [("b", Value::text("x")), ("c", tiny), ("d", Value::text("x"))])]).await;
    let rows = table.prepare(&[put(2, 2, [("a", Value::int(2))])]).await.unwrap();
    let mut transaction = table.session.begin().await.unwrap();
    transaction.write(&rows).await.unwrap();
    println_ready();
    std::thread::sleep(std::time::Duration::from_mins(10));
}

#[expect(clippy::print_stdout, reason = "the test that started it waits for this line")]
fn println_ready() {
    println!("ready");
}

fn hold(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::another_process_that_holds_the_file", "--nocapture"])
        .env(HELD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line.contains("ready"));
    assert!(ready, "the other process did not get as far");
    child
}

#[tokio::test]
async fn a_file_that_another_process_has_open_is_refused_and_what_it_committed_outlives_it() {
    let place = File::new();
    let mut other = hold(&place.path());
    let error = Table::refused(&place.duckdb().await, target("t")).await;
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Never), "{error:?}");
    let said = error.report();
    let pid = format!("PID {}", other.id());
    assert!(said.contains("another process has the file open") && said.contains(&pid), "{said}");
    let report = place.duckdb().await.check().await.unwrap();
    assert!(!report.passed(), "{report:?}");
    other.kill().unwrap();
    other.wait().unwrap();
    let mut table = Table::open(&place.duckdb().await, target("t")).await;
    assert_eq!(place.query("SELECT id, a, b, c, d FROM t WHERE id = 1").await, ["1 1 1 1.5 \"AA==\""]);
    table.commit(&[put(2, 2, [("a", Value::int(2))])]).await;
    assert_eq!(place.query("SELECT count(*) FROM t").await, ["3"]);
}

#[tokio::test]
async fn looking_makes_no_file_and_a_check_leaves_none() {
    let place = File::new();
    let duckdb = place.duckdb().await;
    assert!(duckdb.peek(&target("t")).await.unwrap().is_none());
    assert!(duckdb.peek_schema(&target("t")).await.unwrap().is_none());
    assert!(!place.path().exists());
    let report = duckdb.check().await.unwrap();
    assert!(report.passed(), "{report:?}");
    assert!(!place.path().exists());
    let mut table = Table::try_open(&duckdb, target("t")).await.unwrap();
    table.commit(&[put(1, 1, [])]).await;
    assert!(duckdb.check().await.unwrap().passed());
    assert!(place.path().exists());
    assert_eq!(place.query("SELECT count(*) FROM duckdb_tables() WHERE table_name = '_ct_check'").await, ["0"]);
}

#[tokio::test]
async fn what_cannot_be_a_database_is_named() {
    let place = File::new();
    let folder = place.path().parent().unwrap().to_owned();
    std::fs::write(folder.join("letter"), "dear reader ".repeat(2_000)).unwrap();
    std::os::unix::fs::symlink(folder.join("nothing"), folder.join("link")).unwrap();
    for (path, kind) in [
        (folder.join("missing/x.duckdb"), ErrorKind::NotFound),
        (folder.join("letter"), ErrorKind::ConfigInvalid),
        (folder.clone(), ErrorKind::ConfigInvalid),
        (folder.join("link"), ErrorKind::ConfigInvalid),
    ] {
        let duckdb = Config::new(&path).connect().await.unwrap();
        let error = Table::refused(&duckdb, target("t")).await;
        assert_eq!(error.kind(), kind, "{error:?}");
        let report = duckdb.check().await.unwrap();
        assert!(matches!(report.checks[0].outcome, Outcome::Failed { .. }), "{report:?}");
    }
    assert_eq!(std::fs::read_to_string(folder.join("letter")).unwrap().len(), 24_000);
    for config in [
        Config::new(""),
        Config { schema: String::new(), ..place.config() },
        Config { schema: "_ct_x".to_owned(), ..place.config() },
        Config { threads: Some(0), ..place.config() },
    ] {
        assert_eq!(config.connect().await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    let config = Config { memory_limit: Some("plenty".to_owned()), ..place.config() };
    let error = Table::refused(&config.connect().await.unwrap(), target("t")).await;
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{error:?}");
}

#[tokio::test]
async fn one_file_by_two_paths_is_one_database() {
    let place = File::new();
    let folder = place.path().parent().unwrap().to_owned();
    std::fs::create_dir(folder.join("sub")).unwrap();
    let mut first = Table::open(&place.duckdb().await, target("t")).await;
    first.commit(&[put(1, 1, [])]).await;
    std::os::unix::fs::symlink(place.path(), folder.join("sub/link")).unwrap();
    let detour = Config::new(folder.join("sub/../sub/link")).connect().await.unwrap();
    let mut second = Table::try_open(&detour, target("t")).await.unwrap();
    second.commit(&[put(2, 2, [])]).await;
    assert_eq!(first.try_commit(&[put(3, 3, [])]).await.unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!(place.query("SELECT count(*) FROM t").await, ["2"]);
}

/// Neither the extension nor the service is here, so this is all that can be tried of it: what is said, and that the token is not.
#[tokio::test]
async fn a_token_for_motherduck_is_not_shown() {
    let token = || Some(Secret::new("hunter2".to_owned()));
    for (config, said) in [
        (Config::new("md:shop?motherduck_token=hunter2"), "A database of MotherDuck is `md:NAME`"),
        (Config::new("motherduck:"), "A database of MotherDuck is `md:NAME`"),
        (Config { motherduck_token: token(), ..Config::new("shop.duckdb") }, "The path is that of a file"),
    ] {
        let error = config.connect().await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        let shown = format!("{error:?} {}", error.report());
        assert!(shown.contains(said) && !shown.contains("hunter2"), "{shown}");
    }
    let config = Config { motherduck_token: token(), ..Config::new("md:shop") };
    let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
    assert!(shown.contains("md:shop") && !shown.contains("hunter2"), "{shown}");
    assert!(config.connect().await.is_ok(), "it is reached when it is needed");
}
