//! What a user configured, from a file or from `--from` and `--to`: checked as a whole, all problems at once.

mod dead_letters;
mod document;
mod interpolate;
pub(crate) mod keys;
mod nearest;
mod rules;
mod section;
pub(crate) mod short_form;
mod tables;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use commutator::{
    CommitOptions, Options, PipelineId, Secret, SyncMode, bigquery, dynamodb, parquet, postgres, redshift, snowflake,
};
use toml::{Table, Value};

use crate::failure::Problem;
use document::Document;
use keys::S3_IDENTITY;

const DEFAULT_MEMORY_MB: u64 = 256;

/// What a user configured.
#[derive(Debug)]
pub struct Settings {
    /// The pipeline, which names the checkpoints.
    pub pipeline: PipelineId,
    /// Where tables come from.
    pub source: dynamodb::Config,
    /// Where tables go.
    pub destination: Destination,
    /// Where dead letters are kept.
    pub dead_letters: Option<Objects>,
    /// What holds for the run and per table.
    pub options: Options,
    /// The byte budget of the process.
    pub memory_bytes: usize,
}

/// A disk or an object store; and who writes, if that is S3 and no static keys are given.
pub type Objects = (Box<parquet::Config>, Option<Box<dynamodb::Config>>);

/// Where tables go.
#[derive(Debug)]
pub enum Destination {
    /// Parquet files on a disk or an object store; and who writes, if that is S3 and no static keys are given.
    Parquet(Box<parquet::Config>, Option<Box<dynamodb::Config>>),
    /// A Postgres server.
    Postgres(Box<postgres::Config>),
    /// A cluster or workgroup of Redshift.
    Redshift(Box<redshift::Config>),
    /// A Snowflake account; and who writes to its staging area, if that is S3 and no static keys are given.
    Snowflake(Box<snowflake::Config>, Option<Box<dynamodb::Config>>),
    /// A dataset of `BigQuery`.
    BigQuery(Box<bigquery::Config>),
    /// A file of `DuckDB`.
    #[cfg(feature = "duckdb")]
    DuckDb(Box<commutator::duckdb::Config>),
}

impl Destination {
    /// Returns the sync modes that it offers.
    pub fn modes(&self) -> &'static [SyncMode] {
        match self {
            Self::BigQuery(_) | Self::Parquet(..) | Self::Postgres(_) | Self::Redshift(_) | Self::Snowflake(..) => {
                &tables::MODES
            }
            #[cfg(feature = "duckdb")]
            Self::DuckDb(_) => &tables::MODES,
        }
    }

    /// Returns whether it has types of its own for maps and lists.
    pub fn native_nested(&self) -> bool {
        matches!(self, Self::Parquet(..))
    }
}

impl Settings {
    /// Returns how many bytes of decoded rows may be on their way: an eighth of all memory, which a source fills only while its
    /// destination is behind. The rest is for what destinations gather into files and statements, and for what is being decoded.
    pub fn on_their_way(&self) -> usize {
        self.memory_bytes / 8
    }

