//! Whole runs over HTTP, each in a process of its own, in rounds: everybody reads the same server, one after the other.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::dataset::Dataset;
use crate::process::{self, Server, Taken};
use crate::serve::Load;

mod report;

/// The name of a suite, and what it measures.
pub const SUITES: [(&str, &str); 8] = [
    ("arrow", "scan to Arrow"),
    ("parquet", "scan to Parquet"),
    ("duckdb", "scan to DuckDB"),
    ("staged", "scan to staged Parquet"),
    ("postgres-scan", "scan to Postgres"),
    ("changes", "1,000 shards to Postgres and Parquet"),
    ("growth", "more items, more tables"),
    ("peers", "what people use today"),
];

/// Pages that a suite scans by default, and those of one that has slow contenders.
const PAGES: u64 = 256;
const FEW: u64 = 64;

/// Somebody who reads the load.
#[derive(Debug, Clone)]
struct Contender {
    name: &'static str,
    command: Vec<String>,
    /// What is written, and where its name goes in the command.
    out: Out,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    Nothing,
    Folder,
    /// A prefix in a bucket, or a schema: a name that nobody has used.
    Name,
}

/// A case: a load, and how it is read. The first contender is what the others are compared with.
struct Group {
    title: String,
    load: Load,
    contenders: Vec<Contender>,
    cores: Vec<Vec<usize>>,
    rounds: usize,
    /// The file into which the items are written first, for whoever reads them from there.
    lines: Option<PathBuf>,
}

/// What a contender took on some cores, a round each.
struct Line {
    name: &'static str,
    cores: usize,
    rounds: Vec<Taken>,
}

/// What every suite is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often everybody runs.
    pub rounds: usize,
    /// Pages of about 1 MB that are scanned; `None` for what each suite has by default.
    pub pages: Option<u64>,
    /// The data set.
    pub dataset: Dataset,
    /// Where folders of results are made and removed.
    pub scratch: PathBuf,
    /// What people use today, as far as it is installed.
    pub peers: Peers,
    /// How far `growth` goes, in times of its smallest case.
    pub times: u64,
}

/// What people use today, as `cargo xtask bench` installs it.
#[derive(Debug, Clone)]
pub struct Peers {
    /// Where the programs are that drive them.
    pub folder: PathBuf,
    /// A Python that has boto3, pyarrow, awswrangler and ingestr.
    pub python: Option<PathBuf>,
    /// A Python that has tap-dynamodb, which wants another boto3.
    pub tap_python: Option<PathBuf>,
    /// The program `faucet`.
    pub faucet: Option<PathBuf>,
}

/// Runs a suite and prints its tables as it goes on.
pub fn run(suite: &str, settings: &Settings, print: &mut dyn FnMut(&str)) -> Result<()> {
    for group in groups(suite, settings)? {
        let server_of = |cores: &[usize]| if cores == [0] { vec![1] } else { vec![0, 1] };
        let mut lines: Vec<Line> = Vec::new();
        for cores in &group.cores {
            let server = Server::start(&group.load, &server_of(cores))?;
            if let Some(file) = &group.lines {
                crate::run::run(&["duckdb", "lines", &file.display().to_string(), &server.served.url])?;
            }
            let first = lines.len();
            for contender in &group.contenders {
                lines.push(Line { name: contender.name, cores: cores.len(), rounds: Vec::new() });
            }
            for round in 0..group.rounds {
                for turn in 0..group.contenders.len() {
                    // Nobody always comes first.
                    let place = (round + turn) % group.contenders.len();
                    let taken = group.contenders[place].run(&server, cores, &settings.scratch, round)?;
                    lines[first + place].rounds.push(taken);
                }
            }
        }
        if let Some(file) = &group.lines {
            fs::remove_file(file)?;
            fs::remove_file(file.with_extension("sql"))?;
        }
        let served = Server::start(&group.load, &[0, 1])?.served.clone();
        print(&report::table(&group, &lines, &served));
    }
    Ok(())
}

