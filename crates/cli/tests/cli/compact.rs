use commutator_cli::demo::lake;

use crate::commands::{shop, table};
use crate::program::Folder;

#[tokio::test(flavor = "multi_thread")]
async fn small_files_of_an_append_table_become_one() {
    let (mut shop, folder) = shop("[defaults]\nmode = \"append\"").await;
    let early = folder.run(&["compact", "orders", "--json"]);
    assert_eq!(early.code, Some(1), "{early:?}");
    assert_eq!(table(&early.json(), "orders")["error"]["kind"], "not_found");
    for _ in 0..3 {
        assert_eq!(folder.run(&["run", "--until-caught-up"]).code, Some(0));
        (0..40).try_for_each(|_| shop.change()).unwrap();
    }
    let rows = |folder: &Folder| {
        let tables = lake::look(&folder.path().join("lake")).unwrap();
        tables.iter().map(|table| (table.table.to_string(), table.rows, table.files)).collect::<Vec<_>>()
    };
    let before = rows(&folder);
    let done = folder.run(&["compact", "--json"]).json();
    assert!(table(&done, "orders")["replaced"].as_u64() >= Some(2), "{done}");
    assert_eq!((&table(&done, "orders")["files"], &table(&done, "orders")["written"]), (&1.into(), &1.into()));
    let after = rows(&folder);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.0, before.1, 1), (&after.0, after.1, after.2));
    }
    let again = folder.run(&["compact", "ord*", "--grace-minutes", "0"]);
    assert!(again.code == Some(0) && again.out.contains("orders: nothing to do; it has 1 files"), "{again:?}");
    assert_eq!(folder.run(&["run", "--until-caught-up"]).code, Some(0));
    assert_eq!(folder.run(&["compact", "payments"]).code, Some(2));
}
