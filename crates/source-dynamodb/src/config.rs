//! The configuration of the source, as it stands in `[source]`.

use std::path::PathBuf;

use commutator_core::{Budget, Error, ErrorKind, Result, Secret};
use serde::Deserialize;

use crate::clock::Surroundings;
use crate::source::DynamoDb;
use crate::tables::pattern_problem;
use crate::tuning::Tuning;

/// Where the tables are, who reads them, and how fast.
///
/// Credentials are looked for in this order: static keys, a named profile, a web identity, and else the default chain of the
/// AWS SDK (environment, shared files, SSO, web identity of a pod, container, instance). With [`assume_role`](Self::assume_role) they only serve to assume
/// that role.
///
/// ```
/// # use commutator_source_dynamodb::Config;
/// let config: Config = serde_json::from_str(r#"{"region": "eu-west-1", "tables": ["orders", "users_*"]}"#).unwrap();
/// assert!(config.problems().is_empty());
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The AWS region, such as `eu-west-1`. Default: the one of the environment or profile.
    pub region: Option<String>,
    /// A profile of the shared AWS configuration files. Default: none named, so `AWS_PROFILE` or `default`.
    pub profile: Option<String>,
    /// The access key id of static credentials, together with [`secret_access_key`](Self::secret_access_key). Default: none.
    pub access_key_id: Option<Secret>,
    /// The secret access key of static credentials. Default: none.
    pub secret_access_key: Option<Secret>,
    /// The session token of static credentials that are temporary. Default: none.
    pub session_token: Option<Secret>,
    /// An identity token in a file that is exchanged for a role. Default: none, but the default chain reads the environment's.
    pub web_identity: Option<WebIdentity>,
    /// A role to assume. Default: none.
    pub assume_role: Option<AssumeRole>,
    /// The endpoint of `DynamoDB`, for VPC endpoints and local servers. Default: the region's.
    pub endpoint_url: Option<String>,
    /// The endpoint of `DynamoDB` Streams. Default: `endpoint_url` if that is set, otherwise the region's.
    pub streams_endpoint_url: Option<String>,
    /// The endpoint of STS, for the roles named here. Default: the region's.
    pub sts_endpoint_url: Option<String>,
    /// The tables to read: names and glob patterns (`*`, `?`, `[a-z]`, `{a,b}`). No default: at least one.
    pub tables: Vec<String>,
    /// The number of segments of a snapshot, 1 to 1,000,000. Default: one per 128 MB of the table, at least `scan_concurrency` unless
    /// the table is tiny, at most 10,000. A snapshot that has begun keeps its number.
    pub segments: Option<u32>,
    /// How many segments of one table are scanned at the same time, 1 to 1,000. Default: 8.
    pub scan_concurrency: Option<u32>,
    /// How many tables' snapshots are scanned at the same time, 1 to 10,000; those of further tables wait for their turn, while their
    /// streams are followed already. Default: 4. Each takes memory for its pages and in the destination.
    pub snapshot_concurrency: Option<u32>,
    /// Whether all of the snapshot reads strongly consistently, which costs twice the read capacity. Default: false, because changes that
    /// an eventually consistent scan misses are in the stream. The first minute of every run or retry that scans reads so in any
    /// case: what was written just before need not be in the stream.
    pub consistent_read: bool,
    /// The most read capacity that the snapshot of one table may use, in read units per second. Default: no limit.
    pub max_read_capacity: Option<f64>,
    /// The most read capacity that the snapshot of one table may use, as a share of what the table has, above 0 and at most 1.
    /// What it has is its provisioned capacity; for a table on demand its configured maximum, and else 10,000 units per second.
    /// Default: no limit. If `max_read_capacity` is set too, the lower one counts.
    pub read_capacity_share: Option<f64>,
    /// How many shards of one table are read at the same time, 1 to 64. Default: 4, which any number of shards share.
    pub stream_readers: Option<u32>,
    /// How long to wait for a connection, in seconds. Default: 5.
    pub connect_timeout: Option<f64>,
    /// How long to wait for one answer, in seconds; it is asked for again after that. Default: 60.
    pub request_timeout: Option<f64>,
}

