//! What people use today, installed from the registries, so that it can be measured on the same server.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{cache, command, packages};

/// One environment: these live with each other.
const PYTHON: &str = "\
boto3==1.44.5
pyarrow==24.0.0
awswrangler==3.17.0
ingestr==0.15.9
";

/// Another one: it wants a boto3 of 2020.
const TAP: &str = "tap-dynamodb==1.4.0\n";

const FAUCET: &str = "1.17.0";
/// faucet asks for a newer compiler than this project.
const FAUCET_TOOLCHAIN: &str = "1.99.1";

/// Installs what can be installed, and returns the options that tell the benchmark where it is. What cannot be installed is named and
/// left out.
pub(super) fn options(root: &Path) -> Vec<String> {
    let mut options = vec!["--peers".to_owned(), root.join("crates/bench/peers").display().to_string()];
    let mut add = |name: &str, option: &str, installed: Result<String>| match installed {
        Ok(path) => options.extend([option.to_owned(), path]),
        Err(error) => println!("{name}: not measured: {error:#}"),
    };
    let python = |name, requirements, sources| -> Result<String> {
        let folder = packages::python_environment(name, requirements, sources)?;
        Ok(folder.join("bin/python").display().to_string())
    };
    add("boto3, awswrangler, ingestr", "--python", python("peers", PYTHON, false));
    add("tap-dynamodb", "--tap-python", python("peers-tap", TAP, true));
    add("faucet-cli", "--faucet", faucet());
    options
}

/// Builds faucet with its own compiler, if rustup can fetch that; it takes long, once.
fn faucet() -> Result<String> {
    let folder = cache::installed(&format!("faucet-{FAUCET}"), |folder| {
        ensure!(command::find("rustup", &[]).is_some(), "it takes Rust {FAUCET_TOOLCHAIN}, and there is no rustup");
        let toolchain = ["toolchain", "install", FAUCET_TOOLCHAIN, "--profile", "minimal", "--no-self-update"];
        command::run(Command::new("rustup").args(toolchain))?;
        println!("building faucet-cli {FAUCET}");
        let mut cargo = Command::new("rustup");
        cargo.args(["run", FAUCET_TOOLCHAIN, "cargo", "install", "faucet-cli", "--version", FAUCET, "--locked"]);
        cargo.args(["--no-default-features", "--features", "source-dynamodb,sink-parquet", "--root"]).arg(folder);
        cargo.arg("--target-dir").arg(folder.join("build")).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
        command::run(&mut cargo)?;
        std::fs::remove_dir_all(folder.join("build")).context("its build folder")
    })?;
    Ok(folder.join("bin/faucet").display().to_string())
}
