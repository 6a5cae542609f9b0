"""tap-dynamodb, which reads a table and prints it as Singer messages; a target that writes them would come on top.

Usage: tap_dynamodb_messages.py ENDPOINT FOLDER. The last line says rows and bytes as JSON.

Its only endpoint besides AWS' own is a constant, so the constructor of its client is given another one here.
"""

import contextlib
import functools
import json
import os
import sys

import boto3
import tap_dynamodb
import tap_dynamodb.dynamodb


def main(endpoint, folder):
    os.makedirs(folder)
    keys = {"aws_access_key_id": "BENCH", "aws_secret_access_key": "BENCH"}
    client = functools.partial(boto3.client, endpoint_url=endpoint, region_name="eu-west-1", **keys)
    table = client("dynamodb").list_tables()["TableNames"][0]
    tap_dynamodb.dynamodb.get_client = lambda config: client("dynamodb")
    config = {"use_local_dynamo": True, "region_name": "eu-west-1", "account_id": "", "external_id": "", "role_name": ""}
    table_metadata = {"selected": True, "replication-method": "FULL_TABLE", "table-key-properties": ["id"], "row-count": 1}
    stream = {
        "stream": table,
        "table_name": table,
        "tap_stream_id": table,
        "schema": {"type": "object"},
        "metadata": [{"breadcrumb": [], "metadata": table_metadata}],
    }
    path = os.path.join(folder, "messages.jsonl")
    with open(path, "w", encoding="utf-8") as out, contextlib.redirect_stdout(out):
        tap_dynamodb.do_sync(config, {"streams": [stream]}, {})
    with open(path, "rb") as messages:
        rows = sum(line.startswith(b'{"type": "RECORD"') for line in messages)
    print(json.dumps({"rows": rows, "bytes": os.path.getsize(path)}))


main(*sys.argv[1:])
