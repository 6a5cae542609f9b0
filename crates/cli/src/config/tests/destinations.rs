//! What is said of where tables and dead letters go.

use commutator::TableName;
use commutator::pipeline::OnBadRecord;

use super::super::*;
use super::{parse, problems, with};

#[test]
fn a_bucket_is_written_to_as_the_source_would_be_read() {
    let s3 = with("region = \"us-east-1\"\nprofile = \"p\"\n").replace("\"lake\"", "\"s3://bucket/prefix\"");
    let Destination::Parquet(_, Some(identity)) = parse(&s3).unwrap().destination else { panic!("no identity") };
    assert_eq!((identity.profile.as_deref(), identity.region.as_deref()), (Some("p"), Some("us-east-1")));
    let keys = with("access_key_id = \"a\"\nsecret_access_key = \"b\"\n").replace("\"lake\"", "\"s3://bucket\"");
    assert!(matches!(parse(&keys).unwrap().destination, Destination::Parquet(_, None)));
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
fn a_dataset_of_bigquery_has_a_bucket() {
    let of = |lines: &str| {
        let text = format!(
            "[source]\ntype = \"dynamodb\"\ntables = [\"orders\"]\n[destination]\ntype = \"bigquery\"\nproject = \"p\"\n\
             dataset = \"shop\"\n{lines}"
        );
        Settings::parse(&text, "c.toml", &|name| (name == "TEAM").then(|| "data".to_owned())).map(|all| all.destination)
    };
    let said = |lines: &str| of(lines).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
    let whole = "json = \"json\"\nlabels = { team = \"${TEAM}\" }\n[destination.staging]\nurl = \"gs://b/p\"\n";
    let Destination::BigQuery(config) = of(whole).unwrap() else { panic!("another destination") };
    assert_eq!((config.staging.url.as_str(), config.json), ("gs://b/p", bigquery::Json::Json));
    assert_eq!(config.labels["team"], "data");
    assert_eq!(said(""), ["c.toml:4: [destination] lacks `staging`"]);
    assert!(said("staging = { url = \"gs://b\", region = \"x\" }\n")[0].contains("unknown key `region`"));
    assert!(said("staging = { url = \"gs://b\" }\njson = \"text\"\n")[0].contains("string"));
    assert!(
        said("staging = { url = \"gs://b\" }\nlabels = { team = 1 }\n")[0]
            .contains("`destination.labels.team` takes text")
    );
}

#[test]
fn redshift_is_asked_by_whoever_writes_to_its_staging_area() {
    let of = |lines: &str| {
        let text = format!(
            "[source]\ntype = \"dynamodb\"\ntables = [\"orders\"]\n[destination]\ntype = \"redshift\"\nworkgroup = \"w\"\n\
             database = \"dev\"\nschema = \"shop\"\n{lines}"
        );
        Settings::parse(&text, "c.toml", &|_| None).map(|settings| settings.destination)
    };
    let said = |lines: &str| of(lines).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
    let staging = "staging = { url = \"s3://b/p\" }\n";
    let role = "assume_role = { role_arn = \"arn:aws:iam::1:role/r\", external_id = \"x\" }\n";
    let Destination::Redshift(config) = of(&format!("{staging}documents = \"text\"\n{role}")).unwrap() else {
        panic!("another destination")
    };
    assert_eq!((config.staging.url.as_str(), config.documents), ("s3://b/p", redshift::Documents::Text));
    assert_eq!(config.assume_role.unwrap().external_id.as_deref(), Some("x"));
    assert!(said("")[0].contains("lacks `staging`"), "{:?}", said(""));
    assert!(said(&format!("{staging}copyrole = \"default\"\n"))[0].contains("copy_role"));
    assert!(said("staging = { url = \"s3://b\", profile = \"p\" }\n")[0].contains("profile"));
    assert!(said(&format!("{staging}documents = \"variant\"\n"))[0].contains("super"));
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
