//! `commutator-bench`: measures and prints; `cargo xtask bench` builds and calls it.

#![expect(clippy::print_stdout, reason = "a command-line program prints")]

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use commutator_bench::dataset::Dataset;
use commutator_bench::decode::{Case, Decoders, Measured, Response, Way, table};
use commutator_bench::serve::Load;
use commutator_bench::suite::{self, Peers, SUITES, Settings};
use commutator_bench::{live, load, process, run};

const USAGE: &str = "\
commutator-bench decode [--rounds N] [--pages N] [--seed N] [DATASET…]   decode, and print the table
commutator-bench suite NAME [--rounds N] [--pages N] [--dataset NAME] [--times N]
                       [--peers FOLDER] [--python PROGRAM] [--tap-python PROGRAM] [--faucet PROGRAM]
                                                                          measure whole runs over HTTP
commutator-bench latency [--rate N] [--shards N] [--seconds N]              changes into Postgres, and how long they take
commutator-bench load [--rounds N] [--pages N] [--dataset NAME]             rows into Postgres, and the same by psql
commutator-bench run WAY TO URL [OUT]                                     one such run
commutator-bench serve DATASET [--pages N] [--made N] [--tables N] [--shards N] [--delay MS] [--cores LIST]
                                                                          serve pages until the input ends
commutator-bench measure CORES COMMAND…                                   run a command on some cores, and say what it took
commutator-bench profile DATASET scan|records WAY TIMES                   decode one page so many times, for a profiler";

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["decode", options @ ..] => decode(options),
        ["suite", name, options @ ..] => measure_suite(name, options),
        ["latency", options @ ..] => latency(options),
        ["load", options @ ..] => load(options),
        ["run", way @ ..] => {
            println!("{}", run::run(way)?);
            Ok(())
        }
        ["serve", dataset, options @ ..] => serve(named(dataset)?, options),
        ["measure", cores, program, arguments @ ..] => {
            println!("{}", process::measure(&list(cores)?, Command::new(program).args(arguments))?);
            Ok(())
        }
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

fn measure_suite(name: &str, options: &[&str]) -> Result<()> {
    let mut settings = Settings {
        rounds: 5,
        pages: None,
        dataset: Dataset::Typical,
        scratch: env::temp_dir(),
        peers: Peers { folder: PathBuf::from("crates/bench/peers"), python: None, tap_python: None, faucet: None },
        times: 100,
    };
    let mut rest = options.iter();
    while let Some(&option) = rest.next() {
        let value = rest.next().with_context(|| format!("{option} takes a value"))?;
        match option {
            "--rounds" => settings.rounds = value.parse()?,
            "--pages" => settings.pages = Some(value.parse()?),
            "--dataset" => settings.dataset = named(value)?,
            "--scratch" => settings.scratch = value.into(),
            "--peers" => settings.peers.folder = value.into(),
            "--python" => settings.peers.python = Some(value.into()),
            "--tap-python" => settings.peers.tap_python = Some(value.into()),
            "--faucet" => settings.peers.faucet = Some(value.into()),
            "--times" => settings.times = value.parse()?,
            unknown => bail!("there is no option `{unknown}`"),
        }
    }
    let names = if name == "all" { SUITES.map(|(name, _)| name).to_vec() } else { vec![name] };
    names.iter().try_for_each(|name| suite::run(name, &settings, &mut |table| print!("{table}")))
}

fn latency(options: &[&str]) -> Result<()> {
    let (mut rate, mut shards, mut seconds) = (1_000, 16, 30);
    let mut rest = options.iter();
    while let Some(&option) = rest.next() {
        let value = rest.next().with_context(|| format!("{option} takes a value"))?;
        match option {
            "--rate" => rate = value.parse()?,
            "--shards" => shards = value.parse()?,
            "--seconds" => seconds = value.parse()?,
            unknown => bail!("there is no option `{unknown}`"),
        }
    }
    let schema = format!("bench_latency_{}", std::process::id());
    print!("{}", live::table(&live::measure(&schema, rate, shards, seconds)?, rate, shards));
    Ok(())
}

fn load(options: &[&str]) -> Result<()> {
    let (mut rounds, mut pages, mut dataset) = (3, 256, Dataset::Typical);
    let mut rest = options.iter();
    while let Some(&option) = rest.next() {
        let value = rest.next().with_context(|| format!("{option} takes a value"))?;
        match option {
            "--rounds" => rounds = value.parse()?,
            "--pages" => pages = value.parse()?,
            "--dataset" => dataset = named(value)?,
            unknown => bail!("there is no option `{unknown}`"),
        }
    }
    print!("{}", load::measure(dataset, pages, rounds, &env::temp_dir())?);
    Ok(())
}

fn serve(dataset: Dataset, options: &[&str]) -> Result<()> {
    let mut load = Load::scan(dataset, 64);
    let mut rest = options.iter();
    while let Some(&option) = rest.next() {
        let value = rest.next().with_context(|| format!("{option} takes a value"))?;
        match option {
            "--pages" => load.pages = value.parse()?,
            "--made" => load.made = value.parse()?,
            "--tables" => load.tables = value.parse()?,
            "--shards" => load.shards = value.parse()?,
            "--delay" => load.delay = value.parse()?,
            "--cores" => process::pin(&list(value)?)?,
            unknown => bail!("there is no option `{unknown}`"),
        }
    }
    load.serve()
}

/// Reads `0,1`.
fn list(cores: &str) -> Result<Vec<usize>> {
    cores.split(',').map(|core| core.parse().with_context(|| format!("`{core}` is no core"))).collect()
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
