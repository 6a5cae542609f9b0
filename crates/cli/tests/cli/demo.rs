use std::path::Path;

use commutator_cli::demo::lake;

use crate::program::Folder;

#[test]
fn everything_in_the_shop_arrives() {
    let folder = Folder::new();
    let done = folder.run(&["demo", "--seconds", "3", "--json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let said = done.json();
    assert_eq!(said["complete"], true, "{said}");
    assert!(said["changes"].as_u64().unwrap() > 0, "{said}");
    assert_eq!(said["folder"], "commutator-demo");
    let arrived = lake::look(&folder.path().join("commutator-demo")).unwrap();
    let tables: Vec<_> = arrived.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(tables, ["customers", "orders"]);
    let type_of = |table: usize, column: &str| {
        arrived[table].columns.iter().find(|(name, _)| name == column).map(|(_, ty)| ty.as_str()).unwrap_or_default()
    };
    assert_eq!((type_of(0, "address"), type_of(0, "newsletter"), type_of(0, "avatar")), ("json", "bool", "binary"));
    assert_eq!((type_of(1, "order_id"), type_of(1, "lines")), ("int64", "json"));
    assert!(type_of(1, "total").starts_with("decimal("), "{:?}", arrived[1].columns);

    let occupied = folder.run(&["demo", "commutator-demo"]);
    assert_eq!(occupied.code, Some(2), "{occupied:?}");
}

#[test]
fn it_prints_tables_and_how_to_look_further() {
    let folder = Folder::new();
    let done = folder.run(&["demo", "here", "--seconds", "1"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    for part in ["customers: ", "orders: ", "columns: customer_id text", "read_parquet('here/orders/**/*.parquet')"] {
        assert!(done.out.contains(part), "{part}: {done:?}");
    }
    assert!(Path::new(&folder.path().join("here")).is_dir());
}