    /// Reads a configuration file, with variables from the environment.
    pub fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let help = if error.kind() == std::io::ErrorKind::NotFound {
                "write one with `commutator init`, or name both --from and --to"
            } else {
                "it must be readable text"
            };
            vec![Problem::new(&place, format!("cannot be read ({error}); {help}"))]
        })?;
        Self::parse(&text, &place, &|name| std::env::var(name).ok())
    }

    /// Reads a configuration file's text; `place` is its name in messages.
    pub fn parse(text: &str, place: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        Self::from_document(Document::parse(text, place, variable))
    }

    /// Reads the short form.
    pub fn from_addresses(from: &str, to: &str, mode: Option<&str>, id: Option<&str>) -> Result<Self, Vec<Problem>> {
        let (source, destination) = match (short_form::source(from), short_form::destination(to)) {
            (Ok(source), Ok(destination)) => (source, destination),
            (source, destination) => {
                return Err([source.err(), destination.err()].into_iter().flatten().flatten().collect());
            }
        };
        let mut values = Table::new();
        values.insert("source".into(), Value::Table(source));
        values.insert("destination".into(), Value::Table(destination));
        let mut one = |section: &str, key: &str, value: Option<&str>| {
            if let Some(value) = value {
                let table = Table::from_iter([(key.to_owned(), Value::from(value))]);
                values.insert(section.to_owned(), Value::Table(table));
            }
        };
        one("defaults", "mode", mode);
        one("pipeline", "id", id);
        Self::from_document(Document::of("arguments", values))
    }

    fn from_document(mut document: Document) -> Result<Self, Vec<Problem>> {
        let pipeline_values = document.take("pipeline");
        let source_values = document.take("source");
        let patterns = patterns(&source_values);
        let pipeline = pipeline_id(&mut document, &pipeline_values, &source_values);
        let source = source(&mut document, source_values);
        let destination_values = document.take("destination");
        document.has_place_for_dead_letters =
            pipeline_values.contains_key("dead_letters") || document.dropped("pipeline.dead_letters");
        document.has_hash_salt = pipeline_values.contains_key("hash_salt") || document.dropped("pipeline.hash_salt");
        let hash_salt = hash_salt(&mut document, &pipeline_values);
        let dead_letters = dead_letters::read(&mut document, &pipeline_values, &destination_values);
        let destination = destination(&mut document, destination_values);
        let tables = tables::read(&mut document, destination.as_ref(), patterns.as_deref());
        let whole =
            |key: &str| pipeline_values.get(key).and_then(Value::as_integer).and_then(|n| u64::try_from(n).ok());
        for key in ["memory_mb", "max_tables", "commit_rows", "commit_mb"] {
            if whole(key) == Some(0) {
                document.problem(&format!("pipeline.{key}"), format!("`pipeline.{key}` is at least 1"));
            }
        }
        let seconds = pipeline_values.get("commit_seconds").and_then(Value::as_float);
        let max_delay = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if seconds.is_some() && max_delay.is_none() {
            let message = "`pipeline.commit_seconds` is a number of seconds, 0 or more";
            document.problem("pipeline.commit_seconds", message);
        }
        let (Some(pipeline), Some(source), Some(destination), true) =
            (pipeline, source, destination, document.problems.is_empty())
        else {
            document.problems.sort_by_key(|problem| problem.line);
            return Err(document.problems);
        };
        let tables::Tables { defaults, each, splits } = tables;
        let max_tables = whole("max_tables").and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        let commit = CommitOptions {
            max_bytes: whole("commit_mb").map(|mb| mb.saturating_mul(1 << 20)),
            max_rows: whole("commit_rows"),
            max_delay,
        };
        let memory_bytes = whole("memory_mb").unwrap_or(DEFAULT_MEMORY_MB).saturating_mul(1 << 20);
        Ok(Self {
            pipeline,
            source,
            destination,
            dead_letters,
            options: Options { defaults, tables: each, splits, hash_salt, max_tables, commit, ..Options::default() },
            memory_bytes: usize::try_from(memory_bytes).unwrap_or(usize::MAX),
        })
    }
}

