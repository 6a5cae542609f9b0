//! `--from` and `--to`: addresses instead of a file.

use toml::{Table, Value};
use url::form_urlencoded;

use super::document::scalar;
use super::keys::{self, BIGQUERY, DUCKDB, DYNAMODB, Key, Kind, PARQUET, REDSHIFT};
use super::nearest::hint;
use crate::failure::Problem;

const SECRETS: [&str; 4] = ["access_key_id", "secret_access_key", "session_token", "motherduck_token"];

/// Reads `dynamodb://REGION/TABLE,TABLE?key=value` as a `[source]` section.
///
/// The region may be empty, which leaves it to the environment. Any key of the section that takes one value may follow; `endpoint`
/// is short for `endpoint_url`.
pub(crate) fn source(address: &str) -> Result<Table, Vec<Problem>> {
    let wrong = |message: &str| vec![Problem::new("--from", message)];
    let Some(rest) = address.strip_prefix("dynamodb://") else {
        return Err(wrong("takes `dynamodb://REGION/TABLE,TABLE`, such as `dynamodb://eu-west-1/orders,users_*`"));
    };
    let (place, query) = split_query(rest);
    let (region, tables) = place.split_once('/').unwrap_or((place, ""));
    if tables.is_empty() {
        return Err(wrong(
            "names no table; add names or globs after the region, such as `/orders,users_*`, or `/*` for all",
        ));
    }
    let mut values = options("--from", query, DYNAMODB)?;
    values.insert("type".into(), "dynamodb".into());
    if !region.is_empty() {
        values.insert("region".into(), region.into());
    }
    values.insert("tables".into(), Value::Array(split_tables(tables).into_iter().map(Value::from).collect()));
    Ok(values)
}

/// Reads an address as a `[destination]` section: `postgres://…`, `bigquery://…`, `redshift://…`, `duckdb://…`, an object store's address or a
/// folder.
pub(crate) fn destination(address: &str) -> Result<Table, Vec<Problem>> {
    let wrong = |message: String| vec![Problem::new("--to", message)];
    let mut values = Table::new();
    match address.split_once("://").map(|(scheme, _)| scheme) {
        Some("postgres" | "postgresql") => {
            // `schema` is ours; everything else is libpq's and stays as it stands.
            let (place, query) = split_query(address);
            let (ours, theirs): (Vec<_>, Vec<_>) =
                query.split('&').filter(|pair| !pair.is_empty()).partition(|pair| pair.starts_with("schema="));
            let url = if theirs.is_empty() { place.to_owned() } else { format!("{place}?{}", theirs.join("&")) };
            if let Some((_, schema)) = form_urlencoded::parse(ours.join("&").as_bytes()).next() {
                values.insert("schema".into(), schema.as_ref().into());
            }
            values.insert("type".into(), "postgres".into());
            values.insert("url".into(), url.into());
        }
        Some("bigquery") => {
            let (place, query) = split_query(address);
            // The bucket is a section of its own in a file.
            let (staging, others): (Vec<_>, Vec<_>) =
                query.split('&').filter(|pair| !pair.is_empty()).partition(|pair| pair.starts_with("staging="));
            let staging = staging.join("&");
            let staging = form_urlencoded::parse(staging.as_bytes()).next();
            let dataset = place.trim_start_matches("bigquery://").split_once('/');
            let (Some((_, staging)), Some((project, dataset))) = (staging, dataset) else {
                let form =
                    "takes `bigquery://PROJECT/DATASET?staging=gs://BUCKET/FOLDER`, where rows wait in that folder";
                return Err(wrong(form.to_owned()));
            };
            values = options("--to", &others.join("&"), BIGQUERY)?;
            values.insert("type".into(), "bigquery".into());
            values.insert("project".into(), project.into());
            values.insert("dataset".into(), dataset.trim_end_matches('/').into());
            values.insert("staging".into(), Table::from_iter([("url".to_owned(), staging.as_ref().into())]).into());
        }
        Some("duckdb") => {
            let (place, query) = split_query(address);
            values = options("--to", query, DUCKDB)?;
            values.insert("type".into(), "duckdb".into());
            values.insert("path".into(), place.trim_start_matches("duckdb://").into());
        }
        Some("s3" | "gs" | "az" | "azure" | "abfs" | "abfss" | "file") => {
            let (place, query) = split_query(address);
            values = options("--to", query, PARQUET)?;
            values.insert("type".into(), "parquet".into());
            values.insert("url".into(), place.into());
        }
        Some("redshift") => {
            let (place, query) = split_query(address);
            // The bucket is a section of its own in a file.
            let (staging, others): (Vec<_>, Vec<_>) =
                query.split('&').filter(|pair| !pair.is_empty()).partition(|pair| pair.starts_with("staging="));
            let staging = staging.join("&");
            let staging = form_urlencoded::parse(staging.as_bytes()).next();
            let schema = place.trim_start_matches("redshift://").split_once('/');
            let (Some((_, staging)), Some((database, schema))) = (staging, schema) else {
                let form = "takes `redshift://DATABASE/SCHEMA?workgroup=NAME&staging=s3://BUCKET/PREFIX`, where rows wait below that prefix; `cluster=NAME` for a provisioned cluster";
                return Err(wrong(form.to_owned()));
            };
            values = options("--to", &others.join("&"), REDSHIFT)?;
            values.insert("type".into(), "redshift".into());
            values.insert("database".into(), database.into());
            values.insert("schema".into(), schema.trim_end_matches('/').into());
            values.insert("staging".into(), Table::from_iter([("url".to_owned(), staging.as_ref().into())]).into());
        }
        Some("snowflake") => {
            let message = "cannot say all that Snowflake needs; `commutator init --to snowflake://ACCOUNT/DATABASE/SCHEMA` writes a file";
            return Err(wrong(message.to_owned()));
        }
        Some(scheme) => {
            return Err(wrong(format!(
                "does not know `{scheme}://`; it takes a folder such as `./lake`, `s3://…`, `gs://…`, `az://…`, `file://…`, \
                 `postgres://…`, `bigquery://…`, `redshift://…` or `duckdb://FILE`"
            )));
        }
        None if address.trim().is_empty() => return Err(wrong("is empty; name a folder such as `./lake`".to_owned())),
        None => {
            values.insert("type".into(), "parquet".into());
            values.insert("url".into(), address.into());
        }
    }
    Ok(values)
}

