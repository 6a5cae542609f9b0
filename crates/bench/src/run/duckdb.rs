//! Into a file of `DuckDB`: by our destination, and by its own `read_json` from a file of the same items.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Decimal128Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use base64_simd::STANDARD as BASE64;
use commutator_core::{LogicalType, SyncMode, TableSchema, Until, schema};
use commutator_destination_duckdb as destination;
use commutator_destination_duckdb::duckdb::Connection;
use commutator_sql::{DUCKDB, Identifier};

use super::{Done, ours};

/// Runs a pipeline into a new file, in a mode.
pub(super) async fn pipeline(mode: &str, url: &str, out: &str) -> Result<Done> {
    let mode = match mode {
        "mirror" => SyncMode::Mirror,
        "append" => SyncMode::Append,
        _ => bail!("there is no mode `{mode}` here"),
    };
    let file = file(out)?;
    let rows = {
        let destination = destination::Config::new(&file).connect().await?;
        ours::replicate(Arc::new(destination), mode, Until::SnapshotEnd, url).await?
    };
    // The file is closed now, and all of it in one place.
    Ok(Done { rows, bytes: fs::metadata(file)?.len() })
}

/// Makes a table of a file of lines, by types of `DuckDB`'s own choice (`inferred`) or those that our table has (`declared`).
///
/// The settings are those that our destination opens a file with.
pub(super) fn read_json(types: &str, lines: &str, out: &str) -> Result<Done> {
    let query = match types {
        "inferred" => format!("SELECT * FROM read_json({}, format = 'newline_delimited')", (DUCKDB.literal)(lines)),
        "declared" => fs::read_to_string(declared(lines))?,
        _ => bail!("there are no types `{types}`"),
    };
    let file = file(out)?;
    let connection = Connection::open_in_memory()?;
    let path = (DUCKDB.literal)(&file.display().to_string());
    connection.execute_batch(&format!(
        "SET preserve_insertion_order = false; SET memory_limit = '2GB'; ATTACH {path} AS bench; USE bench; CREATE TABLE items AS {query}"
    ))?;
    let rows = connection.query_row("SELECT count(*) FROM items", [], |row| row.get::<_, u64>(0))?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(Done { rows, bytes: fs::metadata(file)?.len() })
}

/// Writes the items of the only table as lines of plain JSON, and beside them the query that reads them in the types of our table.
pub(super) async fn lines(path: &str, url: &str) -> Result<Done> {
    let (mut rows, mut all, mut line) = (0, None::<TableSchema>, Vec::new());
    let mut out = BufWriter::new(fs::File::create(path)?);
    ours::scan(url, |batch| {
        for row in 0..batch.len() {
            line.clear();
            write_line(batch.rows(), batch.schema(), row, &mut line)?;
            out.write_all(&line)?;
        }
        rows += u64::try_from(batch.len())?;
        all = Some(match &all {
            Some(all) => schema::merge(all, batch.schema())?,
            None => TableSchema::clone(batch.schema()),
        });
        Ok(())
    })
    .await?;
    out.flush()?;
    fs::write(declared(path), query(path, &all.context("no page")?))?;
    Ok(Done { rows, bytes: fs::metadata(path)?.len() })
}

/// Where the query is that reads lines in the types of our table.
pub(crate) fn declared(lines: &str) -> PathBuf {
    Path::new(lines).with_extension("sql")
}

/// A new file in a new folder.
fn file(folder: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    Ok(Path::new(folder).join("bench.duckdb"))
}

fn query(lines: &str, columns: &TableSchema) -> String {
    let name = |name: &str| Identifier::new(&DUCKDB, name);
    let native = |ty| if ty == LogicalType::Binary { "VARCHAR".into() } else { DUCKDB.native(ty) };
    let (mut values, mut types) = (Vec::new(), Vec::new());
    for column in columns.columns() {
        let id = name(&column.name);
        values.push(if column.ty == LogicalType::Binary {
            format!("from_base64({id}) AS {id}")
        } else {
            id.to_string()
        });
        types.push(format!("{}: {}", (DUCKDB.literal)(&column.name), (DUCKDB.literal)(&native(column.ty))));
    }
    format!(
        "SELECT {} FROM read_json({}, format = 'newline_delimited', columns = {{{}}})",
        values.join(", "),
        (DUCKDB.literal)(lines),
        types.join(", ")
    )
}

/// Appends a row as an object, without what is null.
fn write_line(rows: &RecordBatch, columns: &TableSchema, row: usize, line: &mut Vec<u8>) -> Result<()> {
    line.push(b'{');
    for (column, cells) in columns.columns().iter().zip(rows.columns()) {
        if cells.is_null(row) {
            continue;
        }
        if line.len() > 1 {
            line.push(b',');
        }
        schema::write_json_string(&column.name, line);
        line.push(b':');
        match cells.data_type() {
            DataType::Boolean => write!(line, "{}", cells.as_boolean().value(row))?,
            DataType::Int64 => write!(line, "{}", cells.as_primitive::<Int64Type>().value(row))?,
            DataType::Decimal128(..) => {
                write!(line, "{}", cells.as_primitive::<Decimal128Type>().value_as_string(row))?;
            }
            DataType::Binary => {
                let text = BASE64.encode_to_string(cells.as_binary::<i32>().value(row));
                schema::write_json_string(&text, line);
            }
            DataType::Utf8 if matches!(column.ty, LogicalType::Json | LogicalType::Number) => {
                line.extend_from_slice(cells.as_string::<i32>().value(row).as_bytes());
            }
            DataType::Utf8 => schema::write_json_string(cells.as_string::<i32>().value(row), line),
            other => bail!("a column of {other} has no form in JSON"),
        }
    }
    line.extend_from_slice(b"}\n");
    Ok(())
}