/// Returns the names and globs of `[source]`.
fn patterns(source: &Table) -> Option<Vec<String>> {
    let values = source.get("tables")?.as_array()?;
    Some(values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn source(document: &mut Document, mut values: Table) -> Option<dynamodb::Config> {
    // Without a type the problem is known already, or the whole section is missing.
    if values.remove("type").is_none() {
        if !document.dropped("source") {
            document.problem("source", "there is no [source]");
        }
        return None;
    }
    let config: dynamodb::Config = section::read(document, "source", values)?;
    tell(document, "source", config.problems());
    Some(config)
}

/// Adds problems that a connector found; each begins with the key that it speaks of.
fn tell(document: &mut Document, path: &str, problems: Vec<String>) {
    for problem in problems {
        let key = problem.split_whitespace().next().unwrap_or_default();
        let key = key.split('[').next().unwrap_or_default();
        let at = format!("{path}.{key}");
        // A value that was refused looks as if it were not there.
        if !document.dropped(&at) {
            document.problem(&at, format!("[{path}] {problem}"));
        }
    }
}

fn destination(document: &mut Document, mut values: Table) -> Option<Destination> {
    match values.remove("type").as_ref().and_then(Value::as_str) {
        Some("parquet") => {
            objects(document, "destination", values).map(|(config, identity)| Destination::Parquet(config, identity))
        }
        Some("postgres") => section::read(document, "destination", values).map(Box::new).map(Destination::Postgres),
        Some("redshift") => section::read(document, "destination", values).map(Box::new).map(Destination::Redshift),
        Some("snowflake") => {
            let Some(Value::Table(mut staging)) = values.remove("staging") else {
                if !document.dropped("destination.staging") {
                    document
                        .problem("destination", "[destination] lacks `staging`, the object storage where rows wait");
                }
                return None;
            };
            let identity = identity(document, "destination.staging", &mut staging).ok()?;
            values.insert("staging".to_owned(), Value::Table(staging));
            let config = section::read(document, "destination", values)?;
            Some(Destination::Snowflake(Box::new(config), identity))
        }
        Some("bigquery") => section::read(document, "destination", values).map(Box::new).map(Destination::BigQuery),
        Some("duckdb") => duckdb(document, values),
        _ => {
            if !document.dropped("destination") {
                document.problem("destination", "there is no [destination]");
            }
            None
        }
    }
}

#[cfg(feature = "duckdb")]
fn duckdb(document: &mut Document, values: Table) -> Option<Destination> {
    let config: commutator::duckdb::Config = section::read(document, "destination", values)?;
    if config.is_memory() {
        let message = "`destination.path`: a database in memory is gone with the program; name a file";
        document.problem("destination.path", message);
        return None;
    }
    Some(Destination::DuckDb(Box::new(config)))
}

/// The library that it takes is not everybody's, so the program has it only if it was built with it.
#[cfg(not(feature = "duckdb"))]
fn duckdb(document: &mut Document, _values: Table) -> Option<Destination> {
    let message = "this program was built without DuckDB; build it with `--features duckdb` (docs/duckdb.md says how)";
    document.problem("destination.type", message);
    None
}

fn objects(document: &mut Document, path: &str, mut values: Table) -> Option<Objects> {
    let identity = identity(document, path, &mut values);
    let config = section::read(document, path, values);
    Some((Box::new(config?), identity.ok()?))
}

/// Takes out who writes to an object store: to S3 whoever the same keys would make the source read as, and nobody in particular elsewhere.
///
/// An error was told to the document.
fn identity(document: &mut Document, path: &str, values: &mut Table) -> Result<Option<Box<dynamodb::Config>>, ()> {
    let mut identity: Table =
        S3_IDENTITY.iter().filter_map(|&key| values.remove(key).map(|value| (key.to_owned(), value))).collect();
    let is_s3 = values.get("url").and_then(Value::as_str).is_some_and(|url| url.starts_with("s3://"));
    if !is_s3 && let Some(key) = identity.keys().next() {
        let at = format!("{path}.{key}");
        document.problem(&at, format!("`{at}` says who writes to S3, but `url` is no s3:// address"));
    }
    if values.contains_key("access_key_id") && !identity.is_empty() {
        let message = format!("[{path}] has `access_key_id` and another identity; only one can be used");
        document.problem(&format!("{path}.access_key_id"), message);
    }
    let own_chain = is_s3 && !values.contains_key("access_key_id");
    // Both matter to credentials: the region to STS, and a server on this machine needs none.
    for key in ["region", "endpoint_url"] {
        if let (true, Some(value)) = (own_chain, values.get(key)) {
            identity.insert(key.to_owned(), value.clone());
        }
    }
    if !own_chain {
        return Ok(None);
    }
    // Nothing is read with it; a source must name a table.
    identity.insert("tables".to_owned(), Value::Array(vec!["none".into()]));
    let identity: dynamodb::Config = section::read(document, path, identity).ok_or(())?;
    tell(document, path, identity.problems());
    Ok(Some(Box::new(identity)))
}

fn pipeline_id(document: &mut Document, pipeline: &Table, source: &Table) -> Option<PipelineId> {
    let id = match pipeline.get("id").and_then(Value::as_str) {
        Some(id) => id.to_owned(),
        None if document.dropped("pipeline.id") => return None,
        None => derived_id(source),
    };
    match PipelineId::new(id) {
        Ok(id) => Some(id),
        Err(error) => {
            document.problem("pipeline.id", format!("`pipeline.id`: {}", error.message()));
            None
        }
    }
}

/// Returns the id of a pipeline that was given none: `dynamodb`, the region, and a hash of the endpoint if there is one.
///
/// Tables are left out, so that selecting one more does not begin the others anew.
fn derived_id(source: &Table) -> String {
    let text = |key: &str| source.get(key).and_then(Value::as_str);
    let mut id = "dynamodb".to_owned();
    for part in text("region").into_iter().map(str::to_owned).chain(text("endpoint_url").map(hash)) {
        id.push('-');
        id.extend(part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }));
    }
    id.truncate(64);
    id
}

/// FNV-1a: the id must be the same with every version of the program.
fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

/// Reads what hashes are salted with.
fn hash_salt(document: &mut Document, pipeline: &Table) -> Option<Secret> {
    let salt = pipeline.get("hash_salt").and_then(Value::as_str)?;
    if salt.is_empty() {
        document.problem("pipeline.hash_salt", "`pipeline.hash_salt` is empty; take some twenty random characters");
        return None;
    }
    Some(Secret::new(salt.to_owned()))
}
