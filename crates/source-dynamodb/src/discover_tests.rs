use super::*;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingModeSummary, KeySchemaElement, StreamSpecification, StreamViewType,
};

fn element(name: &str, ty: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(ty).build().unwrap()
}

fn definition(name: &str, ty: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ty).build().unwrap()
}

fn with_stream(view: Option<StreamViewType>, enabled: bool) -> TableDescription {
    let specification =
        StreamSpecification::builder().stream_enabled(enabled).set_stream_view_type(view).build().unwrap();
    let table = aws::TableDescription::builder()
        .key_schema(element("id", KeyType::Hash))
        .attribute_definitions(definition("id", ScalarAttributeType::S))
        .stream_specification(specification)
        .latest_stream_arn("arn:stream")
        .build();
    describe_from(&TableName::new("orders"), &table).unwrap()
}

#[test]
fn a_table_is_described_with_its_partition_key_first() {
    let table = aws::TableDescription::builder()
        .key_schema(element("at", KeyType::Range))
        .key_schema(element("id", KeyType::Hash))
        .attribute_definitions(definition("at", ScalarAttributeType::N))
        .attribute_definitions(definition("by_mail", ScalarAttributeType::S))
        .attribute_definitions(definition("id", ScalarAttributeType::B))
        .item_count(-1)
        .table_size_bytes(12)
        .billing_mode_summary(BillingModeSummary::builder().billing_mode(BillingMode::PayPerRequest).build())
        .build();
    let described = describe_from(&TableName::new("orders"), &table).unwrap();
    assert_eq!(described.keys, [Column::key("id", LogicalType::Binary), Column::key("at", LogicalType::Int64)]);
    assert_eq!((described.items, described.bytes, described.billing.as_str()), (0, 12, "on demand"));
    assert_eq!(described.stream, None);
}

#[test]
fn a_table_without_a_usable_key_schema_is_an_error() {
    let table = aws::TableDescription::builder().key_schema(element("id", KeyType::Hash)).build();
    assert_eq!(describe_from(&TableName::new("orders"), &table).unwrap_err().kind(), ErrorKind::Unexpected);
    let table = aws::TableDescription::builder().build();
    assert!(describe_from(&TableName::new("orders"), &table).is_err());
}

#[test]
fn only_streams_with_new_images_can_be_followed() {
    for view in [StreamViewType::NewImage, StreamViewType::NewAndOldImages] {
        assert_eq!(followable(&with_stream(Some(view), true)).unwrap(), "arn:stream");
    }
    let refused = [Some(StreamViewType::KeysOnly), Some(StreamViewType::OldImage), None];
    for (table, word) in refused
        .map(|view| (with_stream(view, true), "view type"))
        .into_iter()
        .chain([(with_stream(None, false), "off")])
    {
        let error = followable(&table).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        for part in [
            word,
            "--snapshot-only",
            "aws dynamodb update-table --table-name orders",
            "StreamViewType=NEW_AND_OLD_IMAGES",
        ] {
            assert!(error.message().contains(part), "{error} lacks {part}");
        }
    }
}
