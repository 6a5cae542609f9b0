"""Parses SQL in its dialect: fluff.py TEXTS.json, where the file is a list of [dialect, name, text]. It prints a line for each problem."""

import json
import sys

from sqlfluff.core import FluffConfig, Linter

problems, linters = 0, {}
texts = json.load(open(sys.argv[1], encoding="utf-8"))
for dialect, name, text in texts:
    if dialect not in linters:
        options = {"dialect": dialect, "large_file_skip_byte_limit": 0}
        linters[dialect] = Linter(config=FluffConfig(overrides=options))
    for violation in linters[dialect].parse_string(text, fname=name).violations:
        problems += 1
        print(f"{name}, {dialect}: {violation.desc()[:300]}")
print(f"{len(texts)} texts, {problems} problems")
sys.exit(1 if problems else 0)
