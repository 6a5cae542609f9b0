//! `commutator init`: a first configuration, and what to paste into IAM.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::{Global, Init};
use crate::config::{Settings, short_form};
use crate::failure::{Failure, Problem};
use crate::iam::{PLACEHOLDER, Rights, policy, trust_policy};
use crate::output;

/// Writes the configuration file unless it exists, and prints the policies.
pub(crate) fn run(arguments: &Init, global: Global) -> Result<(), Failure> {
    let external_id = Uuid::new_v4().to_string();
    let place = arguments.config.display().to_string();
    let text = config(arguments, &external_id);
    // A wrong table name or address is told before anything is written; a variable need not be set yet.
    Settings::parse(&text, "init", &|_| Some("set later".to_owned())).map_err(Failure::Config)?;
    let rights = Rights { region: &arguments.region, account: &arguments.account, tables: &arguments.tables };
    let policy = policy(&rights);
    let trust = trust_policy(arguments.principal.as_deref(), &external_id);

    write_new(&arguments.config, &text)?;
    let mut files = vec![place.clone()];
    if let Some(folder) = &arguments.policies {
        fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        for (name, value) in [("iam-policy.json", &policy), ("trust-policy.json", &trust)] {
            let path = folder.join(name);
            write_new(&path, &format!("{value:#}\n"))?;
            files.push(path.display().to_string());
        }
    }

    if global.json {
        output::json(
            &json!({ "files": files, "external_id": external_id, "iam_policy": policy, "trust_policy": trust }),
        );
    } else {
        output::line(instructions(arguments, &files, &policy, &trust));
    }
    Ok(())
}

fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let open = fs::OpenOptions::new().write(true).create_new(true).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let message = match error.kind() {
        std::io::ErrorKind::AlreadyExists => "exists and was left as it is; remove it or name another file".to_owned(),
        _ => format!("cannot be written: {error}"),
    };
    Problem::new(path.display().to_string(), message).into()
}

fn instructions(arguments: &Init, files: &[String], policy: &Value, trust: &Value) -> String {
    let Init { role, principal, .. } = arguments;
    let mut text = format!("Wrote {}.\n\n", files.join(", "));
    let who = match principal {
        Some(principal) => format!("which lets {principal} assume it with the external ID"),
        None => format!("after replacing {PLACEHOLDER}"),
    };
    // Writing to a string cannot fail.
    let _infallible = write!(
        text,
        "1. In the account of the tables, create the role `{role}` with this trust policy, {who}:\n\n{trust:#}\n\n\
         2. Give the role this policy, which is all that reading the tables and their streams takes:\n\n{policy:#}\n\n\
         3. Put the role's ARN into `role_arn` under [source.assume_role], and remove the `#` before that section.\n   \
         To read with your own credentials instead, leave it as it is.\n\
         4. Each table needs a stream with the view type NEW_AND_OLD_IMAGES or NEW_IMAGE.\n\
         5. Run `commutator check`, then `commutator run`."
    );
    text
}

/// Returns the commented configuration file.
fn config(arguments: &Init, external_id: &str) -> String {
    let tables: Vec<_> = arguments.tables.iter().map(|table| quoted(table)).collect();
    let (tables, region) = (tables.join(", "), quoted(&arguments.region));
    let account = if arguments.account == "*" { "123456789012" } else { &arguments.account };
    let role_arn = quoted(&format!("arn:aws:iam::{account}:role/{}", arguments.role));
    let destination = destination(&arguments.to);
    format!(
        r#"# Commutator: DynamoDB tables, kept current somewhere else. Every key: docs/configuration.md
# ${{NAME}} in a text is replaced by the environment variable NAME.

[pipeline]
id = "main"                       # names the checkpoints in the destination; do not change it later
# hash_salt = "${{COMMUTATOR_HASH_SALT}}"   # some twenty random characters that stay the same, for columns with `hash`
# memory_mb = 256                 # an eighth of it for rows on their way, of all tables

[source]
type = "dynamodb"
region = {region}
tables = [{tables}]               # names and globs, such as "users_*"
# profile = "production"          # instead of the default credentials chain
# max_read_capacity = 100         # read units per second that snapshots may use
# endpoint_url = "http://127.0.0.1:8000"

# To read through a role: create it with the policies that `commutator init` printed, then remove the `#`.
# [source.assume_role]
# role_arn = {role_arn}
# external_id = "{external_id}"

{destination}
[defaults]
mode = "mirror"                   # the items that exist now; docs/modes.md has the others
# on_gap = "resync"               # when changes were lost: read the table anew; or "fail"

# What differs for one table:
# [tables.orders]
# name = "shop_orders"            # its name in the destination
# nested = "flatten"              # maps become columns; or "json", "packed", in Parquet also "native"
# contract = "freeze"             # stop when an attribute or type is new; or "evolve", "discard_column", "discard_row"
# exclude = ["tmp_*"]             # attributes that get no column
# filter = "status <> 'draft'"    # the rows there are
# columns.email = {{ hash = "sha256" }}
# columns.phone = {{ mask = {{ keep_last = 4 }} }}
# columns.price = {{ cast = "decimal(20,4)", rename = "amount" }}
"#
    )
}

