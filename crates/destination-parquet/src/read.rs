//! Reads a table as its newest manifest says, to compare it with something else.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_select::concat::concat_batches;
use commutator_core::{ChangeBatch, Error, ErrorKind, Op, Result, SyncMode, TableSchema, Target};

use crate::buckets::Bucket;
use crate::chain;
use crate::destination::Parquet;
use crate::error;
use crate::files::Files;
use crate::folder::Folder;
use crate::manifest::Manifest;
use crate::merge::{Keep, Versioned, merge};
use crate::types::{Shape, arrow_schema, stored};

/// How often the table is read anew because a writer was faster.
const TRIES: u32 = 8;

impl Parquet {
    /// Returns the rows of a target's last commit, in memory, as changes; `None` if the table has no columns yet. The target's mode is
    /// `mirror` or `append`; [`table`](Self::table) is for all.
    ///
    /// Changes that wait for the end of a snapshot are applied, so in `mirror` these are the items as far as they were read: what
    /// globs over the folder show only once the snapshot has ended.
    pub async fn rows(&self, target: &Target) -> Result<Option<ChangeBatch>> {
        if !matches!(target.mode, SyncMode::Mirror | SyncMode::Append) {
            return Err(Error::new(ErrorKind::Unsupported, "The rows of this mode are no changes")
                .with("table", &target.table)
                .with("mode", target.mode));
        }
        let Some((schema, rows)) = self.read(target).await? else { return Ok(None) };
        let empty = RecordBatch::new_empty(schema.to_arrow());
        let mut batches = vec![ChangeBatch::new(Arc::clone(&schema), empty, Vec::new(), Vec::new(), Vec::new())?];
        for rows in &rows {
            batches.push(changes(rows, &schema)?);
        }
        ChangeBatch::concat(&batches).map(Some)
    }

    /// Returns the rows of a target's last commit, in memory, with the system columns of its mode, and its own columns; `None` if the
    /// table has no columns yet.
    ///
    /// Changes that wait for the end of a snapshot are applied, as in [`rows`](Self::rows).
    pub async fn table(&self, target: &Target) -> Result<Option<(Arc<TableSchema>, RecordBatch)>> {
        let Some((schema, rows)) = self.read(target).await? else { return Ok(None) };
        let shape = Shape::of(target.mode);
        let rows = stored(rows, shape, &schema)?;
        let whole = concat_batches(&arrow_schema(&schema, shape), &rows).map_err(error::arrow)?;
        Ok(Some((schema, whole)))
    }

    async fn read(&self, target: &Target) -> Result<Option<(Arc<TableSchema>, Vec<RecordBatch>)>> {
        let folder = self.folder(target)?;
        let mut tries = TRIES;
        loop {
            let Some(manifest) = chain::newest(&folder).await? else { return Ok(None) };
            manifest.check(target)?;
            tries -= 1;
            match read(folder.clone(), &manifest, target.filtered).await {
                // A live writer replaced a file in between, so there is a newer manifest.
                Err(error) if error.kind() == ErrorKind::NotFound && tries > 0 => {}
                rows => return rows,
            }
        }
    }
}

async fn read(
    folder: Folder,
    manifest: &Manifest,
    filtered: bool,
) -> Result<Option<(Arc<TableSchema>, Vec<RecordBatch>)>> {
    let Some(files) = Files::of(folder, manifest, 1) else { return Ok(None) };
    let mut inputs = Vec::new();
    for file in manifest.files.iter().chain(&manifest.pending) {
        inputs.push(Versioned { batches: files.read(file).await? });
    }
    let rows = if manifest.mode == SyncMode::Append {
        inputs.into_iter().flat_map(|input| input.batches).collect()
    } else {
        let keep = Keep { mode: manifest.mode, filtered, ..Keep::default() };
        merge(&inputs, &files.schema, keep, &[Bucket::ALL])?.pop().unwrap_or_default()
    };
    Ok(Some((files.schema, rows)))
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
    Op::parse(name).ok_or_else(|| Error::new(ErrorKind::DataInvalid, "A file of the table has an unknown operation"))
}
