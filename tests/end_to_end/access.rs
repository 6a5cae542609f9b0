//! Credentials and rights: roles with an external id, credentials that expire, and what `check` says of what is missing.

use std::io::{BufRead, BufReader};

use commutator_tests::{Program, Running, python_in_background};
use serde_json::Value;

use crate::fixture::{Place, Source, program};

/// An STS and a gate before DynamoDB Local, which asks for what the STS issued.
pub(crate) struct Front {
    _process: Running,
    pub(crate) url: String,
}

impl Front {
    pub(crate) fn start(source: &Source, lifetime: &str) -> Self {
        let arguments = ["--backend", &source.endpoint, "--external-id", "the-right-id", "--lifetime", lifetime];
        let mut process = python_in_background("front.py", &arguments);
        let mut port = String::new();
        BufReader::new(process.stdout().expect("it is piped")).read_line(&mut port).expect("the front prints its port");
        Self { _process: process, url: format!("http://127.0.0.1:{}", port.trim()) }
    }

    fn config(&self, source: &Source, external_id: Option<&str>) -> String {
        let external_id = external_id.map(|id| format!("external_id = \"{id}\"\n")).unwrap_or_default();
        format!(
            "{}[source.assume_role]\nrole_arn = \"arn:aws:iam::123456789012:role/commutator\"\n{external_id}",
            source.config().replace(
                &format!("endpoint_url = \"{}\"", source.endpoint),
                &format!("endpoint_url = \"{0}\"\nsts_endpoint_url = \"{0}\"", self.url),
            )
        )
    }
}

/// Runs `check --json` and returns the problems and remedies of what failed.
fn failures(program: &Program) -> String {
    let output = program.run(&["check", "--json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let parsed: Value = serde_json::from_str(&text).expect("JSON");
    let mut found = Vec::new();
    collect_failures(&parsed, &mut found);
    assert!(!found.is_empty(), "{text}");
    found.join("\n")
}

fn collect_failures(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if members.get("outcome").is_some_and(|outcome| outcome == "failed") {
                let remedy = members.get("remedy").and_then(Value::as_str).unwrap_or_default();
                assert!(!remedy.is_empty(), "no remedy: {value}");
                found.push(format!("{}: {} -> {remedy}", members["name"], members["problem"]));
            }
            members.values().for_each(|member| collect_failures(member, found));
        }
        Value::Array(members) => members.iter().for_each(|member| collect_failures(member, found)),
        _ => {}
    }
}

#[test]
fn a_role_is_assumed_with_its_external_id_and_renewed_before_it_expires() {
    let Some(source) = Source::create("assumed_role", "NEW_AND_OLD_IMAGES") else { return };
    source.fill(2_000);
    // Shorter than the run: each request after the first seconds needs credentials that were issued during it.
    let front = Front::start(&source, "12");
    let place = Place::disk();
    let program = program("role", &front.config(&source, Some("the-right-id")), &place);
    let churn = source.churn(2_000);
    let running = program.start(&["run"]);
    std::thread::sleep(std::time::Duration::from_secs(20));
    churn.kill();
    assert!(running.terminate(std::time::Duration::from_mins(1)).success(), "{}", program.log());
    program.succeed(&["run", "--until-caught-up"]);
    place.verify(&source);
    program.succeed(&["check"]);
}

#[test]
fn check_names_a_wrong_and_a_missing_external_id() {
    let Some(source) = Source::create("wrong_external_id", "NEW_AND_OLD_IMAGES") else { return };
    let front = Front::start(&source, "3600");
    for external_id in [Some("another-id"), None] {
        let program = program("role", &front.config(&source, external_id), &Place::disk());
        let said = failures(&program);
        assert!(said.contains("arn:aws:iam::123456789012:role/commutator"), "{said}");
        assert!(said.contains("external_id"), "{said}");
    }
}

#[test]
fn check_names_a_missing_stream_and_run_refuses_it() {
    for view in ["NONE", "KEYS_ONLY", "OLD_IMAGE"] {
        let Some(source) = Source::create("no_stream", view) else { return };
        source.fill(10);
        let place = Place::disk();
        let program = program("streamless", &source.config(), &place);
        let said = failures(&program);
        assert!(said.contains("stream") && said.contains("NEW_AND_OLD_IMAGES"), "{said}");
        let refused = program.run(&["run", "--until-caught-up"]);
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{error}");
        assert!(error.contains("--snapshot-only"), "{error}");
        program.succeed(&["run", "--snapshot-only"]);
        place.verify(&source);
    }
}

#[test]
fn check_names_a_wrong_postgres_password() {
    let Some(source) = Source::create("wrong_password", "NEW_AND_OLD_IMAGES") else { return };
    let Some(Place::Postgres { url, .. }) = Place::postgres("wrong_password") else { return };
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (login, server) = rest.rsplit_once('@').expect("a login");
    let user = login.split(':').next().unwrap_or_default();
    let config = format!(
        "[pipeline]\nid = \"p\"\n{}[destination]\ntype = \"postgres\"\nurl = \"{scheme}://{user}:not-the-password@{server}\"\n",
        source.config()
    );
    let said = failures(&Program::new(&config));
    assert!(said.contains("password"), "{said}");
    assert!(!said.contains("not-the-password"), "{said}");
}

#[test]
fn check_names_a_bucket_without_rights() {
    let Some(source) = Source::create("no_rights", "NEW_AND_OLD_IMAGES") else { return };
    let Some(place) = Place::s3("no_rights") else { return };
    let read_only = place
        .config()
        .replace("S3_ACCESS_KEY", "S3_READ_ONLY_ACCESS_KEY")
        .replace("S3_SECRET_KEY", "S3_READ_ONLY_SECRET_KEY");
    let said = failures(&Program::new(&format!("[pipeline]\nid = \"p\"\n{}{read_only}", source.config())));
    assert!(said.contains("s3:PutObject"), "{said}");
    let wrong = place.config().replace("${COMMUTATOR_TEST_S3_SECRET_KEY}", "not-the-secret");
    let said = failures(&Program::new(&format!("[pipeline]\nid = \"p\"\n{}{wrong}", source.config())));
    assert!(said.contains("SignatureDoesNotMatch") && said.contains("check the keys"), "{said}");
    assert!(!said.contains("not-the-secret"), "{said}");
}
