//! Tables: create, delete, describe, list, and the stream switched on and off.

use std::ops::Bound;

use serde_json::{Value as Json, json};

use super::{Call, table_name};
use crate::error::{Error, Result};
use crate::key::KeySchema;
use crate::stream::record::View;
use crate::table::TableSpec;

pub(super) fn create(call: &mut Call<'_>) -> Result<String> {
    call.supports_all_but(&["GlobalSecondaryIndexes", "LocalSecondaryIndexes"])?;
    let name = call.table_name()?.to_owned();
    let mut spec = TableSpec::new(&name, KeySchema::read(call.request)?);
    if call.text("BillingMode") != Some("PAY_PER_REQUEST") {
        let units = |kind: &str| call.request["ProvisionedThroughput"][kind].as_u64();
        spec.provisioned = units("ReadCapacityUnits").zip(units("WriteCapacityUnits"));
        if spec.provisioned.is_none() {
            return Err(Error::validation("No provisioned throughput specified for the table"));
        }
    }
    if let StreamChange::On(view) = stream_change(call.request)? {
        spec = spec.stream(view);
    }
    call.state.create_table(spec, call.now)?;
    description(call, "TableDescription", &name)
}

pub(super) fn delete(call: &mut Call<'_>) -> Result<String> {
    let name = call.table_name()?.to_owned();
    let mut table = call.state.table(&name)?.to_json(&call.state.settings);
    table["TableStatus"] = "DELETING".into();
    call.state.delete_table(&name, call.now)?;
    Ok(json!({"TableDescription": table}).to_string())
}

pub(super) fn describe(call: &Call<'_>) -> Result<String> {
    description(call, "Table", call.table_name()?)
}

pub(super) fn update(call: &mut Call<'_>) -> Result<String> {
    call.supports_all_but(&["GlobalSecondaryIndexUpdates", "ReplicaUpdates", "SSESpecification"])?;
    let name = call.table_name()?.to_owned();
    match stream_change(call.request)? {
        StreamChange::On(view) => drop(call.state.stream_on(&name, view, call.now)?),
        StreamChange::Off => call.state.stream_off(&name, call.now)?,
        StreamChange::None => return Err(Error::unsupported("an UpdateTable without a StreamSpecification")),
    }
    description(call, "TableDescription", &name)
}

pub(super) fn list(call: &Call<'_>) -> Result<String> {
    let limit = call.count("Limit", 1, 100)?.unwrap_or(100);
    let after = call.text("ExclusiveStartTableName").map(table_name).transpose()?.unwrap_or_default();
    let rest = call.state.tables.range::<str, _>((Bound::Excluded(after), Bound::Unbounded)).map(|(name, _)| name);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let names: Vec<_> = rest.clone().take(limit).collect();
    let mut answer = json!({"TableNames": names});
    if rest.count() > limit {
        answer["LastEvaluatedTableName"] = names.last().map_or(Json::Null, |name| name.as_str().into());
    }
    Ok(answer.to_string())
}

fn description(call: &Call<'_>, label: &str, name: &str) -> Result<String> {
    let table = call.state.table(name)?.to_json(&call.state.settings);
    Ok(json!({ label: table }).to_string())
}

/// What a request says of the stream.
enum StreamChange {
    None,
    Off,
    On(View),
}

fn stream_change(request: &Json) -> Result<StreamChange> {
    let specification = &request["StreamSpecification"];
    match specification["StreamEnabled"].as_bool() {
        None => Ok(StreamChange::None),
        Some(false) => Ok(StreamChange::Off),
        Some(true) => {
            let view = specification["StreamViewType"].as_str().ok_or_else(|| {
                Error::validation(
                    "Invalid StreamViewType: Stream ViewType must not be null or empty when enabling streams.",
                )
            })?;
            Ok(StreamChange::On(View::from_name(view)?))
        }
    }
}
