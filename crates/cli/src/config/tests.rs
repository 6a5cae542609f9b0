//! Bad files and what is said of them, word for word.

use commutator::pipeline::OnGap;
use commutator::{SyncMode, TableName};

use super::*;

mod destinations;
mod known_keys;

const GOOD: &str = r#"
[pipeline]
id = "shop"
memory_mb = 64

[source]
type = "dynamodb"
region = "eu-west-1"
tables = ["orders", "users_*"]

[destination]
type = "parquet"
url = "./${FOLDER}"

[defaults]
on_gap = "fail"

[tables.users_eu]
mode = "append"
name = "europe"
"#;

fn parse(text: &str) -> Result<Settings, Vec<String>> {
    let variable = |name: &str| match name {
        "FOLDER" => Some("lake".to_owned()),
        "PORT" => Some("5433".to_owned()),
        _ => None,
    };
    Settings::parse(text, "c.toml", &variable).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn problems(text: &str) -> Vec<String> {
    parse(text).expect_err("the file has problems")
}

/// A file whose `[source]` and `[destination]` are good, with more after them.
fn with(rest: &str) -> String {
    format!(
        "[source]\ntype = \"dynamodb\"\ntables = [\"orders\"]\n[destination]\ntype = \"parquet\"\nurl = \"lake\"\n{rest}"
    )
}

#[test]
fn a_good_file_is_read_as_it_stands() {
    let settings = parse(GOOD).unwrap();
    assert_eq!(settings.pipeline.as_str(), "shop");
    assert_eq!(settings.memory_bytes, 64 << 20);
    assert_eq!(settings.source.tables, ["orders", "users_*"]);
    let Destination::Parquet(parquet, None) = &settings.destination else { panic!("{settings:?}") };
    assert_eq!(parquet.url, "./lake");
    let eu = settings.options.table(&TableName::new("users_eu"));
    assert_eq!((eu.mode, eu.name.as_deref(), eu.on_gap), (SyncMode::Append, Some("europe"), OnGap::Fail));
    let orders = settings.options.table(&TableName::new("orders"));
    assert_eq!((orders.mode, orders.name.as_deref(), orders.on_gap), (SyncMode::Mirror, None, OnGap::Fail));
}

#[test]
fn all_problems_are_told_at_once_with_their_lines() {
    let text = r#"[pipelin]
id = "x"
[source]
type = "dynamodb"
regoin = "eu-west-1"
tables = ["orders", "a b*"]
segments = "many"
[source.assume_role]
external_id = "${NOT_SET}"
[destination]
type = "parquet"
url = "${ALSO_NOT_SET}"
[defaults]
mode = "miror"
"#;
    assert_eq!(
        problems(text),
        [
            "c.toml:1: unknown key `pipelin` in the top level; did you mean `pipeline`?",
            "c.toml:5: unknown key `regoin` in [source]; did you mean `region`?",
            "c.toml:7: `source.segments` takes a whole number, not text",
            "c.toml:8: [source.assume_role] lacks `role_arn`",
            "c.toml:9: `source.assume_role.external_id` needs the environment variable NOT_SET, which is not set",
            "c.toml:12: `destination.url` needs the environment variable ALSO_NOT_SET, which is not set",
            "c.toml:14: unknown mode `miror` in `defaults.mode`; did you mean `mirror`?",
        ]
    );
}

#[test]
fn each_mistake_has_its_message() {
    for (text, expected) in [
        ("", vec!["c.toml: there is no [source]", "c.toml: there is no [destination]"]),
        (
            "[source]\ntype = \"mongo\"\n[destination]\ntype = \"postgre\"\n",
            vec![
                "c.toml:2: unknown `source.type` `mongo`; known: `dynamodb`",
                "c.toml:4: unknown `destination.type` `postgre`; did you mean `postgres`?",
            ],
        ),
        (
            &with("[pipeline]\nid = \"a b\"\nmemory_mb = 0\ncommit_seconds = -1\n"),
            vec![
                "c.toml:8: `pipeline.id`: A pipeline id takes 1 to 64 ASCII letters, digits, hyphens and underscores",
                "c.toml:9: `pipeline.memory_mb` is at least 1",
                "c.toml:10: `pipeline.commit_seconds` is a number of seconds, 0 or more",
            ],
        ),
        (
            &with("[pipeline]\nregion = \"x\"\n"),
            vec![
                "c.toml:8: unknown key `region` in [pipeline]; it belongs in [source] or [destination] or [destination.staging]",
            ],
        ),
        (
            &with("[tables.users]\nmode = \"mirror\"\n"),
            vec!["c.toml:7: [tables.users] is a table that `source.tables` does not select"],
        ),
        (
            &with("[tables.orders]\nmode = \"history\"\non_gap = \"ignore\"\nname = \"\"\n"),
            vec![
                "c.toml:9: unknown `tables.orders.on_gap` `ignore`; known: `resync`, `fail`",
                "c.toml:10: `tables.orders.name` is empty",
            ],
        ),
        (
            &with("[tables.orders]\nformat = \"json\"\n"),
            vec![
                "c.toml:8: unknown key `format` in [tables.orders]; known: `mode`, `on_gap`, `on_bad_record`, `include`, \
                 `exclude`, `columns`, `filter`, `nested`, `on_type_conflict`, `numbers`, `contract`, `keep_item`, `keep_replication_attributes`, `name`, `split`",
            ],
        ),
        (
            &with("compression_level = \"${NOT_SET}\"\n"),
            vec!["c.toml:7: `destination.compression_level` needs the environment variable NOT_SET, which is not set"],
        ),
        (
            &with("compression_level = \"${FOLDER}\"\n"),
            vec!["c.toml:7: `destination.compression_level` takes a whole number; what its variable holds is not"],
        ),
        (
            &with("profile = \"p\"\n"),
            vec!["c.toml:7: `destination.profile` says who writes to S3, but `url` is no s3:// address"],
        ),
        (
            &with("[destination.assume_role]\nrole_arn = \"x\"\n").replace("\"lake\"", "\"s3://b/p\""),
            vec![
                "c.toml:8: [destination] assume_role.role_arn must look like arn:aws:iam::123456789012:role/name, not `x`",
            ],
        ),
        (
            "[source]\ntype = \"dynamodb\"\ntables = \"orders\"\n[destination]\ntype = \"postgres\"\nport = 99999\nsslmode = \"on\"\n",
            vec![
                "c.toml:3: `source.tables` takes a list of text, not text",
                "c.toml:6: `destination.port`: invalid value: integer `99999`, expected u16",
                "c.toml:7: `destination.sslmode`: unknown variant `on`, expected one of `disable`, `allow`, `prefer`, \
                 `require`, `verify-ca`, `verify-full`",
            ],
        ),
        (
            "[source]\ntype = \"dynamodb\"\n[destination]\ntype = \"parquet\"\nurl = \"lake\"\n",
            vec!["c.toml:1: [source] tables names no table"],
        ),
    ] {
        assert_eq!(problems(text), expected, "{text}");
    }
}

#[test]
fn broken_syntax_is_told_with_its_line() {
    let problems = problems(&with("[pipeline\nid = 1\n"));
    assert!(problems[0].starts_with("c.toml:7: "), "{problems:?}");
}

#[test]
fn bad_globs_are_named() {
    let problems = problems(&with("").replace("\"orders\"", "\"a[b\", \"ok_*\", \"x\""));
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("c.toml:3: ") && problems[0].contains("`a[b`"), "{problems:?}");
    assert!(problems[1].starts_with("c.toml:3: ") && problems[1].contains("`x`"), "{problems:?}");
}

