use std::collections::BTreeSet;

use super::*;

fn body(answer: &Answer) -> String {
    let bytes = answer.chunks.concat();
    assert_eq!(crc32fast::hash(&bytes), answer.crc);
    String::from_utf8(bytes).unwrap()
}

fn rendered() -> Vec<Vec<Item>> {
    (0..3).map(|page| vec![Item::new().with("id", format!("item {page}"))]).collect()
}

#[test]
fn segments_together_give_every_page_once() {
    let replay = Replay::scan("orders", "id", rendered(), 7);
    assert_eq!(replay.rows(), 7);
    for segments in [1, 2, 3, 9] {
        let mut seen = 0;
        for segment in 0..segments {
            let mut start = String::new();
            loop {
                let request = format!("{{\"Segment\":{segment},\"TotalSegments\":{segments}{start}}}");
                let page = body(&replay.0.answer(Operation::Scan, request.as_bytes()).unwrap());
                let page: serde_json::Value = serde_json::from_str(&page).unwrap();
                seen += page["Items"].as_array().unwrap().len();
                if page["LastEvaluatedKey"].is_null() {
                    break;
                }
                start = format!(",\"ExclusiveStartKey\":{}", page["LastEvaluatedKey"]);
            }
        }
        assert_eq!(seen, 7, "{segments} segments");
    }
}

#[test]
fn keys_become_distinct() {
    let items = || (0..3).map(|page| vec![Item::new().with("id", format!("{page:08x}-item")).with("n", page)]);
    let keys = |replay: &Replay, operation, requests: &[String]| -> BTreeSet<String> {
        let answers = requests.iter().map(|request| body(&replay.0.answer(operation, request.as_bytes()).unwrap()));
        answers
            .flat_map(|page| page.match_indices("-item").map(|(at, _)| page[at - 8..at].to_owned()).collect::<Vec<_>>())
            .collect()
    };
    let scans: Vec<_> = (0..7).map(|page| format!("page#{page}")).collect();
    let scan = Replay::scan("orders", "id", items(), 7);
    assert_eq!(keys(&scan, Operation::Scan, &scans).len(), 3);
    let all: Vec<_> = (0..7)
        .map(|page| body(&scan.clone().with_distinct_keys().0.answer(Operation::Scan, scans[page].as_bytes()).unwrap()))
        .collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 7);
    assert!(all[0].contains("00000000-item") && all[4].contains("00000001-item"), "{}", all[4]);

    let stream = Replay::stream("orders", "id", items(), 0, (2, 4)).with_distinct_keys();
    let requests: Vec<_> = (0..8).map(|n| format!("shard#{}/page#{}", n / 4, n % 4)).collect();
    assert_eq!(keys(&stream, Operation::GetRecords, &requests).len(), 4, "two numbers for each shard");
}

#[test]
fn tables_are_described_by_their_own_names() {
    let replay = Replay::scan("orders", "id", rendered(), 7).with_tables(2);
    let list = body(&replay.0.answer(Operation::ListTables, b"{}").unwrap());
    assert_eq!(list, r#"{"TableNames":["orders_0","orders_1"]}"#);
    let table = body(&replay.0.answer(Operation::DescribeTable, br#"{"TableName":"orders_1"}"#).unwrap());
    assert!(table.contains(r#""TableName":"orders_1""#) && table.contains("table/orders_1"), "{table}");
}

#[test]
fn a_shard_gives_its_pages_and_then_nothing() {
    let replay = Replay::stream("orders", "id", rendered(), 1_735_689_600_000, (250, 3));
    let ask = |operation, request: &str| -> serde_json::Value {
        serde_json::from_str(&body(&replay.0.answer(operation, request.as_bytes()).unwrap())).unwrap()
    };
    let first = ask(Operation::DescribeStream, "{}");
    let last = &first["StreamDescription"]["LastEvaluatedShardId"];
    let second = ask(Operation::DescribeStream, &format!("{{\"ExclusiveStartShardId\":{last}}}"));
    assert_eq!(second["StreamDescription"]["Shards"][0]["ShardId"], "shardId-00000000000000000100-00000000");

    let request = r#"{"ShardId":"shardId-00000000000000000007-00000000","ShardIteratorType":"TRIM_HORIZON"}"#;
    let mut iterator = ask(Operation::GetShardIterator, request)["ShardIterator"].clone();
    let mut numbers = Vec::new();
    loop {
        let page = ask(Operation::GetRecords, &format!("{{\"ShardIterator\":{iterator}}}"));
        if page["Records"] == serde_json::json!([]) {
            assert_eq!(page["NextShardIterator"], iterator, "the shard is open");
            break;
        }
        numbers.push(page["Records"][0]["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned());
        iterator = page["NextShardIterator"].clone();
    }
    assert_eq!(numbers.len(), 3);
    assert!(numbers.is_sorted() && numbers[0].len() == 21);

    let request = format!(
        r#"{{"ShardId":"shardId-00000000000000000007-00000000","ShardIteratorType":"AFTER_SEQUENCE_NUMBER","SequenceNumber":"{}"}}"#,
        numbers[1]
    );
    assert_eq!(ask(Operation::GetShardIterator, &request)["ShardIterator"], "shard#7/page#00002");
}
