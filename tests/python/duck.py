"""Runs a statement in a DuckDB file: `duck.py --path FILE --schema NAME --sql TEXT`."""

import argparse
import json

import duckdb


def attached(path, schema, read_only):
    """A connection to a database in memory, with the file attached and its schema in use.

    Opened directly, a file could not replay a log that calls functions of an extension.
    """
    connection = duckdb.connect()
    quoted = path.replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS file (READ_ONLY {str(read_only).lower()})")
    connection.execute(f"USE file.{schema}")
    return connection


def recorded(connection, table):
    """Mode, columns with their logical types, and the columns of attributes, as the checkpoint has them."""
    mode, columns, checkpoint = connection.execute(
        "SELECT mode, columns, checkpoint FROM _ct_checkpoints WHERE table_name = ?", [table]).fetchall()[0]
    return mode, {column["name"]: column["type"] for column in json.loads(columns)}, json.loads(checkpoint)["names"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--path", "--schema", "--sql"):
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    attached(args.path, args.schema, False).execute(args.sql)
