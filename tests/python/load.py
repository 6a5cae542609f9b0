"""Creates, fills and changes a table: `load.py create|fill|churn|vanish|spoil|mend|drop|delete --endpoint URL --table NAME …`."""

import argparse
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

import items


def client(endpoint):
    return boto3.client(
        "dynamodb", endpoint_url=endpoint, region_name="eu-west-1",
        aws_access_key_id="test", aws_secret_access_key="test", config=Config(max_pool_connections=8))


def create(db, args):
    spec = {"StreamEnabled": args.view != "NONE"} | ({"StreamViewType": args.view} if args.view != "NONE" else {})
    db.create_table(
        TableName=args.table, BillingMode="PAY_PER_REQUEST", StreamSpecification=spec,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "N"}])
    db.get_waiter("table_exists").wait(TableName=args.table)


def delete(db, args):
    db.delete_table(TableName=args.table)


def put_all(db, table, batch):
    request = {table: [{"PutRequest": {"Item": item}} for item in batch]}
    while request:
        request = db.batch_write_item(RequestItems=request).get("UnprocessedItems")


def fill(db, args):
    rng = random.Random(args.seed)
    for item in items.special(args.seed, args.special) if args.special else []:
        db.put_item(TableName=args.table, Item=item)
    batches = [[items.item(rng, n, 0) for n in range(i, min(i + 25, args.items))] for i in range(0, args.items, 25)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: put_all(db, args.table, batch), batches))
    print(f"filled {args.items}")


def churn(db, args):
    """Changes items until the file named by --until exists: updates, deletes, inserts and re-inserts, skewed to a few keys."""
    rng = random.Random(args.seed)
    changes, fresh = 0, args.items
    deleted = []
    end = time.monotonic() + args.seconds
    while time.monotonic() < end and not (args.until and os.path.exists(args.until)):
        number = int(args.items * rng.random() ** 3)
        what = rng.random()
        if what < 0.25:
            db.delete_item(TableName=args.table, Key=items.key(number))
            deleted.append(number)
        elif what < 0.4 and deleted:
            db.put_item(TableName=args.table, Item=items.item(rng, deleted.pop(rng.randrange(len(deleted))), changes))
        elif what < 0.5:
            fresh += 1
            db.put_item(TableName=args.table, Item=items.item(rng, fresh, changes))
        else:
            db.put_item(TableName=args.table, Item=items.item(rng, number, changes))
        changes += 1
        time.sleep(args.pause)
    print(f"changed {changes}")


def vanish(db, args):
    """Deletes the first items while the stream is off, so that no record tells of it."""
    db.update_table(TableName=args.table, StreamSpecification={"StreamEnabled": False})
    db.get_waiter("table_exists").wait(TableName=args.table)
    for number in range(args.items):
        db.delete_item(TableName=args.table, Key=items.key(number))
    db.update_table(TableName=args.table, StreamSpecification={"StreamEnabled": True, "StreamViewType": args.view})
    db.get_waiter("table_exists").wait(TableName=args.table)


def spoil(db, args):
    """Writes items with the character NUL, which Postgres cannot hold, in a text, a document or a set."""
    rng = random.Random(args.seed)
    word = "secret-word\0"
    spoiled = [{"S": word}, {"M": {"in": {"L": [{"S": word}, {"N": "1.50"}]}}}, {"SS": ["a", word]}]
    for n in range(args.first, args.first + args.items):
        db.put_item(TableName=args.table, Item=items.item(rng, n, 7) | {"spoiled": spoiled[n % len(spoiled)]})


def mend(db, args):
    rng = random.Random(args.seed)
    for n in range(args.first, args.first + args.items):
        db.put_item(TableName=args.table, Item=items.item(rng, n, 8))


def drop(db, args):
    for n in range(args.first, args.first + args.items):
        db.delete_item(TableName=args.table, Key=items.key(n))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["create", "fill", "churn", "vanish", "spoil", "mend", "drop", "delete"])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--view", default="NEW_AND_OLD_IMAGES")
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--pause", type=float, default=0, metavar="SECONDS", help="between two changes")
    parser.add_argument("--until")
    parser.add_argument("--special", type=int, metavar="ATTRIBUTES")
    parser.add_argument("--no-name", action="append", default=[], metavar="NAME", help="an attribute that no item has")
    arguments = parser.parse_args()
    items.NAMES = [name for name in items.NAMES if name not in arguments.no_name]
    globals()[arguments.command](client(arguments.endpoint), arguments)