/// A role to assume through STS, and roles to assume from there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssumeRole {
    /// The role's ARN, such as `arn:aws:iam::123456789012:role/commutator`.
    pub role_arn: String,
    /// The external ID that the role's trust policy asks for. Default: none is sent.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The name of the session in the account's logs, 2 to 64 characters. Default: `commutator`.
    #[serde(default)]
    pub session_name: Option<String>,
    /// How long a session lasts, in seconds, 900 to 43,200; of a chained role at most 3,600. A new one is fetched before it ends. Default: 3,600.
    #[serde(default)]
    pub duration_seconds: Option<u32>,
    /// Roles that are assumed one after the other, each by the one before; the last one reads. Only the first role may have a
    /// chain. Default: none.
    #[serde(default)]
    pub chain: Vec<Self>,
}

/// A role that is assumed with an identity token (`AssumeRoleWithWebIdentity`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebIdentity {
    /// The role's ARN.
    pub role_arn: String,
    /// The file that holds the token; it is read again for every new session.
    pub token_file: PathBuf,
    /// The name of the session, 2 to 64 characters. Default: `commutator`.
    #[serde(default)]
    pub session_name: Option<String>,
    /// How long a session lasts, in seconds, 900 to 43,200. Default: 3,600.
    #[serde(default)]
    pub duration_seconds: Option<u32>,
}

