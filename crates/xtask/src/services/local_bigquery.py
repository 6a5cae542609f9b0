"""Starts local-bigquery on DuckDB 1.5, and gives it what the tests need of it beside that.

- DuckDB 1.5 loses a transaction where another one is begun within it, as the emulator's MERGE tries to.
- A query's `tableDefinitions` are Parquet files that it reads as tables; the emulator ignores them.
- Before each statement the emulator looks through the tables of all databases for temporary ones, and whenever it keeps a result for a
  table of that name. Both take longer with every job that there was. A job has no temporary tables when it begins, and a result is looked
  up by its name.
- Its catalog has no digits of a decimal that was added or got more of them, and DuckLake makes no decimal of a whole number: digits are those
  of the column in DuckDB, and such a column is added, filled and renamed.
- It writes a decimal as text as DuckDB does, `5.00` and `.5`, where BigQuery writes `5` and `0.5`.
- It reads `gs://bucket/key` from a folder and has no Cloud Storage that files could be written to: the part of its XML API that a client
  of objects uses is added, at the same address.
"""

import sys
from xml.sax.saxutils import escape

import duckdb
from fastapi import Request, Response
from local_bigquery import app, cli
from local_bigquery.catalog import names
from local_bigquery.engine import database, types
from local_bigquery.jobs import merge, query
from local_bigquery.jobs.storage import literal, paths
from local_bigquery.models import JobStatistics2
from local_bigquery.settings import settings
from local_bigquery.sql import rules
from sqlglot import exp

TEMPORARY = "SELECT table_name FROM duckdb_tables() WHERE temporary"

plain_execute, plain_run, plain_merge = query.execute, query._run, merge.run
plain_objects, plain_field = database.objects, types.field


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
    return plain_execute(Cursor(cursor, list(definitions)), project_id, job_id, config, dry_run)


def run(cursor, tree, context, *arguments):
    if isinstance(tree, exp.Alter) and (widened := from_whole_number(cursor, tree, context)):
        return widened
    done = plain_run(cursor, tree, context, *arguments)
    if isinstance(tree, (exp.Transaction, exp.Commit, exp.Rollback)):
        cursor.in_transaction = isinstance(tree, exp.Transaction)
    return done


def from_whole_number(cursor, tree, context):
    [action, *more] = tree.args["actions"]
    if more or not isinstance(action, exp.AlterColumn) or not action.args.get("dtype"):
        return None
    table = database.quote(*names.reference(tree.find(exp.Table), context.project_id, context.dataset_id))
    column = database.quote(action.name)
    if str(cursor.sql(f"SELECT {column} FROM {table} LIMIT 0").types[0]) != "BIGINT":
        return None
    digits = ", ".join(parameter.name for parameter in action.args["dtype"].expressions)
    cursor.execute(f"ALTER TABLE {table} ADD COLUMN __wider DECIMAL({digits})")
    cursor.execute(f"UPDATE {table} SET __wider = {column}")
    cursor.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    cursor.execute(f"ALTER TABLE {table} RENAME COLUMN __wider TO {column}")
    return JobStatistics2(statementType="ALTER_TABLE", ddlOperationPerformed="ALTER")


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
    if project_id != "emulator" or table_id is None:
        return plain_objects(project_id, dataset_id, table_id)
    try:
        database.fetch(f"SELECT 1 FROM {database.quote(project_id, dataset_id, table_id)} LIMIT 0")
    except duckdb.CatalogException:
        return []
    return [(table_id, "TABLE", 0)]


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
