//! A table that a test writes to, as the pipeline does.

use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Decimal128Builder, Float64Builder, Int64Builder, StringBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use commutator_core::schema::{conform, plan};
use commutator_core::{
    ChangeBatch, Checkpoint, Column, Destination, Epoch, LogicalType, Op, OrderKey, PipelineId, Progress, Result,
    Session, Slice, SyncMode, TableName, TableSchema, Target,
};
use commutator_destination_parquet::{Config, Parquet};

/// When all changes of [`batch`] happened.
const CHANGED_AT: i64 = 1_700_000_000_000_000;

/// A value of a row, in the type of its column.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// The unscaled value.
    Decimal(i128),
    Float(f64),
    Text(String),
    Binary(Vec<u8>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

pub(crate) fn schema(columns: &[(&str, LogicalType)]) -> Arc<TableSchema> {
    let column = |(i, &(name, ty)): (usize, &(&str, LogicalType))| Column { key: i == 0, ..Column::new(name, ty) };
    Arc::new(TableSchema::new(columns.iter().enumerate().map(column).collect()).unwrap())
}

pub(crate) fn at(sequence: u64) -> OrderKey {
    OrderKey::new(Epoch::FIRST, sequence.into())
}

pub(crate) const SNAPSHOT: Op = Op::Snapshot;

pub(crate) fn snapshot() -> OrderKey {
    OrderKey::snapshot(Epoch::FIRST)
}

/// Builds a batch; the columns of a removal after the key are null.
pub(crate) fn batch(schema: &Arc<TableSchema>, rows: &[(Op, OrderKey, Vec<Value>)]) -> ChangeBatch {
    let rows: Vec<_> = rows.iter().map(|(op, order, values)| (*op, *order, values.clone(), Some(CHANGED_AT))).collect();
    batch_at(schema, &rows)
}

/// The same with the time of each change, in microseconds since 1970.
pub(crate) fn batch_at(schema: &Arc<TableSchema>, rows: &[(Op, OrderKey, Vec<Value>, Option<i64>)]) -> ChangeBatch {
    let columns: Vec<ArrayRef> = schema
        .columns()
        .iter()
        .enumerate()
        .map(|(i, column)| array(column.ty, rows.iter().map(|row| row.2.get(i).cloned().unwrap_or(Value::Null))))
        .collect();
    let columns = RecordBatch::try_new(schema.to_arrow(), columns).unwrap();
    let ops = rows.iter().map(|row| row.0).collect();
    let orders = rows.iter().map(|row| row.1).collect();
    ChangeBatch::new(Arc::clone(schema), columns, ops, orders, rows.iter().map(|row| row.3).collect()).unwrap()
}

fn array(ty: LogicalType, values: impl Iterator<Item = Value>) -> ArrayRef {
    macro_rules! build {
        ($builder:expr, $variant:ident) => {{
            let mut builder = $builder;
            for value in values {
                match value {
                    Value::$variant(value) => builder.append_value(value),
                    Value::Null => builder.append_null(),
                    other => panic!("{other:?} is no {ty}"),
                }
            }
            Arc::new(builder.finish())
        }};
    }
    match ty {
        LogicalType::Bool => build!(BooleanBuilder::new(), Bool),
        LogicalType::Int64 => build!(Int64Builder::new(), Int),
        LogicalType::Decimal { precision, scale } => {
            let builder = Decimal128Builder::new();
            build!(builder.with_precision_and_scale(precision, scale.cast_signed()).unwrap(), Decimal)
        }
        LogicalType::Float64 => build!(Float64Builder::new(), Float),
        LogicalType::Binary => build!(BinaryBuilder::new(), Binary),
        LogicalType::Text | LogicalType::Number | LogicalType::Json => build!(StringBuilder::new(), Text),
        LogicalType::Timestamp => unreachable!("only system columns are timestamps"),
    }
}

pub(crate) fn target(name: &str, mode: SyncMode) -> Target {
    Target {
        pipeline: PipelineId::new("test").unwrap(),
        table: TableName::new(name),
        name: name.to_owned(),
        keys: vec![Column::key("id", LogicalType::Int64)],
        mode,
        slice: Slice::whole(),
        filtered: false,
        expected_bytes: 0,
    }
}

pub(crate) async fn connect(folder: &std::path::Path) -> Parquet {
    Config::new(folder.to_str().unwrap()).connect().await.unwrap()
}

/// An open table.
pub(crate) struct Writer {
    pub(crate) session: Box<dyn Session>,
    checkpoint: Checkpoint,
}

impl Writer {
    pub(crate) async fn open(parquet: &Parquet, target: &Target) -> Self {
        Self::try_open(parquet, target).await.unwrap()
    }

    pub(crate) async fn try_open(parquet: &Parquet, target: &Target) -> Result<Self> {
        let session = parquet.open(target).await?;
        Ok(Self { checkpoint: session.checkpoint().clone(), session })
    }

    /// Evolves the table for a batch, writes it and commits.
    pub(crate) async fn commit(&mut self, batch: &ChangeBatch) -> Result<()> {
        self.transact(Some(batch), None).await
    }

    /// The same, and ends the snapshot.
    pub(crate) async fn commit_last(&mut self, batch: Option<&ChangeBatch>) -> Result<()> {
        let epoch = self.checkpoint.epoch();
        self.transact(batch, Some(epoch)).await
    }

    /// Begins the next epoch.
    pub(crate) async fn resync(&mut self) {
        self.checkpoint = self.checkpoint.next_epoch(|_| true);
        self.transact(None, None).await.unwrap();
    }

    async fn transact(&mut self, batch: Option<&ChangeBatch>, ended: Option<Epoch>) -> Result<()> {
        let actual = self.session.describe().await?;
        let mut rows = None;
        if let Some(batch) = batch {
            let plan = plan(actual.as_ref(), batch.schema())?;
            if !plan.is_empty() {
                self.session.evolve(&plan).await?;
            }
            rows = Some(conform(batch, &Arc::new(plan.result))?);
        }
        let mut transaction = self.session.begin().await?;
        if let Some(rows) = &rows {
            transaction.write(rows).await?;
        }
        if let Some(epoch) = ended {
            transaction.end_snapshot(epoch).await?;
            self.checkpoint.advance(&Progress { snapshot_ended: true, ..Progress::default() })?;
        }
        transaction.commit(&self.checkpoint).await
    }
}
