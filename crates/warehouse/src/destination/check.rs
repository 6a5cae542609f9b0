//! Named checks: everything a run will need, tried for real and taken back.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use commutator_core::{
    ChangeBatch, CheckReport, Column, Epoch, Error, ErrorKind, LogicalType, Op, OrderKey, Result, SyncMode, TableSchema,
};
use commutator_sql::{Layout, TableRef};

use super::Loader;
use crate::staging::Upload;
use crate::{Failure, Script};

const WAREHOUSE: &str = "warehouse";
const STAGING: &str = "staging area";
const SCHEMA: &str = "schema";
const LOAD: &str = "table, load and commit";

/// Runs the checks in their order; what depends on one that failed is skipped.
pub(super) async fn run(loader: &Loader) -> CheckReport {
    let mut report = CheckReport::default();
    let product = loader.warehouse.dialect().name;
    let greeted = loader.warehouse.greet().await;
    let reachable = greeted.is_ok();
    match greeted {
        Ok(found) => report.pass(WAREHOUSE, found),
        Err(error) => {
            report.fail_with(
                WAREHOUSE,
                &error,
                format!("Correct the settings of {product}, or grant the identity access"),
            );
        }
    }
    let staged = stage(loader).await;
    match &staged {
        Ok(()) => report.pass(STAGING, loader.staging.url()),
        Err(error) => {
            let remedy =
                "Correct `staging`, or grant the identity reading, writing, listing and deleting below that address";
            report.fail_with(STAGING, error, remedy);
        }
    }
    if !reachable {
        report.skip(SCHEMA, format!("{product} cannot be reached"));
        report.skip(LOAD, format!("{product} cannot be reached"));
        return report;
    }
    let schema = loader.warehouse.schema();
    if let Err(error) = loader.warehouse.prepare().await {
        report.fail_with(SCHEMA, &error, format!("Create the schema {schema}, or let the identity create it"));
        report.skip(LOAD, "there is no schema");
        return report;
    }
    report.pass(SCHEMA, schema.to_string());
    if staged.is_err() {
        report.skip(LOAD, "the staging area cannot be used");
        return report;
    }
    match load(loader).await {
        Ok(()) => report.pass(LOAD, format!("{product} read a staged file into a table")),
        Err(error) => {
            let remedy = format!(
                "Let the identity create, alter and drop tables in {schema}, and let {product} read {}",
                loader.staging.url()
            );
            report.fail_with(LOAD, &error, remedy);
        }
    }
    report
}

/// Writes a file, reads it and removes it.
async fn stage(loader: &Loader) -> Result<()> {
    let (staging, folder) = (&loader.staging, format!("_ct_staging/_check/{}", loader.random.token()));
    let path = format!("{folder}/0.txt");
    staging.put(&path, b"commutator".to_vec()).await?;
    let read = staging.get(&path).await?;
    if staging.remove(&folder, |_| true).await? != 1 || read != b"commutator" {
        return Err(Error::new(ErrorKind::Unexpected, "The staging area does not keep what is written to it"));
    }
    Ok(())
}

/// Creates a table, loads a staged file into it, and drops it.
async fn load(loader: &Loader) -> Result<()> {
    let warehouse = &loader.warehouse;
    let token = loader.random.token();
    let name = format!("_ct_check_{token}");
    let layout = Layout::new(warehouse.dialect(), warehouse.schema(), &name, SyncMode::Append);
    let batch = rows()?;
    let columns = Arc::clone(batch.schema());
    let folder = format!("_ct_staging/_check/{token}");
    let mut upload = Upload::new(&loader.staging, folder.clone(), warehouse.form(&columns));
    upload.add(batch).await?;
    let staged = upload.finish().await?;
    if let Some(manifest) = warehouse.manifest(&staged) {
        loader.staging.put(&staged.manifest(), manifest.into_bytes()).await?;
    }
    warehouse.query(&layout.create(&columns)).await?;
    let mut stage = vec![layout.create_stage(&columns)];
    stage.extend(warehouse.load(&columns, &staged));
    let script = Script { stage, apply: vec![layout.append(&columns)], files: staged.files.clone() };
    let ran = warehouse.run(&script, &token).await.map_err(Failure::into_error);
    let table = TableRef::new(warehouse.dialect(), warehouse.schema(), &name);
    let counted = match ran {
        Ok(()) => warehouse.query(&format!("SELECT count(*) FROM {table}")).await,
        Err(error) => Err(error),
    };
    let dropped = warehouse.query(&format!("DROP TABLE {table}")).await;
    loader.staging.remove(&folder, |_| true).await?;
    let counted = counted?;
    dropped?;
    if counted == [[Some("1".to_owned())]] {
        Ok(())
    } else {
        Err(Error::new(ErrorKind::Unexpected, "A staged row did not arrive in its table"))
    }
}

/// One row with a document, which takes another way in some warehouses.
fn rows() -> Result<ChangeBatch> {
    let columns = vec![Column::key("id", LogicalType::Int64), Column::new("doc", LogicalType::Json)];
    let schema = Arc::new(TableSchema::new(columns)?);
    let cells: [arrow_array::ArrayRef; 2] =
        [Arc::new(Int64Array::from(vec![1])), Arc::new(StringArray::from(vec![r#"{"a":[1]}"#]))];
    let rows = RecordBatch::try_new(schema.to_arrow(), cells.into())
        .map_err(|e| Error::new(ErrorKind::Unexpected, "A row for the check cannot be made").with_source(e))?;
    ChangeBatch::new(schema, rows, vec![Op::Insert], vec![OrderKey::new(Epoch::FIRST, 1.into())], vec![Some(0)])
}
