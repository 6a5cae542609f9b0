"""Starts local-bigquery on DuckDB 1.5, whose transactions are lost where another one is begun within them, as its MERGE tries to."""

import sys

import duckdb
from local_bigquery import cli
from local_bigquery.jobs import merge, query
from sqlglot import exp

plain_execute, plain_run, plain_merge = query.execute, query._run, merge.run
in_transaction = set()


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


def execute(cursor, *arguments, **options):
    try:
        return plain_execute(cursor, *arguments, **options)
    finally:
        in_transaction.discard(id(cursor))


def run(cursor, tree, *arguments):
    done = plain_run(cursor, tree, *arguments)
    if isinstance(tree, exp.Transaction):
        in_transaction.add(id(cursor))
    elif isinstance(tree, (exp.Commit, exp.Rollback)):
        in_transaction.discard(id(cursor))
    return done


def merged(cursor, tree, context):
    return plain_merge(Within(cursor) if id(cursor) in in_transaction else cursor, tree, context)


query.execute, query._run, merge.run = execute, run, merged
sys.exit(cli.main())