fn destination(to: &str) -> String {
    if to.starts_with("postgres") {
        let url = if to.contains("${") { quoted(to) } else { "\"${DATABASE_URL}\"".to_owned() };
        format!(
            "[destination]\ntype = \"postgres\"\nurl = {url}             # keeps the password out of this file\n# schema = \"shop\"\n"
        )
    } else if let Some(place) = to.strip_prefix("snowflake://") {
        let mut parts = place.splitn(3, '/').map(quoted);
        let mut part =
            |otherwise: &str| parts.next().filter(|part| part != "\"\"").unwrap_or_else(|| quoted(otherwise));
        let (account, database, schema) = (part("myorg-myaccount"), part("SHOP"), part("PUBLIC"));
        format!(
            "[destination]\ntype = \"snowflake\"           # docs/snowflake.md has the statements that make user, role, stage and integration\n\
             account = {account}\nuser = \"COMMUTATOR\"\nprivate_key_file = \"rsa_key.p8\"\n\
             # private_key_passphrase = \"${{SNOWFLAKE_PASSPHRASE}}\"\nrole = \"COMMUTATOR\"\nwarehouse = \"COMMUTATOR\"\n\
             database = {database}\nschema = {schema}\nstorage_integration = \"COMMUTATOR\"   # or `stage`, one that is there\n\
             staging = {{ url = \"s3://bucket/prefix\", region = \"eu-west-1\" }}   # where rows wait; the integration lets Snowflake read it\n\
             # documents = \"text\"          # instead of VARIANT, which refuses numbers of more than 38 digits\n"
        )
    } else if let Some(place) = to.strip_prefix("bigquery://") {
        let (place, query) = place.split_once('?').unwrap_or((place, ""));
        let mut parts = place.splitn(2, '/').map(quoted);
        let mut part =
            |otherwise: &str| parts.next().filter(|part| part != "\"\"").unwrap_or_else(|| quoted(otherwise));
        let (project, dataset) = (part("my-project"), part("shop"));
        let staging = query.split('&').find_map(|pair| pair.strip_prefix("staging=")).unwrap_or("gs://bucket/prefix");
        format!(
            "[destination]\ntype = \"bigquery\"            # docs/bigquery.md has the commands that make dataset, bucket and service account\n\
             project = {project}\ndataset = {dataset}\n# billing_project = \"analytics\"   # that runs the jobs and pays for them\n\
             # impersonate = \"commutator@my-project.iam.gserviceaccount.com\"\n\
             # json = \"json\"                 # documents as JSON instead of STRING, which keeps every digit\n\
             staging = {{ url = {} }}   # where rows wait; in the dataset's region\n",
            quoted(staging)
        )
    } else if let Some(place) = to.strip_prefix("redshift://") {
        let keys = short_form::destination(to).unwrap_or_default();
        let given = |key: &str| keys.get(key).and_then(toml::Value::as_str).map(quoted);
        let mut parts = place.split(['/', '?']).map(quoted);
        let mut part =
            |otherwise: &str| parts.next().filter(|part| part != "\"\"").unwrap_or_else(|| quoted(otherwise));
        let (database, schema) = (part("dev"), part("public"));
        let who = match (given("cluster"), given("workgroup")) {
            (Some(cluster), _) => format!(
                "cluster = {cluster}\n# db_user = \"commutator\"      # in place of the one that follows from the AWS identity\n"
            ),
            (None, workgroup) => {
                let workgroup = workgroup.unwrap_or_else(|| quoted("default-workgroup"));
                format!("workgroup = {workgroup}   # or `cluster`, a provisioned one\n")
            }
        };
        let staging = keys.get("staging").and_then(|staging| staging.get("url")).and_then(toml::Value::as_str);
        let staging = quoted(staging.unwrap_or("s3://bucket/prefix"));
        let role = given("copy_role").map_or_else(
            || "# copy_role = \"arn:aws:iam::123456789012:role/redshift-reads-staging\"   # in place of the default role\n".to_owned(),
            |role| format!("copy_role = {role}\n"),
        );
        let region = given("region").map_or_else(
            || "# region = \"eu-west-1\"         # in place of the environment's\n".to_owned(),
            |region| format!("region = {region}\n"),
        );
        format!(
            "[destination]\ntype = \"redshift\"            # docs/redshift.md has the roles, policies and grants\n\
             {who}database = {database}\nschema = {schema}\n{role}{region}staging = {{ url = {staging} }}   # where rows wait for COPY\n\
             # documents = \"text\"          # instead of SUPER, which refuses numbers of more than 38 digits\n"
        )
    } else if let Some(path) = to.strip_prefix("duckdb://") {
        // What follows the path are keys of the section; what cannot be read is left to whoever reads the file.
        let keys = short_form::destination(to).map_or_else(
            |_| format!("path = {}\n", quoted(path)),
            |keys| {
                keys.iter()
                    .filter(|(key, _)| *key != "type")
                    .map(|(key, value)| format!("{key} = {value}\n"))
                    .collect::<Vec<_>>()
                    .concat()
            },
        );
        let schema = if keys.contains("schema = ") { "" } else { "# schema = \"shop\"\n" };
        format!(
            "[destination]\ntype = \"duckdb\"              # a program that was built with it, see docs/duckdb.md\n{keys}{schema}"
        )
    } else {
        let url = quoted(to);
        format!(
            "[destination]\ntype = \"parquet\"\nurl = {url}                    # a folder, s3://bucket/prefix, gs://… or az://…\n"
        )
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(to: &str) -> Init {
        Init {
            config: "commutator.toml".into(),
            region: "eu-west-1".to_owned(),
            tables: vec!["orders".to_owned(), "users_*".to_owned()],
            to: to.to_owned(),
            account: "*".to_owned(),
            principal: None,
            role: "commutator".to_owned(),
            policies: None,
        }
    }

    #[test]
    fn the_file_is_valid_and_so_is_what_it_comments_out() {
        let duckdb = cfg!(feature = "duckdb").then_some("duckdb://shop.duckdb");
        for to in [
            "./lake",
            "s3://bucket/prefix",
            "postgres://u:secret@h/db",
            "snowflake://myorg-shop/SHOP/PUBLIC",
            "bigquery://shop-1/shop",
            "redshift://dev/shop",
            "redshift://dev/shop?cluster=main&region=eu-west-1&copy_role=arn:aws:iam::1:role/r&staging=s3://b/p",
        ]
        .into_iter()
        .chain(duckdb)
        {
            let text = config(&arguments(to), "the-external-id");
            let variable = |_: &str| Some("postgres://h/db".to_owned());
            let settings = Settings::parse(&text, "x", &variable).unwrap_or_else(|problems| panic!("{problems:?}"));
            assert_eq!(settings.pipeline.as_str(), "main");
            assert!(!text.contains("secret"), "{text}");
            let all: Vec<&str> = text
                .lines()
                .map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ") || l.starts_with('[')).unwrap_or(line))
                .collect();
            let all = all.join("\n").replace("# Commutator", "#");
            Settings::parse(&all, "x", &variable).unwrap_or_else(|problems| panic!("{all}\n{problems:?}"));
        }
    }

    #[test]
    fn what_follows_a_duckdb_path_are_keys_of_their_own() {
        let section = destination("duckdb://shop.duckdb?schema=sales&memory_limit=4GB");
        let section: toml::Table = section.parse().unwrap();
        let keys = &section["destination"];
        assert_eq!(keys["path"].as_str(), Some("shop.duckdb"), "{section}");
        assert_eq!((keys["schema"].as_str(), keys["memory_limit"].as_str()), (Some("sales"), Some("4GB")));
    }
}
