//! What is asked of both about streams.

use aws_sdk_dynamodb::types::{AttributeValue, StreamSpecification, StreamViewType};
use aws_sdk_dynamodbstreams::types::ShardIteratorType as From;

use super::Subject;
use crate::client::{code, show_record};

/// Writes that make records, and some that make none.
async fn history(s: &Subject) {
    for put in [
        r#"{"pk":{"S":"a"},"n":{"N":"1"}}"#,
        r#"{"pk":{"S":"a"},"n":{"N":"1.0"}}"#,
        r#"{"pk":{"S":"a"},"n":{"N":"2"},"m":{"M":{"e":{"M":{}}}},"s":{"SS":["a","b"]}}"#,
        r#"{"pk":{"S":"a"},"n":{"N":"2"},"m":{"M":{"e":{"M":{}}}},"s":{"SS":["b","a"]}}"#,
        r#"{"pk":{"S":"b"},"x":{"B":"AAEC"},"y":{"NULL":true},"z":{"BOOL":false},"l":{"L":[{"N":"1"},{"S":"x"}]}}"#,
        r#"{"pk":{"S":"c"},"n":{"N":"-123.45"}}"#,
    ] {
        s.put(put).await.unwrap();
    }
    s.delete(r#"{"pk":{"S":"a"}}"#).await.unwrap();
    s.delete(r#"{"pk":{"S":"a"}}"#).await.unwrap();
    s.put(r#"{"pk":{"S":"a"},"again":{"BOOL":true}}"#).await.unwrap();
    for expression in ["SET x = :v", "SET x = :v", "REMOVE nothing"] {
        let call = s.clients.dynamodb.update_item().table_name(&s.table).key("pk", AttributeValue::S("c".to_owned()));
        let call = call.update_expression(expression);
        let value = expression.contains(":v").then(|| [(":v".to_owned(), AttributeValue::S("new".to_owned()))].into());
        call.set_expression_attribute_values(value).send().await.unwrap();
    }
}

async fn only_shard(s: &Subject, arn: &str) -> String {
    let shards = s.clients.shards(arn).await.unwrap();
    assert_eq!(shards.len(), 1);
    shards[0].0.clone()
}

pub(super) async fn records(s: &mut Subject) {
    let arn = s.create("pk:S", Some(StreamViewType::NewAndOldImages)).await.unwrap();
    history(s).await;
    let shard = only_shard(s, &arn).await;
    let start = s.clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap();
    let (records, next) = s.clients.records(&start).await.unwrap();
    for record in &records {
        s.note("record", show_record(record));
    }
    let (rest, next) = s.clients.records(&next.unwrap()).await.unwrap();
    s.note("rest", format!("{} {}", rest.len(), next.is_some()));
    let paged = s.clients.streams.get_records().shard_iterator(&start).limit(2).send().await.unwrap();
    let second = s.clients.records(&paged.next_shard_iterator.unwrap()).await.unwrap().0;
    s.note("after two", show_record(&second[0]));
    let described =
        s.clients.streams.describe_stream().stream_arn(&arn).send().await.unwrap().stream_description.unwrap();
    s.note(
        "stream",
        format!(
            "{:?} {:?} {:?} {}",
            described.key_schema,
            described.stream_status,
            described.stream_view_type,
            described.table_name == Some(s.table.clone())
        ),
    );
}

pub(super) async fn views(s: &mut Subject) {
    for view in [StreamViewType::KeysOnly, StreamViewType::NewImage, StreamViewType::OldImage] {
        let arn = s.create("pk:S", Some(view)).await.unwrap();
        history(s).await;
        let shard = only_shard(s, &arn).await;
        let start = s.clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap();
        for record in s.clients.records(&start).await.unwrap().0 {
            s.note("record", show_record(&record));
        }
        s.clients.dynamodb.delete_table().table_name(&s.table).send().await.unwrap();
    }
}

pub(super) async fn iterators(s: &mut Subject) {
    let arn = s.create("pk:S", Some(StreamViewType::NewAndOldImages)).await.unwrap();
    history(s).await;
    let shard = only_shard(s, &arn).await;
    let start = s.clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap();
    let (all, _) = s.clients.records(&start).await.unwrap();
    let number = |i: usize| all[i].dynamodb.as_ref().unwrap().sequence_number.clone().unwrap();
    let (first, third, last) = (number(0), number(2), number(all.len() - 1));
    let other = "shardId-00000000000000000000-00000000";
    let other_arn = format!("{}2020-01-01T00:00:00.000", arn.split_at(arn.len() - 23).0);
    for (what, arn, shard, kind, number) in [
        ("latest", &arn, shard.as_str(), From::Latest, None),
        ("at the first", &arn, &shard, From::AtSequenceNumber, Some(first.as_str())),
        ("after the first", &arn, &shard, From::AfterSequenceNumber, Some(&first)),
        ("at the third", &arn, &shard, From::AtSequenceNumber, Some(&third)),
        ("at the last", &arn, &shard, From::AtSequenceNumber, Some(&last)),
        ("after the last", &arn, &shard, From::AfterSequenceNumber, Some(&last)),
        ("before the shard", &arn, &shard, From::AtSequenceNumber, Some("000000000000000000001")),
        ("after before the shard", &arn, &shard, From::AfterSequenceNumber, Some("000000000000000000001")),
        ("short", &arn, &shard, From::AtSequenceNumber, Some("1")),
        ("long", &arn, &shard, From::AtSequenceNumber, Some("11111111111111111111111111111111111111111")),
        ("none", &arn, &shard, From::AtSequenceNumber, None),
        ("too much", &arn, &shard, From::TrimHorizon, Some(&first)),
        ("unknown type", &arn, &shard, From::from("OTHER"), None),
        ("unknown shard", &arn, other, From::TrimHorizon, None),
        ("unknown stream", &other_arn, &shard, From::TrimHorizon, None),
    ] {
        let answer = match s.clients.iterator(arn, shard, kind, number).await {
            Err(code) => code,
            Ok(iterator) => {
                let (records, next) = s.clients.records(&iterator).await.unwrap();
                format!("{} then {:?}, next {}", records.len(), records.first().map(show_record), next.is_some())
            }
        };
        s.note(what, answer);
    }
    s.note("nonsense", s.clients.records("nonsense").await.unwrap_err());
    for limit in [0, 1001] {
        let call = s.clients.streams.get_records().shard_iterator(&start).limit(limit).send().await;
        s.note("limit", code(&call.unwrap_err()));
    }
    for limit in [0, 101] {
        let call = s.clients.streams.describe_stream().stream_arn(&arn).limit(limit).send().await;
        s.note("describe limit", code(&call.unwrap_err()));
    }
    let call =
        s.clients.streams.describe_stream().stream_arn(&arn).exclusive_start_shard_id(&shard).send().await.unwrap();
    s.note("shards after the last", call.stream_description.unwrap().shards().len());
    let unknown = s.clients.shards(&other_arn).await.unwrap_err();
    s.note("unknown stream", unknown);
    let none = s.clients.streams.list_streams().table_name("parity-none").send().await.unwrap();
    s.note("streams of nothing", none.streams().len());
}

pub(super) async fn closed_shards(s: &mut Subject) {
    let arn = s.create("pk:S", Some(StreamViewType::NewAndOldImages)).await.unwrap();
    history(s).await;
    let shard = only_shard(s, &arn).await;
    let open = s.clients.iterator(&arn, &shard, From::Latest, None).await.unwrap();
    let specification = StreamSpecification::builder().stream_enabled(false).build().unwrap();
    let call = s.clients.dynamodb.update_table().table_name(&s.table).stream_specification(specification);
    call.send().await.unwrap();
    let shards = s.clients.shards(&arn).await.unwrap();
    s.note("ended", format!("{:?}", shards.iter().map(|(_, parent, ended)| (parent, *ended)).collect::<Vec<_>>()));
    let start = s.clients.iterator(&arn, &shard, From::TrimHorizon, None).await.unwrap();
    let (records, next) = s.clients.records(&start).await.unwrap();
    s.note("all", format!("{} {}", records.len(), next.is_some()));
    let paged = s.clients.streams.get_records().shard_iterator(&start).limit(2).send().await.unwrap();
    s.note("two", paged.next_shard_iterator.is_some());
    let last = records.last().unwrap().dynamodb.as_ref().unwrap().sequence_number.clone().unwrap();
    for (kind, number) in
        [(From::AfterSequenceNumber, Some(last.as_str())), (From::AtSequenceNumber, Some(&last)), (From::Latest, None)]
    {
        let iterator = s.clients.iterator(&arn, &shard, kind, number).await.unwrap();
        let (records, next) = s.clients.records(&iterator).await.unwrap();
        s.note("from the end", format!("{} {}", records.len(), next.is_some()));
    }
    let (records, next) = s.clients.records(&open).await.unwrap();
    s.note("an iterator from before", format!("{} {}", records.len(), next.is_some()));
    s.put(r#"{"pk":{"S":"unseen"}}"#).await.unwrap();
    let (records, _) = s.clients.records(&start).await.unwrap();
    s.note("after another write", records.len());
}
