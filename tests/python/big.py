"""Google's own client of BigQuery, over an emulator: `big.py create` makes a dataset, `big.py rows` prints a table as JSON.

Both take `--url`, `--project` and `--dataset`, and `rows` takes `--table`. It runs in the Python that has the client.
"""

import argparse
import json
import os
import sys

try:
    from google.cloud import bigquery
except ImportError:
    python = os.environ["COMMUTATOR_TEST_BIGQUERY_PYTHON"]
    os.execv(python, [python, *sys.argv])

from google.auth.credentials import AnonymousCredentials

from cells import plain


def rows(client, dataset, table):
    def query(sql):
        return client.query(sql).result()

    kept = list(query(f"SELECT part, mode, content FROM `{dataset}`.`_ct_checkpoint_{table}` ORDER BY part, piece"))
    text = {part: "".join(row["content"] or "" for row in kept if row["part"] == part) for part in ("checkpoint", "columns")}
    found = query(f"SELECT * FROM `{dataset}`.`{table}`")
    return {
        "mode": next(row["mode"] for row in kept if row["mode"]),
        "columns": {column["name"]: column["type"] for column in json.loads(text["columns"])},
        "names": json.loads(text["checkpoint"])["names"],
        "found": [field.name for field in found.schema],
        "rows": [{name: plain(value) for name, value in row.items()} for row in found],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["create", "rows"])
    for name in ("--url", "--project", "--dataset"):
        parser.add_argument(name, required=True)
    parser.add_argument("--table")
    args = parser.parse_args()
    client = bigquery.Client(
        args.project, credentials=AnonymousCredentials(), client_options={"api_endpoint": args.url})
    if args.command == "create":
        client.create_dataset(args.dataset)
    else:
        print(json.dumps(rows(client, args.dataset, args.table)))
