//! The envelope of scan pages, keys, names, and what is remembered between pages.

use commutator_core::{Extras, Op, OrderKey};

use super::*;

fn decode(body: &str) -> Result<super::super::ScanPage, Error> {
    Decoder::new(keys()).scan_page(body.as_bytes(), EPOCH)
}

#[test]
fn a_page_says_what_it_holds() {
    let page = decode(
        r#" { "Count" : 2, "Unknown": [{"a":[1.5e3,-0,true,false,null,"x\"",{}]}], "ScannedCount":2,
        "LastEvaluatedKey" : {"id" : {"S":"b\u0041"} } ,
        "Items":[{"id":{"S":"a"}, "n": {"N":"1"}} , {"id":{"S":"b"}}],
        "ConsumedCapacity":{"TableName":"t","CapacityUnits":12.5,"Table":{"CapacityUnits":1}} } "#,
    )
    .unwrap();
    assert_eq!(page.items, 2);
    assert_eq!(page.last_key.as_deref(), Some(r#"{"id" : {"S":"b\u0041"} }"#));
    assert_eq!(page.read_units, Some(12.5));
    let changes = page.changes.unwrap();
    assert_eq!(changes.ops(), [Op::Snapshot; 2]);
    assert_eq!(changes.orders(), [OrderKey::snapshot(EPOCH); 2]);
    assert_eq!(changes.changed_at(), [None; 2]);
    assert_eq!(render(&changes)[1].1, [Some("1".to_owned()), None]);
}

#[test]
fn an_empty_page_has_no_changes() {
    for body in [
        r#"{"Items":[],"Count":0,"ScannedCount":0}"#,
        r#"{"Items":[],"LastEvaluatedKey":{}}"#,
        r#"{"Items":[],"LastEvaluatedKey":null,"ConsumedCapacity":null}"#,
    ] {
        let page = decode(body).unwrap();
        assert!(page.changes.is_none() && page.last_key.is_none() && page.read_units.is_none());
        assert_eq!(page.items, 0);
    }
    // A filtered page may be empty and still have a successor.
    assert!(decode(r#"{"Items":[],"LastEvaluatedKey":{"id":{"S":"a"}}}"#).unwrap().last_key.is_some());
}

#[test]
fn what_is_no_page_is_an_error() {
    for body in [
        "",
        " ",
        "{}",
        "[]",
        "null",
        r#"{"Count":0}"#,
        r#"{"Items":null}"#,
        r#"{"Items":{}}"#,
        r#"{"Items":[]}x"#,
        r#"{"Items":[],}"#,
        r#"{"Items":[],"Items":[]}"#,
        r#"{"Items":[],"Count":1}"#,
        r#"{"Items":[],"Count":"0"}"#,
        r#"{"Items":[],"Count":-1}"#,
        r#"{"Items":[{"id":{"S":"a"}}],"Count":2}"#,
        r#"{"Items":[{"id":{"S":"a"}},]}"#,
        r#"{"Items":[1]}"#,
        r#"{"Items":[],"LastEvaluatedKey":"x"}"#,
        r#"{"Items":[],"X":nul}"#,
        r#"{"Items":[],"X":01}"#,
        r#"{"Items":[],"X":1.}"#,
        r#"{"Items":[],"X":[}"#,
        r#"{"Items":[],"X":{"a"}}"#,
    ] {
        invalid(decode(body));
    }
    assert!(invalid(decode(&format!(r#"{{"Items":[],"X":{}"#, "[".repeat(1_000_000)))).contains("too deeply"));
}

#[test]
fn keys_come_first_whatever_the_order_of_attributes() {
    let keys = vec![Column::key("pk", LogicalType::Int64), Column::key("sk", LogicalType::Binary)];
    let body = r#"{"Items":[{"x":{"S":"1"},"sk":{"B":"AQ=="},"pk":{"N":"1.5"}},{"pk":{"N":"2"},"sk":{"B":""}}]}"#;
    let changes = Decoder::new(keys).scan_page(body.as_bytes(), EPOCH).unwrap().changes.unwrap();
    let names: Vec<_> = changes.schema().columns().iter().map(|c| (c.name.as_str(), c.key, c.ty)).collect();
    let decimal = LogicalType::Decimal { precision: 20, scale: 1 };
    assert_eq!(names, [("pk", true, decimal), ("sk", true, LogicalType::Binary), ("x", false, LogicalType::Text)]);
}

#[test]
fn an_item_without_its_key_or_with_another_type_is_an_error_that_names_the_key() {
    for item in ["{}", r#"{"a":{"S":"x"}}"#] {
        let line = invalid(page(&[r#"{"id":{"S":"a"}}"#, item]));
        assert!(line.contains("lacks a key") && line.contains("attribute: id"), "{line}");
    }
    for (value, ty) in [(r#"{"N":"1"}"#, "N"), (r#"{"NULL":true}"#, "NULL"), (r#"{"M":{}}"#, "M")] {
        let line = invalid(page(&[r#"{"id":{"S":"a"}}"#, &format!(r#"{{"id":{value}}}"#)]));
        assert!(line.contains(&format!("attribute: id, type: {ty}, expected: S")), "{line}");
    }
}

#[test]
fn an_attribute_twice_is_an_error() {
    for item in [
        r#"{"id":{"S":"a"},"v":{"N":"1"},"v":{"N":"2"}}"#,
        r#"{"id":{"S":"a"},"v":{"NULL":true},"w":{"N":"2"},"v":{"NULL":true}}"#,
        r#"{"id":{"S":"a"},"id":{"S":"a"}}"#,
        r#"{"id":{"S":"a"},"v":{"N":"1"},"\u0076":{"N":"2"}}"#,
    ] {
        assert!(invalid(page(&[item])).contains("twice"), "{item}");
    }
}

#[test]
fn names_may_be_anything() {
    let long = "n".repeat(70);
    let item = format!(
        r#"{{"id":{{"S":"a"}},"\u0061\"b\ud834\udd1e":{{"N":"1"}},"é":{{"N":"2"}},"":{{"N":"3"}},"{long}":{{"N":"4"}}}}"#
    );
    let columns = render(&page(&[&item, &item]).unwrap());
    let names: Vec<_> = columns.iter().map(|(c, cells)| (c.name.as_str(), cells[1].as_deref().unwrap())).collect();
    assert_eq!(names, [("id", "a"), ("a\"b𝄞", "1"), ("é", "2"), ("", "3"), (long.as_str(), "4")]);
}

#[test]
fn names_of_every_length_are_read_alike_when_they_come_again() {
    for length in (1..100).chain([255, 1_000]) {
        let (name, inner) = ("n".repeat(length), "m".repeat(length));
        let item = format!(
            r#"{{"{name}":{{"M":{{"{inner}":{{"M":{{"x":{{"N":"1"}}}}}},"y":{{"L":[{{"M":{{"{inner}":{{"NULL":true}}}}}}]}}}}}},"id":{{"S":""}},"x":{{"N":"2"}}}}"#
        );
        let columns = render(&page(&[&item, &item, &item]).unwrap());
        let expected = format!(r#"{{"{inner}":{{"x":1}},"y":[{{"{inner}":null}}]}}"#);
        assert_eq!(columns[1].1, vec![Some(expected); 3]);
        assert_eq!(columns[2].1, vec![Some("2".to_owned()); 3]);
        assert_eq!(columns.len(), 3);
    }
}

#[test]
fn attributes_of_old_global_tables_are_left_out() {
    let item =
        r#"{"aws:rep:deleting":{"BOOL":false},"id":{"S":"a"},"aws:rep:updatetime":{"N":"1.5"},"aws:repo":{"N":"1"}}"#;
    let names = |changes: &ChangeBatch| changes.schema().columns().iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&page(&[item, item]).unwrap()), ["id", "aws:repo"]);
    let body = format!(r#"{{"Items":[{item}]}}"#);
    let kept = Decoder::with_extras(keys(), Extras { replication_attributes: true, ..Extras::default() })
        .scan_page(body.as_bytes(), EPOCH)
        .unwrap();
    assert_eq!(names(&kept.changes.unwrap()).len(), 4);
}

#[test]
fn pages_of_one_decoder_do_not_leak_into_each_other() {
    let mut decoder = Decoder::new(keys());
    let mut decode = |items: &str| decoder.scan_page(format!(r#"{{"Items":[{items}]}}"#).as_bytes(), EPOCH);
    let first = decode(r#"{"id":{"S":"a"},"v":{"S":"x"},"w":{"N":"1"}},{"id":{"S":"b"}}"#).unwrap().changes.unwrap();
    // Fails in the middle of the second item.
    invalid(decode(r#"{"id":{"S":"a"},"v":{"N":"1"}},{"id":{"S":"b"},"v":{"S":"x"},"w":{"S":"#));
    let last = decode(r#"{"id":{"S":"c"},"w":{"N":"2.5"}}"#).unwrap().changes.unwrap();
    let again = decode(r#"{"id":{"S":"c"},"w":{"N":"2.5"}}"#).unwrap().changes.unwrap();
    assert_eq!(first.schema().columns().len(), 3);
    let decimal = LogicalType::Decimal { precision: 2, scale: 1 };
    assert_eq!(last.schema().columns()[1..], [Column::new("w", decimal)]);
    assert_eq!(render(&last), render(&again));
    assert!(std::sync::Arc::ptr_eq(last.schema(), again.schema()));
}

fn attributes(prefix: &str, count: usize) -> String {
    (0..count).fold(String::new(), |all, i| all + &format!(r#","a{prefix}_{i}":{{"N":"1"}}"#))
}

/// Decodes a page to its end; each batch has at most so many cells.
fn batches(decoder: &mut Decoder, body: &str, most_cells: usize) -> Vec<crate::decode::ScanPage> {
    let mut pages = vec![decoder.scan_page(body.as_bytes(), EPOCH).unwrap()];
    while let Some(from) = pages.last().unwrap().rest {
        assert_eq!(pages.iter().map(|page| page.items).sum::<u64>(), from as u64);
        pages.push(decoder.scan_page_from(body.as_bytes(), EPOCH, from).unwrap());
    }
    for page in &pages {
        let changes = page.changes.as_ref().unwrap();
        assert!(changes.len() == 1 || changes.len() * changes.schema().columns().len() <= most_cells);
    }
    pages
}

#[test]
fn a_page_that_would_become_far_larger_than_it_is_becomes_several_batches() {
    // 20,000 attributes in the first item, then 20,000 items: 400 million cells out of less than a megabyte.
    let wide = attributes("", 20_000);
    let tall = r#",{"id":{"S":"t"}}"#.repeat(20_000);
    let last = r#""LastEvaluatedKey":{"id":{"S":"end"}}"#;
    let body = format!(r#"{{"Items":[{{"id":{{"S":"w"}}{wide}}}{tall}],"Count":20001,{last}}}"#);
    let pages = batches(&mut Decoder::new(keys()), &body, 1 << 20);
    assert_eq!(pages.iter().map(|page| page.items).collect::<Vec<_>>(), [52, 20_001 - 52]);
    assert_eq!(pages[0].last_key.as_deref(), Some(r#"{"id":{"S":"t"}}"#));
    assert_eq!(pages[1].last_key.as_deref(), Some(r#"{"id":{"S":"end"}}"#));
    // The wide item comes last: what was read before it is read once more, without it.
    let body = format!(r#"{{"Items":[{}{{"id":{{"S":"w"}}{wide}}}],"Count":20001}}"#, tall.replacen(',', "", 1) + ",");
    let pages = batches(&mut Decoder::new(keys()), &body, 1 << 20);
    assert_eq!(pages.iter().map(|page| page.items).collect::<Vec<_>>(), [20_000, 1]);
    assert_eq!((pages[0].last_key.as_deref(), pages[1].last_key.as_deref()), (Some(r#"{"id":{"S":"t"}}"#), None));
    assert_eq!(pages[1].changes.as_ref().unwrap().schema().columns().len(), 20_001);
}

#[test]
fn sparse_items_arrive_in_order_whatever_the_size_of_a_batch() {
    let item = |i: usize| format!(r#"{{"a{i}":{{"N":"{i}"}},"id":{{"S":"{i}"}},"b{}":{{"NULL":true}}}}"#, i % 3);
    let body = format!(r#"{{"Items":[{}]}}"#, (0..40).map(item).collect::<Vec<_>>().join(","));
    for cells in [1, 7, 50, 1_000, 10_000] {
        let mut decoder = Decoder::new(keys());
        decoder.set_full_cells(cells);
        let pages = batches(&mut decoder, &body, cells);
        let mut ids = Vec::new();
        for page in &pages {
            let columns = render(page.changes.as_ref().unwrap());
            let found: Vec<_> = columns[0].1.iter().map(|id| id.clone().unwrap()).collect();
            for (row, id) in found.iter().enumerate() {
                let own = columns.iter().find(|(column, _)| column.name == format!("a{id}")).unwrap();
                assert_eq!(own.1.iter().flatten().collect::<Vec<_>>(), [id]);
                assert_eq!(own.1[row].as_ref(), Some(id));
            }
            let last = found.last().unwrap().clone();
            assert!(page.rest.is_none() || page.last_key == Some(format!(r#"{{"id":{{"S":"{last}"}}}}"#)));
            ids.extend(found);
        }
        assert_eq!(ids, (0..40).map(|i| i.to_string()).collect::<Vec<_>>());
        assert_eq!(pages.len() == 1, cells == 10_000);
    }
}

#[test]
fn an_item_of_more_attributes_than_dynamodb_can_have_is_refused() {
    let body = format!(r#"{{"Items":[{{"id":{{"S":""}}{}}}]}}"#, attributes("", 1 << 18));
    assert!(invalid(decode(&body)).contains("too many attributes"));
}

#[test]
fn a_decoder_forgets_names_that_are_ever_new() {
    let mut decoder = Decoder::new(keys());
    for page in 0..4 {
        let wide = attributes(&page.to_string(), 5_000);
        let body = format!(r#"{{"Items":[{{"id":{{"S":"a"}}{wide}}}]}}"#);
        let changes = decoder.scan_page(body.as_bytes(), EPOCH).unwrap().changes.unwrap();
        assert_eq!(changes.schema().columns().len(), 5_001);
        assert!(decoder.columns.remembered() <= 15_003, "{}", decoder.columns.remembered());
    }
}
