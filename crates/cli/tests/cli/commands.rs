use std::process::Stdio;

use commutator_cli::demo::{Shop, lake};
use serde_json::Value;

use crate::program::Folder;

/// A shop, and a folder with the configuration that reads it.
pub(crate) async fn shop(until: &str) -> (Shop, Folder) {
    let shop = Shop::open(20, 60).await.unwrap();
    let folder = Folder::new();
    folder.write(
        "commutator.toml",
        &format!(
            "[pipeline]\ncommit_seconds = 1\nid = \"shop\"\n[source]\ntype = \"dynamodb\"\nregion = \"eu-west-1\"\nendpoint_url = \"{}\"\n\
             access_key_id = \"a\"\nsecret_access_key = \"b\"\ntables = [\"orders\", \"cust*\"]\n\
             [destination]\ntype = \"parquet\"\nurl = \"lake\"\n{until}",
            shop.dynamodb().endpoint()
        ),
    );
    (shop, folder)
}

pub(crate) fn table<'a>(said: &'a Value, name: &str) -> &'a Value {
    let is_it = |table: &&Value| table["table"] == name || table["table"]["name"] == name || table["name"] == name;
    said["tables"].as_array().and_then(|tables| tables.iter().find(is_it)).unwrap_or_else(|| panic!("{name}: {said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_lives_through_every_command() {
    let (mut shop, folder) = shop("").await;

    let check = folder.run(&["check", "--json"]);
    assert_eq!(check.code, Some(0), "{check:?}");
    assert_eq!(check.json()["passed"], true);

    let found = folder.run(&["discover", "--sample", "--json"]).json();
    assert_eq!(table(&found, "orders")["keys"][1]["name"], "order_id");
    assert_eq!(table(&found, "orders")["stream"]["view"], "NEW_AND_OLD_IMAGES");
    assert_eq!(table(&found, "customers")["sample"]["items"], 20);
    let found = folder.run(&["discover", "--sample", "7", "--json"]).json();
    let sample = &table(&found, "customers")["sample"];
    assert_eq!((&sample["items"], &sample["attributes"][0]["items"]), (&7.into(), &7.into()), "{sample}");
    let found = folder.run(&["discover", "--sample"]);
    assert!(found.out.contains("types seen") && found.out.contains("customer_id"), "{found:?}");

    let plan = folder.run(&["plan", "--json"]).json();
    assert_eq!(table(&plan, "orders")["state"], "new");
    assert!(table(&plan, "orders")["reading"]["read_units"].as_u64().is_some(), "{plan}");
    assert_eq!(table(&folder.run(&["status", "--json"]).json(), "orders")["phase"], "not started");
    assert!(!folder.path().join("lake").join("orders").exists(), "looking changes nothing");

    let run = folder.run(&["run", "--until-caught-up", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(table(&run.json(), "orders")["rows"], 60);
    assert_eq!(table(&run.json(), "orders")["outcome"], "completed");
    let created = run.events().into_iter().find(|event| event["table"] == "orders").unwrap();
    assert_eq!(
        (&created["event"], &created["actions"][0]["action"]),
        (&"schema_changed".into(), &"create_table".into())
    );
    assert!(created["at_ms"].is_u64() && run.err.contains("creates the table with "), "{run:?}");

    let status = folder.run(&["status", "--json"]).json();
    assert_eq!(
        (&table(&status, "orders")["phase"], &table(&status, "orders")["epoch"]),
        (&"streaming".into(), &1.into())
    );
    assert!(table(&status, "orders")["left_ms"].as_u64().is_some_and(|left| left > 0), "{status}");
    let plan = folder.run(&["plan", "--json"]).json();
    assert_eq!(table(&plan, "orders")["state"], "exists, goes on with its changes");
    assert_eq!(table(&plan, "orders")["actions"], serde_json::json!([]), "nothing is left to do");

    (0..40).try_for_each(|_| shop.change()).unwrap();
    let run = folder.run(&["run", "--until-caught-up"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for table in lake::look(&folder.path().join("lake")).unwrap() {
        assert_eq!(table.rows, shop.items(&table.table) as u64, "{}", table.table);
    }
    for (command, says) in [
        ("check", "All checks passed."),
        ("discover", "NEW_AND_OLD_IMAGES"),
        ("plan", "read units"),
        ("status", "streaming"),
    ] {
        let done = folder.run(&[command]);
        let says_it = done.out.contains(says) || (command == "plan" && done.out.contains("snapshot: complete"));
        assert!(done.code == Some(0) && says_it, "{command}: {done:?}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_commits_what_is_whole_and_exits_with_zero() {
    let (mut shop, folder) = shop("").await;
    let mut run = folder.command(&["run"]);
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lake = folder.path().join("lake");
    // The first commit of both tables.
    for _ in 0..600 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if lake::look(&lake).is_ok_and(|tables| tables.len() == 2) {
            break;
        }
    }
    shop.change().unwrap();
    let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("stopped"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_fails_does_not_stop_the_others() {
    let (shop, folder) = shop("").await;
    shop.dynamodb().create_table("cust_without_stream", &[("id", "S")]).unwrap();
    let run = folder.run(&["run", "--until-caught-up", "--json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let said = run.json();
    assert_eq!(table(&said, "orders")["outcome"], "completed");
    let failed = table(&said, "cust_without_stream");
    assert_eq!(failed["outcome"], "failed");
    assert!(failed["error"]["message"].as_str().unwrap().contains("--snapshot-only"), "{failed}");
    let check = folder.run(&["check"]);
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!(
        check.out.contains("FAIL  table cust_without_stream: stream") && check.out.contains("what to do: "),
        "{check:?}"
    );
    assert_eq!(folder.run(&["run", "--snapshot-only"]).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_short_form_needs_no_file() {
    let (shop, folder) = shop("").await;
    let from = format!("dynamodb://eu-west-1/orders?endpoint={}", shop.dynamodb().endpoint());
    let run = folder.run(&["run", "--from", &from, "--to", "./out", "--mode", "append", "--until-caught-up", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(lake::look(&folder.path().join("out")).unwrap()[0].rows, 60);
    let status = folder.run(&["status", "--from", &from, "--to", "./out", "--mode", "append", "--json"]).json();
    assert!(status["pipeline"].as_str().unwrap().starts_with("dynamodb-eu-west-1-"), "{status}");
    assert_eq!(table(&status, "orders")["phase"], "streaming");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_named() {
    let (shop, folder) = shop("").await;
    let from = format!("dynamodb://eu-west-1/no_such_table?endpoint={}", shop.dynamodb().endpoint());
    let run = folder.run(&["run", "--from", &from, "--to", "./out", "--json"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.json()["error"]["kind"], "not_found");
    assert!(run.err.contains("no_such_table"), "{run:?}");

    let to = "postgres://nobody:a-secret-word@127.0.0.1:1/db";
    let from = from.replace("no_such_table", "orders");
    let check = folder.run(&["check", "--from", &from, "--to", to]);
    assert_eq!(check.code, Some(1), "{check:?}");
    assert!(check.out.contains("FAIL") && !format!("{check:?}").contains("a-secret-word"), "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_without_dead_letters_has_none_to_list_or_replay() {
    let (_shop, folder) = shop("").await;
    let file = std::fs::read_to_string(folder.path().join("commutator.toml")).unwrap();
    folder.write("commutator.toml", &file.replace("id = \"shop\"", "id = \"shop\"\ndead_letters = \"letters\""));
    let looked = folder.run(&["status", "--json"]);
    assert_eq!(table(&looked.json(), "orders")["dead_letters"], 0);
    assert!(!folder.path().join("letters").exists(), "looking changes nothing");
    let run = folder.run(&["run", "--until-caught-up", "--json"]);
    assert_eq!((run.code, &table(&run.json(), "orders")["dead_letters"]), (Some(0), &0.into()), "{run:?}");
    for command in ["list", "replay"] {
        let done = folder.run(&["dead-letter", command]);
        assert!(done.code == Some(0) && done.out.contains("no dead letters"), "{done:?}");
        let done = folder.run(&["dead-letter", command, "orders", "--json"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        let empty = done.json();
        let list = if command == "list" { &empty["dead_letters"] } else { &empty["tables"] };
        assert_eq!(list, &serde_json::json!([]), "{empty}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_listed_if_their_commit_has_happened() {
    let (_shop, folder) = shop("").await;
    let file = std::fs::read_to_string(folder.path().join("commutator.toml")).unwrap();
    folder.write("commutator.toml", &file.replace("id = \"shop\"", "id = \"shop\"\ndead_letters = \"letters\""));
    assert_eq!(folder.run(&["run", "--until-caught-up"]).code, Some(0));
    let letter = |id: &str| {
        format!(
            "{{\"id\":\"{id}\",\"table\":\"orders\",\"seen_at_ms\":5,\"form\":\"item\",\"position\":\"page 7\",\
             \"order\":\"{:048x}\",\"error\":\"As the test says\",\"raw\":\"a-secret-word\"}}\n",
            1_u128 << 64
        )
    };
    let table = folder.path().join("letters/shop/orders");
    let pending = table.join("pending");
    std::fs::create_dir_all(&pending).unwrap();
    std::fs::write(pending.join("put-000000000001-00000000000000ff.jsonl"), letter("aa")).unwrap();
    assert!(folder.run(&["dead-letter", "list"]).out.contains("no dead letters"));
    assert_eq!(folder.run(&["dead-letter", "replay", "--json"]).json()["tables"], serde_json::json!([]));

    // More than are aligned with each other.
    let many: String = (0..1500).map(|n| letter(&format!("{n:04}"))).collect();
    std::fs::write(table.join("put-000000000002-00000000000000ff.jsonl"), many).unwrap();
    let list = folder.run(&["dead-letter", "list"]);
    assert_eq!((list.out.matches("page 7").count(), list.out.matches("set aside").count()), (1500, 2));
    let list = folder.run(&["dead-letter", "list", "orders", "--json"]);
    let json = list.json();
    let ids = json["dead_letters"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap());
    assert!(ids.eq((0..1500).map(|n| format!("{n:04}"))) && !list.out.contains("a-secret-word"));

    std::fs::write(table.join("put-000000000003-00000000000000ff.jsonl"), "x\n").unwrap();
    for manner in [&["dead-letter", "list", "--json"][..], &["dead-letter", "list"]] {
        let list = folder.run(manner);
        assert_eq!((list.code, list.out.matches("page 7").count()), (Some(1), 1500), "what can be read is shown");
        assert!(list.err.contains("line: 1"), "{list:?}");
    }
    let broken = folder.run(&["dead-letter", "list", "--json"]).json();
    assert_eq!(broken["error"]["kind"], "data_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_hold_and_what_they_leave_out_is_told() {
    let rules = "[tables.orders]\nfilter = \"order_id > 1030\"\nexclude = [\"lines\"]\n[tables.orders.columns]\ntotal = { rename = \"amount\" }\n";
    let (_shop, folder) = shop(rules).await;
    let plan = folder.run(&["plan", "--json"]).json();
    let planned = table(&plan, "orders");
    let names: Vec<_> =
        planned["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"amount") && !names.contains(&"total") && !names.contains(&"lines"), "{planned}");
    let run = folder.run(&["run", "--until-caught-up", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let said = run.json();
    let (rows, filtered) = (&table(&said, "orders")["rows"], &table(&said, "orders")["left_out"]["filtered_rows"]);
    assert!(filtered.as_u64().unwrap() > 0, "{said}");
    assert_eq!(rows.as_u64().unwrap() + filtered.as_u64().unwrap(), 60, "{said}");
    assert_eq!(planned["left_out"]["filtered_rows"], *filtered);

    // A column that is wanted in another form now: the plan says what becomes of it, and that it is rewritten.
    let file = std::fs::read_to_string(folder.path().join("commutator.toml")).unwrap();
    folder.write(
        "commutator.toml",
        &file.replace("rename = \"amount\"", "rename = \"amount\", mask = { keep_last = 1 }"),
    );
    let again = folder.run(&["plan"]);
    assert!(again.code == Some(0) && again.out.contains("its values are rewritten"), "{again:?}");
}
