"""Sessions of the front: what a request may do, and what becomes of it."""

import contextlib
import datetime
import decimal
import json
import os
import re

import duckdb
import pyarrow

from statements import columns_of, decfloats, decoded, encoded, literal, name_of, tokens, translated, written

decimal.getcontext().prec = 60


class Refused(Exception):
    def __init__(self, code, state, message):
        super().__init__(message)
        self.code, self.state, self.message = code, state, message


def split(text):
    """The statements of a request, each with its place."""
    statements, start, at = [], 0, 0
    for kind, token in tokens(text):
        if token == ";" and kind == "symbol":
            statements.append((start, text[start:at]))
            start = at + 1
        at += len(token)
    statements.append((start, text[start:]))
    trimmed = [(place + len(s) - len(s.lstrip()), s.strip()) for place, s in statements]
    return [(place, statement) for place, statement in trimmed if statement]


def canonical(text):
    """The digits of a number, without an exponent and without zeros that mean nothing."""
    number = decimal.Decimal(text)
    if len(number.as_tuple().digits) > 38 and len(str(number.normalize()).replace("-", "").replace(".", "").split("E")[0]) > 38:
        number = decimal.Context(prec=38).plus(number)
    plain = format(number, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("-0", "") else plain


def as_variant(token):
    """A number as VARIANT keeps it, and TO_JSON writes it."""
    digits = token.lstrip("-")
    whole, _, rest = digits.partition(".")
    fits = "e" not in digits.lower() and len(whole.lstrip("0")) + len(rest) <= 38 and len(rest) <= 37
    return canonical(token) if fits else "%.15e" % float(token)


class Digits(float):
    """A number that is written with digits of its own."""

    def __new__(cls, token):
        made = super().__new__(cls, 0.0)
        made.digits = as_variant(token)
        return made

    def __repr__(self):
        return self.digits


def parse_json(text):
    """Keys in order, numbers bent as the service bends them."""
    try:
        parsed = json.loads(text, parse_float=Digits, parse_int=Digits)
    except ValueError as error:
        raise ValueError("Error parsing JSON") from error
    return dumped(parsed)


def dumped(value):
    if isinstance(value, Digits):
        return value.digits
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{dumped(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dumped, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def over(function):
    """The same for a column, in which null stays null."""
    return lambda column: pyarrow.array([None if value is None else function(value) for value in column.to_pylist()], pyarrow.string())


MACROS = """
CREATE MACRO sf_json(v) AS CAST(sf_parse_json(v) AS JSON);
CREATE MACRO sf_text(v) AS CASE WHEN typeof(v) LIKE 'DECIMAL%'
    THEN regexp_replace(CAST(v AS VARCHAR), '^(-?)[.]', '\\10.') ELSE CAST(v AS VARCHAR) END;
CREATE MACRO sf_to_json(v) AS CAST(v AS VARCHAR);
CREATE MACRO sf_to_variant(v) AS to_json(v);
CREATE MACRO sf_base64(v) AS to_base64(v);
CREATE MACRO sf_is_varchar(v) AS json_type(v) = 'VARCHAR';
CREATE MACRO sf_string(v) AS v ->> '$';
CREATE MACRO sf_to_timestamp_tz(v, format) AS CAST(v AS TIMESTAMPTZ);
CREATE MACRO sf_to_binary(v, format) AS unhex(v);
"""

DDL = re.compile(r"(?i)(CREATE|ALTER|DROP)\s")
# DuckDB drops one column at a time.
DROPS = re.compile(r"(?s)(ALTER TABLE .* DROP COLUMN )(\w+(?:, \w+)+)$")
SPELLED = {
    "VARCHAR": "VARCHAR(16777216)",
    "BLOB": "BINARY(8388608)",
    "DOUBLE": "FLOAT",
    "JSON": "VARIANT",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ(6)",
    "BIGINT": "NUMBER(38,0)",
    "INTEGER": "NUMBER(38,0)",
}


class Engine:
    def __init__(self):
        # Requests come one at a time, and each is small: to share it between threads takes longer than to do it.
        self.root = duckdb.connect(":memory:", config={"threads": 1})
        self.root.execute("SET GLOBAL TimeZone = 'UTC'")
        self.root.execute("ATTACH ':memory:' AS \"EMULATED\"")
        self.root.execute('CREATE SCHEMA "EMULATED"."PUBLIC"')
        self.schemas = {"PUBLIC"}
        self.root.create_function("sf_parse_json", over(parse_json), ["VARCHAR"], "VARCHAR", type="arrow")
        self.root.create_function("sf_decfloat", over(canonical), ["VARCHAR"], "VARCHAR", type="arrow")
        self.root.execute(MACROS)
        self.stages = {}
        self.decfloats = {}  # By schema and table: the names of the columns that are DECFLOAT and, for DuckDB, text.

    @contextlib.contextmanager
    def session(self, database, schema, several):
        session = Session(self, database, schema, several)
        try:
            yield session
        finally:
            session.end()


class Session:
    def __init__(self, engine, database, schema, several):
        self.engine, self.several = engine, several
        self.duck = engine.root.cursor()
        self.stages = {}
        self.in_transaction = False
        if database != "EMULATED":
            raise Refused("390201", "08004", f"The requested database '{database}' does not exist or not authorized.")
        if schema and encoded(schema) not in engine.schemas:
            raise Refused("390201", "08004", "The requested schema does not exist or not authorized.")

    def end(self):
        if self.in_transaction:
            self.duck.execute("ROLLBACK")
        self.duck.close()

    def execute(self, sql):
        """Runs a statement; returns names and kinds of its columns, and rows of texts."""
        begins = lambda *words: re.match(r"(?i)" + r"\s+".join(words) + r"\b", sql)
        if begins("BEGIN|COMMIT|ROLLBACK"):
            return self.transaction(sql.upper())
        if self.in_transaction and DDL.match(sql):
            self.duck.execute("COMMIT")
            self.in_transaction = False
        if begins("(CREATE)", r"(OR\s+REPLACE\s+)?TEMPORARY") and not self.several:
            raise Refused("000900", "0A000", "Unsupported feature 'temporary objects in a single statement'.")
        if begins("CREATE", r"(OR\s+REPLACE\s+)?(TEMPORARY\s+)?STAGE"):
            return self.create_stage(sql)
        if begins("COPY", "INTO"):
            return self.copy(sql)
        if begins("DESCRIBE", "TABLE"):
            return self.describe(sql)
        if "CURRENT_VERSION()" in sql:
            return self.answer([("V", "text")] * 4, [["9.0.0", "TESTER", "LOADER", "EMULATED_WH"]])
        if match := re.match(r"SELECT count\(\*\) FROM .*INFORMATION_SCHEMA\.SCHEMATA WHERE SCHEMA_NAME = ('.*')$", sql, re.S):
            return self.answer([("COUNT(*)", "text")], [[int(encoded(literal(match.group(1))) in self.engine.schemas)]])
        if match := re.match(r"(?is)(CREATE|DROP)\s+SCHEMA\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(.*?)(?:\s+CASCADE)?$", sql):
            answer = self.run(translated(sql))
            # DuckDB would have to look through all that it knows.
            keep = self.engine.schemas.add if match.group(1).upper() == "CREATE" else self.engine.schemas.discard
            keep(encoded([name_of(kind, token) for kind, token in tokens(match.group(2)) if kind in ("quoted", "word")][-1]))
            return answer
        if match := DROPS.match(sql):
            for name in match.group(2).split(", "):
                self.execute(match.group(1) + name)
            return self.answer([], [])
        self.note(sql)
        if match := re.match(r"(?is)(ALTER TABLE \S+?(?:\"[^\n]*?\")? ADD COLUMN )(.*)$", sql):
            for _, _, definition in columns_of(match.group(2)):
                self.run(translated(match.group(1) + definition.strip()))
            return self.answer([], [])
        return self.run(translated(decfloats(sql)))

    def transaction(self, word):
        if not self.several:
            raise Refused("391911", "0A000", f"Unsupported feature '{word}' in a single statement.")
        if word == "BEGIN" and not self.in_transaction:
            self.duck.execute("BEGIN")
        elif word != "BEGIN" and self.in_transaction:
            self.duck.execute(word)
        self.in_transaction = word == "BEGIN"
        return self.answer([], [])

    def create_stage(self, sql):
        match = re.search(r"(?is)STAGE\s+(\S+)\s+URL\s*=\s*('(?:[^'\\]|\\.)*')(.*)$", sql)
        name, url, rest = match.groups()
        if rest.strip() and '"CT_INTEGRATION"' not in rest:
            raise Refused("002003", "02000", "SQL access control error:\nIntegration does not exist or not authorized.")
        stages = self.stages if "TEMPORARY" in sql.upper() else self.engine.stages
        stages[self.stage_name(name)] = literal(url)
        return self.answer([], [])

    @staticmethod
    def stage_name(text):
        return tuple(name_of(kind, token) for kind, token in tokens(text) if token != ".")[-1]

    def copy(self, sql):
        match = re.match(r"(?is)COPY INTO (\S+) \((.*?)\) FROM \(SELECT (.*) FROM @(\S+?)/(\S*)\) FILES = \((.*?)\) FILE_FORMAT", sql)
        table, names, values, stage, folder, files = match.groups()
        if "NULL_IF = ()" not in sql:
            raise Refused("001003", "42000", "the default of NULL_IF turns texts into NULL")
        url = self.stages.get(self.stage_name(stage)) or self.engine.stages.get(self.stage_name(stage))
        if url is None:
            raise Refused("002003", "02000", f"SQL compilation error:\nStage '{stage}' does not exist or not authorized.")
        paths = [url.removeprefix("file://") + folder + literal(token) for kind, token in tokens(files) if kind == "text"]
        for path in paths:
            if not os.path.exists(path):
                raise Refused("091016", "02000", f"Remote file '{path}' was not found.")
        list_of_paths = ", ".join(map(written, paths))
        names, values = translated(names), translated(decfloats(values))
        return self.run(f"INSERT INTO {translated(table)} ({names}) SELECT {values} FROM read_parquet([{list_of_paths}])")

    def describe(self, sql):
        name = [name_of(kind, token) for kind, token in tokens(sql)[4:] if kind in ("quoted", "word")]
        schema, table = map(encoded, name[-2:])
        try:
            found = self.duck.execute(f'DESCRIBE "EMULATED"."{schema}"."{table}"').fetchall()
        except duckdb.CatalogException as error:
            message = f"SQL compilation error:\nTable '{'.'.join(name)}' does not exist or not authorized."
            raise Refused("002003", "42S02", message) from error
        numbers = self.engine.decfloats.get((schema, table), set())
        spelled = lambda name, kind: "DECFLOAT" if name in numbers else SPELLED.get(kind, kind.replace("DECIMAL", "NUMBER"))
        rows = [[decoded(name), spelled(name, kind), "COLUMN", "Y" if nullable == "YES" else "N"] for name, kind, nullable, *_ in found]
        return self.answer([("name", "text"), ("type", "text"), ("kind", "text"), ("null?", "text")], rows)

    def note(self, sql):
        """Keeps which columns are DECFLOAT."""
        name = r'((?:"(?:[^"]|"")*"|\w+)(?:\.(?:"(?:[^"]|"")*"|\w+))*)'
        one = r'("(?:[^"]|"")*"|\w+)'
        key = lambda text: tuple(encoded(name_of("quoted" if t[0] == '"' else "word", t)) for t in re.findall(one, text)[-2:])
        column = lambda text: encoded(name_of("quoted" if text[0] == '"' else "word", text))
        all_of = self.engine.decfloats
        if match := re.match(rf"(?is)CREATE TABLE (?:IF NOT EXISTS )?{name} \((.*)\)$", sql):
            definitions = columns_of(match.group(2))
            all_of[key(match.group(1))] = {encoded(n) for n, ty, _ in definitions if ty.upper().startswith("DECFLOAT")}
        elif match := re.match(rf"(?is)DROP TABLE (?:IF EXISTS )?{name}$", sql):
            all_of.pop(key(match.group(1)), None)
        elif match := re.match(rf"(?is)ALTER TABLE {name} (.*)$", sql):
            table, rest = all_of.setdefault(key(match.group(1)), set()), match.group(2)
            if found := re.match(r"(?is)ADD COLUMN (.*)$", rest):
                table |= {encoded(n) for n, ty, _ in columns_of(found.group(1)) if ty.upper().startswith("DECFLOAT")}
            elif found := re.match(rf"(?is)RENAME COLUMN {one} TO {one}$", rest):
                before, after = map(column, found.groups())
                table.discard(after)
                if before in table:
                    table.discard(before)
                    table.add(after)
            elif found := re.match(rf"(?is)DROP COLUMN {one}$", rest):
                table.discard(column(found.group(1)))

    def run(self, query):
        try:
            self.duck.execute(query)
            rows = self.duck.fetchall() if self.duck.description else []
        except duckdb.Error as error:
            raise in_its_words(error) from error
        columns = [(name[0], "text") for name in self.duck.description or []]
        return self.answer(columns, rows)

    @staticmethod
    def answer(columns, rows):
        return columns, [[text_of(value) for value in row] for row in rows]


def text_of(value):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, datetime.datetime):
        return str(int(value.timestamp()) * 1_000_000 + value.microsecond)
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return repr(value) if isinstance(value, float) else str(value)


def in_its_words(error):
    """What Snowflake says where DuckDB says this."""
    said = str(error)
    if match := re.search(r"Could not convert string '(.*?)' to|Could not convert string \"(.*?)\" to", said, re.S):
        return Refused("100038", "22018", f"Numeric value '{match.group(1) or match.group(2)}' is not recognized")
    if "Error parsing JSON" in said or "Malformed JSON" in said:
        return Refused("100069", "22P02", "Error parsing JSON: syntax error, pos 1")
    if "does not exist" in said and "column" not in said.lower():
        return Refused("002003", "42S02", "SQL compilation error:\nObject 'X' does not exist or not authorized.")
    if "already exists" in said:
        return Refused("002002", "42710", "SQL compilation error:\nObject 'X' already exists.")
    if "NOT NULL constraint failed" in said:
        return Refused("100072", "22000", "NULL result in a non-nullable column")
    if "Binder Error" in said:
        return Refused("000904", "42000", f"SQL compilation error: error line 1 at position 7\ninvalid identifier\n{said}")
    return Refused("000001", "XX000", said)