#[test]
fn numbers_may_come_from_variables() {
    let text = "[source]\ntype = \"dynamodb\"\ntables = [\"orders\"]\nmax_read_capacity = 5\nread_capacity_share = 0.5\n\
                [destination]\ntype = \"postgres\"\nport = \"${PORT}\"\n";
    let settings = parse(text).unwrap();
    let Destination::Postgres(postgres) = &settings.destination else { panic!("{settings:?}") };
    assert_eq!(postgres.port, Some(5433));
    assert_eq!((settings.source.max_read_capacity, settings.source.read_capacity_share), (Some(5.0), Some(0.5)));
}

#[test]
fn an_absent_id_is_derived_from_region_and_endpoint_alone() {
    let id = |from: &str| Settings::from_addresses(from, "./lake", None, None).unwrap().pipeline.as_str().to_owned();
    assert_eq!(id("dynamodb:///orders"), "dynamodb");
    assert_eq!(id("dynamodb://eu-west-1/orders"), "dynamodb-eu-west-1");
    assert_eq!(id("dynamodb://eu-west-1/orders,users"), "dynamodb-eu-west-1");
    let local = id("dynamodb://eu-west-1/orders?endpoint=http://127.0.0.1:8000");
    assert_eq!(local, "dynamodb-eu-west-1-9c136dfa");
    let named = Settings::from_addresses("dynamodb:///orders", "./lake", Some("append"), Some("mine")).unwrap();
    assert_eq!((named.pipeline.as_str(), named.options.defaults.mode), ("mine", SyncMode::Append));
}

#[test]
fn addresses_that_are_both_wrong_are_both_told() {
    let problems = Settings::from_addresses("x", "mysql://y", None, None).unwrap_err();
    assert_eq!(problems.iter().map(|p| p.place.as_str()).collect::<Vec<_>>(), ["--from", "--to"]);
}

/// What a configuration takes, as it says itself when it is given something else.
#[test]
fn settings_do_not_show_secrets() {
    let source = "[source]\ntype = \"dynamodb\"\ntables = [\"orders\"]\naccess_key_id = \"hunter2id\"\n\
                  secret_access_key = \"${SECRET}\"\nsession_token = \"hunter2token\"\n";
    for destination in [
        "type = \"parquet\"\nurl = \"s3://b/p\"\naccess_key_id = \"a\"\nsecret_access_key = \"${SECRET}\"\nsession_token = \"hunter2\"\n",
        "type = \"parquet\"\nurl = \"az://c/p\"\nazure_account = \"a\"\nazure_access_key = \"hunter2\"\n",
        "type = \"postgres\"\nurl = \"postgres://me:hunter2@h/d\"\n",
        "type = \"postgres\"\nhost = \"h\"\npassword = \"${SECRET}\"\n",
        "type = \"redshift\"\nworkgroup = \"w\"\ndatabase = \"d\"\nschema = \"s\"\naccess_key_id = \"a\"\nsecret_access_key = \"${SECRET}\"\n\
         session_token = \"hunter2\"\nstaging = { url = \"s3://b\", access_key_id = \"a\", secret_access_key = \"${SECRET}\" }\n",
        "type = \"snowflake\"\naccount = \"a\"\ndatabase = \"D\"\nprivate_key = \"${SECRET}\"\nprivate_key_passphrase = \"hunter2\"\n\
         staging = { url = \"s3://b\", access_key_id = \"a\", secret_access_key = \"${SECRET}\" }\n",
    ] {
        let text = format!("{source}[destination]\n{destination}");
        let variable = |name: &str| (name == "SECRET").then(|| "hunter2".to_owned());
        let shown = format!("{:?}", Settings::parse(&text, "c.toml", &variable).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
