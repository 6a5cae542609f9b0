"""Snowflake's SQL as DuckDB's: a translation of tokens, of the statements that `crates/sql` and this crate write, and no others."""

import re

TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<text>'(?:[^'\\]|\\.|'')*')|(?P<quoted>"(?:[^"]|"")*")|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<column>\$1:[A-Za-z0-9_]+)|(?P<at>@\S+)|(?P<symbol>::|<>|<=|>=|.)""",
    re.S,
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}

TYPES = {"NUMBER": "DECIMAL", "BINARY": "BLOB", "FLOAT": "DOUBLE", "VARIANT": "JSON", "DECFLOAT": "VARCHAR"}
FUNCTIONS = {
    "PARSE_JSON": "sf_json",
    "TO_JSON": "sf_to_json",
    "TO_VARIANT": "sf_to_variant",
    "BASE64_ENCODE": "sf_base64",
    "REGEXP_LIKE": "regexp_full_match",
    "IS_VARCHAR": "sf_is_varchar",
    "TO_TIMESTAMP_TZ": "sf_to_timestamp_tz",
    "TO_BINARY": "sf_to_binary",
    "HEX_ENCODE": "hex",
}
# Words that are no names. All others are, and so are upper case.
KEYWORDS = set(
    """ADD ALTER AND AS BEGIN BY CASE CAST COLUMN COMMIT CREATE CURRENT DATA DELETE DESC DISTINCT DROP ELSE END EXISTS FALSE FROM IF IN
    INSERT INTO IS JOIN MATCHED MERGE NOT NULL ON OR ORDER OVER PARTITION PRECEDING FOLLOWING RENAME REPLACE ROLLBACK ROW ROWS SCHEMA
    SELECT SET TABLE TEMPORARY THEN TO TRUE TYPE UNBOUNDED UPDATE USING VALUES WHEN WHERE BETWEEN UNION ALL CASCADE ASC COUNT MIN MAX
    COALESCE ROW_NUMBER RTRIM LENGTH VARCHAR BOOLEAN INTERVAL LEFT RIGHT""".split()
)


def tokens(sql):
    return [(match.lastgroup, match.group()) for match in TOKEN.finditer(sql)]


def encoded(name):
    """A name that DuckDB, which ignores case, tells apart from all others."""
    plain = lambda c: c.isascii() and (c.isupper() or c.isdigit() or c == "_")
    return "".join(c if plain(c) else f"~{ord(c):x}~" for c in name)


def decoded(name):
    return re.sub(r"~([0-9a-f]+)~", lambda match: chr(int(match.group(1), 16)), name)


def name_of(kind, token):
    return token.upper() if kind == "word" else token[1:-1].replace('""', '"')


def literal(token):
    """What a text of Snowflake says."""
    text = re.sub(r"\\(.)|''", lambda m: "'" if m.group() == "''" else ESCAPES.get(m.group(1), m.group(1)), token[1:-1], flags=re.S)
    return text


def written(text):
    return "'" + text.replace("'", "''") + "'" if "\0" not in text else " || chr(0) || ".join(written(part) for part in text.split("\0"))


def translated(sql):
    """DuckDB's form of a statement, or of a part of one."""
    sql = re.sub(r"CASE WHEN IS_VARCHAR\((.+?)\) THEN CAST\(\1 AS VARCHAR\)", r"CASE WHEN IS_VARCHAR(\1) THEN SF_STRING(\1)", sql)
    sql = re.sub(r"DATE_PART\(EPOCH_MICROSECOND, ", "epoch_us(", sql)
    # DuckDB writes no zero before the point of a number below one.
    sql = re.sub(r"CAST\(([^()]+) AS VARCHAR\)", r"sf_text(\1)", sql)
    out = []
    all_tokens = tokens(sql)
    for i, (kind, token) in enumerate(all_tokens):
        following = next((text for kind_of, text in all_tokens[i + 1 :] if kind_of != "space"), "")
        upper = token.upper()
        if kind == "text":
            out.append(written(literal(token)))
        elif kind == "quoted":
            out.append(f'"{encoded(name_of(kind, token))}"')
        elif kind == "column":
            out.append(f'"{token[3:]}"')
        elif kind == "word" and upper == "CURRENT_TIMESTAMP":
            out.append("sf_now")
        elif kind == "word" and upper == "TIMESTAMP_TZ":
            out.append("TIMESTAMPTZ/*6*/")
        elif kind == "word" and upper in TYPES:
            out.append(TYPES[upper])
        elif kind == "word" and upper in FUNCTIONS and following == "(":
            out.append(FUNCTIONS[upper])
        elif kind == "word" and (upper in KEYWORDS or following == "("):
            out.append(token)
        elif kind == "word":
            out.append(f'"{encoded(upper)}"')
        else:
            out.append(token)
    text = "".join(out)
    return re.sub(r"TIMESTAMPTZ/\*6\*/\(6\)", "TIMESTAMPTZ", text).replace("sf_now(6)", "now()")


def decfloats(sql):
    """Makes digits canonical where a value becomes a DECFLOAT, so that equal ones are equal text."""
    sql = re.sub(r"(\$1:\w+::VARCHAR)::DECFLOAT", r"sf_decfloat(\1)", sql)
    while match := re.search(r" AS DECFLOAT\)", sql):
        depth, at = 1, match.start()
        while depth:
            at -= 1
            depth += {")": 1, "(": -1}.get(sql[at], 0)
        start = at - len("CAST")
        assert sql[start:at] == "CAST", sql
        sql = f"{sql[:start]}sf_decfloat(CAST({sql[at + 1 : match.start()]} AS VARCHAR)){sql[match.end() :]}"
    return sql


def columns_of(definitions):
    """Names and types of `name TYPE, name TYPE NOT NULL`, split where no parenthesis is open."""
    parts, depth = [[]], 0
    for kind, token in tokens(definitions):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if token == "," and depth == 0:
            parts.append([])
        elif kind != "space" or parts[-1]:
            parts[-1].append((kind, token))
    for part in parts:
        (kind, token), rest = part[0], "".join(text for _, text in part[1:]).strip()
        yield name_of(kind, token), rest, "".join(text for _, text in part)
