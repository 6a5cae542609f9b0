//! What is asked of both.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, PutRequest, ReturnConsumedCapacity, ReturnValue, Select, StreamSpecification,
    StreamViewType, WriteRequest,
};

use super::{Subject, item};
use crate::client::{code, show_item};

/// A result as text, good or bad.
fn either(result: Result<String, String>) -> String {
    result.unwrap_or_else(|code| format!("error {code}"))
}

pub(super) async fn tables(s: &mut Subject) {
    let described = |table: aws_sdk_dynamodb::types::TableDescription| {
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {}",
            table.key_schema,
            table.attribute_definitions,
            table.table_status,
            table.item_count,
            table.table_size_bytes,
            table.stream_specification,
            table.billing_mode_summary.map(|summary| summary.billing_mode),
            table.latest_stream_arn.is_some(),
            table.latest_stream_arn
                == table.latest_stream_label.map(|label| { format!("{}/stream/{label}", table.table_arn.unwrap()) }),
        )
    };
    let client = s.clients.dynamodb.clone();
    let name = s.table.clone();
    let describe = || client.describe_table().table_name(&name).send();
    s.note("describe nothing", code(&describe().await.unwrap_err()));
    let arn = s.create("pk:S sk:N", Some(StreamViewType::NewImage)).await.unwrap();
    s.note("create again", s.create("pk:S", None).await.unwrap_err());
    s.put(r#"{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"L":[{"S":"abc"},{"BOOL":true}]}}"#).await.unwrap();
    s.note("describe", described(describe().await.unwrap().table.unwrap()));
    let mut after = None;
    let mut names = BTreeSet::new();
    loop {
        let page = client.list_tables().limit(1).set_exclusive_start_table_name(after).send().await.unwrap();
        names.extend(page.table_names.unwrap_or_default());
        after = page.last_evaluated_table_name;
        if after.is_none() {
            break;
        }
    }
    s.note("listed", names.contains(&name));
    for limit in [0, 101] {
        let error = client.list_tables().limit(limit).send().await.unwrap_err();
        s.note("list", code(&error));
    }
    for name in ["x", "white space", &"x".repeat(256)] {
        let error = client.describe_table().table_name(name).send().await.unwrap_err();
        s.note("describe", code(&error));
    }
    let stream = |view: Option<StreamViewType>| {
        let enabled = view.is_some();
        let specification = StreamSpecification::builder().stream_enabled(enabled).set_stream_view_type(view).build();
        client.update_table().table_name(&name).stream_specification(specification.unwrap()).send()
    };
    for view in [Some(StreamViewType::KeysOnly), None, None, Some(StreamViewType::OldImage)] {
        let shown = match stream(view.clone()).await {
            Ok(answer) => described(answer.table_description.unwrap()),
            Err(error) => code(&error),
        };
        s.note(&format!("stream {view:?}"), shown);
    }
    let streams = s.clients.streams.list_streams().table_name(&name).send().await.unwrap();
    s.note("streams", streams.streams().len());
    s.note("old stream", streams.streams().iter().any(|stream| stream.stream_arn() == Some(&arn)));
    client.delete_table().table_name(&name).send().await.unwrap();
    s.note("describe", code(&describe().await.unwrap_err()));
    s.note("put", either(s.put(r#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#).await));
    let described = s.clients.streams.describe_stream().stream_arn(&arn).send().await.unwrap();
    s.note("stream of a deleted table", described.stream_description.unwrap().stream_status.unwrap());
}

pub(super) async fn items(s: &mut Subject) {
    s.create("pk:S sk:N", None).await.unwrap();
    let key = r#""pk":{"S":"a"},"sk":{"N":"1"}"#;
    for attributes in [
        String::new(),
        r#","ss":{"SS":["b","a"]},"ns":{"NS":["10","2"]},"bs":{"BS":["AQ==","AA=="]}"#.to_owned(),
        r#","m":{"M":{"z":{"N":"1"},"e":{"M":{}},"l":{"L":[]}}},"l":{"L":[{"BOOL":true},{"NULL":true},{"B":"AAE="}]}"#
            .to_owned(),
        r#","es":{"S":""},"eb":{"B":""},"nul":{"S":"a\u0000b"},"astral":{"S":"😀"}"#.to_owned(),
        r#","ss":{"SS":[]}"#.to_owned(),
        r#","ss":{"SS":["a","a"]}"#.to_owned(),
        r#","ns":{"NS":["1","1.0"]}"#.to_owned(),
        r#","n":{"NULL":false}"#.to_owned(),
        format!(r#","big":{{"S":"{}"}}"#, "x".repeat(409_590)),
        format!(r#","big":{{"S":"{}"}}"#, "x".repeat(409_591)),
        format!(r#","deep":{}{{"NULL":true}}{}"#, r#"{"L":["#.repeat(31), "]}".repeat(31)),
        format!(r#","deep":{}{{"NULL":true}}{}"#, r#"{"L":["#.repeat(33), "]}".repeat(33)),
    ] {
        let (shown, _) = attributes.split_at(attributes.len().min(40));
        let put = either(s.put(&format!("{{{key}{attributes}}}")).await);
        s.note(&format!("put {shown}"), put);
        let got = either(s.get(&format!("{{{key}}}")).await);
        s.note("get", got);
    }
    for bad in [
        r#"{"pk":{"S":"a"}}"#,
        r#"{"pk":{"S":""},"sk":{"N":"1"}}"#,
        r#"{"pk":{"N":"1"},"sk":{"N":"1"}}"#,
        r#"{"pk":{"S":"a"},"sk":{"N":"x"}}"#,
        r#"{"pk":{"S":"a"},"sk":{"N":"1"},"x":{"S":"not a key"}}"#,
    ] {
        for (what, answer) in [("delete", s.delete(bad).await), ("get", s.get(bad).await)] {
            s.note(&format!("{what} {bad}"), either(answer));
        }
    }
    s.note("put a bad key", either(s.put(r#"{"pk":{"S":""},"sk":{"N":"1"}}"#).await));
    s.note("put half a key", either(s.put(r#"{"pk":{"S":"a"}}"#).await));
    s.note("the same key", either(s.get(r#"{"pk":{"S":"a"},"sk":{"N":"1.0"}}"#).await));
    s.note("delete", either(s.delete(r#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#).await));
    s.note("delete again", either(s.delete(r#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#).await));
    s.table.push_str("-none");
    s.note("put into nothing", either(s.put(r#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#).await));
    s.table.truncate(s.table.len() - "-none".len());
}

pub(super) async fn numbers(s: &mut Subject) {
    s.create("pk:N", None).await.unwrap();
    for n in [
        "1.10",
        "1e3",
        "0",
        "-0",
        "0.00",
        "1E-130",
        "1E-131",
        "9.9E125",
        "1E126",
        "-1E-130",
        "abc",
        "",
        " 1",
        "+5",
        "1.",
        ".5",
        "1e",
        "NaN",
        "1e+5",
        "-1.50E-3",
        "00012",
        "0E-200",
        "1_0",
        "0x1",
        "12345678901234567890123456789012345678",
        "123456789012345678901234567890123456789",
        "1234567890123456789012345678901234567800",
        "0.00000000000000000000000000000000000000000001",
        "-99999999999999999999999999999999999999E88",
    ] {
        let number = AttributeValue::N(n.to_owned());
        let put = s.put_item([("pk".to_owned(), number.clone()), ("n".to_owned(), number)].into()).await;
        s.note(&format!("put {n:?}"), either(put));
        s.note("get", either(s.get(&format!("{{\"pk\":{{\"N\":{n:?}}}}}")).await));
    }
}

pub(super) async fn updates(s: &mut Subject) {
    s.create("pk:S", None).await.unwrap();
    let start = r#"{"pk":{"S":"a"},"x":{"N":"1"},"m":{"M":{"z":{"N":"1"},"y":{"N":"2"}}},"l":{"L":[{"N":"1"}]}}"#;
    for expression in [
        "SET a1 = :v",
        "SET #a = :v, m.z = :v REMOVE l, x",
        "remove m.y set #a = :v",
        "SET m.w = :v",
        "REMOVE nothing",
        "REMOVE m",
        "SET pk = :v",
        "SET a1 = :w",
        "SET #b = :v",
        "SET q.r = :v",
        "SET x.r = :v",
        "REMOVE q.r",
        "FOO x",
        "SET a1 = :v SET b1 = :v",
        "SET a1 = :v, a1 = :v",
        "SET m = :v, m.z = :v",
        "SET a1 :v",
        "SET",
    ] {
        s.put(start).await.unwrap();
        for key in ["a", "new"] {
            let call =
                s.clients.dynamodb.update_item().table_name(&s.table).key("pk", AttributeValue::S(key.to_owned()));
            let mut call = call.update_expression(expression).return_values(ReturnValue::AllNew);
            if expression.contains(":v") {
                call = call.expression_attribute_values(":v", AttributeValue::N("7".to_owned()));
            }
            if expression.contains("#a") {
                call = call.expression_attribute_names("#a", "with.dot");
            }
            let answer =
                call.send().await.map_err(|e| code(&e)).map(|answer| show_item(&answer.attributes.unwrap_or_default()));
            s.note(&format!("{expression} of {key}"), either(answer));
        }
        s.delete(r#"{"pk":{"S":"new"}}"#).await.unwrap();
    }
}

pub(super) async fn batches(s: &mut Subject) {
    s.create("pk:S", None).await.unwrap();
    let put = |id: &str| {
        let request = PutRequest::builder().set_item(Some(item(&format!("{{\"pk\":{{\"S\":{id:?}}}}}"))));
        WriteRequest::builder().put_request(request.build().unwrap()).build()
    };
    let delete = |id: &str| {
        let request = DeleteRequest::builder().key("pk", AttributeValue::S(id.to_owned())).build().unwrap();
        WriteRequest::builder().delete_request(request).build()
    };
    let many = |n: usize| (0..n).map(|i| put(&i.to_string())).collect::<Vec<_>>();
    for (what, requests) in [
        ("25", many(25)),
        ("26", many(26)),
        ("mixed", vec![delete("3"), put("new"), delete("none")]),
        ("twice", vec![put("x"), delete("x")]),
        ("bad key", vec![put("y"), put("")]),
        ("none", vec![]),
    ] {
        let call = s.clients.dynamodb.batch_write_item().request_items(&s.table, requests);
        let answer = call.send().await.map_err(|e| code(&e)).map(|answer| format!("{:?}", answer.unprocessed_items));
        s.note(what, either(answer));
    }
    let all = s.clients.dynamodb.scan().table_name(&s.table).send().await.unwrap();
    let ids: BTreeSet<_> = all.items().iter().map(show_item).collect();
    s.note("left", format!("{ids:?}"));
}

pub(super) async fn scans(s: &mut Subject) {
    s.create("pk:S sk:N", None).await.unwrap();
    for i in 0..40 {
        s.put(&format!(r#"{{"pk":{{"S":"{}"}},"sk":{{"N":"{i}"}}}}"#, i % 7)).await.unwrap();
    }
    let client = s.clients.dynamodb.clone();
    let scan = || client.scan().table_name(&s.table);
    let mut notes = Vec::new();
    for segments in [1, 2, 5] {
        let mut seen = BTreeSet::new();
        let mut partitions: Vec<BTreeSet<String>> = Vec::new();
        for segment in 0..segments {
            let pages = scan().segment(segment).total_segments(segments).limit(3).into_paginator().items().send();
            let items = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
            partitions.push(items.iter().map(|item| item["pk"].as_s().unwrap().clone()).collect());
            seen.extend(items.iter().map(show_item));
        }
        let apart =
            (1..partitions.len()).all(|i| partitions[..i].iter().all(|other| other.is_disjoint(&partitions[i])));
        notes.push((format!("{segments} segments"), format!("{} items, partitions apart: {apart}", seen.len())));
    }
    let whole = scan().limit(40).return_consumed_capacity(ReturnConsumedCapacity::Total).send().await.unwrap();
    let next = whole.last_evaluated_key.clone();
    notes.push(("a full page has a key".to_owned(), next.is_some().to_string()));
    notes.push(("units".to_owned(), format!("{:?}", whole.consumed_capacity.unwrap().capacity_units)));
    let order: Vec<_> =
        whole.items.unwrap().iter().filter(|item| item["pk"].as_s().unwrap() == "3").map(show_item).collect();
    notes.push(("order in a partition".to_owned(), format!("{order:?}")));
    let last = scan().set_exclusive_start_key(next).send().await.unwrap();
    notes.push(("after it".to_owned(), format!("{} {:?}", last.count, last.last_evaluated_key)));
    let counted = scan().select(Select::Count).send().await.unwrap();
    notes.push(("count".to_owned(), format!("{} {} {:?}", counted.count, counted.scanned_count, counted.items)));
    let unknown = item(r#"{"pk":{"S":"3"},"sk":{"N":"4.5"}}"#);
    let after = scan().set_exclusive_start_key(Some(unknown)).send().await.unwrap();
    let first = after.items().first().map(show_item).unwrap_or_default();
    notes.push(("after a key that is not there".to_owned(), first));
    let segmented = scan().segment(0).total_segments(1);
    for (what, call) in [
        ("limit 0", scan().limit(0)),
        ("segment alone", scan().segment(1)),
        ("total alone", scan().total_segments(1)),
        ("segment too high", scan().segment(2).total_segments(2)),
        ("segment below 0", scan().segment(-1).total_segments(2)),
        ("too many segments", scan().segment(0).total_segments(1_000_001)),
        ("half a key", scan().set_exclusive_start_key(Some(item(r#"{"pk":{"S":"3"}}"#)))),
        ("a bad key", segmented.clone().set_exclusive_start_key(Some(item(r#"{"pk":{"N":"3"},"sk":{"N":"1"}}"#)))),
    ] {
        notes
            .push((what.to_owned(), call.send().await.map_err(|e| code(&e)).map_or_else(|e| e, |_| "fine".to_owned())));
    }
    let mut outside = BTreeSet::new();
    for segment in 0..4 {
        let key = item(r#"{"pk":{"S":"3"},"sk":{"N":"1"}}"#);
        let call = scan().segment(segment).total_segments(4).set_exclusive_start_key(Some(key));
        outside.extend(call.send().await.map_err(|e| code(&e)).err());
    }
    notes.push(("outside of the segment".to_owned(), format!("{outside:?}")));
    for (what, answer) in notes {
        s.note(&what, answer);
    }
}

pub(super) async fn scan_pages(s: &mut Subject) {
    s.create("pk:S", None).await.unwrap();
    let text = "x".repeat(30_000);
    for i in 10..90 {
        s.put(&format!(r#"{{"pk":{{"S":"{i}"}},"text":{{"S":"{text}"}}}}"#)).await.unwrap();
    }
    for consistent in [false, true] {
        let mut after = None;
        loop {
            let call = s.clients.dynamodb.scan().table_name(&s.table).consistent_read(consistent);
            let call = call.return_consumed_capacity(ReturnConsumedCapacity::Total).set_exclusive_start_key(after);
            let page = call.send().await.unwrap();
            let units = page.consumed_capacity.unwrap().capacity_units;
            s.note("page", format!("{} items, {units:?} units", page.count));
            after = page.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
    }
}