impl Contender {
    fn ours(name: &'static str, way: &str, out: Out) -> Result<Self> {
        let program = std::env::current_exe()?.display().to_string();
        let words = ["run"].into_iter().chain(way.split(' ')).map(str::to_owned);
        Ok(Self { name, command: [program].into_iter().chain(words).collect(), out })
    }

    /// The same, told one more thing.
    fn with(mut self, word: &Path) -> Self {
        self.command.push(word.display().to_string());
        self
    }

    /// A program that a Python runs; `arguments` come before the endpoint and the folder.
    fn peer(name: &'static str, python: &Path, program: &Path, arguments: &[&Path]) -> Self {
        let command = [python, program].iter().chain(arguments).map(|word| word.display().to_string()).collect();
        Self { name, command, out: Out::Folder }
    }

    fn run(&self, server: &Server, cores: &[usize], scratch: &Path, round: usize) -> Result<Taken> {
        let unique = format!("bench_{}_{round}_{}", std::process::id(), fastrand::u32(..));
        let folder = scratch.join(&unique);
        let mut command = self.command.clone();
        command.push(server.served.url.clone());
        match self.out {
            Out::Nothing => {}
            Out::Folder => command.push(folder.display().to_string()),
            Out::Name => command.push(unique),
        }
        let taken = process::run(cores, &command, &[]).with_context(|| self.name)?;
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let all = server.served.rows;
        ensure!(taken.rows == all, "{} read {} of {all} rows", self.name, taken.rows);
        Ok(taken)
    }
}

fn groups(suite: &str, settings: &Settings) -> Result<Vec<Group>> {
    let one_and_two = || vec![vec![0], vec![0, 1]];
    ensure!(
        cfg!(feature = "duckdb") || !matches!(suite, "duckdb" | "staged"),
        "`{suite}` needs DuckDB; `cargo xtask bench` builds with it, the feature is `duckdb`"
    );
    let scan = |pages| Load::scan(settings.dataset, settings.pages.unwrap_or(pages));
    let load = scan(PAGES);
    let title = SUITES.iter().find(|(name, _)| *name == suite).map(|(_, title)| *title);
    let Some(title) = title else {
        bail!("there is no suite `{suite}`; there are {}", SUITES.map(|(name, _)| name).join(", "))
    };
    let title = format!("{title}, {}", settings.dataset.name());
    let group = |contenders, cores| {
        let (title, rounds) = (title.clone(), settings.rounds);
        Group { title, load, contenders, cores, rounds, lines: None }
    };
    Ok(match suite {
        "arrow" => vec![group(
            vec![
                Contender::ours("Commutator", "commutator arrow", Out::Nothing)?,
                Contender::ours("SDK", "sdk arrow", Out::Nothing)?,
                Contender::ours("bare client, our decoder", "bare arrow", Out::Nothing)?,
            ],
            one_and_two(),
        )],
        "parquet" => vec![group(
            vec![
                Contender::ours("Commutator, mirror", "commutator mirror", Out::Folder)?,
                Contender::ours("Commutator, append", "commutator append", Out::Folder)?,
                Contender::ours("Commutator, mirror on S3", "commutator s3", Out::Name)?,
                Contender::ours("SDK, default ArrowWriter", "sdk parquet", Out::Folder)?,
            ],
            one_and_two(),
        )],
        "duckdb" => {
            let lines = settings.scratch.join(format!("bench_lines_{}.json", std::process::id()));
            let read = |name, types| Contender::ours(name, types, Out::Folder).map(|who| who.with(&lines));
            let contenders = vec![
                Contender::ours("Commutator, mirror", "commutator duckdb mirror", Out::Folder)?,
                Contender::ours("Commutator, append", "commutator duckdb append", Out::Folder)?,
                read("DuckDB's read_json of a file, our types", "duckdb declared")?,
                read("DuckDB's read_json of a file, inferred types", "duckdb inferred")?,
            ];
            vec![Group { load: scan(FEW), lines: Some(lines), ..group(contenders, one_and_two()) }]
        }
        "staged" => {
            let contenders = vec![
                Contender::ours("Commutator, staged in a folder", "commutator staged folder", Out::Folder)?,
                Contender::ours("Commutator, staged on S3", "commutator staged s3", Out::Name)?,
                Contender::ours("Commutator, Parquet append", "commutator append", Out::Folder)?,
                Contender::ours("SDK, default ArrowWriter", "sdk parquet", Out::Folder)?,
            ];
            vec![Group { load: scan(FEW), ..group(contenders, one_and_two()) }]
        }
        "postgres-scan" => {
            vec![group(vec![Contender::ours("Commutator, mirror", "commutator postgres", Out::Name)?], one_and_two())]
        }
        "changes" => {
            let load = Load { pages: 0, made: 1, shards: 1000, ..load };
            let contenders = vec![
                Contender::ours("Commutator, Postgres mirror", "commutator changes_postgres", Out::Name)?,
                Contender::ours("Commutator, Parquet append", "commutator changes_append", Out::Folder)?,
            ];
            vec![Group { load, ..group(contenders, one_and_two()) }]
        }
        "growth" => growth(settings, &group)?,
        _ => {
            // ingestr closes a connection that it still reads from where answers come at once.
            let load = Load { delay: 10, ..scan(FEW) };
            vec![Group { load, ..group(peers(&settings.peers)?, vec![vec![0]]) }]
        }
    })
}

