"""What a commit into a large DuckDB table takes: `duckdb_commits.py ROWS [CHANGES…]`, processor time in milliseconds.

The table has ROWS narrow rows under keys in no order; each commit changes, or adds, CHANGES of them by one of these ways, each on its own copy
of the file: MERGE; what `commutator-sql` sends (find, delete, insert); and, for what is new, an insert that looks for nothing. Needs the package
duckdb of the version in question.
"""

import os
import shutil
import sys
import tempfile
import time

import duckdb

ROUNDS = 5
NEWEST = """SELECT r.* FROM (SELECT s.*, row_number() OVER (PARTITION BY s.c0, s.c1 ORDER BY s._ct_order DESC) AS _ct_rank
    FROM temp.main._ct_stage s) r WHERE r._ct_rank = 1"""
VALUES = "n.c0, n.c1, n.c2, n.c3, n.c4, n._ct_order, now(), n._ct_changed_at"
WAYS = {
    "merge": [f"""MERGE INTO t AS t USING ({NEWEST}) AS n ON t.pk = n.c0 AND t.sk = n.c1
        WHEN MATCHED AND t._ct_order < n._ct_order AND n._ct_op IN ('remove', 'expire') THEN DELETE
        WHEN MATCHED AND t._ct_order < n._ct_order THEN UPDATE SET a = n.c2, b = n.c3, c = n.c4, _ct_order = n._ct_order,
            _ct_synced_at = now(), _ct_changed_at = n._ct_changed_at
        WHEN NOT MATCHED AND n._ct_op NOT IN ('remove', 'expire') THEN INSERT VALUES ({VALUES})"""],
    "find, delete, insert": [
        f"""CREATE OR REPLACE TEMPORARY TABLE _ct_found AS SELECT n.*, t.rowid AS _ct_row, t._ct_order AS _ct_had
            FROM ({NEWEST}) n LEFT JOIN t ON t.pk = n.c0 AND t.sk = n.c1""",
        "DELETE FROM t WHERE rowid IN (SELECT n._ct_row FROM temp.main._ct_found n WHERE n._ct_had < n._ct_order)",
        f"""INSERT INTO t SELECT {VALUES} FROM temp.main._ct_found n
            WHERE (n._ct_had IS NULL OR n._ct_had < n._ct_order) AND n._ct_op NOT IN ('remove', 'expire')""",
    ],
    "insert only": [f"INSERT INTO t SELECT {VALUES} FROM temp.main._ct_stage n"],
}


def attached(path):
    connection = duckdb.connect()
    connection.execute("SET threads = 2; SET memory_limit = '2GB'; SET preserve_insertion_order = false")
    connection.execute(f"SET temp_directory = '{path}.tmp'; ATTACH '{path}' AS f; USE f")
    return connection


def load(path, rows):
    connection = attached(path)
    connection.execute("""CREATE TABLE t (pk VARCHAR NOT NULL, sk BIGINT NOT NULL, a BIGINT, b VARCHAR, c DECIMAL(10,2),
        _ct_order VARCHAR NOT NULL, _ct_synced_at TIMESTAMPTZ NOT NULL, _ct_changed_at TIMESTAMPTZ)""")
    since = time.process_time()
    connection.execute(f"""INSERT INTO t SELECT md5(i::VARCHAR), i % 10, i, 'name ' || i, (i / 100.0)::DECIMAL(10,2),
        '00000001' || repeat('0', 40), now(), NULL FROM range({rows}) r(i)""")
    connection.execute("CHECKPOINT f")
    print(f"DuckDB {duckdb.__version__}, {rows} rows: loaded in {time.process_time() - since:.1f} s")
    connection.close()


def measure(path, rows, changes, way):
    connection = attached(path)
    connection.execute("""CREATE TEMPORARY TABLE _ct_stage (c0 VARCHAR, c1 BIGINT, c2 BIGINT, c3 VARCHAR, c4 DECIMAL(10,2),
        _ct_order VARCHAR, _ct_changed_at TIMESTAMPTZ, _ct_op VARCHAR)""")
    for kind in ("modify", "insert"):
        if kind == "modify" and way == "insert only":
            continue
        took = []
        for number in range(1, ROUNDS + 1):
            step = max(1, rows // changes)
            # Keys from everywhere in the table, others each time.
            key = f"((i * {step} + {number * 7} + hash(i) % {max(1, step // 2)}) % {rows})"
            key = key if kind == "modify" else f"({rows} + {number} * 1000000 + i)"
            connection.execute("DELETE FROM temp.main._ct_stage")
            connection.execute(f"""INSERT INTO temp.main._ct_stage SELECT md5({key}::VARCHAR), {key} % 10, i, 'new ' || i, 1.5,
                '00000001' || lpad('{number}', 40, '0'), now(), '{kind}' FROM range({changes}) q(i)""")
            since = time.process_time()
            for statement in ["BEGIN", *WAYS[way], "COMMIT"]:
                connection.execute(statement)
            took.append((time.process_time() - since) * 1000)
        print(f"{way:21} {changes:7} {kind}: {sorted(took)[len(took) // 2]:9.1f} ms", flush=True)
    connection.execute("CHECKPOINT f")
    connection.close()
    print(f"{'':21} the file has {os.path.getsize(path) >> 20} MiB then")


def main():
    rows, sizes = int(sys.argv[1]), [int(size) for size in sys.argv[2:]] or [500, 100_000]
    with tempfile.TemporaryDirectory() as folder:
        first, copy = f"{folder}/first.duckdb", f"{folder}/copy.duckdb"
        load(first, rows)
        for changes in sizes:
            for way in WAYS:
                shutil.copy(first, copy)
                measure(copy, rows, changes, way)


if __name__ == "__main__":
    main()
