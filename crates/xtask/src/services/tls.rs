//! A certificate authority and a server certificate for 127.0.0.1, made by the `openssl` program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::command;

/// Where the files are.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) authority: PathBuf,
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

/// Makes them in `folder`; none where there is no `openssl`.
pub(super) fn certificate(folder: &Path) -> Result<Option<Certificate>> {
    let Some(openssl) = command::find("openssl", &[]) else { return Ok(None) };
    let openssl = |arguments: &str| {
        let mut command = Command::new(&openssl);
        command::run(command.args(arguments.split_whitespace()).current_dir(folder))
    };
    let key = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=commutator-test-ca"))?;
    openssl(&format!("req -new {key} -keyout server.key -out server.csr -subj /CN=localhost"))?;
    let extensions =
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n";
    fs::write(folder.join("server.ext"), extensions)?;
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile server.ext -out server.pem",
    )?;
    let [authority, chain, key] = ["ca.pem", "server.pem", "server.key"].map(|name| folder.join(name));
    command::run(Command::new("chmod").arg("600").arg(&key))?;
    Ok(Some(Certificate { authority, chain, key }))
}
