use std::fs;

use serde_json::{Value, json};

use crate::program::Folder;

#[test]
fn it_writes_a_file_and_policies_and_never_over_another() {
    let folder = Folder::new();
    let arguments = [
        "init",
        "--tables",
        "orders,users_*",
        "--account",
        "123456789012",
        "--principal",
        "arn:aws:iam::210987654321:root",
        "--policies",
        "iam",
        "--json",
    ];
    let done = folder.run(&arguments);
    assert_eq!(done.code, Some(0), "{done:?}");
    let said = done.json();
    let external_id = said["external_id"].as_str().unwrap();
    let file = fs::read_to_string(folder.path().join("commutator.toml")).unwrap();
    assert!(file.contains(external_id) && file.contains("tables = [\"orders\", \"users_*\"]"), "{file}");
    let read = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(folder.path().join("iam").join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("iam-policy.json"), said["iam_policy"]);
    assert_eq!(read("trust-policy.json"), said["trust_policy"]);
    let statement = &said["trust_policy"]["Statement"][0];
    assert_eq!(statement["Principal"]["AWS"], "arn:aws:iam::210987654321:root");
    assert_eq!(statement["Condition"], json!({"StringEquals": {"sts:ExternalId": external_id}}));

    let again = folder.run(&arguments);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.err.contains("commutator.toml") && again.err.contains("left as it is"), "{again:?}");
    assert_eq!(fs::read_to_string(folder.path().join("commutator.toml")).unwrap(), file);
}

#[test]
fn it_prints_both_policies_ready_to_paste() {
    let folder = Folder::new();
    let done = folder.run(&["init"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let policies: Vec<Value> = done
        .out
        .split("\n\n")
        .filter(|part| part.starts_with('{'))
        .map(|part| serde_json::from_str(part).unwrap_or_else(|error| panic!("{error}: {part}")))
        .collect();
    assert_eq!(policies.len(), 2, "{}", done.out);
    assert_eq!(policies[0]["Statement"][0]["Action"], "sts:AssumeRole");
    assert_eq!(policies[1]["Statement"][0]["Action"], json!(["dynamodb:DescribeTable", "dynamodb:Scan"]));

    let other = Folder::new();
    let ids = [&folder, &other]
        .map(|folder| folder.run(&["init", "-c", "second.toml", "--json"]).json()["external_id"].clone());
    assert_ne!(ids[0], ids[1], "each has an external ID of its own");
}

#[test]
fn a_wrong_argument_writes_nothing() {
    let folder = Folder::new();
    let done = folder.run(&["init", "--tables", "a b"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
