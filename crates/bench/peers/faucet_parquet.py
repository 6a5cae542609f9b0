"""faucet, a Rust program, from DynamoDB into a Parquet file.

Usage: faucet_parquet.py PROGRAM ENDPOINT FOLDER. The last line says rows and bytes as JSON.
"""

import glob
import json
import os
import subprocess
import sys

import boto3
import pyarrow.parquet

PIPELINE = """
version: 1
name: bench
pipeline:
  source:
    type: dynamodb
    config:
      table_name: {table}
      region: eu-west-1
      endpoint_url: {endpoint}
      mode: scan
      segments: 8
  sink:
    type: parquet
    config:
      destination: {{ type: local_path, path: {path} }}
      compression: zstd
"""


def main(program, endpoint, folder):
    os.makedirs(folder)
    keys = {"aws_access_key_id": "BENCH", "aws_secret_access_key": "BENCH"}
    client = boto3.client("dynamodb", endpoint_url=endpoint, region_name="eu-west-1", **keys)
    table = client.list_tables()["TableNames"][0]
    pipeline = os.path.join(folder, "pipeline.yaml")
    with open(pipeline, "w", encoding="utf-8") as out:
        out.write(PIPELINE.format(table=table, endpoint=endpoint, path=os.path.join(folder, "table.parquet")))
    environment = os.environ | {name.upper(): value for name, value in keys.items()}
    subprocess.run([program, "run", pipeline], check=True, stdout=sys.stderr, env=environment)
    files = glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True)
    rows = sum(pyarrow.parquet.read_metadata(file).num_rows for file in files)
    print(json.dumps({"rows": rows, "bytes": sum(map(os.path.getsize, files))}))


main(*sys.argv[1:])
