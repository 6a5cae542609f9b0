"""Compares a DynamoDB table with what arrived, row by row and value by value; exits 1 with the differences.

`verify.py postgres --dsn … --schema …`, `verify.py redshift --dsn … --schema …` for the Postgres behind the tests' own Data API,
`verify.py parquet --root …`, `verify.py duckdb --path … --schema …`, `verify.py snowflake --url … --schema …` over the SQL API,
`verify.py snowflake --sessions … --schema …` or `verify.py bigquery --url … --project … --dataset …`, each with
`--endpoint URL --table NAME`. Warehouses are read by their vendors' own clients, but for the SQL API.
"""

import argparse
import base64
import functools
import json
import os
import pathlib
import subprocess
import sys
from decimal import Decimal

import load
from cells import quoted

loads = functools.partial(json.loads, parse_float=Decimal, parse_int=Decimal)


def plain(value):
    """A DynamoDB value as the JSON that stands for it, with exact numbers."""
    (kind, inner), = value.items()
    if kind == "N":
        return Decimal(inner)
    if kind == "B":
        return base64.b64encode(bytes(inner)).decode()
    if kind == "NULL":
        return None
    if kind == "M":
        return {name: plain(member) for name, member in inner.items()}
    if kind == "L":
        return [plain(member) for member in inner]
    if kind == "SS":
        return sorted(inner, key=lambda s: s.encode())
    if kind == "NS":
        return sorted(Decimal(n) for n in inner)
    if kind == "BS":
        return [base64.b64encode(b).decode() for b in sorted(bytes(b) for b in inner)]
    return inner


def without_nul(value):
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [without_nul(v) for v in value]
    if isinstance(value, dict):
        return {without_nul(k): without_nul(v) for k, v in value.items()}
    return value


def exact(a, b):
    """Equality in which true is not 1, and lists and objects compare by the same rule."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(exact, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(exact(a[k], b[k]) for k in a)
    return a == b


def expected(value, kind, nul):
    """What a column of this kind must hold for an attribute's value; a ValueError if it can hold no such value."""
    (tag, inner), = value.items()
    if tag == "NULL":
        return [None]
    fits = {"text": "S", "number": "N", "binary": "B", "bool": "BOOL"}
    if kind == "json":
        result = plain(value)
        return [without_nul(result) if nul == "replaced" else result]
    if fits[kind] != tag:
        raise ValueError(f"a column of kind {kind} for a value of type {tag}")
    result = Decimal(inner) if tag == "N" else bytes(inner) if tag == "B" else inner
    return [without_nul(result) if nul == "replaced" else result]


def scan(db, table):
    rows, start = {}, {}
    while True:
        page = db.scan(TableName=table, ConsistentRead=True, **start)
        for item in page["Items"]:
            rows[(item["pk"]["S"], Decimal(item["sk"]["N"]))] = item
        if "LastEvaluatedKey" not in page:
            return rows
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def read_postgres(args):
    import psycopg
    from psycopg import sql
    from psycopg.types.json import set_json_loads
    set_json_loads(loads)
    kinds = {"bigint": "number", "numeric": "number", "text": "text", "bytea": "binary", "boolean": "bool", "jsonb": "json"}
    with psycopg.connect(args.dsn) as connection:
        columns = connection.execute(
            "select column_name, data_type from information_schema.columns where table_schema = %s and table_name = %s",
            (args.schema, args.table)).fetchall()
        types = {name: kinds[kind] for name, kind in columns if not name.startswith("_ct_")}
        checkpoint = connection.execute(
            sql.SQL("select checkpoint::jsonb from {}._ct_checkpoints where table_name = %s").format(sql.Identifier(args.schema)),
            (args.table,)).fetchone()[0]
        cursor = connection.execute(sql.SQL("select {} from {}.{}").format(
            sql.SQL(", ").join(map(sql.Identifier, types)), sql.Identifier(args.schema), sql.Identifier(args.table)))
        rows = [dict(zip(types, row)) for row in cursor]
    return types, checkpoint["names"], rows, "replaced"


