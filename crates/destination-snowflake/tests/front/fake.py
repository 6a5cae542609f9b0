"""Sessions whose statements fakesnow runs, a project that shares no code with ours; what a request is stays the front's.

Its own server, for Snowflake's clients, has the same tables.

What is mended of fakesnow 0.12.1:
- it keeps lengths and comments of columns in a database of its own, which a transaction that has written another one may not write;
- it has no IS_VARCHAR;
- it describes every TIMESTAMP_TZ as one of nine digits;
- it takes a DECFLOAT for a NUMBER(38,5): here it is text, and described as what it was made as;
- it says of a text that is no number what DuckDB says;
- it drops one column at a time.
"""

import contextlib
import re
import sys
import threading
import time

import fakesnow.info_schema
import fakesnow.instance
import fakesnow.server
import uvicorn

import session as front
from session import Refused, in_its_words, text_of
from statements import encoded, name_of, tokens

fakesnow.info_schema.insert_text_lengths_sql = lambda *_: "SELECT 1"
fakesnow.info_schema.insert_table_comment_sql = lambda *_: "SELECT 1"
MACROS = "CREATE MACRO emulated.public.is_varchar(v) AS json_type(v) = 'VARCHAR'"


class Engine:
    def __init__(self):
        self.fake = fakesnow.instance.FakeSnow(create_database_on_connect=True, create_schema_on_connect=True)
        self.fake.connect(database="EMULATED", schema="PUBLIC")._duck_conn.execute(MACROS)
        self.fake.create_database_on_connect = self.fake.create_schema_on_connect = False
        self.decfloats = {}

    def serve(self, port):
        fakesnow.server.shared_fs = self.fake
        server = uvicorn.Server(uvicorn.Config(fakesnow.server.app, host="127.0.0.1", port=port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            if not thread.is_alive():
                sys.exit("the server of sessions did not start")
            time.sleep(0.05)

    @contextlib.contextmanager
    def session(self, database, schema, several):
        session = Session(self, database, schema)
        try:
            yield session
        finally:
            session.end()


class Session:
    def __init__(self, engine, database, schema):
        if database != "EMULATED":
            raise Refused("390201", "08004", f"The requested database '{database}' does not exist or not authorized.")
        self.engine = engine
        self.connection = engine.fake.connect(database=database, schema=schema or "PUBLIC")
        self.in_transaction = False
        if not self.connection.schema_set:
            raise Refused("390201", "08004", "The requested schema does not exist or not authorized.")

    def end(self):
        if self.in_transaction:
            self.connection.cursor().execute("ROLLBACK")
        self.connection.close()

    def execute(self, sql):
        """Runs a statement; returns names and kinds of its columns, and rows of texts."""
        if re.match(r"(?i)(BEGIN|COMMIT|ROLLBACK)\b", sql):
            self.in_transaction = sql.upper() == "BEGIN"
        if "CURRENT_VERSION()" in sql:
            return [("V", "text")] * 4, [["9.0.0", "TESTER", "LOADER", "EMULATED_WH"]]
        if match := front.DROPS.match(sql):
            for name in match.group(2).split(", "):
                self.execute(match.group(1) + name)
            return [], []
        front.Session.note(self, sql)
        try:
            cursor = self.connection.cursor().execute(re.sub(r"\bDECFLOAT\b", "VARCHAR", sql))
            rows = cursor.fetchall()
        # Not all that it raises is an error of the connector's.
        except Exception as error:
            if "Could not convert string" in str(error):
                raise in_its_words(error) from error
            code, state = getattr(error, "errno", None), getattr(error, "sqlstate", None)
            raise Refused(f"{code or 1:06}", state or "XX000", str(error)) from error
        if sql.startswith("DESCRIBE TABLE"):
            schema, table = [name_of(kind, token) for kind, token in tokens(sql)[4:] if kind in ("quoted", "word")][-2:]
            numbers = self.engine.decfloats.get((encoded(schema), encoded(table)), set())
            kind_of = lambda name, kind: "DECFLOAT" if encoded(name) in numbers else kind.replace("TIMESTAMP_TZ(9)", "TIMESTAMP_TZ(6)")
            rows = [[name, kind_of(name, kind), *rest] for name, kind, *rest in rows]
        # To say which columns a result has takes it another statement.
        columns = cursor.description if re.match(r"(?i)(SELECT|WITH|DESCRIBE)\b", sql) else []
        return [(column[0], "text") for column in columns], [[text_of(value) for value in row] for row in rows]
