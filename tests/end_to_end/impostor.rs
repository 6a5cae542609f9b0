//! TLS is verified: a server whose certificate nobody has vouched for is not spoken to.
//!
//! The same for Postgres, in each `sslmode`, stands in the destination's own tests.

use std::io::{BufRead, BufReader, Read};

use commutator_tests::{Program, Running, python_in_background, server};

use crate::fixture::{Place, Source};

/// A server that has the right address in its certificate, and no more.
struct Impostor {
    process: Running,
    output: BufReader<std::process::ChildStdout>,
    url: String,
}

impl Impostor {
    /// `None` without Python, or without the `openssl` by which the servers' own certificates are made.
    fn start(test: &str) -> Option<Self> {
        server(test, "COMMUTATOR_TEST_PYTHON")?;
        server(test, "COMMUTATOR_TEST_POSTGRES_CA")?;
        let mut process = python_in_background("impostor.py", &[]);
        let mut output = BufReader::new(process.stdout().expect("it is piped"));
        let mut port = String::new();
        output.read_line(&mut port).expect("the server prints its port");
        let port: u16 = port.trim().parse().expect("a port");
        Some(Self { process, output, url: format!("https://127.0.0.1:{port}") })
    }

    /// Asserts that no request came.
    fn was_not_asked(mut self) {
        self.process.kill();
        let mut said = String::new();
        self.output.read_to_string(&mut said).expect("text");
        assert_eq!(said, "", "a client spoke to a server that it cannot know");
    }
}

fn refused(config: &str) -> String {
    let output = Program::new(&format!("[pipeline]\nid = \"p\"\n{config}")).run(&["check", "--json"]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{out}\n{err}");
    format!("{out}\n{err}")
}

#[test]
fn dynamodb_with_an_unknown_certificate_is_not_spoken_to() {
    let Some(impostor) = Impostor::start("dynamodb_with_an_unknown_certificate") else { return };
    let source = format!(
        "[source]\ntype = \"dynamodb\"\nregion = \"eu-west-1\"\nendpoint_url = \"{}\"\naccess_key_id = \"test\"\n\
         secret_access_key = \"test\"\ntables = [\"orders\"]\n",
        impostor.url
    );
    let said = refused(&format!("{source}{}", Place::disk().config()));
    assert!(said.contains("certificate"), "{said}");
    impostor.was_not_asked();
}

#[test]
fn s3_with_an_unknown_certificate_is_not_spoken_to() {
    let Some(source) = Source::create("impostor_s3", "NEW_AND_OLD_IMAGES") else { return };
    let Some(impostor) = Impostor::start("s3_with_an_unknown_certificate") else { return };
    let destination = format!(
        "[destination]\ntype = \"parquet\"\nurl = \"s3://bucket/prefix\"\nregion = \"us-east-1\"\nendpoint_url = \"{}\"\n\
         access_key_id = \"test\"\nsecret_access_key = \"test\"\n",
        impostor.url
    );
    let said = refused(&format!("{}{destination}", source.config()));
    assert!(said.contains("certificate"), "{said}");
    impostor.was_not_asked();
}