def in_catalog(name):
    """A name as Redshift has it, in lower case, and as short as Postgres takes it (`tests/double/rewrite.rs`)."""
    lower = "".join(c.lower() if c.isascii() else c for c in name)
    encoded = lower.encode()
    if len(encoded) <= 63:
        return lower
    hashed = 0xCBF29CE484222325
    for byte in encoded:
        hashed = (hashed ^ byte) * 0x100000001B3 % 2**64
    return f"{encoded[:40].decode(errors='ignore')}_{hashed:016x}"


def read_redshift(args):
    import shift

    table = lambda name: quoted(args.schema, in_catalog(name))
    with shift.connect(args.dsn) as connection, connection.cursor() as cursor:
        cursor.execute(f"select part, content from {table(f'_ct_checkpoint_{args.table}')} where content is not null order by part, piece")
        pieces = cursor.fetchall()
        recorded = {part: json.loads("".join(content for of, content in pieces if of == part)) for part, _ in pieces}
        types = {column["name"]: KINDS.get(column["type"], "number") for column in recorded["columns"]}
        cursor.execute(f"select * from {table(args.table)} limit 0")
        found = {column[0] for column in cursor.description if not column[0].startswith("_ct_")}
        if found != set(map(in_catalog, types)):
            sys.exit("the table has other columns than were recorded")
        cursor.execute(f"select {', '.join(quoted(in_catalog(name)) for name in types)} from {table(args.table)}")
        rows = [dict(zip(types, row)) for row in cursor.fetchall()]
    read = {"json": loads, "number": Decimal, "binary": shift.binary}
    for row in rows:
        for name, kind in types.items():
            if row[name] is not None and kind in read:
                row[name] = read[kind](row[name])
    return types, recorded["checkpoint"]["names"], rows, "kept"


def same(args):
    """Compares the table in two schemas: the same rows with the same order keys, but for when they were written."""
    import psycopg
    from psycopg import sql
    found = []
    with psycopg.connect(args.dsn) as connection:
        for schema in (args.schema, args.other):
            rows = sql.SQL("select (to_jsonb(t) - '_ct_synced_at')::text from {}.{} t order by 1")
            found.append([row for row, in connection.execute(rows.format(*map(sql.Identifier, (schema, args.table))))])
    print(f"{len(found[0])} and {len(found[1])} rows")
    differing = [pair for pair in zip(*found) if pair[0] != pair[1]]
    for one, other in differing[:5]:
        print(f"{one:.1000}\n{other:.1000}\n")
    sys.exit(found[0] != found[1])


def filesystem(args):
    import pyarrow.fs as fs
    if not args.s3_endpoint:
        return fs.LocalFileSystem(), args.root
    s3 = fs.S3FileSystem(
        endpoint_override=args.s3_endpoint, region="us-east-1", scheme="http",
        access_key=os.environ["COMMUTATOR_TEST_S3_ACCESS_KEY"], secret_key=os.environ["COMMUTATOR_TEST_S3_SECRET_KEY"])
    return s3, args.root


def current(rows, mode, key):
    """The rows that stand for the items that exist now; in `append` and `history` every version is there once."""
    if mode == "mirror":
        return rows
    if mode == "soft_delete":
        return [row for row in rows if not row["_ct_deleted"]]
    versions = {}
    for row in rows:
        of_key = versions.setdefault(tuple(row[name] for name in key), {})
        if row["_ct_order"] in of_key:
            sys.exit("a version is there twice")
        of_key[row["_ct_order"]] = row
    newest = [of_key[max(of_key)] for of_key in versions.values()]
    are_newest = set(map(id, newest))
    if mode == "append":
        return [row for row in newest if row["_ct_op"] not in ("remove", "expire")]
    now = [row for row in rows if row["_ct_current"]]
    if any(row["_ct_op"] in ("remove", "expire") for row in now) or any(id(row) not in are_newest for row in now):
        sys.exit("a version is current that is not the newest")
    return now


