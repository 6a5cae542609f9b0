"""Reads a table's folder and prints its columns and rows as JSON: read.py duckdb|pyarrow|manifest|view FOLDER.

The first two use a plain glob, the third one the files of the newest manifest, as the documentation shows, and the last one the
view of the current rows that lies beside the manifests.
"""

import decimal
import glob
import json
import sys


def glob_read(folder):
    return duckdb_read(f"{folder}/**/*.parquet")


def manifest_read(folder):
    manifest = json.load(open(max(glob.glob(f"{folder}/_commutator/manifest-*.json"))))
    return duckdb_read([f"{folder}/{file['name']}" for file in manifest["files"]])


def view_read(folder):
    import duckdb

    connection = duckdb.connect()
    connection.execute(open(f"{folder}/_commutator/current_rows.duckdb.sql").read())
    name = folder.rstrip("/").rsplit("/", 1)[1]
    return relation_read(connection.sql(f'SELECT * FROM "{name}_current"'))


def duckdb_read(files):
    import duckdb

    return relation_read(duckdb.connect().read_parquet(files))


def relation_read(rows):
    columns = list(zip(rows.columns, map(str, rows.types)))
    quoted = [(name.replace('"', '""'), "TIME ZONE" in kind) for name, kind in columns]
    # As microseconds: Python's own time zones need a package that is not there.
    values = ", ".join(f'epoch_us("{name}")' if time else f'"{name}"' for name, time in quoted)
    return columns, rows.project(values).fetchall()


def pyarrow_read(folder):
    import pyarrow
    import pyarrow.dataset

    table = pyarrow.dataset.dataset(folder, format="parquet").to_table()
    times = [pyarrow.types.is_timestamp(field.type) for field in table.schema]
    columns = [
        (column.cast(pyarrow.int64()) if time else column).to_pylist() for column, time in zip(table.columns, times)
    ]
    return [(field.name, str(field.type)) for field in table.schema], list(zip(*columns))


def text(value):
    """Returns a value in a form that JSON keeps: numbers as their digits, bytes in hexadecimal, what is nested as it is."""
    if isinstance(value, dict):
        return {name: text(member) for name, member in value.items()}
    if isinstance(value, list):
        return [text(element) for element in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return str(value)


if __name__ == "__main__":
    engine, folder = sys.argv[1:]
    readers = {"duckdb": glob_read, "pyarrow": pyarrow_read, "manifest": manifest_read, "view": view_read}
    columns, rows = readers[engine](folder)
    json.dump({"columns": columns, "rows": [[text(value) for value in row] for row in rows]}, sys.stdout)