/// Reads the address of a folder or an object store, with the keys of a Parquet destination, as such a section; `argument` is its
/// name in messages.
pub(crate) fn objects(argument: &str, address: &str) -> Result<Table, Vec<Problem>> {
    let (place, query) = split_query(address);
    let known = ["s3://", "gs://", "az://", "file://"].iter().any(|scheme| place.starts_with(scheme));
    if place.trim().is_empty() || (place.contains("://") && !known) {
        let message = "takes a folder such as `./dead-letters`, `s3://…`, `gs://…`, `az://…` or `file://…`";
        return Err(vec![Problem::new(argument, message)]);
    }
    let mut values = options(argument, query, PARQUET)?;
    values.insert("url".into(), place.into());
    Ok(values)
}

fn split_query(address: &str) -> (&str, &str) {
    // A `?` of a glob is followed by no `key=`, so the query begins at the last `?` before the first `=`.
    let Some(equals) = address.find('=') else { return (address.strip_suffix('?').unwrap_or(address), "") };
    match address[..equals].rfind('?') {
        Some(at) => (&address[..at], &address[at + 1..]),
        None => (address, ""),
    }
}

/// Splits at commas that are not inside `{…}`.
fn split_tables(tables: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0i32);
    for (i, c) in tables.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth <= 0 => {
                parts.push(&tables[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&tables[start..]);
    parts
}

fn options(argument: &str, query: &str, keys: &'static [Key]) -> Result<Table, Vec<Problem>> {
    let (mut values, mut problems) = (Table::new(), Vec::new());
    let allowed = |key: &Key| scalar_kind(key.kind) && !SECRETS.contains(&key.name);
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let name = if name == "endpoint" { "endpoint_url".into() } else { name };
        if SECRETS.contains(&name.as_ref()) {
            let message =
                format!("`{name}` does not belong in an address, where others can read it; use the environment");
            problems.push(Problem::new(argument, message));
            continue;
        }
        match keys::find(keys, &name).filter(allowed) {
            None => {
                let known: Vec<_> = keys.iter().filter(|key| allowed(key)).map(|key| key.name).collect();
                let message = format!("unknown option `{name}`; {}", hint(&name, known.iter().copied()));
                problems.push(Problem::new(argument, message));
            }
            Some(key) => {
                if let Some(value) = scalar(&text, key.kind) {
                    values.insert(key.name.to_owned(), value);
                } else {
                    let message = format!("`{}` takes {}", key.name, key.kind.words());
                    problems.push(Problem::new(argument, message));
                }
            }
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

fn scalar_kind(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Integer | Kind::Number | Kind::Bool)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(values: Result<Table, Vec<Problem>>) -> serde_json::Value {
        serde_json::to_value(values.unwrap()).unwrap()
    }

    fn messages(values: Result<Table, Vec<Problem>>) -> Vec<String> {
        values.unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_source_address_names_region_tables_and_options() {
        assert_eq!(
            json(source("dynamodb://eu-west-1/orders,users_*")),
            serde_json::json!({"type": "dynamodb", "region": "eu-west-1", "tables": ["orders", "users_*"]})
        );
        assert_eq!(
            json(source(
                "dynamodb://eu-west-1/a?c,{x,y}z?endpoint=http://127.0.0.1:8000&segments=4&consistent_read=true"
            )),
            serde_json::json!({
                "type": "dynamodb", "region": "eu-west-1", "tables": ["a?c", "{x,y}z"],
                "endpoint_url": "http://127.0.0.1:8000", "segments": 4, "consistent_read": true
            })
        );
        assert_eq!(json(source("dynamodb:///orders"))["region"], serde_json::Value::Null);
    }

    #[test]
    fn a_wrong_source_address_says_what_to_write() {
        assert!(messages(source("mysql://x/y"))[0].contains("dynamodb://REGION/TABLE"));
        assert!(messages(source("dynamodb://eu-west-1"))[0].contains("names no table"));
        assert_eq!(
            messages(source("dynamodb://r/abc?segmets=4&segments=x&secret_access_key=s")),
            [
                "--from: unknown option `segmets`; did you mean `segments`?",
                "--from: `segments` takes a whole number",
                "--from: `secret_access_key` does not belong in an address, where others can read it; use the environment",
            ]
        );
    }

    #[test]
    fn no_secret_is_taken_from_a_destination_address() {
        for (address, secret) in [
            ("duckdb://md:shop?motherduck_token=s", "motherduck_token"),
            ("s3://b/p?secret_access_key=s", "secret_access_key"),
            ("redshift://dev/shop?workgroup=w&staging=s3://b/p&session_token=s", "session_token"),
        ] {
            let said = messages(destination(address));
            assert!(said[0].contains(&format!("`{secret}` does not belong in an address")), "{said:?}");
        }
    }

    #[test]
    fn a_destination_address_chooses_the_connector() {
        for (address, expected) in [
            ("./lake", serde_json::json!({"type": "parquet", "url": "./lake"})),
            ("lake", serde_json::json!({"type": "parquet", "url": "lake"})),
            (
                "s3://b/p?region=eu-west-1&allow_http=true",
                serde_json::json!({"type": "parquet", "url": "s3://b/p", "region": "eu-west-1", "allow_http": true}),
            ),
            (
                "postgres://u:p%40@h/db?schema=shop&sslmode=require",
                serde_json::json!({"type": "postgres", "url": "postgres://u:p%40@h/db?sslmode=require", "schema": "shop"}),
            ),
            (
                "duckdb://./shop.duckdb?schema=shop&threads=2",
                serde_json::json!({"type": "duckdb", "path": "./shop.duckdb", "schema": "shop", "threads": 2}),
            ),
            ("duckdb:///data/shop.duckdb", serde_json::json!({"type": "duckdb", "path": "/data/shop.duckdb"})),
            (
                "bigquery://proj/shop?staging=gs://bucket/a%20b&impersonate=me@proj.iam.gserviceaccount.com",
                serde_json::json!({
                    "type": "bigquery", "project": "proj", "dataset": "shop", "staging": {"url": "gs://bucket/a b"},
                    "impersonate": "me@proj.iam.gserviceaccount.com"
                }),
            ),
            (
                "redshift://dev/shop?workgroup=small&copy_role=arn:aws:iam::1:role/r&staging=s3://bucket/a%20b",
                serde_json::json!({
                    "type": "redshift", "database": "dev", "schema": "shop", "workgroup": "small",
                    "copy_role": "arn:aws:iam::1:role/r", "staging": {"url": "s3://bucket/a b"}
                }),
            ),
            ("postgresql://h/db", serde_json::json!({"type": "postgres", "url": "postgresql://h/db"})),
        ] {
            assert_eq!(json(destination(address)), expected, "{address}");
        }
        assert!(messages(destination("mysql://x"))[0].contains("does not know `mysql://`"));
        for incomplete in ["bigquery://proj/shop", "bigquery://proj?staging=gs://b"] {
            assert!(messages(destination(incomplete))[0].contains("?staging=gs://"), "{incomplete}");
        }
        assert!(messages(destination(""))[0].contains("is empty"));
        for incomplete in ["redshift://dev/shop?workgroup=w", "redshift://dev?staging=s3://b"] {
            assert!(messages(destination(incomplete))[0].contains("&staging=s3://"), "{incomplete}");
        }
    }
}
