//! Bad files and what is said of them, word for word.

use std::collections::BTreeSet;

use commutator::pipeline::{OnBadRecord, OnGap};
use commutator::{SyncMode, TableName};
use serde::de::DeserializeOwned;

use super::keys::{DUCKDB, DYNAMODB, Key, Kind, PARQUET, POSTGRES, S3_IDENTITY, SNOWFLAKE, STAGING};
use super::*;

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
fn a_bucket_is_written_to_as_the_source_would_be_read() {
    let s3 = with("region = \"us-east-1\"\nprofile = \"p\"\n").replace("\"lake\"", "\"s3://bucket/prefix\"");
    let Destination::Parquet(_, Some(identity)) = parse(&s3).unwrap().destination else { panic!("no identity") };
    assert_eq!((identity.profile.as_deref(), identity.region.as_deref()), (Some("p"), Some("us-east-1")));
    let keys = with("access_key_id = \"a\"\nsecret_access_key = \"b\"\n").replace("\"lake\"", "\"s3://bucket\"");
    assert!(matches!(parse(&keys).unwrap().destination, Destination::Parquet(_, None)));
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
fn fields_of<T: DeserializeOwned>() -> BTreeSet<String> {
    let nonsense = serde_json::json!({ "there is no such key": 1 });
    let error = serde_json::from_value::<T>(nonsense).err().expect("unknown keys are refused").to_string();
    let (_, fields) = error.split_once("expected one of ").expect("it names its fields");
    fields.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn names_of(keys: &[Key]) -> BTreeSet<String> {
    keys.iter().map(|key| key.name.to_owned()).collect()
}

#[test]
fn the_known_keys_are_those_of_the_connectors() {
    let mut parquet = names_of(PARQUET);
    for key in S3_IDENTITY {
        assert!(parquet.remove(key), "{key}");
    }
    assert_eq!(names_of(DYNAMODB), fields_of::<dynamodb::Config>());
    assert_eq!(parquet, fields_of::<parquet::Config>());
    assert_eq!(names_of(POSTGRES), fields_of::<postgres::Config>());
    assert_eq!(names_of(SNOWFLAKE), fields_of::<snowflake::Config>());
    let mut staging = names_of(STAGING);
    staging.retain(|key| !S3_IDENTITY.contains(&key.as_str()));
    assert_eq!(staging, fields_of::<snowflake::StagingConfig>());
    #[cfg(feature = "duckdb")]
    assert_eq!(names_of(DUCKDB), fields_of::<commutator::duckdb::Config>());
    for key in DYNAMODB {
        match (key.name, key.kind) {
            ("assume_role", Kind::Table(keys)) => assert_eq!(names_of(keys), fields_of::<dynamodb::AssumeRole>()),
            ("web_identity", Kind::Table(keys)) => assert_eq!(names_of(keys), fields_of::<dynamodb::WebIdentity>()),
            (name, Kind::Table(_)) => panic!("{name} is not compared"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_known_modes_are_those_of_the_connectors() {
    let parquet = parquet::Config::new("memory://");
    let offered = commutator::Destination::capabilities(&parquet.clone().connect().await.unwrap()).modes;
    assert_eq!(Destination::Parquet(Box::new(parquet), None).modes(), offered);
    let postgres = postgres::Config::from_url("postgres://u@127.0.0.1/db?sslmode=disable");
    let offered = commutator::Destination::capabilities(&postgres.clone().connect().await.unwrap()).modes;
    assert_eq!(Destination::Postgres(Box::new(postgres)).modes(), offered);
    let staging = snowflake::StagingConfig::new("s3://b");
    let snowflake = snowflake::Config {
        access_token: Some(Secret::new("x".to_owned())),
        stage: Some("S".to_owned()),
        ..snowflake::Config::new("a", "D", staging)
    };
    let offered = commutator::Destination::capabilities(&snowflake.clone().connect().await.unwrap()).modes;
    assert_eq!(Destination::Snowflake(Box::new(snowflake), None).modes(), offered);
    #[cfg(feature = "duckdb")]
    {
        let duckdb = commutator::duckdb::Config::in_memory();
        let offered = commutator::Destination::capabilities(&duckdb.clone().connect().await.unwrap()).modes;
        assert_eq!(Destination::DuckDb(Box::new(duckdb)).modes(), offered);
    }
}

#[test]
fn a_database_file_of_duckdb_is_named_or_the_program_says_that_it_cannot() {
    let with = |lines: &str| {
        format!("[source]\ntype = \"dynamodb\"\ntables = [\"orders\"]\n[destination]\ntype = \"duckdb\"\n{lines}")
    };
    let of = |lines: &str| Settings::parse(&with(lines), "c.toml", &|_| None).map(|settings| settings.destination);
    let said = |lines: &str| of(lines).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
    if !cfg!(feature = "duckdb") {
        let built = "c.toml:4: this program was built without DuckDB; build it with `--features duckdb` (docs/duckdb.md says how)";
        assert_eq!(said("path = \"a.duckdb\"\n"), [built]);
        return;
    }
    assert!(of("path = \"a.duckdb\"\nschema = \"shop\"\nmemory_limit = \"1GB\"\nthreads = 2\n").is_ok());
    assert_eq!(said(""), ["c.toml:4: [destination] lacks `path`"]);
    assert!(said("path = \":memory:\"\n")[0].contains("gone with the program"));
}

#[test]
fn a_snowflake_account_has_a_staging_area_and_who_writes_there() {
    let of = |lines: &str| {
        let text = format!(
            "[source]\ntype = \"dynamodb\"\ntables = [\"orders\"]\n[destination]\ntype = \"snowflake\"\naccount = \"a\"\n\
             database = \"D\"\naccess_token = \"hunter2\"\nstage = \"S\"\n{lines}"
        );
        Settings::parse(&text, "c.toml", &|_| None).map(|settings| settings.destination)
    };
    let said = |lines: &str| of(lines).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
    let Destination::Snowflake(config, identity) =
        of("[destination.staging]\nurl = \"s3://b/p\"\nprofile = \"load\"\n").unwrap()
    else {
        panic!("another destination")
    };
    assert_eq!((config.staging.url.as_str(), config.schema.as_str()), ("s3://b/p", "PUBLIC"));
    assert_eq!(identity.unwrap().profile.as_deref(), Some("load"));
    assert!(matches!(of("staging = { url = \"gs://b\" }\n").unwrap(), Destination::Snowflake(_, None)));
    assert!(said("")[0].contains("lacks `staging`"), "{:?}", said(""));
    assert!(said("staging = { url = \"gs://b\", profile = \"load\" }\n")[0].contains("no s3:// address"));
    assert!(said("staging = { url = \"s3://b\" }\nwharehouse = \"W\"\n")[0].contains("warehouse"));
    assert!(said("staging = { url = \"s3://b\", regoin = \"x\" }\n")[0].contains("region"));
    assert!(said("staging = { url = \"s3://b\" }\ndocuments = \"json\"\n")[0].contains("variant"));
}

#[test]
fn every_key_is_documented() {
    let page = include_str!("../../../../docs/configuration.md");
    let mut missing = Vec::new();
    let mut look = |section: &str, keys: &[Key]| {
        missing.extend(
            keys.iter()
                .filter(|key| !page.contains(&format!("`{}`", key.name)))
                .map(|key| format!("{section}.{}", key.name)),
        );
    };
    look("pipeline", keys::PIPELINE);
    look("defaults", keys::DEFAULTS);
    look("tables", keys::TABLE);
    look("source", DYNAMODB);
    look("parquet", PARQUET);
    look("postgres", POSTGRES);
    look("duckdb", DUCKDB);
    look("snowflake", SNOWFLAKE);
    look("staging", STAGING);
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn settings_do_not_show_secrets() {
    let source = "[source]\ntype = \"dynamodb\"\ntables = [\"orders\"]\naccess_key_id = \"hunter2id\"\n\
                  secret_access_key = \"${SECRET}\"\nsession_token = \"hunter2token\"\n";
    for destination in [
        "type = \"parquet\"\nurl = \"s3://b/p\"\naccess_key_id = \"a\"\nsecret_access_key = \"${SECRET}\"\nsession_token = \"hunter2\"\n",
        "type = \"parquet\"\nurl = \"az://c/p\"\nazure_account = \"a\"\nazure_access_key = \"hunter2\"\n",
        "type = \"postgres\"\nurl = \"postgres://me:hunter2@h/d\"\n",
        "type = \"postgres\"\nhost = \"h\"\npassword = \"${SECRET}\"\n",
        "type = \"snowflake\"\naccount = \"a\"\ndatabase = \"D\"\nprivate_key = \"${SECRET}\"\nprivate_key_passphrase = \"hunter2\"\n\
         staging = { url = \"s3://b\", access_key_id = \"a\", secret_access_key = \"${SECRET}\" }\n",
    ] {
        let text = format!("{source}[destination]\n{destination}");
        let variable = |name: &str| (name == "SECRET").then(|| "hunter2".to_owned());
        let shown = format!("{:?}", Settings::parse(&text, "c.toml", &variable).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn dead_letters_have_a_place_of_their_own() {
    let text = with(
        "[pipeline]\ndead_letters = \"./letters\"\n[defaults]\non_bad_record = \"dead_letter\"\n[tables.orders]\non_bad_record = \"fail\"\n",
    );
    let settings = parse(&text).unwrap();
    let (place, identity) = settings.dead_letters.unwrap();
    assert_eq!((place.url.as_str(), identity.is_none()), ("./letters", true));
    assert_eq!(settings.options.defaults.on_bad_record, OnBadRecord::DeadLetter);
    assert_eq!(settings.options.table(&TableName::new("orders")).on_bad_record, OnBadRecord::Fail);
    let none = parse(&with("")).unwrap();
    assert!(none.dead_letters.is_none() && none.options.defaults.on_bad_record == OnBadRecord::Fail);
}

#[test]
fn dead_letters_on_the_destinations_store_share_its_settings() {
    let text = |letters: &str| {
        let source = "[source]\ntype = \"dynamodb\"\ntables = [\"orders\"]\n[destination]\ntype = \"parquet\"\nurl = \"s3://lake/a\"\n";
        let store = "endpoint_url = \"http://127.0.0.1:1\"\nallow_http = true\nregion = \"eu-west-1\"\naccess_key_id = \"i\"\nsecret_access_key = \"s\"\nfile_bytes = 2000000\n";
        format!("{source}{store}[pipeline]\ndead_letters = \"{letters}\"\n")
    };
    let (shared, identity) = parse(&text("s3://letters/b?region=us-east-1")).unwrap().dead_letters.unwrap();
    assert_eq!((shared.url.as_str(), shared.region.as_deref()), ("s3://letters/b", Some("us-east-1")));
    assert_eq!(shared.endpoint_url.as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!((shared.access_key_id.as_deref(), identity.is_none()), (Some("i"), true));
    assert_eq!(shared.file_bytes, parquet::Config::new("x").file_bytes);
    let (own, _) = parse(&text("gs://letters")).unwrap().dead_letters.unwrap();
    assert!(own.endpoint_url.is_none() && own.access_key_id.is_none());
}

#[test]
fn wrong_places_of_dead_letters_are_told() {
    let cases = [
        (
            "[tables.orders]\non_bad_record = \"dead_letter\"\n".to_owned(),
            "c.toml:8: `tables.orders.on_bad_record` is `dead_letter`, but `pipeline.dead_letters` names no place for them, \
             such as `./dead-letters`",
        ),
        (
            "[defaults]\non_bad_record = \"dead_leter\"\n".to_owned(),
            "c.toml:8: unknown `defaults.on_bad_record` `dead_leter`; did you mean `dead_letter`?",
        ),
        (
            "[pipeline]\ndead_letters = \"lake/\"\n".to_owned(),
            "c.toml:8: `pipeline.dead_letters` is the destination's own folder; name another",
        ),
        (
            "[pipeline]\ndead_letters = \"postgres://h/db\"\n".to_owned(),
            "c.toml:8: `pipeline.dead_letters` takes a folder such as `./dead-letters`, `s3://…`, `gs://…`, `az://…` or `file://…`",
        ),
        (
            "[pipeline]\ndead_letters = \"s3://b?secret_access_key=x\"\n".to_owned(),
            "c.toml:8: `pipeline.dead_letters` `secret_access_key` does not belong in an address, where others can read it; \
             use the environment",
        ),
    ];
    for (rest, said) in cases {
        assert_eq!(problems(&with(&rest)), [said], "{rest}");
    }
}
