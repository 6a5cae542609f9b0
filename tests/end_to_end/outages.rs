//! A destination that goes away while a run goes on, comes back, and cuts connections off in the middle: the run waits and goes on by itself.

use std::time::Duration;

use commutator_tests::{Program, Relay, until};

use crate::fixture::{Place, Source};

const ITEMS: u32 = 1_000;
const CUTS: u32 = 12;
const LIMIT: Duration = Duration::from_mins(4);

#[test]
fn postgres_comes_back() {
    let Some(place) = Place::postgres("postgres_comes_back") else { return };
    let Place::Postgres { url, .. } = &place else { return };
    let (login, server) = url.rsplit_once('@').expect("a login");
    let (address, database) = server.split_once('/').expect("a database");
    let relay = Relay::start(address);
    let through = format!("{login}@{}/{database}", relay.address());
    let config = place.config().replace("${COMMUTATOR_TEST_POSTGRES_URL}", &through);
    run_through("outage_postgres", &place, &relay, &config);
}

#[test]
fn s3_comes_back() {
    let Some(place) = Place::s3("s3_comes_back") else { return };
    let Place::S3 { endpoint, .. } = &place else { return };
    let relay = Relay::start(endpoint.strip_prefix("http://").expect("plain HTTP"));
    let config = place.config().replace(endpoint.as_str(), &format!("http://{}", relay.address()));
    run_through("outage_s3", &place, &relay, &config);
}

fn run_through(test: &str, place: &Place, relay: &Relay, destination: &str) {
    let Some(source) = Source::create(test, "NEW_AND_OLD_IMAGES") else { return };
    source.fill(ITEMS);
    let config = format!("[pipeline]\nid = \"outage\"\ncommit_seconds = 0.1\n{}{destination}", source.config());
    let program = Program::new(&config);
    let churn = source.trickle(ITEMS);
    // It is away already when the run begins, and once more when the stream is followed.
    relay.leave();
    let mut running = program.start_with(&["run"], &[("RUST_LOG", "warn,commutator_cli=debug")]);
    for outage in 1..=2 {
        let waited = retries(&program);
        relay.leave();
        until(
            LIMIT,
            || retries(&program) > waited,
            || format!("it does not wait (outage {outage}): {}", program.log()),
        );
        let committed = commits(&program);
        relay.come_back();
        until(LIMIT, || commits(&program) > committed + 3, || format!("it does not go on: {}", program.log()));
    }
    for _ in 0..CUTS {
        let committed = commits(&program);
        relay.cut();
        until(LIMIT, || commits(&program) > committed, || format!("it does not go on after a cut: {}", program.log()));
        // Not the same moment of a commit each time.
        std::thread::sleep(Duration::from_millis(u64::from(fastrand::u8(..)) * 2));
    }
    churn.kill();
    place.becomes_identical(&source, LIMIT);
    assert!(running.is_running(), "{}", program.log());
    assert!(running.terminate(LIMIT).success(), "{}", program.log());
    place.verify(&source);
    // Whoever reads the log learns which table waits, and for what.
    let log = program.log();
    let waits = log.lines().filter(|line| line.contains("trying again"));
    assert!(waits.clone().all(|line| line.contains(&source.table)), "{log}");
    assert!(waits.clone().any(|line| line.contains("cannot be reached") || line.contains("does not answer")), "{log}");
    crate::fixture::program("outage", &source.config(), place).succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
}

fn retries(program: &Program) -> usize {
    program.log().matches("trying again").count()
}

fn commits(program: &Program) -> usize {
    program.log().matches(" committed ").count()
}
