#!/usr/bin/env bash
# pyarrow 26.0.1: INT96 timestamps outside of the years 1677 to 2262.
#
# One would guess: a timestamp that does not fit into nanoseconds of 64 bits is an error, as it is when it is written
# or cast, or it is read in a coarser unit.
# What happens: INT96, which holds any day, is read as timestamp[ns] and wraps around without a word. 0001-01-01 comes
# back as 1754-08-30. With coerce_int96_timestamp_unit="us" it is right.
# Output of 2026-11-29:
#   written          0001-01-01 00:00:00
#   read             1754-08-30 22:43:41.128654848
#   read, us         0001-01-01 00:00:00
# Matters in src/parquet (cell.cc): Falconer reads the day as it stands in the file, so that these rows differ.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'pyarrow==26.0.1'
"$folder/venv/bin/python" - "$folder/a.parquet" <<'PYTHON'
import datetime
import sys

import pyarrow as pa
import pyarrow.parquet as pq

path = sys.argv[1]
written = datetime.datetime(1, 1, 1)
pq.write_table(pa.table({"t": pa.array([written], pa.timestamp("us"))}), path, use_deprecated_int96_timestamps=True)
seconds, nanos = divmod(pq.read_table(path)["t"][0].value, 10**9)
read = f"{datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)}.{nanos:09}"
coerced = pq.read_table(path, coerce_int96_timestamp_unit="us")["t"][0].as_py()
print(f"written          {written}\nread             {read}\nread, us         {coerced}")
if read != "1754-08-30 22:43:41.128654848" or coerced != written:
    sys.exit("pyarrow no longer wraps what does not fit into nanoseconds")
PYTHON
