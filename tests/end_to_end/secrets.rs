//! Secrets stay where they are: every command runs with marked ones, and whatever it printed or wrote is searched for them.
//!
//! The passwords and keys of the test servers are random, so they are marks themselves.

mod set_aside;

use std::path::Path;
use std::process::Output;

use commutator_tests::{Program, python, server};

use crate::access::Front;
use crate::fixture::{Place, Source};

/// Static keys of AWS, of which `DynamoDB` Local takes any. The id is no secret (AWS shows it in its own logs), but only the SDK's logs, which
/// stand below `info`, may have it.
const KEY: &str = "MARKEDKEYID0000001";
const SECRET: &str = "markedSecretAccessKey0000001";
const TOKEN: &str = "markedSessionToken0000001";
const PASSWORD: &str = "markedPassword0000001";

const COMMANDS: [&[&str]; 5] =
    [&["check"], &["discover", "--sample"], &["plan"], &["run", "--until-caught-up"], &["status"]];
const MANNERS: [&[&str]; 3] = [&[], &["--json"], &["-vv", "--json", "--log-format", "json"]];

/// What is secret in a test, and everything that must not hold it.
struct Search {
    marks: Vec<String>,
    /// Whether the logs of all libraries are on.
    loud: bool,
    searched: usize,
}

impl Search {
    fn new(more: &[&str]) -> Self {
        let marks = [KEY, SECRET, TOKEN, PASSWORD].iter().chain(more).map(|&mark| mark.to_owned()).collect();
        Self { marks, loud: false, searched: 0 }
    }

    fn bytes(&mut self, what: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for mark in self.marks.iter().filter(|mark| !self.loud || *mark != KEY) {
            if let Some(at) = text.find(mark.as_str()) {
                let lines = text[..at].matches('\n').count();
                let before: String = text[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("{what} shows the secret {mark}, in line {}, after: {before}", lines + 1);
            }
        }
        self.searched += bytes.len();
    }

    fn output(&mut self, what: &str, output: &Output) {
        self.bytes(&format!("{what}: stdout"), &output.stdout);
        self.bytes(&format!("{what}: stderr"), &output.stderr);
    }

    /// Runs a command with everything logged that any library logs.
    fn trace(&mut self, program: &Program, command: &[&str], variables: &[(&str, &str)]) {
        let output = program.run_with(command, &[variables, &[("RUST_LOG", "trace")]].concat());
        self.loud = true;
        self.output("RUST_LOG=trace", &output);
        self.loud = false;
    }

    /// Every file but the configuration, which is where the secrets are.
    fn folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                self.folder(&path);
            } else if path.file_name().is_none_or(|name| name != "commutator.toml") {
                self.bytes(&path.display().to_string(), &std::fs::read(&path).expect("a file"));
            }
        }
    }

    /// Asks for a resync, and runs it.
    fn resync(&mut self, program: &Program, source: &Source, variables: &[(&str, &str)]) {
        let commands: [&[&str]; 3] = [&["resync", &source.table], &["status"], &["run", "--until-caught-up"]];
        self.run(program, &commands, variables, true);
    }

    /// Runs each command in each manner; `succeeds` says whether they must.
    fn run(&mut self, program: &Program, commands: &[&[&str]], variables: &[(&str, &str)], succeeds: bool) {
        for command in commands {
            for manner in MANNERS {
                let arguments = [command, manner].concat();
                let output = program.run_with(&arguments, variables);
                self.loud = manner.contains(&"-vv");
                self.output(&format!("commutator {arguments:?}"), &output);
                let shown = || String::from_utf8_lossy(&output.stderr).into_owned();
                assert_eq!(output.status.success(), succeeds, "commutator {arguments:?}: {}", shown());
                // A list of letters on a disk asks nobody.
                let asks = !command.starts_with(&["dead-letter", "list"]);
                assert!(!self.loud || !asks || !output.stderr.is_empty(), "commutator {arguments:?} logs nothing");
            }
        }
        self.loud = false;
        self.folder(program.folder());
    }
}

/// The `[source]` section with marked static keys.
fn marked(source: &Source) -> String {
    let config = source.config();
    let config = config.replace("access_key_id = \"test\"", &format!("access_key_id = \"{KEY}\""));
    let config = config.replace("secret_access_key = \"test\"", &format!("secret_access_key = \"{SECRET}\""));
    assert!(config.contains(KEY) && config.contains(SECRET));
    format!("{config}session_token = \"{TOKEN}\"\n")
}