def read_parquet(args):
    import pyarrow.dataset as ds
    import pyarrow.fs as fs
    store, root = filesystem(args)
    folder = f"{root}/{args.table}"
    infos = store.get_file_info(fs.FileSelector(folder, recursive=True))
    manifests = sorted(i.path for i in infos if "/manifest-" in i.path and i.path.endswith(".json"))
    manifest = json.loads(store.open_input_stream(manifests[-1]).read())
    table = ds.dataset(folder, format="parquet", filesystem=store).to_table()
    declared = manifest["schemas"][max(manifest["schemas"], key=int)]
    types = {column["name"]: KINDS.get(column["type"], "number") for column in declared}
    if set(types) != {name for name in table.schema.names if not name.startswith("_ct_")}:
        sys.exit("the files have other columns than the manifest says")
    names = manifest["checkpoint"]["names"]
    rows = []
    for row in current(table.to_pylist(), manifest["mode"], [names["pk"], names["sk"]]):
        row = {name: row[name] for name in types}
        for name, kind in types.items():
            if row[name] is not None and kind in ("json", "number"):
                row[name] = loads(row[name]) if kind == "json" else Decimal(row[name])
        rows.append(row)
    return types, names, rows, "kept"


KINDS = {"int64": "number", "number": "number", "text": "text", "binary": "binary", "bool": "bool", "json": "json"}


def read_duckdb(args):
    import duck
    connection = duck.attached(args.path, args.schema, True)
    mode, declared, names = duck.recorded(connection, args.table)
    types = {name: KINDS.get(ty, "number") for name, ty in declared.items()}
    table = quoted(args.table)
    described = connection.execute(f"DESCRIBE {table}").fetchall()
    # Times would take another package, and nothing here looks at them.
    found = [name for name, ty, *_ in described if not name.startswith("_ct_") or ty != "TIMESTAMP WITH TIME ZONE"]
    if set(types) != {name for name in found if not name.startswith("_ct_")}:
        sys.exit("the table has other columns than were recorded")
    arrived = connection.execute(f"SELECT {', '.join(map(quoted, found))} FROM {table}").fetchall()
    rows = []
    for row in current([dict(zip(found, row)) for row in arrived], mode, [names["pk"], names["sk"]]):
        row = {name: row[name] for name in types}
        for name, kind in types.items():
            if row[name] is not None and kind in ("json", "number"):
                row[name] = loads(row[name]) if kind == "json" else Decimal(row[name])
        rows.append(row)
    return types, names, rows, "kept"


def by_a_client(variable, program, place):
    """What a vendor's own client tells, which like boto3 is in an environment of its own."""
    command = [os.environ[variable], pathlib.Path(__file__).with_name(program), *place]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    types = {name: KINDS.get(ty, "number") for name, ty in told["columns"].items()}
    if set(types) != {name for name in told["found"] if not name.startswith("_ct_")}:
        sys.exit("the table has other columns than were recorded")
    names = told["names"]
    read = {"json": loads, "number": Decimal, "binary": base64.b64decode}
    rows = []
    for row in current(told["rows"], told["mode"], [names["pk"], names["sk"]]):
        row = {name: row[name] for name in types}
        for name, kind in types.items():
            if row[name] is not None and kind in read:
                row[name] = read[kind](row[name])
        rows.append(row)
    return types, names, rows, "kept"


def read_bigquery(args):
    place = ["rows", "--url", args.url, "--project", args.project, "--dataset", args.dataset, "--table", args.table]
    return by_a_client("COMMUTATOR_TEST_BIGQUERY_PYTHON", "big.py", place)


