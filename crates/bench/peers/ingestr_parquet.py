"""ingestr, from DynamoDB into Parquet files.

Usage: ingestr_parquet.py ENDPOINT FOLDER. The last line says rows and bytes as JSON.
"""

import glob
import json
import os
import subprocess
import sys
from urllib.parse import quote

import boto3
import pyarrow.parquet


def main(endpoint, folder):
    os.makedirs(folder)
    keys = {"aws_access_key_id": "BENCH", "aws_secret_access_key": "BENCH"}
    client = boto3.client("dynamodb", endpoint_url=endpoint, region_name="eu-west-1", **keys)
    table = client.list_tables()["TableNames"][0]
    source = f"dynamodb://{endpoint.removeprefix('http://')}?region=eu-west-1&access_key_id=BENCH&secret_access_key=BENCH"
    program = os.path.join(os.path.dirname(sys.executable), "ingestr")
    path = os.path.join(folder, "table.parquet")
    command = [program, "ingest", "--yes", "--progress=log", "--source-uri", source, "--source-table", table]
    # One job: with more, several connections are closed under the program in the middle of the scan.
    command += ["--dest-uri", f"parquet://{quote(path)}", "--dest-table", table, "--extract-parallelism", "1"]
    environment = os.environ | {"DISABLE_TELEMETRY": "true", "INGESTR_DISABLE_TELEMETRY": "true", "HOME": folder}
    subprocess.run(command, check=True, stdout=sys.stderr, env=environment)
    files = glob.glob(os.path.join(folder, "**", "*.parquet"), recursive=True)
    rows = sum(pyarrow.parquet.read_metadata(file).num_rows for file in files)
    print(json.dumps({"rows": rows, "bytes": sum(map(os.path.getsize, files))}))


main(*sys.argv[1:])