fn program(source: &str, destination: &str) -> Program {
    Program::new(&format!("[pipeline]\nid = \"secrets\"\n{source}{destination}"))
}

/// User, password, host, port and database of `COMMUTATOR_TEST_POSTGRES_URL`.
fn parts(url: &str) -> [String; 5] {
    let (_, rest) = url.split_once("://").expect("a URL");
    let (login, server) = rest.rsplit_once('@').expect("a login");
    let (user, password) = login.split_once(':').expect("a password");
    let (address, database) = server.split_once('/').expect("a database");
    let (host, port) = address.split_once(':').expect("a port");
    [user, password, host, port, database].map(str::to_owned)
}

#[test]
fn parquet_on_disk_shows_no_key_of_the_source() {
    let Some(source) = Source::create("secrets_disk", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(50);
    let Place::Disk { folder } = Place::disk() else { unreachable!("a disk is a disk") };
    let program = program(
        &marked(&source),
        &format!("[destination]\ntype = \"parquet\"\nurl = \"{}\"\n", folder.path().display()),
    );
    let mut search = Search::new(&[]);
    search.run(&program, &COMMANDS, &[], true);
    search.resync(&program, &source, &[]);
    search.trace(&program, &["run", "--until-caught-up"], &[]);
    let before = search.searched;
    search.folder(folder.path());
    assert!(search.searched > before, "the lake is empty");
}

#[test]
fn postgres_shows_no_password_however_it_was_given() {
    let Some(source) = Source::create("secrets_postgres", "NEW_AND_OLD_IMAGES") else { return };
    let Some(Place::Postgres { url, schema }) = Place::postgres("secrets_postgres") else { return };
    source.fill(50);
    let [user, password, host, port, database] = parts(&url);
    let mut search = Search::new(&[&password]);
    let section = |settings: &str| format!("[destination]\ntype = \"postgres\"\nschema = \"{schema}\"\n{settings}");
    let pairs = format!("url = \"host={host} port={port} user={user} password='{password}' dbname={database}\"\n");
    let fields = format!(
        "host = \"{host}\"\nport = {port}\nuser = \"{user}\"\npassword = \"${{MARKED}}\"\ndbname = \"{database}\"\n"
    );
    let bare = format!("url = \"postgres://{user}@{host}:{port}/{database}\"\n");
    for (settings, variables) in [
        (format!("url = \"{url}\"\n"), vec![]),
        (pairs, vec![]),
        (fields, vec![("MARKED", password.as_str())]),
        (bare, vec![("PGPASSWORD", password.as_str())]),
    ] {
        let program = program(&marked(&source), &section(&settings));
        search.run(&program, &COMMANDS, &variables, true);
        search.trace(&program, &["check"], &variables);
    }
    search.resync(&program(&marked(&source), &section(&format!("url = \"{url}\"\n"))), &source, &[]);
    search.bytes("the database", everything(&url, &schema).as_bytes());
    // The short form, too.
    let from = format!("dynamodb://eu-west-1/{}?endpoint_url={}", source.table, source.endpoint);
    let keys = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SESSION_TOKEN", TOKEN)];
    let to = format!("{url}?schema={schema}_short");
    let output = program("", "").run_with(&["run", "--until-caught-up", "-vv", "--from", &from, "--to", &to], &keys);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    search.loud = true;
    search.output("the short form", &output);
}

/// Every row of every table of a schema, as text; the checkpoint table is one of them.
fn everything(url: &str, schema: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
        let connection = tokio::spawn(connection);
        let tables = "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = $1";
        let tables = client.query(tables, &[&schema]).await.expect("the tables");
        let mut text = String::new();
        for table in tables {
            let table: String = table.get(0);
            let rows = client.query(&format!("SELECT t::text FROM {schema}.{table} t"), &[]).await.expect("rows");
            text.push_str(&table);
            for row in rows {
                text.push_str(row.get(0));
            }
        }
        drop(client);
        connection.await.expect("the task ends").expect("the connection ends");
        assert!(text.contains("_ct_checkpoints") && text.contains("partitions"), "no checkpoint was written");
        text
    })
}

