use super::*;

fn parse(json: &str) -> Result<Config, serde_json::Error> {
    serde_json::from_str(json)
}

fn problems(json: &str) -> Vec<String> {
    parse(json).unwrap().problems()
}

#[test]
fn a_region_and_a_table_are_enough() {
    assert_eq!(problems(r#"{"region": "eu-west-1", "tables": ["orders", "users_*"]}"#), Vec::<String>::new());
}

#[test]
fn everything_can_be_set() {
    let json = r#"{"region": "eu-west-1", "tables": ["orders"], "web_identity": {"role_arn": "arn:aws:iam::1:role/w", "token_file": "/t"},
        "assume_role": {"role_arn": "arn:aws:iam::1:role/a", "external_id": "e-1", "session_name": "shop", "duration_seconds": 900,
            "chain": [{"role_arn": "arn:aws:iam::2:role/b"}]},
        "endpoint_url": "http://127.0.0.1:1", "streams_endpoint_url": "https://s", "sts_endpoint_url": "https://t",
        "segments": 3, "scan_concurrency": 2, "snapshot_concurrency": 4, "consistent_read": true, "max_read_capacity": 10.5, "read_capacity_share": 0.5,
        "stream_readers": 2, "connect_timeout": 1, "request_timeout": 10}"#;
    assert_eq!(problems(json), Vec::<String>::new());
}

#[test]
fn unknown_keys_are_errors_that_name_the_key() {
    for json in [r#"{"tabels": []}"#, r#"{"assume_role": {"role_arn": "x", "tabels": 1}}"#] {
        assert!(parse(json).unwrap_err().to_string().contains("tabels"));
    }
}

#[test]
fn all_problems_are_reported_at_once_and_begin_with_their_key() {
    let json = r#"{"tables": ["a[", "b b"], "access_key_id": "x", "profile": "p", "endpoint_url": "localhost:8000", "segments": 0,
        "read_capacity_share": 1.5,
        "assume_role": {"role_arn": "nope", "external_id": "?", "session_name": "x", "duration_seconds": 5,
            "chain": [{"role_arn": "arn:aws:iam::2:role/b", "duration_seconds": 7200, "chain": [{"role_arn": "arn:aws:iam::2:role/c"}]}]}}"#;
    let found = problems(json);
    let keys: Vec<_> = found.iter().map(|problem| problem.split(' ').next().unwrap()).collect();
    let expected = [
        "tables",
        "tables",
        "access_key_id",
        "access_key_id",
        "assume_role.role_arn",
        "assume_role.session_name",
        "assume_role.duration_seconds",
        "assume_role.external_id",
        "assume_role.chain[0].duration_seconds",
        "assume_role.chain[0].chain",
        "segments",
        "read_capacity_share",
        "endpoint_url",
    ];
    assert_eq!(keys, expected, "{found:#?}");
    let error = parse(json).unwrap().validate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    assert!(found.iter().all(|problem| error.message().contains(problem)), "{error}");
}

#[test]
fn no_table_is_a_problem() {
    assert_eq!(problems("{}"), ["tables names no table"]);
}

#[test]
fn secrets_are_not_shown() {
    let config =
        parse(r#"{"access_key_id": "AKIAX", "secret_access_key": "hunter2", "session_token": "hunter3"}"#).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter") && !shown.contains("AKIAX"), "{shown}");
}

#[test]
fn sessions_of_chained_roles_last_an_hour_at_most() {
    let role = r#"{"role_arn": "arn:aws:iam::1:role/a", "duration_seconds": 7200}"#;
    assert_eq!(problems(&format!(r#"{{"tables": ["abc"], "assume_role": {role}}}"#)), Vec::<String>::new());
    let web = r#"{"role_arn": "arn:aws:iam::1:role/w", "token_file": "/t"}"#;
    assert_eq!(problems(&format!(r#"{{"tables": ["abc"], "web_identity": {web}, "assume_role": {role}}}"#)).len(), 1);
}
