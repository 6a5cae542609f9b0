//! `commutator-bench`: measures and prints; `cargo xtask bench` builds and calls it.

#![expect(clippy::print_stdout, reason = "a command-line program prints")]

use std::env;

use anyhow::{Context as _, Result, bail};
use commutator_bench::dataset::Dataset;
use commutator_bench::decode::{Case, Decoders, Measured, Response, Way, table};

const USAGE: &str = "\
commutator-bench decode [--rounds N] [--pages N] [--seed N] [DATASET…]   decode, and print the table
commutator-bench profile DATASET scan|records WAY TIMES                   decode one page so many times, for a profiler";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["decode", options @ ..] => decode(options),
        ["profile", dataset, response, way, times] => {
            let response = if *response == "records" { Response::GetRecords } else { Response::Scan };
            profile(named(dataset)?, response, way, times.parse()?)
        }
        _ => bail!("usage:\n{USAGE}"),
    }
}

fn decode(options: &[&str]) -> Result<()> {
    let (mut rounds, mut pages, mut seed, mut datasets) = (15, 24, 1, Vec::new());
    let mut rest = options.iter();
    while let Some(&option) = rest.next() {
        let mut number = || rest.next().context("a number is missing")?.parse().context("not a number");
        match option {
            "--rounds" => rounds = number()?,
            "--pages" => pages = number()?,
            "--seed" => seed = number()?,
            name => datasets.push(named(name)?),
        }
    }
    let mut cases: Vec<_> = Dataset::ALL.map(|dataset| (dataset, Response::Scan)).into();
    cases.push((Dataset::Typical, Response::GetRecords));
    cases.retain(|(dataset, _)| datasets.is_empty() || datasets.contains(dataset));
    let measure = |(dataset, response)| -> Result<Measured> {
        let case = Case::new(dataset, response, seed, pages);
        case.check()?;
        case.measure(usize::try_from(rounds)?)
    };
    let results = cases.into_iter().map(measure).collect::<Result<Vec<_>>>()?;
    print!("{}", table(&results));
    Ok(())
}

fn profile(dataset: Dataset, response: Response, way: &str, times: usize) -> Result<()> {
    let way = Way::parse(way).with_context(|| format!("there is no way `{way}`"))?;
    let case = Case::new(dataset, response, 1, 1);
    let mut decoders = Decoders::new(response)?;
    let mut rows = 0;
    for _ in 0..times {
        for body in case.bodies() {
            rows += decoders.decode(way, body)?;
        }
    }
    println!("{rows}");
    Ok(())
}

fn named(name: &str) -> Result<Dataset> {
    let all = Dataset::ALL.map(Dataset::name).join(", ");
    let found = Dataset::ALL.into_iter().find(|dataset| dataset.name() == name);
    found.with_context(|| format!("there is no data set `{name}`; there are {all}"))
}
