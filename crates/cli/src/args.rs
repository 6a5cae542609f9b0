//! The command line.

#![expect(clippy::doc_markdown, reason = "clap shows these comments as they stand")]

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::config::Settings;
use crate::failure::Problem;

/// Replicates DynamoDB tables, a snapshot and then every change, into Parquet files, Postgres, DuckDB, Redshift, Snowflake or BigQuery.
#[derive(Debug, Parser)]
#[command(name = "commutator", version, about, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// What every command takes.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Global {
    /// Print results as JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Log more; twice for everything
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// How log lines on standard error look
    #[arg(long, global = true, value_enum, default_value_t, env = "COMMUTATOR_LOG_FORMAT")]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented commutator.toml, an external ID, and the IAM policy and trust policy to paste
    Init(Init),
    /// Check source and destination, and say what to do about each failure
    Check(Place),
    /// Show tables, keys, sizes and streams
    Discover(Discover),
    /// Show what a run would do: tables and columns at the destination, read capacity and requests
    Plan(Plan),
    /// Load a snapshot, then follow every change
    Run(Run),
    /// Show how far each table is, what nobody has read yet and the time left, without disturbing a run
    Status(Place),
    /// Read tables anew, in place, while their streams go on; a run that is going on takes it up
    Resync(Resync),
    /// Put small Parquet files of tables together, and give old files the columns of today; a run may go on meanwhile
    Compact(Compact),
    /// Show what was set aside because it could not be read or stored, or try it again
    DeadLetter {
        #[command(subcommand)]
        command: DeadLetterCommand,
    },
    /// Try it with an embedded DynamoDB and live changes; no account needed
    Demo(Demo),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// List dead letters: table, position, error and time; never a value
    List(Letters),
    /// Read dead letters again at the source and write them; stop the run first, for this takes its tables over
    Replay(Letters),
}

#[derive(Debug, Args)]
pub(crate) struct Letters {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Only this table's
    #[arg(value_name = "TABLE")]
    pub(crate) table: Option<String>,
}

/// Where the configuration comes from.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The configuration file
    #[arg(short, long, default_value = "commutator.toml", value_name = "FILE", env = "COMMUTATOR_CONFIG")]
    pub(crate) config: PathBuf,
    /// Instead of a file: the source, such as dynamodb://eu-west-1/orders,users_*
    #[arg(long, value_name = "ADDRESS", requires = "to")]
    pub(crate) from: Option<String>,
    /// Instead of a file: the destination, such as ./lake, s3://bucket/prefix, postgres://host/db or duckdb://FILE
    #[arg(long, value_name = "ADDRESS", requires = "from")]
    pub(crate) to: Option<String>,
    /// With --from: what the destination's tables mean
    #[arg(long, requires = "from")]
    pub(crate) mode: Option<String>,
    /// With --from: the pipeline's id, which names its checkpoints
    #[arg(long, requires = "from")]
    pub(crate) id: Option<String>,
}

impl Place {
    /// Reads the configuration.
    pub(crate) fn settings(&self) -> Result<Settings, Vec<Problem>> {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => Settings::from_addresses(from, to, self.mode.as_deref(), self.id.as_deref()),
            _ => Settings::load(&self.config),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The file to write
    #[arg(short, long, default_value = "commutator.toml", value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The region of the tables
    #[arg(long, default_value = "eu-west-1")]
    pub(crate) region: String,
    /// Names and globs of tables, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "orders")]
    pub(crate) tables: Vec<String>,
    /// The destination, such as ./lake, s3://bucket/prefix, postgres://host/db or duckdb://FILE
    #[arg(long, default_value = "./lake", value_name = "ADDRESS")]
    pub(crate) to: String,
    /// The account of the tables; without it the policy names the account it is created in
    #[arg(long, default_value = "*")]
    pub(crate) account: String,
    /// The ARN of the user or role that runs commutator, for the trust policy
    #[arg(long, value_name = "ARN")]
    pub(crate) principal: Option<String>,
    /// The name of the role to create and assume
    #[arg(long, default_value = "commutator")]
    pub(crate) role: String,
    /// Also write iam-policy.json and trust-policy.json into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) policies: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Discover {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Also read so many items of each table, or one page if no number is given, and show their attributes, types and columns; uses
    /// read capacity
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "0")]
    pub(crate) sample: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Also print every statement that the commits of each table would send, in their order
    #[arg(long)]
    pub(crate) sql: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Exit once nothing is left to read
    #[arg(long, conflicts_with = "snapshot_only")]
    pub(crate) until_caught_up: bool,
    /// Read the snapshot alone; tables need no stream
    #[arg(long)]
    pub(crate) snapshot_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Resync {
    /// Names and globs of the pipeline's tables
    #[arg(required = true, value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Compact {
    /// Names and globs of the pipeline's tables [default: all]
    #[arg(value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// How long the files that were replaced are kept, where globs do not see them; 0 removes them at once
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub(crate) grace_minutes: u64,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// An empty or new folder for the Parquet files [default: the first free of commutator-demo, commutator-demo-2, …]
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// How long the tables keep changing
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) seconds: u64,
}
