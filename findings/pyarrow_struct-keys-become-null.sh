#!/usr/bin/env bash
# pyarrow 26.0.1: keys that some structs of a column have and others have not.
#
# One would guess: rows of JSON that are written as Parquet come back as they were.
# What happens: all structs of a column have one set of keys, the union of all, and what a struct lacked comes back as
# null, at every depth: a tool without "enum" gets one, and the arguments of each call get those of all others. A chat
# template that prints tools or arguments prints the nulls, and what a model learns is another text.
# Output of 2026-11-29:
#   written [{'name': 'find', 'arguments': {'city': 'Rome'}}, {'name': 'add', 'arguments': {'a': 1}}]
#   read    [{'name': 'find', 'arguments': {'city': 'Rome', 'a': None}}, {'name': 'add', 'arguments': {'city': None, 'a': 1}}]
# Matters in src/parquet (rows.h): Falconer leaves out members of nested structs that are null, so that the rows are
# what they were; columns themselves stay.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1'
"$folder/venv/bin/python" - "$folder/a.parquet" <<'PYTHON'
import sys

import pyarrow as pa
import pyarrow.parquet as pq

written = [{"name": "find", "arguments": {"city": "Rome"}}, {"name": "add", "arguments": {"a": 1}}]
pq.write_table(pa.Table.from_pylist([{"calls": written}]), sys.argv[1])
read = pq.read_table(sys.argv[1]).to_pylist()[0]["calls"]
print(f"written {written}\nread    {read}")
if [set(call["arguments"]) for call in read] != [{"city", "a"}, {"city", "a"}]:
    sys.exit("pyarrow no longer gives every struct the keys of all")
PYTHON
