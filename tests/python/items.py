"""Items of every kind that DynamoDB can hold, made from a seed.

Shares no code with the project: what is written here is compared with what arrived.
"""

import random
import string

NUMBERS = [
    "0", "1", "-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001",
    "1234567890.12345678901234567890123456", "0.1", "12.5", "100",
]
EXTREMES = ["1E-130", "9.9999999999999999999999999999999999999E+125", "-1E-130", "1E+125"]
TEXTS = ["", "plain", "quote \" backslash \\ slash /", "line\nbreak\ttab", "žluťoučký kůň", "日本語", "😀 astral", "'; drop table x; --",
         "\u0001control", "null", "true", "12", "{\"a\":1}", "\u2028separator", " leading and trailing "]
NAMES = ["select", "order", "Weird Name", "dotted.name", "käse", "Case", "case", "_ct_order", "quote\"name", "a" * 70, "a" * 69 + "b",
         "日本", "semi;colon", "percent%", "1starts_with_digit", "-dash", "$dollar", "back\\slash", "slash/name"]


def text(rng, most=40):
    if rng.random() < 0.3:
        return rng.choice(TEXTS)
    return "".join(rng.choice(string.ascii_letters + " äß€") for _ in range(rng.randrange(most)))


def number(rng):
    kind = rng.random()
    if kind < 0.6:
        return str(rng.randrange(-10**6, 10**6))
    if kind < 0.8:
        return rng.choice(NUMBERS)
    digits = rng.randrange(1, 38)
    value = rng.randrange(10**digits)
    scale = rng.randrange(digits + 1)
    plain = str(value).rjust(scale + 1, "0")
    return plain if scale == 0 else f"{plain[:-scale]}.{plain[-scale:]}"


def value(rng, depth=0):
    """Any attribute value, nested to some depth."""
    kinds = ["S", "N", "BOOL", "NULL", "B", "SS", "NS", "BS"] + (["M", "L"] * 2 if depth < 5 else [])
    kind = rng.choice(kinds)
    if kind == "S":
        return {"S": text(rng)}
    if kind == "N":
        return {"N": rng.choice(EXTREMES) if rng.random() < 0.1 else number(rng)}
    if kind == "BOOL":
        return {"BOOL": rng.random() < 0.5}
    if kind == "NULL":
        return {"NULL": True}
    if kind == "B":
        return {"B": rng.randbytes(rng.randrange(50))}
    if kind == "SS":
        return {"SS": list({text(rng) for _ in range(rng.randrange(1, 5))})}
    if kind == "NS":
        return {"NS": list({str(rng.randrange(-100, 100)) for _ in range(rng.randrange(1, 5))})}
    if kind == "BS":
        return {"BS": list({rng.randbytes(rng.randrange(1, 9)) for _ in range(rng.randrange(1, 4))})}
    if kind == "L":
        return {"L": [value(rng, depth + 1) for _ in range(rng.randrange(4))]}
    return {"M": {"k" + text(rng, 8): value(rng, depth + 1) for _ in range(rng.randrange(4))}}


def deep(levels):
    nested = {"S": "bottom"}
    for level in range(levels):
        nested = {"M": {"down": nested}} if level % 2 else {"L": [nested, {"N": "1"}]}
    return nested


def key(number_of_item):
    return {"pk": {"S": f"customer#{number_of_item % 977}"}, "sk": {"N": str(number_of_item)}}


def item(rng, number_of_item, version):
    """An item whose columns keep one type each, but for a few that meet several."""
    it = key(number_of_item)
    it["version"] = {"N": str(version)}
    it["title"] = {"S": text(rng)}
    it["amount"] = {"N": number(rng)}
    it["count"] = {"N": str(rng.randrange(1000))}
    it["active"] = {"BOOL": rng.random() < 0.5}
    it["blob"] = {"B": rng.randbytes(rng.randrange(60))}
    it["tags"] = {"SS": list({text(rng) or "x" for _ in range(rng.randrange(1, 5))})}
    it["profile"] = {"M": {name: value(rng) for name in ("a", "b", "ü")}}
    if rng.random() < 0.3:
        it["list"] = {"L": [value(rng) for _ in range(rng.randrange(5))]}
    if rng.random() < 0.2:
        it["price"] = {"N": f"{rng.randrange(10**6)}.{rng.randrange(100):02}"}
    if rng.random() < 0.1:
        it["nothing"] = {"NULL": True}
    if rng.random() < 0.2:
        it["mixed"] = value(rng)
    if rng.random() < 0.05:
        it["extreme"] = {"N": rng.choice(EXTREMES)}
    if rng.random() < 0.1:
        it[rng.choice(NAMES)] = {"S": text(rng)}
    if rng.random() < 0.02:
        it[f"sparse_{rng.randrange(60)}"] = {"N": str(rng.randrange(100))}
    return it


def special(seed, attributes):
    """A few items at the limits: nearly 400 KB, nested 31 deep, very many attributes, a NUL."""
    rng = random.Random(seed)
    big = key(10**9) | {"title": {"S": "x" * 390_000}}
    nested = key(10**9 + 1) | {"profile": deep(30)}
    wide = key(10**9 + 2) | {f"wide_{i}": {"N": str(i)} for i in range(attributes)}
    nul = key(10**9 + 3) | {"title": {"S": "before\u0000after"}, "profile": {"M": {"n": {"S": "\u0000"}}}}
    empty = key(10**9 + 4) | {"title": {"S": ""}, "blob": {"B": b""}, "profile": {"M": {}}, "list": {"L": []}}
    names = key(10**9 + 5) | {name: {"S": text(rng)} for name in NAMES}
    numbers = key(10**9 + 6) | {"list": {"L": [{"N": n} for n in NUMBERS + EXTREMES]}}
    return [big, nested, wide, nul, empty, names, numbers]
