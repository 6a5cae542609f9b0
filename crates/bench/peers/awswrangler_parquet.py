"""awswrangler's reader for a whole table into a DataFrame, and its columns into one Parquet file with zstd.

Usage: awswrangler_parquet.py ENDPOINT FOLDER. The last line says rows and bytes as JSON.
"""

import json
import os
import sys

import awswrangler
import boto3
from boto3.dynamodb.types import Binary


def plain(value):
    """Returns what a column of a DataFrame can be written as."""
    if isinstance(value, (dict, list, set)):
        return json.dumps(value, default=lambda x: sorted(x) if isinstance(x, set) else str(x))
    return bytes(value.value) if isinstance(value, Binary) else value


def main(endpoint, folder):
    os.makedirs(folder)
    keys = {"aws_access_key_id": "BENCH", "aws_secret_access_key": "BENCH"}
    os.environ.update({name.upper(): value for name, value in keys.items()}, AWS_DEFAULT_REGION="eu-west-1")
    awswrangler.config.dynamodb_endpoint_url = endpoint
    client = boto3.client("dynamodb", endpoint_url=endpoint)
    table = client.list_tables()["TableNames"][0]
    rows = awswrangler.dynamodb.read_items(table_name=table, allow_full_scan=True)
    for name in rows.columns[rows.dtypes == object]:
        rows[name] = rows[name].map(plain)
    path = os.path.join(folder, "table.parquet")
    rows.to_parquet(path, compression="zstd")
    print(json.dumps({"rows": len(rows), "bytes": os.path.getsize(path)}))


main(*sys.argv[1:])
