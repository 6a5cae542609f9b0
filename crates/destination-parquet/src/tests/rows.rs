//! Rows of one key column and nothing else, and their way into a session.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Int64Array, RecordBatch};
use commutator_core::schema::{conform, plan};
use commutator_core::{
    ChangeBatch, Column, Epoch, LogicalType, Op, OrderKey, PipelineId, Progress, Result, Session, Slice, SyncMode,
    TableName, TableSchema, Target,
};

pub(crate) fn target() -> Target {
    Target {
        pipeline: PipelineId::new("test").unwrap(),
        table: TableName::new("orders"),
        name: "orders".to_owned(),
        keys: vec![Column::key("id", LogicalType::Int64)],
        mode: SyncMode::Mirror,
        slice: Slice::whole(),
        filtered: false,
        expected_bytes: 0,
    }
}

pub(crate) fn schema(key: LogicalType) -> Arc<TableSchema> {
    Arc::new(TableSchema::new(vec![Column::key("id", key)]).unwrap())
}

pub(crate) fn batch(schema: &Arc<TableSchema>, rows: &[(Op, OrderKey, i64)]) -> ChangeBatch {
    let ids = rows.iter().map(|row| row.2);
    let keys: ArrayRef = match schema.keys()[0].ty {
        LogicalType::Decimal { precision, scale } => {
            let scaled = ids.map(|id| i128::from(id) * 10_i128.pow(scale.into()));
            let array = Decimal128Array::from_iter_values(scaled);
            Arc::new(array.with_precision_and_scale(precision, scale.cast_signed()).unwrap())
        }
        _ => Arc::new(Int64Array::from_iter_values(ids)),
    };
    let columns = RecordBatch::try_new(schema.to_arrow(), vec![keys]).unwrap();
    let ops = rows.iter().map(|row| row.0).collect();
    let orders = rows.iter().map(|row| row.1).collect();
    ChangeBatch::new(Arc::clone(schema), columns, ops, orders, vec![None; rows.len()]).unwrap()
}

pub(crate) fn snapshot_rows(epoch: Epoch, ids: &[i64]) -> ChangeBatch {
    let rows: Vec<_> = ids.iter().map(|&id| (Op::Snapshot, OrderKey::snapshot(epoch), id)).collect();
    batch(&schema(LogicalType::Int64), &rows)
}

/// Commits a batch, and the end of a snapshot, under the session's checkpoint.
pub(crate) async fn transact(
    session: &mut Box<dyn Session>,
    batch: Option<&ChangeBatch>,
    ended: Option<Epoch>,
) -> Result<()> {
    let mut checkpoint = session.checkpoint().clone();
    checkpoint.advance(&Progress { snapshot_ended: ended.is_some(), ..Progress::default() })?;
    let mut rows = None;
    if let Some(batch) = batch {
        let plan = plan(session.describe().await?.as_ref(), batch.schema())?;
        if !plan.is_empty() {
            session.evolve(&plan).await?;
        }
        rows = Some(conform(batch, &Arc::new(plan.result))?);
    }
    let mut transaction = session.begin().await?;
    if let Some(rows) = &rows {
        transaction.write(rows).await?;
    }
    if let Some(epoch) = ended {
        transaction.end_snapshot(epoch).await?;
    }
    transaction.commit(&checkpoint).await
}
