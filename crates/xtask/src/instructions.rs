//! `cargo xtask bench instructions`: how many instructions the decoder takes for a page, counted by callgrind and compared with the numbers
//! that were committed. Unlike time, they are the same on a busy machine, and on another one: callgrind shows every program the same processor,
//! whatever the machine has, if only it has AVX2.

use std::{env::consts::ARCH, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value};

use crate::{command, packages};

/// Where the numbers are, from the root.
const COMMITTED: &str = "crates/bench/instructions.json";

const COUNTED_ON: &str = "x86_64";

/// The compiler that the numbers belong to, among them.
const COMPILER: &str = "compiler";

/// What is counted: a data set, and the response it comes in.
const CASES: [(&str, &str); 5] =
    [("typical", "scan"), ("shuffled", "scan"), ("nested", "scan"), ("numeric", "scan"), ("typical", "records")];

/// The first pages teach the decoder; what `LATER` pages take more than these is counted.
const FIRST: u64 = 2;
const LATER: u64 = 12;

/// So many percent more are a regression.
const MARGIN: u64 = 10;

/// Counts, and fails if a case takes 10 % more than the number that was committed; with `save`, writes the numbers instead.
pub(crate) fn run(root: &Path, program: &Path, save: bool) -> Result<()> {
    if ARCH != COUNTED_ON {
        println!("not counted: the numbers are of {COUNTED_ON}, this is {ARCH}");
        return Ok(());
    }
    if command::find("valgrind", &[]).is_none() {
        packages::apt_install(&["valgrind"]).context("valgrind")?;
    }
    let file = root.join(COMMITTED);
    let committed: Map<String, Value> = match fs::read(&file) {
        Ok(text) => serde_json::from_slice(&text).context(COMMITTED)?,
        Err(_) if save => Map::new(),
        Err(error) => return Err(error).context(COMMITTED),
    };
    let compiler = command::run(Command::new("rustc").arg("--version"))?.trim().to_owned();
    let counted_with = committed.get(COMPILER).and_then(Value::as_str).unwrap_or("an unknown compiler");
    let mut counted = Map::new();
    let mut worse = Vec::new();
    for (dataset, response) in CASES {
        let name = format!("{dataset}, {response}");
        let [first, later] = [count(program, dataset, response, FIRST)?, count(program, dataset, response, LATER)?];
        let page = later.saturating_sub(first) / (LATER - FIRST);
        let before = committed.get(&name).and_then(Value::as_u64);
        println!("{name}: {page} instructions a page, {}", compared(page, before));
        if is_worse(page, before) {
            worse.push(name.clone());
        }
        counted.insert(name, page.into());
    }
    if save {
        counted.insert(COMPILER.to_owned(), compiler.into());
        return Ok(fs::write(file, serde_json::to_string_pretty(&counted)? + "\n")?);
    }
    ensure!(
        worse.is_empty(),
        "more than {MARGIN} % slower than {COMMITTED} says: {} (counted with {counted_with}, this is {compiler}); make it faster, or say why \
         it is slower and save the new numbers with `cargo xtask bench instructions --save`",
        worse.join("; ")
    );
    Ok(())
}

/// Whether a case became slower; one that nobody has counted before is, so that it is not forgotten.
fn is_worse(page: u64, before: Option<u64>) -> bool {
    before.is_none_or(|before| page * 100 > before * (100 + MARGIN))
}

/// How a number compares with the one before.
fn compared(page: u64, before: Option<u64>) -> String {
    let Some(before) = before.filter(|before| *before > 0) else { return "never counted before".to_owned() };
    let (sign, difference) = if page < before { ('-', before - page) } else { ('+', page - before) };
    let tenths = difference * 1_000 / before;
    format!("{sign}{}.{} % of the {before} committed", tenths / 10, tenths % 10)
}

fn count(program: &Path, dataset: &str, response: &str, times: u64) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    valgrind.args(["profile", dataset, response, "commutator", &times.to_string()]);
    let output = valgrind.output().context("cannot run valgrind")?;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind: {}", command::tail(&log, 20));
    match collected(&log) {
        Some(count) => Ok(count),
        None => bail!("valgrind does not say how many instructions it counted: {}", command::tail(&log, 20)),
    }
}

/// The number in callgrind's line `==1== Collected : 123`.
fn collected(log: &str) -> Option<u64> {
    log.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrind_says_how_many() {
        assert_eq!(collected("==1== Events    : Ir\n==1== Collected : 197595515\n"), Some(197_595_515));
        assert_eq!(collected("==1== nothing"), None);
    }

    #[test]
    fn a_tenth_more_is_still_good() {
        assert!(!is_worse(1_100, Some(1_000)) && !is_worse(10, Some(1_000)));
        assert!(is_worse(1_101, Some(1_000)) && is_worse(1, None));
    }

    #[test]
    fn a_difference_is_shown_in_hundredths() {
        assert_eq!(compared(1_101, Some(1_000)), "+10.1 % of the 1000 committed");
        assert_eq!(compared(995, Some(1_000)), "-0.5 % of the 1000 committed");
        assert_eq!(compared(1, None), "never counted before");
    }
}