impl Config {
    /// Returns everything that is wrong with the values, as sentences that begin with the key; nothing is asked of AWS.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.table_problems(&mut problems);
        self.credential_problems(&mut problems);
        self.number_problems(&mut problems);
        for (name, url) in [
            ("endpoint_url", &self.endpoint_url),
            ("streams_endpoint_url", &self.streams_endpoint_url),
            ("sts_endpoint_url", &self.sts_endpoint_url),
        ] {
            if let Some(url) = url
                && !is_http_url(url)
            {
                problems.push(format!("{name} must be an http:// or https:// URL, not `{url}`"));
            }
        }
        problems
    }

    /// Checks the values; all problems are in the one error.
    pub fn validate(&self) -> Result<()> {
        let problems = self.problems();
        if problems.is_empty() {
            return Ok(());
        }
        let mut error = Error::new(
            ErrorKind::ConfigInvalid,
            format!("The DynamoDB source is not configured correctly: {}", problems.join("; ")),
        );
        if problems.len() > 1 {
            error = error.with("problems", problems.len());
        }
        Err(error)
    }

    /// Validates the values, loads the AWS configuration and makes the clients.
    ///
    /// Memory of decoded batches is reserved from `budget`. Nothing is asked of `DynamoDB` yet, so wrong credentials show at the
    /// first call. Returns [`ConfigInvalid`](ErrorKind::ConfigInvalid) with all problems, also if there is no region to be found.
    pub async fn connect(self, budget: Budget) -> Result<DynamoDb> {
        self.connect_in(budget, Surroundings::default()).await
    }

    /// Connects like [`connect`](Self::connect), with a clock and an HTTP client of one's own: for tests, and for programs that have a proxy
    /// or a pool of connections already.
    pub async fn connect_in(self, budget: Budget, surroundings: Surroundings) -> Result<DynamoDb> {
        self.validate()?;
        DynamoDb::connect_with(self, budget, surroundings, Tuning::default()).await
    }

    fn table_problems(&self, problems: &mut Vec<String>) {
        if self.tables.is_empty() {
            problems.push("tables names no table".to_owned());
        }
        for pattern in &self.tables {
            if let Some(problem) = pattern_problem(pattern) {
                problems.push(format!("tables has `{pattern}`, {problem}"));
            }
        }
    }

    fn credential_problems(&self, problems: &mut Vec<String>) {
        if self.access_key_id.is_some() != self.secret_access_key.is_some() {
            problems.push("access_key_id and secret_access_key go together, and one is missing".to_owned());
        }
        if self.session_token.is_some() && self.access_key_id.is_none() {
            problems.push("session_token needs access_key_id and secret_access_key".to_owned());
        }
        let ways = [
            ("access_key_id", self.access_key_id.is_some()),
            ("profile", self.profile.is_some()),
            ("web_identity", self.web_identity.is_some()),
        ];
        let named: Vec<_> = ways.iter().filter(|(_, set)| *set).map(|(name, _)| *name).collect();
        if named.len() > 1 {
            problems.push(format!("{} cannot be used together: choose one", named.join(" and ")));
        }
        if let Some(web) = &self.web_identity {
            role_problems(
                "web_identity",
                &web.role_arn,
                web.session_name.as_ref(),
                web.duration_seconds,
                43_200,
                problems,
            );
        }
        if let Some(role) = &self.assume_role {
            let chained = self.web_identity.is_some();
            role.problems("assume_role", if chained { 3_600 } else { 43_200 }, problems);
            for (i, link) in role.chain.iter().enumerate() {
                let name = format!("assume_role.chain[{i}]");
                link.problems(&name, 3_600, problems);
                if !link.chain.is_empty() {
                    problems.push(format!("{name}.chain must be part of assume_role.chain itself"));
                }
            }
        }
    }

    fn number_problems(&self, problems: &mut Vec<String>) {
        let mut within = |name: &str, value: Option<f64>, low: f64, high: f64| {
            if let Some(value) = value
                && !(low..=high).contains(&value)
            {
                problems.push(format!("{name} must be {low} to {high}, not {value}"));
            }
        };
        within("segments", self.segments.map(f64::from), 1.0, 1_000_000.0);
        within("scan_concurrency", self.scan_concurrency.map(f64::from), 1.0, 1_000.0);
        within("snapshot_concurrency", self.snapshot_concurrency.map(f64::from), 1.0, 10_000.0);
        within("stream_readers", self.stream_readers.map(f64::from), 1.0, 64.0);
        within("max_read_capacity", self.max_read_capacity, 1.0, 1e9);
        within("read_capacity_share", self.read_capacity_share, 0.001, 1.0);
        within("connect_timeout", self.connect_timeout, 0.1, 600.0);
        within("request_timeout", self.request_timeout, 1.0, 3_600.0);
    }
}

impl AssumeRole {
    fn problems(&self, name: &str, longest: u32, problems: &mut Vec<String>) {
        role_problems(name, &self.role_arn, self.session_name.as_ref(), self.duration_seconds, longest, problems);
        if let Some(id) = &self.external_id {
            // sts:ExternalId: 2 to 1,224 characters of [\w+=,.@:\/-] (STS API reference, AssumeRole).
            let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
            if !(2..=1224).contains(&id.len()) || !id.chars().all(allowed) {
                problems.push(format!("{name}.external_id takes 2 to 1224 letters, digits and _+=,.@:/-"));
            }
        }
    }
}

fn role_problems(
    name: &str,
    arn: &str,
    session: Option<&String>,
    duration: Option<u32>,
    longest: u32,
    problems: &mut Vec<String>,
) {
    if !(arn.starts_with("arn:") && arn.contains(":role/")) {
        problems.push(format!("{name}.role_arn must look like arn:aws:iam::123456789012:role/name, not `{arn}`"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if session.is_some_and(|s| !(2..=64).contains(&s.len()) || !s.chars().all(allowed)) {
        problems.push(format!("{name}.session_name takes 2 to 64 letters, digits and _+=,.@-"));
    }
    if let Some(seconds) = duration
        && !(900..=longest).contains(&seconds)
    {
        problems.push(format!("{name}.duration_seconds must be 900 to {longest}, not {seconds}"));
    }
}

fn is_http_url(url: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .filter_map(|scheme| url.strip_prefix(scheme))
        .any(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
