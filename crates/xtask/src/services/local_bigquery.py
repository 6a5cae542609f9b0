"""Starts local-bigquery on DuckDB 1.5, and gives it what the tests need of it beside that.

What it lacks:

- Its strings are unescaped twice: `'\\\\u0000'`, which is a backslash and five letters, becomes a NUL.
- It takes one RENAME COLUMN in an ALTER TABLE.
- A query's `tableDefinitions` are Parquet files that it reads as tables; the emulator ignores them.
- Its catalog has no digits of a decimal that was added or got more of them: they are those of the column in DuckDB.
- It writes a decimal as text as DuckDB does, `5.00` and `.5`, where BigQuery writes `5` and `0.5`.
- Its MERGE reads its parts twice, and the second time does not know PARSE_JSON's named argument.
- DuckDB 1.5 loses a transaction where another one is begun within it, as the emulator's MERGE tries to.
- It reads `gs://bucket/key` from a folder and has no Cloud Storage that files could be written to: the part of its XML API that a client
  of objects uses is added, at the same address.

What makes it slow, and the slower the more jobs there were. A statement took a quarter of a second, and seconds after some thousand:

- Tables are in DuckLake, jobs and metadata in a file that is synced at every change: they are in memory here, tables in DuckDB itself.
- Whatever it wants to know of a table it looks for among all tables and columns of all databases: a table is asked itself.
- Each statement on DuckDB has Python look for pandas in all folders.
"""

import collections
import functools
import hashlib
import json
import re
import sys
from xml.sax.saxutils import escape

import duckdb
from fastapi import Request, Response
from local_bigquery import app, cli
from local_bigquery.catalog import metadata
from local_bigquery.engine import database, types
from local_bigquery.jobs import merge, query, store
from local_bigquery.jobs.storage import literal, paths
from local_bigquery.models import Job
from local_bigquery.settings import settings
from local_bigquery.sql import native, rules
from local_bigquery.sql.dialect import FUNCTIONS, MACRO, BigQueryDialect, macro
from local_bigquery.sql.rules import partitions, strings
from sqlglot import exp

TEMPORARY = "SELECT table_name FROM duckdb_tables() WHERE temporary"
RENAMES = re.compile(r"^(ALTER TABLE \S+ )RENAME COLUMN (.*)(?<!;)", re.MULTILINE)

plain_execute, plain_run, plain_merge = query.execute, query._run, merge.run
plain_objects, plain_fetch, plain_field = database.objects, database.fetch, types.field


class Cursor:
    """A job's cursor, which knows its temporary tables and whether it is in a transaction."""

    def __init__(self, cursor, temporary):
        self.cursor, self.temporary, self.in_transaction = cursor, temporary, False

    def sql(self, sql, *arguments, **options):
        if sql == TEMPORARY:
            sql = f"SELECT unnest([{', '.join(map(literal, self.temporary))}]::VARCHAR[]) AS table_name"
        return self.cursor.sql(sql, *arguments, **options)

    def __getattr__(self, name):
        return getattr(self.cursor, name)


class Within:
    """A cursor within a transaction, in which no other one can be begun."""

    def __init__(self, cursor):
        self.cursor = cursor

    def execute(self, sql, *arguments):
        if sql == "BEGIN":
            raise duckdb.TransactionException("cannot start a transaction within a transaction")
        return self.cursor.execute(sql, *arguments)

    def __getattr__(self, name):
        return getattr(self.cursor, name)


def execute(cursor, project_id, job_id, config, dry_run=False, session=None):
    if session is not None:
        return plain_execute(cursor, project_id, job_id, config, dry_run, session)
    definitions = config.tableDefinitions or {}
    for name, definition in definitions.items():
        assert definition.sourceFormat == "PARQUET", definition.sourceFormat
        files = ", ".join(literal(path) for uri in definition.sourceUris for path in paths(cursor, uri))
        cursor.execute(f"CREATE TEMP TABLE {database.quote(name)} AS SELECT * FROM read_parquet([{files}])")
    config = config.replace(query=RENAMES.sub(one_by_one, config.query))
    return plain_execute(Cursor(cursor, list(definitions)), project_id, job_id, config, dry_run)


def one_by_one(found):
    table, renames = found.groups()
    return ";\n".join(f"{table}RENAME COLUMN {rename}" for rename in renames.split(", RENAME COLUMN "))


def run(cursor, tree, context, *arguments):
    done = plain_run(cursor, tree, context, *arguments)
    if isinstance(tree, (exp.Transaction, exp.Commit, exp.Rollback)):
        cursor.in_transaction = isinstance(tree, exp.Transaction)
    return done


def field(name, kind, required=False):
    plain = plain_field(name, kind, required)
    if kind.id != "decimal" or str(kind) == "DECIMAL(38,9)":
        return plain
    (_, precision), (_, scale) = kind.children
    is_numeric = scale <= 9 and precision - scale <= 29
    return plain.replace(
        type="NUMERIC" if is_numeric else "BIGNUMERIC", precision=str(precision), scale=str(scale) if scale else None)