#[test]
fn s3_shows_no_key() {
    let Some(source) = Source::create("secrets_s3", "NEW_AND_OLD_IMAGES") else { return };
    let Some(Place::S3 { endpoint, path }) = Place::s3("secrets_s3") else { return };
    let place = Place::S3 { endpoint: endpoint.clone(), path: path.clone() };
    source.fill(50);
    let secret = server("secrets_s3", "COMMUTATOR_TEST_S3_SECRET_KEY").expect("it goes with the endpoint");
    let mut search = Search::new(&[&secret]);
    let program = program(&marked(&source), &place.config());
    search.run(&program, &COMMANDS, &[], true);
    search.resync(&program, &source, &[]);
    search.trace(&program, &["run", "--until-caught-up"], &[]);
    let copies = tempfile::tempdir().expect("a temporary folder");
    let names = objects(&endpoint, &path, copies.path());
    assert!(names.contains("manifest-") && names.contains(".parquet"), "{names}");
    search.folder(copies.path());
}

/// Copies what lies on the S3 server into a folder; returns the names.
fn objects(endpoint: &str, path: &str, folder: &Path) -> String {
    python("objects.py", &["--endpoint", endpoint, "--path", path, "--folder", &folder.to_string_lossy()])
}

#[test]
fn failures_show_no_secret() {
    let Some(source) = Source::create("secrets_failures", "NEW_AND_OLD_IMAGES") else { return };
    let Some(Place::Postgres { url, .. }) = Place::postgres("secrets_failures") else { return };
    source.fill(5);
    let [user, _, host, port, database] = parts(&url);
    let mut search = Search::new(&[]);
    let postgres = |url: &str| format!("[destination]\ntype = \"postgres\"\nurl = \"{url}\"\n");
    let commands: [&[&str]; 2] = [&["check"], &["plan"]];
    for wrong in [
        // A wrong password, a host that is none, a port where nobody listens, a schema that is refused, and what cannot be parsed.
        format!("postgres://{user}:{PASSWORD}@{host}:{port}/{database}"),
        format!("postgres://{user}:{PASSWORD}@no-such-host.invalid/{database}"),
        format!("host={host} port=1 user={user} password={PASSWORD} dbname={database}"),
        format!("postgres://{user}:{PASSWORD}@{host}:{port}/no_such_database"),
        format!("postgres://{user}:{PASSWORD}@{host}:{port}/{database}?sslmode=maybe"),
        format!("postgres://{user}:{PASSWORD}@{host}:port/{database}"),
        format!("postgres://{user}:a/{PASSWORD}@{host}:{port}/{database}"),
        format!("postgres://{user}:{PASSWORD}%@{host}:{port}/{database}"),
        format!("host={host} password='{PASSWORD}"),
        PASSWORD.to_owned(),
    ] {
        search.run(&program(&marked(&source), &postgres(&wrong)), &commands, &[], false);
    }
    // A source that nobody answers for, or that refuses the role or the keys.
    let front = Front::start(&source, "3600");
    let gate = format!("endpoint_url = \"{}\"", source.endpoint);
    let gated =
        marked(&source).replace(&gate, &format!("endpoint_url = \"{0}\"\nsts_endpoint_url = \"{0}\"", front.url));
    let role =
        "[source.assume_role]\nrole_arn = \"arn:aws:iam::123456789012:role/commutator\"\nexternal_id = \"another\"\n";
    let silent = marked(&source).replace(&gate, "endpoint_url = \"http://127.0.0.1:1\"");
    let Place::Disk { folder } = Place::disk() else { unreachable!("a disk is a disk") };
    let disk = format!("[destination]\ntype = \"parquet\"\nurl = \"{}\"\n", folder.path().display());
    for refused in [gated.clone(), format!("{gated}{role}"), silent] {
        search.run(&program(&refused, &disk), &[&["check"]], &[], false);
    }
    // Configurations that are wrong, where a message could repeat a value.
    for wrong in [
        format!("{}secret_key = \"{SECRET}\"\n{disk}", marked(&source)),
        format!("{}[destination]\ntype = \"postgres\"\nurl = [\"{PASSWORD}\"]\n", marked(&source)),
        format!("{}[destination]\ntype = \"postgres\"\npassword = {PASSWORD}\n", marked(&source)),
        format!("{}[destination]\ntype = \"postgres\"\nport = \"${{MARKED}}\"\n", marked(&source)),
    ] {
        search.run(&program(&wrong, ""), &[&["check"]], &[("MARKED", PASSWORD)], false);
    }
}

#[test]
fn init_writes_no_password() {
    let folder = program("", "");
    let mut search = Search::new(&[]);
    let to = format!("postgres://me:{PASSWORD}@db/shop");
    for (manner, file) in MANNERS.iter().zip(["a.toml", "b.toml", "c.toml"]) {
        let arguments = [&["init", "--config", file, "--to", &to], *manner].concat();
        let output = folder.run(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        search.output("init", &output);
    }
    search.folder(folder.folder());
}