/// Ours, and what is installed of what people use today.
fn peers(peers: &Peers) -> Result<Vec<Contender>> {
    let program = |name: &str| peers.folder.join(name);
    let mut all = vec![
        Contender::ours("Commutator, mirror", "commutator mirror", Out::Folder)?,
        Contender::ours("Commutator, append", "commutator append", Out::Folder)?,
    ];
    if let Some(python) = &peers.python {
        all.push(Contender::peer("boto3 + pyarrow", python, &program("boto3_pyarrow.py"), &[]));
        all.push(Contender::peer("awswrangler 3.17", python, &program("awswrangler_parquet.py"), &[]));
        all.push(Contender::peer("ingestr 0.15.9", python, &program("ingestr_parquet.py"), &[]));
        if let Some(faucet) = &peers.faucet {
            all.push(Contender::peer("faucet-cli 1.17.0", python, &program("faucet_parquet.py"), &[faucet]));
        }
    }
    if let Some(python) = &peers.tap_python {
        let program = program("tap_dynamodb_messages.py");
        all.push(Contender::peer("tap-dynamodb 1.4.0, no target", python, &program, &[]));
    }
    ensure!(all.len() > 2, "nothing of what people use today is installed; `cargo xtask bench peers` does that");
    Ok(all)
}

/// The same case with more and more items, and with more and more tables.
fn growth(settings: &Settings, group: &dyn Fn(Vec<Contender>, Vec<Vec<usize>>) -> Group) -> Result<Vec<Group>> {
    let contenders = || -> Result<_> {
        Ok(vec![
            Contender::ours("Commutator, mirror", "commutator mirror", Out::Folder)?,
            Contender::ours("Commutator, append", "commutator append", Out::Folder)?,
        ])
    };
    let (mut groups, pages) = (Vec::new(), settings.pages.unwrap_or(PAGES));
    for times in [1, 10, 100].into_iter().filter(|times| *times <= settings.times) {
        let load = Load::scan(settings.dataset, pages * times);
        let title = format!("{times} × the items, {}", settings.dataset.name());
        groups.push(Group { title, load, rounds: 1, ..group(contenders()?, vec![vec![0, 1]]) });
    }
    for tables in [1, 10, 100].into_iter().filter(|times| *times <= settings.times) {
        let load = Load { tables, ..Load::scan(settings.dataset, pages) };
        let title = format!("{tables} × the tables, {}", settings.dataset.name());
        groups.push(Group { title, load, rounds: 1, ..group(contenders()?, vec![vec![0, 1]]) });
    }
    Ok(groups)
}