def text_of_decimal(node, context):
    if not isinstance(node, exp.Cast) or node.to.this not in (exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR):
        return node

    def replaced(text, pattern, by):
        arguments = [text, exp.Literal.string(pattern), exp.Literal.string(by)]
        return exp.Anonymous(this="regexp_replace", expressions=arguments)

    kind = exp.Anonymous(this="typeof", expressions=[node.this.copy()])
    is_decimal = exp.Anonymous(this="starts_with", expressions=[kind, exp.Literal.string("DECIMAL")])
    without_zeros = replaced(node.copy(), r"(\.\d*[1-9])0+$|\.0+$", r"\1")
    return exp.Case().when(is_decimal, replaced(without_zeros, r"^(-?)(\.|$)", r"\10\2")).else_(node)


def merged(cursor, tree, context):
    return plain_merge(Within(cursor) if getattr(cursor, "in_transaction", False) else cursor, tree, context)


def objects(project_id, dataset_id, table_id=None):
    if dataset_id is None or table_id is None:
        return plain_objects(project_id, dataset_id, table_id)
    try:
        database.fetch(f"SELECT 1 FROM {database.quote(project_id, dataset_id, table_id)} LIMIT 0")
    except duckdb.CatalogException:
        return []
    return [(table_id, "TABLE", 0)]


def parse_json(arguments):
    return macro("parse_json", *[one.expression if isinstance(one, exp.Kwarg) else one for one in arguments])


@functools.cache
def connect():
    connection = duckdb.connect(config={"TimeZone": "UTC", "threads": 1})
    connection.execute("ATTACH ':memory:' AS emulator")
    connection.execute(database.EMULATOR_SCHEMA)
    connection.execute("ATTACH ':memory:' AS bq")
    native.register(connection)
    for path in FUNCTIONS:
        connection.execute(MACRO.sub(r"CREATE MACRO bq.main.\1", path.read_text()))
    attach(connection, settings.default_project_id)
    return connection


def attach(connection, project_id):
    connection.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {database.quote(project_id)}")
    database._attached.add(project_id)


def fetch(sql, parameters=None):
    if sql.startswith("SELECT column_name FROM duckdb_columns()") and sql.endswith("AND NOT is_nullable"):
        try:
            return plain_fetch(f"SELECT column_name FROM (DESCRIBE {database.quote(*parameters)}) WHERE \"null\" = 'NO'")
        except duckdb.CatalogException:
            return []
    return plain_fetch(sql, parameters)


def kept(model, *keys):
    resources = list(metadata_of[metadata.KINDS[model]].items())
    return [model.model_validate_json(resource) for found, resource in resources if found[: len(keys)] == keys]


def keep(resource, *keys):
    body = {k: v for k, v in resource.dump().items() if k != "etag"}
    etag = hashlib.md5(json.dumps(body, sort_keys=True).encode()).hexdigest()
    metadata_of[metadata.KINDS[type(resource)]][keys] = json.dumps(body | {"etag": etag})
    return resource.replace(etag=etag)


def forget(model, *keys):
    resources = metadata_of[metadata.KINDS[model]]
    for found in [found for found in list(resources) if found[: len(keys)] == keys]:
        resources.pop(found, None)


def save(job):
    jobs[job.jobReference.projectId, job.jobReference.jobId] = json.dumps(job.dump())
    return job


def load(project_id, job_id):
    resource = jobs.get((project_id, job_id))
    return Job.model_validate_json(resource) if resource else None


def delete(project_id, job_id):
    jobs.pop((project_id, job_id), None)


metadata_of = collections.defaultdict(dict)
metadata.list_, metadata.save, metadata.delete = kept, keep, forget
partitions._hidden = lambda table: False
database.fetch = fetch
jobs = {}
store.save, store.load, store.delete = save, load, delete
# DuckDB looks for it with each statement, in all folders.
sys.modules.setdefault("pandas", None)
database._connect, database._attach = connect, attach
rules.NODE_RULES.remove(strings.string_escapes)
BigQueryDialect.Parser.FUNCTIONS["PARSE_JSON"] = parse_json
query.execute, query._run, merge.run = execute, run, merged
database.objects, types.field = objects, field
rules.NODE_RULES.append(text_of_decimal)
WHEN = "2026-11-28T00:00:00.000Z"
TAG = {"ETag": '"1"', "Last-Modified": "Sat, 28 Nov 2026 00:00:00 GMT"}


@app.get("/{bucket}", include_in_schema=False)
async def listed(bucket: str, prefix: str = ""):
    folder = settings.data_dir / "gcs" / bucket
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{WHEN}</LastModified><ETag>&quot;1&quot;</ETag>"
        f"<Size>{path.stat().st_size}</Size></Contents>"
        for key, path in sorted(files.items())
        if key.startswith(prefix) and path.suffix != ".half"
    )
    body = f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>{contents}</ListBucketResult>"
    return Response(body, media_type="application/xml")


@app.api_route("/{bucket}/{key:path}", methods=["PUT", "GET", "DELETE"], include_in_schema=False)
async def an_object(request: Request, bucket: str, key: str):
    path = settings.data_dir / "gcs" / bucket / key
    if request.method == "PUT":
        path.parent.mkdir(parents=True, exist_ok=True)
        # Nobody sees half an object.
        half = path.with_name(path.name + ".half")
        half.write_bytes(await request.body())
        half.rename(path)
        return Response(headers=TAG)
    if not path.is_file():
        return Response(status_code=404)
    if request.method == "DELETE":
        path.unlink()
        return Response(status_code=204)
    return Response(path.read_bytes(), headers=TAG, media_type="application/octet-stream")


if __name__ == "__main__":
    sys.exit(cli.main())
