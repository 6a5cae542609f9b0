"""The script that everybody writes: boto3, its TypeDeserializer, pyarrow, one Parquet file with zstd.

Usage: boto3_pyarrow.py ENDPOINT FOLDER. The last line says rows and bytes as JSON.
"""

import json
import os
import sys

import boto3
import pyarrow
import pyarrow.parquet
from boto3.dynamodb.types import Binary, TypeDeserializer

BATCH = 10_000


def plain(value):
    """Returns what pyarrow can infer a type for: nested values as JSON, sets as sorted lists of it, as our own default is."""
    if isinstance(value, (dict, list, set)):
        return json.dumps(value, default=lambda x: sorted(x) if isinstance(x, set) else str(x))
    return bytes(value.value) if isinstance(value, Binary) else value


def main(endpoint, folder):
    os.makedirs(folder)
    client = boto3.client(
        "dynamodb", endpoint_url=endpoint, region_name="eu-west-1", aws_access_key_id="BENCH", aws_secret_access_key="BENCH"
    )
    table = client.list_tables()["TableNames"][0]
    deserialize = TypeDeserializer().deserialize
    path = os.path.join(folder, "table.parquet")
    writer, schema, rows, waiting = None, None, 0, []

    def write():
        nonlocal writer, schema
        if schema is None:
            inferred = pyarrow.Table.from_pylist(waiting).schema
            # Decimals of a later batch may be longer than those of the first.
            wide = [
                field.with_type(pyarrow.decimal128(38, field.type.scale)) if pyarrow.types.is_decimal(field.type) else field
                for field in inferred
            ]
            schema = pyarrow.schema(wide)
            writer = pyarrow.parquet.ParquetWriter(path, schema, compression="zstd")
        writer.write_table(pyarrow.Table.from_pylist(waiting, schema=schema))
        waiting.clear()

    for page in client.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            waiting.append({name: plain(deserialize(value)) for name, value in item.items()})
        rows += len(page["Items"])
        if len(waiting) >= BATCH:
            write()
    if waiting:
        write()
    writer.close()
    print(json.dumps({"rows": rows, "bytes": os.path.getsize(path)}))


main(*sys.argv[1:])
