//! The columns of a table, inferred from its first page.

use commutator::{
    Checkpoint, Extras, OnBadRecord, ReadRequest, Result, Source, SourceEvent, TableDescription, TableSchema, Until,
};
use futures_util::StreamExt;

/// What the first page of a table says about its columns.
#[derive(Debug)]
pub(crate) struct Sample {
    /// The items that were looked at.
    pub(crate) items: usize,
    /// The key columns, then every attribute that one of them has.
    pub(crate) schema: TableSchema,
}

/// Reads about a page of a table, through a source that [`crate::connect::sampler`] made.
pub(crate) async fn read(source: &dyn Source, table: &TableDescription) -> Result<Sample> {
    let request = ReadRequest {
        table: table.name.clone(),
        from: Checkpoint::default(),
        until: Until::SnapshotEnd,
        on_bad_record: OnBadRecord::Fail,
        extras: Extras::default(),
    };
    let mut stream = source.read(request).await?;
    while let Some(event) = stream.next().await {
        if let SourceEvent::Batch(batch) = event?
            && let Some(changes) = batch.changes.filter(|changes| !changes.is_empty())
        {
            return Ok(Sample { items: changes.len(), schema: changes.schema().as_ref().clone() });
        }
    }
    Ok(Sample { items: 0, schema: TableSchema::new(table.keys.clone())? })
}
