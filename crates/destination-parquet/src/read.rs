//! Reads a table as its newest manifest says, to compare it with something else.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use commutator_core::{ChangeBatch, Error, ErrorKind, Op, Result, SyncMode, TableSchema, Target};

use crate::buckets::Bucket;
use crate::chain;
use crate::destination::Parquet;
use crate::error;
use crate::files::Files;
use crate::folder::Folder;
use crate::manifest::Manifest;
use crate::merge::{Keep, Versioned, merge};

/// How often the table is read anew because a writer was faster.
const TRIES: u32 = 8;

impl Parquet {
    /// Returns the rows of a target's last commit, in memory; `None` if the table has no columns yet.
    ///
    /// Changes that wait for the end of a snapshot are applied, so in `mirror` these are the items as far as they were read: what
    /// globs over the folder show only once the snapshot has ended.
    pub async fn rows(&self, target: &Target) -> Result<Option<ChangeBatch>> {
        let folder = self.folder(target)?;
        let mut tries = TRIES;
        loop {
            let Some(manifest) = chain::newest(&folder).await? else { return Ok(None) };
            manifest.check(target)?;
            tries -= 1;
            match read(folder.clone(), &manifest).await {
                // A live writer replaced a file in between, so there is a newer manifest.
                Err(error) if error.kind() == ErrorKind::NotFound && tries > 0 => {}
                rows => return rows,
            }
        }
    }
}

async fn read(folder: Folder, manifest: &Manifest) -> Result<Option<ChangeBatch>> {
    let Some(files) = Files::of(folder, manifest, 1) else { return Ok(None) };
    let schema = &files.schema;
    let mut inputs = Vec::new();
    for file in manifest.files.iter().chain(&manifest.pending) {
        inputs.push(Versioned { batches: files.read(file).await? });
    }
    let rows = if manifest.mode == SyncMode::Append {
        inputs.into_iter().flat_map(|input| input.batches).collect()
    } else {
        merge(&inputs, schema, Keep::default(), &[Bucket::ALL])?.pop().unwrap_or_default()
    };
    let empty = RecordBatch::new_empty(schema.to_arrow());
    let mut batches = vec![ChangeBatch::new(Arc::clone(schema), empty, Vec::new(), Vec::new(), Vec::new())?];
    for rows in &rows {
        batches.push(changes(rows, schema)?);
    }
    ChangeBatch::concat(&batches).map(Some)
}

fn changes(rows: &RecordBatch, schema: &Arc<TableSchema>) -> Result<ChangeBatch> {
    let own = schema.columns().len();
    let names: Vec<usize> = (0..own).collect();
    let columns = rows.project(&names).map_err(error::arrow)?;
    let columns = RecordBatch::try_new(schema.to_arrow(), columns.columns().to_vec()).map_err(error::arrow)?;
    let ops = rows.column(own).as_string::<i32>().iter().map(|op| operation(op.unwrap_or_default()));
    let orders = rows.column(own + 1).as_string::<i32>().iter().map(|order| order.unwrap_or_default().parse());
    let changed_at = rows.column(own + 2).as_primitive::<TimestampMicrosecondType>().iter().collect();
    ChangeBatch::new(
        Arc::clone(schema),
        columns,
        ops.collect::<Result<_>>()?,
        orders.collect::<Result<_>>()?,
        changed_at,
    )
}

fn operation(name: &str) -> Result<Op> {
    [Op::Snapshot, Op::Insert, Op::Modify, Op::Remove, Op::Expire]
        .into_iter()
        .find(|op| op.as_str() == name)
        .ok_or_else(|| Error::new(ErrorKind::DataInvalid, "A file of the table has an unknown operation"))
}
