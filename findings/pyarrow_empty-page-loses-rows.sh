#!/usr/bin/env bash
# pyarrow 26.0.1: a page without values before others of a column.
#
# One would guess: what pyarrow writes it reads again, or says that it cannot.
# What happens: with DELTA_BYTE_ARRAY and small pages it writes a page of no values first, and for a list it then takes
# the column to be at its end. The rows behind are missing from the table, though the footer counts them.
# Output of 2026-11-29:
#   written 1 row, the footer says 1, read 0
# Matters in src/parquet (column.cc): Falconer goes on behind such a page, and refuses a file whose rows are not as many
# as its footer says.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1'
"$folder/venv/bin/python" - "$folder/a.parquet" <<'PYTHON'
import sys

import pyarrow as pa
import pyarrow.parquet as pq

path = sys.argv[1]
table = pa.table({"v": pa.array([None], pa.list_(pa.string()))})
pq.write_table(table, path, use_dictionary=False, column_encoding={"v.list.element": "DELTA_BYTE_ARRAY"}, data_page_size=64)
said, read = pq.read_metadata(path).num_rows, pq.read_table(path).num_rows
print(f"written 1 row, the footer says {said}, read {read}")
if (said, read) != (1, 0):
    sys.exit("pyarrow no longer stops at a page without values")
PYTHON
