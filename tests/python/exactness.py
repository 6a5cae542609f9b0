"""Compares lines of DynamoDB JSON with what arrived; exits 1 with the differences.

`exactness.py parquet --expected FILE --table NAME --root …` reads with pyarrow and again with DuckDB, `native` also checks that maps and
lists are structs and lists there, but for the attribute `a0018`,
`exactness.py duckdb --expected FILE --table NAME --path … --schema …` reads a DuckDB file,
`exactness.py columns|packed --expected FILE --table NAME --dsn … --schema …` reads Postgres.
Shares no code with the project; columns are read a few hundred at a time, so that thousands of them fit into memory.
"""

import argparse
import base64
import functools
import glob
import json
import sys
from decimal import Decimal

import duckdb

from cells import quoted
from duck import attached, recorded

loads = functools.partial(json.loads, parse_float=Decimal, parse_int=Decimal)
AT_A_TIME = 250
KINDS = {"int64": "number", "number": "number", "text": "text", "binary": "binary", "bool": "bool", "json": "json"}


def plain(value):
    """A DynamoDB value as the JSON that stands for it, with exact numbers."""
    (tag, inner), = value.items()
    if tag == "N":
        return Decimal(inner)
    if tag == "NULL":
        return None
    if tag == "M":
        return {name: plain(member) for name, member in inner.items()}
    if tag == "L":
        return [plain(member) for member in inner]
    if tag == "NS":
        return sorted(map(Decimal, inner))
    if tag == "SS":
        return sorted(inner, key=str.encode)
    if tag == "BS":
        return [base64.b64encode(b).decode() for b in sorted(map(base64.b64decode, inner))]
    return inner


def expected(value, kind):
    """What a column of this kind must hold."""
    (tag, inner), = value.items()
    if kind == "json":
        return plain(value)
    if {"text": "S", "number": "N", "binary": "B", "bool": "BOOL"}[kind] != tag:
        raise ValueError(f"a column of kind {kind} for a value of type {tag}")
    return Decimal(inner) if tag == "N" else base64.b64decode(inner) if tag == "B" else inner


