use std::process::Stdio;
use std::time::Duration;

use commutator_cli::demo::{Shop, lake};

use crate::commands::{shop, table};
use crate::program::Folder;

fn all_there(shop: &Shop, folder: &Folder) -> bool {
    let tables = lake::look(&folder.path().join("lake")).unwrap();
    tables.len() == 2 && tables.iter().all(|table| table.rows == shop.items(&table.table) as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_read_anew_by_the_next_run() {
    let (mut shop, folder) = shop("").await;
    let early = folder.run(&["resync", "orders", "--json"]);
    assert_eq!(early.code, Some(1), "{early:?}");
    let said = early.json();
    let error = &table(&said, "orders")["error"];
    assert_eq!(error["kind"], "not_found");
    assert!(error["message"].as_str().unwrap().contains("never synced"), "{error}");
    assert!(!folder.path().join("lake").join("orders").exists(), "asking in vain changes nothing");

    assert_eq!(folder.run(&["run", "--until-caught-up"]).code, Some(0));
    (0..20).try_for_each(|_| shop.change()).unwrap();
    let asked = folder.run(&["resync", "ord*", "--json"]).json();
    assert_eq!(asked["tables"].as_array().unwrap().len(), 1, "{asked}");
    assert_eq!(
        (&table(&asked, "orders")["epoch"], &table(&asked, "orders")["asked_before"]),
        (&2.into(), &false.into())
    );
    let again = folder.run(&["resync", "orders"]);
    assert!(
        again.code == Some(0) && again.out.contains("nothing changed") && again.out.contains("epoch 2"),
        "{again:?}"
    );
    let status = folder.run(&["status", "--json"]).json();
    assert_eq!(table(&status, "orders")["phase"], "resync asked for");
    assert_eq!(table(&status, "customers")["phase"], "streaming");
    assert_eq!(table(&folder.run(&["plan", "--json"]).json(), "orders")["state"], "exists, is read anew");

    assert_eq!(folder.run(&["run", "--until-caught-up"]).code, Some(0));
    assert!(all_there(&shop, &folder));
    let status = folder.run(&["status", "--json"]).json();
    assert_eq!(
        (&table(&status, "orders")["phase"], &table(&status, "orders")["epoch"]),
        (&"streaming".into(), &2.into())
    );
    assert_eq!(table(&status, "customers")["epoch"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_what_nobody_has_read() {
    let (mut shop, folder) = shop("").await;
    assert_eq!(folder.run(&["run", "--until-caught-up"]).code, Some(0));
    let said = folder.run(&["status", "--json"]).json();
    let read = table(&said, "orders");
    assert_eq!((&read["oldest_unread_ms"], &read["unread_partitions"]), (&serde_json::Value::Null, &0.into()));
    assert_eq!(
        (&read["backlog_complete"], &read["gaps"]["count"], &read["gap"]),
        (&true.into(), &0.into(), &().into())
    );
    assert!(read["behind_ms"].is_u64() && read["caught_up_at"].is_i64() && read["source_items"].is_u64(), "{read}");
    (0..40).try_for_each(|_| shop.change()).unwrap();
    let said = folder.run(&["status", "--json"]).json();
    let unread = table(&said, "orders");
    assert!(unread["oldest_unread_ms"].is_u64() && unread["unread_partitions"] == 1, "{unread}");
    let text = folder.run(&["status"]);
    assert!(text.out.contains("oldest unread") && text.out.contains("time left"), "{text:?}");
}

#[test]
fn tables_that_are_not_the_pipelines_are_wrong_usage() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["resync"]).code, Some(2), "a table has to be named");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_shop, folder) = shop("").await;
        let done = folder.run(&["resync", "orders", "payments", "x*"]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(done.err.contains("`payments`") && done.err.contains("`x*`") && done.err.contains("customers, orders"));
    });
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_going_on_takes_it_up() {
    let (mut shop, folder) = shop("").await;
    let mut run = folder.command(&["run"]);
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let streams_epoch = |epoch: u32| {
        let status = folder.run(&["status", "--json"]).json();
        let orders = table(&status, "orders");
        orders["phase"] == "streaming" && orders["epoch"] == epoch
    };
    for epoch in 1..3 {
        let mut tries = 0;
        while !streams_epoch(epoch) {
            tries += 1;
            assert!(tries < 300, "epoch {epoch} never came");
            shop.change().unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if epoch == 1 {
            assert_eq!(folder.run(&["resync", "orders"]).code, Some(0));
        }
    }
    let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    assert!(log.contains("a resync was asked for"), "{log}");
    assert_eq!(folder.run(&["run", "--until-caught-up"]).code, Some(0));
    assert!(all_there(&shop, &folder));
}
