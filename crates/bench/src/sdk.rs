//! The SDK's way: its own deserializers make its own types, and those are converted.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, anyhow};
use arrow_array::RecordBatch;
use aws_sdk_dynamodb::operation::scan::{Scan, ScanOutput};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodbstreams::operation::get_records::{GetRecords, GetRecordsOutput};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse as _, SharedResponseDeserializer};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::{ConfigBag, FrozenLayer};
use bytes::Bytes;
use commutator_core::{Op, Sequence};

use crate::columns::Columns;
use crate::document::{number_set, quote, text_set};

/// Decodes pages through the SDK's types.
#[derive(Debug)]
pub(crate) struct Sdk {
    scan: FrozenLayer,
    records: FrozenLayer,
    columns: Columns,
}

impl Sdk {
    /// Creates the decoder.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            scan: Scan::new().config().context("Scan has no configuration")?,
            records: GetRecords::new().config().context("GetRecords has no configuration")?,
            columns: Columns::default(),
        })
    }

    /// Decodes the body of a `Scan` response.
    pub(crate) fn scan_page(&mut self, body: &Bytes) -> Result<RecordBatch> {
        let page: ScanOutput = deserialize(&self.scan, body)?;
        items(page.items(), &mut self.columns)
    }

    /// Decodes the body of a `GetRecords` response.
    pub(crate) fn records_page(&mut self, body: &Bytes) -> Result<(RecordBatch, Vec<(Op, Sequence)>)> {
        let page: GetRecordsOutput = deserialize(&self.records, body)?;
        let mut changes = Vec::with_capacity(page.records().len());
        for record in page.records() {
            let change = record.dynamodb().context("a record without a change")?;
            let event = record.event_name().context("a record without an event")?;
            let sequence = Sequence::parse(change.sequence_number().unwrap_or_default().as_bytes())?;
            changes.push((if event.as_str() == "INSERT" { Op::Insert } else { Op::Modify }, sequence));
            for (name, value) in change.new_image().context("a record without an image")? {
                let i = self.columns.find(name);
                stream_value(&mut self.columns, i, value)?;
            }
            self.columns.end_row();
        }
        Ok((self.columns.take()?, changes))
    }
}

/// Appends the items of a page to their columns, and takes the rows out.
pub(crate) fn items(items: &[HashMap<String, AttributeValue>], columns: &mut Columns) -> Result<RecordBatch> {
    for item in items {
        for (name, value) in item {
            let i = columns.find(name);
            scan_value(columns, i, value)?;
        }
        columns.end_row();
    }
    columns.take()
}

fn deserialize<T: std::fmt::Debug + Send + Sync + 'static>(operation: &FrozenLayer, body: &Bytes) -> Result<T> {
    let deserializer = operation.load::<SharedResponseDeserializer>().context("no deserializer")?;
    let response = HttpResponse::new(200.try_into()?, SdkBody::from(body.clone()));
    let output = deserializer
        .deserialize_nonstreaming_with_config(&response, &ConfigBag::base())
        .map_err(|error| anyhow!("{error:?}"))?;
    output.downcast().map_err(|_| anyhow!("another output"))
}

/// The two SDKs have types of their own for the same values.
macro_rules! conversion {
    ($value:ident, $document:ident, $sdk:ident) => {
        fn $value(columns: &mut Columns, i: usize, value: &$sdk::types::AttributeValue) -> Result<()> {
            use $sdk::types::AttributeValue as Sdk;
            let row = columns.row();
            let column = columns.column(i);
            match value {
                Sdk::S(text) => column.push_text(row, text),
                Sdk::N(text) => column.push_number(row, text),
                Sdk::B(bytes) => column.push_binary(row, bytes.as_ref()),
                Sdk::Bool(value) => column.push_bool(row, *value),
                Sdk::Null(_) => Ok(()),
                nested => {
                    let texts = column.texts(row)?;
                    $document(nested, texts)?;
                    texts.append_value("");
                    Ok(())
                }
            }
        }

        fn $document(value: &$sdk::types::AttributeValue, out: &mut arrow_array::builder::StringBuilder) -> Result<()> {
            use $sdk::types::AttributeValue as Sdk;
            match value {
                Sdk::S(text) => quote(text, out)?,
                Sdk::N(text) => out.write_str(text)?,
                Sdk::Bool(value) => out.write_str(if *value { "true" } else { "false" })?,
                Sdk::Null(_) => out.write_str("null")?,
                Sdk::M(members) => {
                    let mut open = '{';
                    for (name, member) in members {
                        out.write_char(open)?;
                        quote(name, out)?;
                        out.write_char(':')?;
                        $document(member, out)?;
                        open = ',';
                    }
                    out.write_str(if members.is_empty() { "{}" } else { "}" })?;
                }
                Sdk::L(elements) => {
                    out.write_char('[')?;
                    for (i, element) in elements.iter().enumerate() {
                        if i > 0 {
                            out.write_char(',')?;
                        }
                        $document(element, out)?;
                    }
                    out.write_char(']')?;
                }
                Sdk::Ss(all) => text_set(&mut all.iter().map(String::as_str).collect::<Vec<_>>(), out)?,
                Sdk::Ns(all) => number_set(&mut all.iter().map(String::as_str).collect::<Vec<_>>(), out)?,
                other => anyhow::bail!("no data set has {other:?} in a document"),
            }
            Ok(())
        }
    };
}
conversion!(scan_value, scan_document, aws_sdk_dynamodb);
conversion!(stream_value, stream_document, aws_sdk_dynamodbstreams);