def read_snowflake(args):
    """By Snowflake's client where there are sessions for it, else by the SQL API, each value as text."""
    if args.sessions:
        place = ["--sessions", args.sessions, "--schema", args.schema, "--table", args.table]
        return by_a_client("COMMUTATOR_TEST_SNOWFLAKE_PYTHON", "snow.py", place)
    import urllib.request

    def ask(statement):
        body = {"statement": statement, "database": "EMULATED", "parameters": {"MULTI_STATEMENT_COUNT": "1"}}
        headers = {
            "Authorization": "Bearer right", "X-Snowflake-Authorization-Token-Type": "PROGRAMMATIC_ACCESS_TOKEN",
            "Content-Type": "application/json"}
        request = urllib.request.Request(f"{args.url}/api/v2/statements", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as response:
            answer = json.loads(response.read())
        if len(answer["data"]) != answer["resultSetMetaData"]["numRows"]:
            sys.exit("an answer in several parts is not read here")
        return answer["data"]

    table = lambda name: quoted("EMULATED", args.schema, name)
    pieces = ask(f"SELECT part, content FROM {table('_ct_checkpoint_' + args.table)} ORDER BY part, piece")
    part = lambda wanted: json.loads("".join(content for part, content in pieces if part == wanted and content is not None))
    types = {column["name"]: KINDS.get(column["type"], "number") for column in part("columns")}
    names = part("checkpoint")["names"]
    described = {name: ty for name, ty, *_ in ask(f"DESCRIBE TABLE {table(args.table)}")}
    if set(types) != {name for name in described if not name.upper().startswith("_CT_")}:
        sys.exit("the table has other columns than were recorded")
    as_text = lambda name: f"HEX_ENCODE({quoted(name)})" if described[name].startswith("BINARY") else f"CAST({quoted(name)} AS VARCHAR)"
    values = {
        "json": loads, "number": Decimal, "binary": bytes.fromhex, "bool": lambda text: text == "true", "text": str}
    arrived = ask(f"SELECT {', '.join(map(as_text, types))} FROM {table(args.table)}")
    rows = [
        {name: None if text is None else values[types[name]](text) for name, text in zip(types, row)} for row in arrived]
    return types, names, rows, "kept"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["postgres", "redshift", "parquet", "duckdb", "bigquery", "snowflake", "same"])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--table", required=True)
    parser.add_argument("--dsn")
    parser.add_argument("--schema")
    parser.add_argument("--root")
    parser.add_argument("--path")
    parser.add_argument("--url")
    parser.add_argument("--sessions")
    parser.add_argument("--s3-endpoint")
    parser.add_argument("--project")
    parser.add_argument("--dataset")
    parser.add_argument("--other")
    args = parser.parse_args()
    if args.kind == "same":
        same(args)
    readers = {
        "postgres": read_postgres, "redshift": read_redshift, "parquet": read_parquet, "duckdb": read_duckdb,
        "bigquery": read_bigquery, "snowflake": read_snowflake}
    types, names, rows, nul = readers[args.kind](args)
    items = scan(load.client(args.endpoint), args.table)
    problems = []
    if len(set(names.values())) != len(names):
        problems.append("two attributes share a column")
    arrived = {(row[names["pk"]], Decimal(row[names["sk"]])): row for row in rows}
    if len(arrived) != len(rows):
        problems.append(f"{len(rows) - len(arrived)} rows are there twice")
    problems += [f"missing: {key}" for key in items.keys() - arrived.keys()]
    problems += [f"should be gone: {key}" for key in arrived.keys() - items.keys()]
    for key, item in items.items():
        row = dict(arrived.get(key, {}))
        if not row:
            continue
        for attribute, value in item.items():
            if attribute not in names:
                if value != {"NULL": True}:
                    problems.append(f"{key}: no column for {attribute!r}")
                continue
            have = row.pop(names[attribute])
            try:
                want = expected(value, types[names[attribute]], nul)
            except ValueError as error:
                problems.append(f"{key}.{attribute}: {error}")
                continue
            if not any(exact(have, w) for w in want):
                problems.append(f"{key}.{attribute}: {have!r:.200} instead of {want!r:.200}")
        problems += [f"{key}.{name}: {left!r:.200} instead of nothing" for name, left in row.items() if left is not None]
    for problem in problems[:20]:
        print(problem)
    print(f"{len(items)} items, {len(rows)} rows, {len(types)} columns, {len(problems)} differences")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
