//! Every key a configuration file may have, as data: what is unknown, misplaced or of a wrong type is found by it.

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Text; variables are replaced in it.
    Text,
    /// A whole number that is not negative.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// A list of text.
    Texts,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, or a table with these keys.
    WordOr(&'static [&'static str], &'static [Key]),
    /// Text, a whole number of any sign, or `true` or `false`.
    Value,
    /// A table with these keys.
    Table(&'static [Key]),
    /// A list of tables with these keys.
    Tables(&'static [Key]),
    /// Tables with these keys, under names that the user chooses.
    Named(&'static [Key]),
    /// Texts, under names that the user chooses.
    NamedTexts,
    /// A table whose keys follow from its `type`.
    Typed(&'static [(&'static str, &'static [Key])]),
}

impl Kind {
    /// Returns what the key takes, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Text | Self::Word(_) => "text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Texts => "a list of text",
            Self::Table(_) | Self::Named(_) | Self::NamedTexts | Self::Typed(_) => "a table",
            Self::Tables(_) => "a list of tables",
            Self::WordOr(..) => "text or a table",
            Self::Value => "text, a whole number, true or false",
        }
    }
}

/// A key and what it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

const fn text(name: &'static str) -> Key {
    Key { name, kind: Kind::Text }
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

/// The keys of the file's top level.
pub(crate) const FILE: &[Key] = &[
    key("pipeline", Kind::Table(PIPELINE)),
    key("source", Kind::Typed(SOURCES)),
    key("destination", Kind::Typed(DESTINATIONS)),
    key("defaults", Kind::Table(DEFAULTS)),
    key("tables", Kind::Named(TABLE)),
];

/// `[pipeline]`
pub(crate) const PIPELINE: &[Key] = &[
    text("id"),
    key("memory_mb", Kind::Integer),
    key("max_tables", Kind::Integer),
    key("commit_seconds", Kind::Number),
    key("commit_rows", Kind::Integer),
    key("commit_mb", Kind::Integer),
    text("dead_letters"),
    text("hash_salt"),
];

/// What may be said of every table, of one, and of a part of one, and more keys.
macro_rules! of_a_table {
    ($($more:expr),*) => {
        &[
            text("mode"),
            text("on_gap"),
            text("on_bad_record"),
            key("include", Kind::Texts),
            key("exclude", Kind::Texts),
            key("columns", Kind::Named(COLUMN)),
            text("filter"),
            key("nested", Kind::WordOr(NESTED, NESTED_TABLE)),
            key("on_type_conflict", Kind::Word(&["json", "text", "variant"])),
            key("numbers", Kind::Word(&["exact", "decimal_or_text", "float"])),
            key("contract", Kind::WordOr(CONTRACT, CONTRACT_TABLE)),
            key("keep_item", Kind::Bool),
            key("keep_replication_attributes", Kind::Bool),
            $($more),*
        ]
    };
}

/// `[defaults]`
pub(crate) const DEFAULTS: &[Key] = of_a_table!();

/// `[tables.<name>]`
pub(crate) const TABLE: &[Key] = of_a_table!(text("name"), key("split", Kind::Named(PART)));

/// `[tables.<name>.split.<part>]`
const PART: &[Key] = of_a_table!(text("name"));

/// `[tables.<name>.columns]`, per attribute.
const COLUMN: &[Key] = &[
    key("exclude", Kind::Bool),
    text("rename"),
    key("hash", Kind::Word(&["sha256"])),
    key("mask", Kind::Table(&[text("fixed"), key("keep_last", Kind::Integer)])),
    text("cast"),
    key("constant", Kind::Value),
    key("nested", Kind::WordOr(NESTED, NESTED_TABLE)),
];

const NESTED: &[&str] = &["json", "packed", "flatten", "native"];
const NESTED_TABLE: &[Key] = &[key("flatten", Kind::Table(&[key("depth", Kind::Integer), text("separator")]))];
const CONTRACT: &[&str] = &["evolve", "freeze", "discard_column", "discard_row"];
const CONTRACT_TABLE: &[Key] = &[key("columns", Kind::Word(CONTRACT)), key("types", Kind::Word(CONTRACT))];

/// `[source]`, by its `type`.
pub(crate) const SOURCES: &[(&str, &[Key])] = &[("dynamodb", DYNAMODB)];

/// `[destination]`, by its `type`.
pub(crate) const DESTINATIONS: &[(&str, &[Key])] = &[
    ("bigquery", BIGQUERY),
    ("duckdb", DUCKDB),
    ("parquet", PARQUET),
    ("postgres", POSTGRES),
    ("redshift", REDSHIFT),
    ("snowflake", SNOWFLAKE),
];

pub(crate) const DYNAMODB: &[Key] = &[
    key("tables", Kind::Texts),
    text("region"),
    text("profile"),
    text("access_key_id"),
    text("secret_access_key"),
    text("session_token"),
    key("web_identity", Kind::Table(WEB_IDENTITY)),
    key("assume_role", Kind::Table(ASSUME_ROLE)),
    text("endpoint_url"),
    text("streams_endpoint_url"),
    text("sts_endpoint_url"),
    key("segments", Kind::Integer),
    key("scan_concurrency", Kind::Integer),
    key("consistent_read", Kind::Bool),
    key("max_read_capacity", Kind::Number),
    key("read_capacity_share", Kind::Number),
    key("snapshot_concurrency", Kind::Integer),
    key("stream_readers", Kind::Integer),
    key("connect_timeout", Kind::Number),
    key("request_timeout", Kind::Number),
];

const WEB_IDENTITY: &[Key] =
    &[text("role_arn"), text("token_file"), text("session_name"), key("duration_seconds", Kind::Integer)];

const ASSUME_ROLE: &[Key] = &[
    text("role_arn"),
    text("external_id"),
    text("session_name"),
    key("duration_seconds", Kind::Integer),
    key("chain", Kind::Tables(CHAINED_ROLE)),
];

const CHAINED_ROLE: &[Key] =
    &[text("role_arn"), text("external_id"), text("session_name"), key("duration_seconds", Kind::Integer)];

pub(crate) const PARQUET: &[Key] = &[
    text("url"),
    text("region"),
    text("endpoint_url"),
    key("allow_http", Kind::Bool),
    text("access_key_id"),
    text("secret_access_key"),
    text("session_token"),
    text("google_credentials_file"),
    text("azure_account"),
    text("azure_access_key"),
    key("compression_level", Kind::Integer),
    key("file_bytes", Kind::Integer),
    // Who writes to S3; read by the source's code, so that both sides know the same ways.
    text("profile"),
    key("web_identity", Kind::Table(WEB_IDENTITY)),
    key("assume_role", Kind::Table(ASSUME_ROLE)),
    text("sts_endpoint_url"),
];

/// Those keys of [`PARQUET`] and [`STAGING`] that say who writes to S3.
pub(crate) const S3_IDENTITY: [&str; 4] = ["profile", "web_identity", "assume_role", "sts_endpoint_url"];

pub(crate) const POSTGRES: &[Key] = &[
    text("url"),
    text("host"),
    key("port", Kind::Integer),
    text("user"),
    text("password"),
    text("dbname"),
    text("sslmode"),
    text("sslrootcert"),
    text("sslcert"),
    text("sslkey"),
    text("schema"),
    text("nul"),
    key("max_connections", Kind::Integer),
];

pub(crate) const REDSHIFT: &[Key] = &[
    text("cluster"),
    text("workgroup"),
    text("database"),
    text("schema"),
    text("db_user"),
    text("secret_arn"),
    text("copy_role"),
    key("staging", Kind::Table(STAGING_ON_S3)),
    key("documents", Kind::Word(&["super", "text"])),
    text("region"),
    text("profile"),
    text("access_key_id"),
    text("secret_access_key"),
    text("session_token"),
    key("assume_role", Kind::Table(ASSUME_ONE_ROLE)),
    text("endpoint_url"),
    text("sts_endpoint_url"),
];

/// Where rows wait for Redshift; whoever asks it also writes there, unless other keys are given.
const STAGING_ON_S3: &[Key] = &[
    text("url"),
    text("region"),
    text("endpoint_url"),
    key("allow_http", Kind::Bool),
    text("access_key_id"),
    text("secret_access_key"),
    text("session_token"),
];

const ASSUME_ONE_ROLE: &[Key] = &[text("role_arn"), text("external_id"), text("session_name")];

pub(crate) const SNOWFLAKE: &[Key] = &[
    text("account"),
    text("url"),
    text("user"),
    text("private_key"),
    text("private_key_file"),
    text("private_key_passphrase"),
    text("access_token"),
    text("oauth_token"),
    text("oauth_token_file"),
    text("role"),
    text("warehouse"),
    text("database"),
    text("schema"),
    key("staging", Kind::Table(STAGING)),
    text("stage"),
    text("storage_integration"),
    key("documents", Kind::Word(&["variant", "text"])),
    key("statement_timeout_seconds", Kind::Integer),
];

pub(crate) const BIGQUERY: &[Key] = &[
    text("project"),
    text("dataset"),
    key("staging", Kind::Table(BUCKET)),
    text("billing_project"),
    text("credentials_file"),
    text("impersonate"),
    key("json", Kind::Word(&["string", "json"])),
    key("labels", Kind::NamedTexts),
    text("endpoint_url"),
    key("anonymous", Kind::Bool),
];

/// Where rows wait for `BigQuery`: a bucket that is reached as the dataset is.
const BUCKET: &[Key] = &[text("url"), text("endpoint_url"), key("allow_http", Kind::Bool)];

/// Where rows wait for a warehouse, and who writes there if that is S3.
pub(crate) const STAGING: &[Key] = &[
    text("url"),
    text("region"),
    text("endpoint_url"),
    key("allow_http", Kind::Bool),
    text("access_key_id"),
    text("secret_access_key"),
    text("session_token"),
    text("google_credentials_file"),
    text("azure_account"),
    text("azure_access_key"),
    text("profile"),
    key("web_identity", Kind::Table(WEB_IDENTITY)),
    key("assume_role", Kind::Table(ASSUME_ROLE)),
    text("sts_endpoint_url"),
];

pub(crate) const DUCKDB: &[Key] =
    &[text("path"), text("motherduck_token"), text("schema"), text("memory_limit"), key("threads", Kind::Integer)];

/// Finds a key by name.
pub(crate) fn find(keys: &[Key], name: &str) -> Option<Key> {
    keys.iter().copied().find(|key| key.name == name)
}

/// Returns the names of keys.
pub(crate) fn names(keys: &'static [Key]) -> impl Iterator<Item = &'static str> + Clone {
    keys.iter().map(|key| key.name)
}

/// Returns the sections of the whole file that know a key of this name, such as `source.assume_role`.
pub(crate) fn sections_with(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    search(FILE, "", name, &mut found);
    found
}

fn search(keys: &[Key], path: &str, name: &str, found: &mut Vec<String>) {
    for key in keys {
        let inside = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
        let mut visit = |keys: &'static [Key], inside: String| {
            if find(keys, name).is_some() && !found.contains(&inside) {
                found.push(inside.clone());
            }
            search(keys, &inside, name, found);
        };
        match key.kind {
            Kind::Table(keys) | Kind::Tables(keys) | Kind::WordOr(_, keys) => visit(keys, inside),
            Kind::Named(keys) => visit(keys, format!("{inside}.<name>")),
            Kind::Typed(types) => types.iter().for_each(|(_, keys)| visit(keys, inside.clone())),
            Kind::Text
            | Kind::Integer
            | Kind::Number
            | Kind::Bool
            | Kind::Texts
            | Kind::NamedTexts
            | Kind::Word(_)
            | Kind::Value => {}
        }
    }
}
