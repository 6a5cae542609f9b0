"""Copies every object below a path of the S3 server into a folder: `objects.py --endpoint URL --path BUCKET/PREFIX --folder FOLDER`."""

import argparse
import os
import pathlib

import boto3

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--folder", required=True)
    arguments = parser.parse_args()
    bucket, _, prefix = arguments.path.partition("/")
    s3 = boto3.client(
        "s3", endpoint_url=arguments.endpoint, region_name="us-east-1",
        aws_access_key_id=os.environ["COMMUTATOR_TEST_S3_ACCESS_KEY"],
        aws_secret_access_key=os.environ["COMMUTATOR_TEST_S3_SECRET_KEY"])
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "/"):
        for entry in page.get("Contents", []):
            copy = pathlib.Path(arguments.folder, entry["Key"][len(prefix) + 1:])
            copy.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, entry["Key"], str(copy))
            print(entry["Key"])
