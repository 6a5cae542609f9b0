//! What the tables are: keys, sizes, billing, streams.

use aws_sdk_dynamodb::types::{self as aws, BillingMode, KeyType, ScalarAttributeType};
use commutator_core::{Column, Error, ErrorKind, LogicalType, Result, StreamDescription, TableDescription, TableName};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::client::Client;
use crate::read::stream_off;
use crate::tables::{choose, is_pattern};

/// How many tables are described at the same time; the service allows ten control-plane calls per second.
const AT_A_TIME: usize = 4;

/// Returns the names of the tables that shall be read. Tables are listed only if there is a pattern.
pub(crate) async fn tables(client: &Client, patterns: &[String]) -> Result<Vec<TableName>> {
    let existing = if patterns.iter().any(|p| is_pattern(p)) { client.list_tables().await? } else { Vec::new() };
    choose(patterns, &existing)
}

/// Describes the tables that shall be read, in alphabetical order.
pub(crate) async fn discover(client: &Client, patterns: &[String]) -> Result<Vec<TableDescription>> {
    let names = tables(client, patterns).await?;
    stream::iter(names).map(|name| async move { describe(client, &name).await }).buffered(AT_A_TIME).try_collect().await
}

/// Describes one table.
pub(crate) async fn describe(client: &Client, table: &TableName) -> Result<TableDescription> {
    describe_from(table, &client.describe_table(table).await?)
}

/// Returns what an answer of `DescribeTable` says.
pub(crate) fn describe_from(name: &TableName, table: &aws::TableDescription) -> Result<TableDescription> {
    let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
    let stream_on = table.stream_specification().is_some_and(aws::StreamSpecification::stream_enabled);
    let stream = match (stream_on, table.latest_stream_arn()) {
        (true, Some(arn)) => Some(StreamDescription {
            arn: arn.to_owned(),
            view: table
                .stream_specification()
                .and_then(|s| s.stream_view_type())
                .map_or_else(String::new, |view| view.as_str().to_owned()),
        }),
        _ => None,
    };
    Ok(TableDescription {
        name: name.clone(),
        keys: keys(name, table)?,
        items: number(table.item_count()),
        bytes: number(table.table_size_bytes()),
        billing: billing(table),
        stream,
    })
}

fn keys(name: &TableName, table: &aws::TableDescription) -> Result<Vec<Column>> {
    let broken = || Error::new(ErrorKind::Unexpected, "A table's key schema is incomplete").with("table", name);
    let mut elements: Vec<_> = table.key_schema().iter().collect();
    elements.sort_by_key(|element| *element.key_type() != KeyType::Hash);
    let columns: Vec<_> = elements
        .into_iter()
        .map(|element| {
            let attribute = element.attribute_name();
            let definition = table
                .attribute_definitions()
                .iter()
                .find(|definition| definition.attribute_name() == attribute)
                .ok_or_else(broken)?;
            let ty = match definition.attribute_type() {
                ScalarAttributeType::S => LogicalType::Text,
                ScalarAttributeType::N => LogicalType::Int64,
                ScalarAttributeType::B => LogicalType::Binary,
                _ => return Err(broken()),
            };
            Ok(Column::key(attribute, ty))
        })
        .collect::<Result<_>>()?;
    if columns.is_empty() { Err(broken()) } else { Ok(columns) }
}

fn billing(table: &aws::TableDescription) -> String {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    let units = table
        .provisioned_throughput()
        .and_then(aws::ProvisionedThroughputDescription::read_capacity_units)
        .unwrap_or(0);
    match mode {
        Some(BillingMode::PayPerRequest) => "on demand".to_owned(),
        _ => format!("provisioned, {units} read units"),
    }
}

/// Returns the ARN of a stream that carries whole new images.
///
/// Returns [`Unsupported`](ErrorKind::Unsupported) for a table without a stream, or with one that leaves out the new image.
pub(crate) fn followable(table: &TableDescription) -> Result<&str> {
    let Some(stream) = &table.stream else { return Err(stream_off(&table.name)) };
    if ["NEW_IMAGE", "NEW_AND_OLD_IMAGES"].contains(&stream.view.as_str()) {
        return Ok(&stream.arn);
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        format!(
            "The table's stream has the view type {}, which does not carry the new items: {}",
            stream.view,
            replace_view(&table.name)
        ),
    )
    .with("table", &table.name))
}

/// Returns what to do about a stream that is off.
pub(crate) fn turn_on(table: &TableName) -> String {
    format!("turn it on with `{}`, or read the table once with --snapshot-only", command(table))
}

/// Returns what to do about a stream with the wrong view type, which cannot be changed while the stream is on.
pub(crate) fn replace_view(table: &TableName) -> String {
    format!(
        "turn it off with `aws dynamodb update-table --table-name {table} --stream-specification StreamEnabled=false` and on \
         with `{}` (other readers of the stream have to be moved to the new one), or read the table once with --snapshot-only",
        command(table)
    )
}

fn command(table: &TableName) -> String {
    format!(
        "aws dynamodb update-table --table-name {table} --stream-specification \
         StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES"
    )
}

#[cfg(test)]
#[path = "discover_tests.rs"]
mod tests;