def exact(a, b):
    """Equality in which true is not 1, and a decimal is equal only to a number."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(exact, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(exact(a[name], b[name]) for name in a)
    return type(a) is type(b) and a == b


class Plain:
    """A value that is in the form of `expected` already."""

    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return repr(self.value)


def is_text(form):
    """Whether values of this form are JSON text in a file."""
    return form in ("nothing", "json", {"struct": {}})


def unpacked(form, value):
    """What a struct, a list or a leaf stands for, by the form that the manifest says; null is not for a member that is not there."""
    if value is None:
        return None
    if is_text(form):
        return loads(value)
    (kind, inner), = form.items()
    if kind == "list":
        return [unpacked(inner, element) for element in value]
    if kind == "struct":
        if value.keys() != inner.keys():
            raise ValueError("a struct has other members than the manifest says")
        nulls = {name for name, member in inner.items() if member.get("null") and not is_text(member["form"])}
        return {
            name: unpacked(member["form"], value[name])
            for name, member in inner.items() if value[name] is not None or name in nulls
        }
    return value if inner in ("bool", "text") else Decimal(value)


def known(value, kind):
    """A value as a reader gives it, in the form of `expected`."""
    if isinstance(value, Plain):
        return value.value
    if kind == "json":
        return loads(value) if isinstance(value, str) else value
    if kind == "number":
        return value if isinstance(value, Decimal) else Decimal(value)
    return bytes(value) if kind == "binary" else value


class Differences:
    def __init__(self, items, names, types):
        # What must be there, by column and key; what was found is taken out.
        self.problems, self.names, self.types = [], names, types
        self.left = {}
        self.keys = set(items)
        if len(set(names.values())) != len(names):
            self.problems.append("two attributes share a column")
        for key, item in items.items():
            for attribute, value in item.items():
                column = names.get(attribute)
                if column is None:
                    self.problems.append(f"{key}: no column for {attribute!r}")
                else:
                    self.left.setdefault(column, {})[key] = value

    def rows(self, keys, who):
        if len(keys) != len(set(keys)):
            self.problems.append(f"{who}: {len(keys) - len(set(keys))} rows are there twice")
        self.problems += [f"{who}: missing {key}" for key in sorted(self.keys - set(keys))[:10]]
        self.problems += [f"{who}: should be gone: {key}" for key in sorted(set(keys) - self.keys)[:10]]

    def column(self, column, found, who):
        """Compares the values of a column that are not null, by key."""
        wanted = self.left.get(column, {})
        for key in found.keys() - wanted.keys():
            self.problems.append(f"{who}: {key}.{column}: {found[key]!r:.100} instead of nothing")
        for key, value in wanted.items():
            try:
                want = expected(value, self.types[column])
            except ValueError as error:
                self.problems.append(f"{who}: {key}.{column}: {error}")
                continue
            have = found.get(key)
            if have is None or not exact(known(have, self.types[column]), want):
                self.problems.append(f"{who}: {key}.{column}: {have!r:.100} instead of {want!r:.100}")


def parquet(args, items):
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    folder = f"{args.root}/{args.table}"
    manifest = json.load(open(max(glob.glob(f"{folder}/_commutator/manifest-*.json"))))
    number = max(manifest["schemas"], key=int)
    declared = manifest["schemas"][number]
    forms = {name: form for name, form in manifest.get("forms", {}).get(number, {}).items() if not is_text(form)}
    types = {column["name"]: KINDS.get(column["type"], "number") for column in declared}
    names = manifest["checkpoint"]["names"]
    differences = Differences(items, names, types)
    dataset = ds.dataset(folder, format="parquet")
    if set(types) != {name for name in dataset.schema.names if not name.startswith("_ct_")}:
        sys.exit("the files have other columns than the manifest says")
    columns = [name for name in types if name != names["pk"]]
    differences.rows(dataset.to_table(columns=[names["pk"]]).column(0).to_pylist(), "pyarrow")
    database = duckdb.connect()
    files = f"read_parquet('{folder}/*.parquet')"
    differences.rows([key for key, in database.sql(f"SELECT {quoted(names['pk'])} FROM {files}").fetchall()], "duckdb")
    for start in range(0, len(columns), AT_A_TIME):
        some = columns[start:start + AT_A_TIME]
        table = dataset.to_table(columns=[names["pk"]] + some)
        keys = table.column(0).combine_chunks()
        for name in some:
            column = table.column(name).combine_chunks()
            at = pc.indices_nonzero(column.is_valid())
            values = column.take(at).to_pylist()
            if name in forms:
                values = [Plain(unpacked(forms[name], value)) for value in values]
            differences.column(name, dict(zip(keys.take(at).to_pylist(), values)), "pyarrow")
        nested = [name for name in some if name in forms]
        if nested:
            selected = ", ".join(map(quoted, [names["pk"]] + nested))
            rows = database.sql(f"SELECT {selected} FROM {files}").fetchall()
            for at, name in enumerate(nested, 1):
                values = {row[0]: Plain(unpacked(forms[name], row[at])) for row in rows if row[at] is not None}
                differences.column(name, values, "duckdb")
        some = [name for name in some if name not in forms]
        unpivoted(database, files, names["pk"], some, types, differences)
    return differences.problems, len(types)


def unpivoted(database, relation, pk, some, types, differences):
    """Compares some columns as DuckDB reads them, in one pass for all of them: a row for each value."""
    text = lambda name: f"hex({quoted(name)})" if types[name] == "binary" else f"CAST({quoted(name)} AS VARCHAR)"
    selected = ", ".join(f"{text(name)} AS c{i}" for i, name in enumerate(some))
    pivoted = ", ".join(f"c{i}" for i in range(len(some)))
    values = database.sql(
        f"UNPIVOT (SELECT {quoted(pk)} AS pk, {selected} FROM {relation}) ON {pivoted} INTO NAME n VALUE v").fetchall()
    by_column = {}
    for key, at, value in values:
        name = some[int(at[1:])]
        if types[name] == "binary":
            value = bytes.fromhex(value)
        elif types[name] == "bool":
            value = value == "true"
        by_column.setdefault(name, {})[key] = value
    for name in some:
        differences.column(name, by_column.get(name, {}), "duckdb")


def of_duckdb(args, items):
    database = attached(args.path, args.schema, True)
    _, declared, names = recorded(database, args.table)
    types = {name: KINDS.get(ty, "number") for name, ty in declared.items()}
    relation = quoted(args.table)
    differences = Differences(items, names, types)
    found = {name for name, *_ in database.sql(f"DESCRIBE {relation}").fetchall() if not name.startswith("_ct_")}
    if set(types) != found:
        sys.exit("the table has other columns than were recorded")
    differences.rows([key for key, in database.sql(f"SELECT {quoted(names['pk'])} FROM {relation}").fetchall()], "duckdb")
    columns = [name for name in types if name != names["pk"]]
    for start in range(0, len(columns), AT_A_TIME):
        unpivoted(database, relation, names["pk"], columns[start:start + AT_A_TIME], types, differences)
    return differences.problems, len(types)


def native(args, items):
    import pyarrow.dataset as ds
    import pyarrow.types as pt
    folder = f"{args.root}/{args.table}"
    types = {field.name: field.type for field in ds.dataset(folder, format="parquet").schema}
    described = duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{folder}/*.parquet')").fetchall()
    problems = []
    for kind, is_kind, word in [("M", pt.is_struct, "STRUCT("), ("NS", pt.is_list, "[]")]:
        wanted = {name for item in items.values() for name, value in item.items() if kind in value}
        # In columns of plain names; another kind of value in the same attribute makes it JSON.
        wanted = {name for name in wanted if name in types and all(kind in i[name] for i in items.values() if name in i)}
        arrow = {name for name in wanted if is_kind(types[name])}
        duck = {name for name, ty, *_ in described if name in wanted and word in ty}
        if not wanted or arrow != duck or len(arrow) < len(wanted) * 0.9 or "a0018" in arrow:
            problems.append(f"{len(wanted)} attributes are {kind}, {len(arrow)} of them native to pyarrow, {len(duck)} to DuckDB")
        print(f"{len(arrow)} of {len(wanted)} columns of {kind} are native")
    more, attributes = parquet(args, items)
    return problems + more, attributes


def rows_of_postgres(args, columns):
    import psycopg
    from psycopg import sql
    from psycopg.types.json import set_json_loads
    set_json_loads(loads)
    with psycopg.connect(args.dsn) as connection:
        found = connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = %s AND table_name = %s",
            (args.schema, args.table)).fetchall()
        types = {name: kind for name, kind in found if not name.startswith("_ct_")}
        names = connection.execute(
            sql.SQL("SELECT checkpoint::jsonb->'names' FROM {}._ct_checkpoints").format(sql.Identifier(args.schema))).fetchone()[0]
        selected = list(types) if columns is None else columns
        query = sql.SQL("SELECT {} FROM {}.{}").format(
            sql.SQL(", ").join(map(sql.Identifier, selected)), sql.Identifier(args.schema), sql.Identifier(args.table))
        return types, names, [dict(zip(selected, row)) for row in connection.execute(query)]


def columns(args, items):
    kinds = {"bigint": "number", "numeric": "number", "text": "text", "bytea": "binary", "boolean": "bool", "jsonb": "json"}
    types, names, rows = rows_of_postgres(args, None)
    differences = Differences(items, names, {name: kinds[kind] for name, kind in types.items()})
    differences.rows([row[names["pk"]] for row in rows], "psycopg")
    for name in types:
        # psycopg has read JSON already; text of JSON would be text.
        found = {row[names["pk"]]: row[name] for row in rows if row[name] is not None}
        if differences.types[name] == "json":
            found = {key: json.dumps(value, default=lambda d: {"\0": str(d)}) for key, value in found.items()}
            found = {key: revived(json.loads(value)) for key, value in found.items()}
            wanted = differences.left.get(name, {})
            for key, value in wanted.items():
                if key not in found or not exact(found[key], plain(value)):
                    differences.problems.append(f"{key}.{name}: {found.get(key)!r:.100} instead of {plain(value)!r:.100}")
            differences.problems += [f"{key}.{name}: instead of nothing" for key in found.keys() - wanted.keys()]
        else:
            differences.column(name, found, "psycopg")
    return differences.problems, len(types)


def revived(value):
    """Decimals that went through JSON as marked text."""
    if isinstance(value, dict):
        return Decimal(value["\0"]) if "\0" in value else {name: revived(member) for name, member in value.items()}
    return [revived(member) for member in value] if isinstance(value, list) else value


def packed(args, items):
    types, _, rows = rows_of_postgres(args, ["pk", "data"])
    problems = [] if set(types) == {"pk", "data"} else [f"the columns are {types}"]
    found = {row["pk"]: row["data"] for row in rows}
    if len(found) != len(rows):
        problems.append(f"{len(rows) - len(found)} rows are there twice")
    problems += [f"missing {key}" for key in items.keys() - found.keys()]
    problems += [f"should be gone: {key}" for key in found.keys() - items.keys()]
    for key in items.keys() & found.keys():
        want = {name: plain(value) for name, value in items[key].items() if name != "pk"}
        if not exact(found[key], want):
            problems.append(f"{key}: {found[key]!r:.300} instead of {want!r:.300}")
    return problems, len({name for item in items.values() for name in item})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("manner", choices=["parquet", "native", "columns", "packed", "duckdb"])
    for name in ("--expected", "--table"):
        parser.add_argument(name, required=True)
    for name in ("--root", "--dsn", "--schema", "--path"):
        parser.add_argument(name)
    args = parser.parse_args()
    items = {item["pk"]["S"]: item for item in map(json.loads, open(args.expected, encoding="utf-8"))}
    manners = {"parquet": parquet, "native": native, "columns": columns, "packed": packed, "duckdb": of_duckdb}
    problems, attributes = manners[args.manner](args, items)
    for problem in problems[:20]:
        print(problem)
    print(f"{len(items)} items, {attributes} attributes, {len(problems)} differences")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
