"""Snowflake's own client, over an emulator: prints a table as JSON. It runs in the Python that has the client."""

import argparse
import json
import os
import sys

try:
    import snowflake.connector
except ImportError:
    python = os.environ["COMMUTATOR_TEST_SNOWFLAKE_PYTHON"]
    os.execv(python, [python, *sys.argv])

from cells import plain, quoted


def rows(connection, schema, table):
    query = lambda sql: connection.cursor().execute(sql)
    kept = query(f"SELECT part, mode, content FROM {quoted('EMULATED', schema, '_ct_checkpoint_' + table)} ORDER BY part, piece").fetchall()
    text = {part: "".join(content or "" for of, _, content in kept if of == part) for part in ("checkpoint", "columns")}
    # Times would be read in the zone of the session, and nothing here looks at them.
    found = [name for name, *_ in query(f"DESCRIBE TABLE {quoted('EMULATED', schema, table)}") if not name.upper().startswith("_CT_")]
    cursor = query(f"SELECT {', '.join(map(quoted, found))} FROM {quoted('EMULATED', schema, table)}")
    return {
        "mode": next(mode for _, mode, _ in kept if mode),
        "columns": {column["name"]: column["type"] for column in json.loads(text["columns"])},
        "names": json.loads(text["checkpoint"])["names"],
        "found": [column.name for column in cursor.description],
        "rows": [dict(zip(found, map(plain, row))) for row in cursor],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("--sessions", "--schema", "--table"):
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    host, port = args.sessions.split(":")
    # Its server reads the parameters of a session without asking whether there are any.
    connection = snowflake.connector.connect(
        host=host, port=int(port), protocol="http", account="emulated", user="reader", password="reader", database="EMULATED",
        schema="PUBLIC", session_parameters={"TIMEZONE": "UTC"}, network_timeout=60)
    print(json.dumps(rows(connection, args.schema, args.table)))
