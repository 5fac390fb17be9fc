#!/usr/bin/env python3
"""Writes Parquet files with pyarrow, of all types, encodings, codecs and forms that it can write, and compares
every row of them, as Falconer reads it, with what pyarrow reads. Run by tools/parquet_beside_pyarrow.
  beside_pyarrow.py DUMP_ROWS [SEED]     DUMP_ROWS: the program of tests/parquet/dump_rows.cc"""

import datetime
import decimal
import json
import math
import random
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import numpy
import pyarrow as pa
import pyarrow.parquet as pq

WORDS = ["", "a", "yes", "Grüße", "日本語", "🦅", "a longer text of several words ", "\n", '"quoted"', "\\", "\u0000"]


def text(rng):
    return "".join(rng.choice(WORDS) for _ in range(rng.choice([0, 1, 1, 2, 3, 30])))


def integer(bits, signed):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)

    def make(rng):
        return rng.choice([low, high, 0, 1, rng.randint(low, high), rng.randint(max(low, -9), 9)])
    return make


def real(rng):
    return rng.choice([0.0, -0.0, 1.5, -2.25, math.inf, -math.inf, math.nan, rng.uniform(-1e6, 1e6), 65504.0])


def half(rng):
    return numpy.float16(rng.choice([0.0, -0.0, 65504.0, 6e-8, math.inf, -math.inf, math.nan, rng.uniform(-100, 100)]))


def number(digits, scale):
    def make(rng):
        with decimal.localcontext(prec=80):
            top = 10 ** digits - 1
            value = rng.choice([0, 1, -1, top, -top, rng.randint(-top, top)])
            return decimal.Decimal(value).scaleb(-scale)
    return make


def date(rng):
    return datetime.date(1, 1, 1) + datetime.timedelta(days=rng.choice([0, 719162, 719161, 730178, rng.randint(0, 3652058)]))


def ticks(low, high):
    return lambda rng: rng.choice([0, 1, low, high, rng.randint(low, high)])


DAY = 86_400
CENTURIES = 62_000_000_000  # seconds around 1970 that a datetime holds

LEAVES = {
    "bool": (pa.bool_(), lambda rng: rng.random() < 0.5),
    "int8": (pa.int8(), integer(8, True)),
    "int16": (pa.int16(), integer(16, True)),
    "int32": (pa.int32(), integer(32, True)),
    "int64": (pa.int64(), integer(64, True)),
    "uint8": (pa.uint8(), integer(8, False)),
    "uint16": (pa.uint16(), integer(16, False)),
    "uint32": (pa.uint32(), integer(32, False)),
    "uint64": (pa.uint64(), integer(64, False)),
    "half": (pa.float16(), half),
    "float": (pa.float32(), real),
    "double": (pa.float64(), real),
    "string": (pa.string(), text),
    "large_string": (pa.large_string(), text),
    "string_view": (pa.string_view(), text),
    "binary": (pa.binary(), lambda rng: text(rng).encode()),
    "fixed": (pa.binary(5), lambda rng: bytes(rng.choices(b"abc\0Z", k=5))),
    "decimal9": (pa.decimal128(9, 2), number(9, 2)),
    "decimal18": (pa.decimal128(18, 0), number(18, 0)),
    "decimal38": (pa.decimal128(38, 37), number(38, 37)),
    "decimal76": (pa.decimal256(76, 10), number(76, 10)),
    "date32": (pa.date32(), date),
    "date64": (pa.date64(), date),
    "time_s": (pa.time32("s"), ticks(0, DAY - 1)),
    "time_ms": (pa.time32("ms"), ticks(0, DAY * 1000 - 1)),
    "time_us": (pa.time64("us"), ticks(0, DAY * 10**6 - 1)),
    "time_ns": (pa.time64("ns"), ticks(0, DAY * 10**9 - 1)),
    "stamp_s": (pa.timestamp("s"), ticks(-CENTURIES, CENTURIES)),
    "stamp_ms": (pa.timestamp("ms"), ticks(-CENTURIES * 1000, CENTURIES * 1000)),
    "stamp_us": (pa.timestamp("us"), ticks(-CENTURIES * 10**6, CENTURIES * 10**6)),
    "stamp_us_utc": (pa.timestamp("us", "UTC"), ticks(-CENTURIES * 10**6, CENTURIES * 10**6)),
    "stamp_ns": (pa.timestamp("ns"), ticks(-9 * 10**18, 9 * 10**18)),
    "stamp_ns_zone": (pa.timestamp("ns", "Europe/Berlin"), ticks(-9 * 10**18, 9 * 10**18)),
    "null": (pa.null(), lambda rng: None),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), lambda rng: rng.choice(WORDS)),
    "uuid": (pa.uuid(), lambda rng: uuid.UUID(int=rng.getrandbits(128)).bytes),
    "json": (pa.json_(), lambda rng: json.dumps(rng.choice([{"a": [1, None, text(rng)]}, [], 5, "x", True]))),
}

MESSAGE = pa.struct([("role", pa.string()), ("content", pa.string())])
PART = pa.struct([("type", pa.string()), ("text", pa.string()), ("n", pa.list_(pa.int64()))])
NESTED = {
    "list": pa.list_(pa.int64()),
    "list_of_text": pa.list_(pa.string()),
    "large_list": pa.large_list(pa.string()),
    "fixed_list": pa.list_(pa.int32(), 3),
    "lists": pa.list_(pa.list_(pa.list_(pa.string()))),
    "messages": pa.list_(MESSAGE),
    "parts": pa.list_(pa.struct([("role", pa.string()), ("content", pa.list_(PART))])),
    "struct": pa.struct([("a", pa.int32()), ("b", pa.struct([("c", pa.string()), ("d", pa.list_(pa.float64()))]))]),
    "map": pa.map_(pa.string(), pa.int32()),
    "map_of_maps": pa.map_(pa.string(), pa.map_(pa.int64(), pa.list_(pa.string()))),
    "list_of_maps": pa.list_(pa.map_(pa.string(), MESSAGE)),
    "required": pa.struct([pa.field("x", pa.list_(pa.field("item", pa.int64(), nullable=False)), nullable=False)]),
    "bools": pa.list_(pa.bool_()),
    "decimals": pa.list_(pa.decimal128(20, 3)),
}


def make(kind, rng, nulls, nullable=True):
    """A value of an Arrow type, null by that chance."""
    if nullable and rng.random() < nulls:
        return None
    if pa.types.is_struct(kind):
        return {f.name: make(f.type, rng, nulls, f.nullable) for f in kind}
    if pa.types.is_map(kind):
        count = rng.choice([0, 1, 2, 5])
        keys = {}
        for _ in range(count):
            keys[make(kind.key_type, rng, 0)] = make(kind.item_type, rng, nulls)
        return list(keys.items())
    if pa.types.is_fixed_size_list(kind):
        return [make(kind.value_type, rng, nulls) for _ in range(kind.list_size)]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [make(kind.value_type, rng, nulls, kind.value_field.nullable) for _ in range(rng.choice([0, 1, 2, 3, 17]))]
    for known, draw in LEAVES.values():
        if known == kind:
            return draw(rng)
    if pa.types.is_decimal(kind):
        return number(kind.precision, kind.scale)(rng)
    raise TypeError(kind)


def column(kind, rng, rows, nulls, distinct):
    """Values; of few distinct ones a dictionary is made, and long runs."""
    if distinct:
        some = [make(kind, rng, nulls) for _ in range(distinct)]
        values = []
        while len(values) < rows:
            values += [rng.choice(some)] * rng.choice([1, 1, 2, 40])
        values = values[:rows]
    else:
        values = [make(kind, rng, nulls) for _ in range(rows)]
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    return pa.array(values, kind)


# ---- what pyarrow reads, as JSON

def fraction(value, digits):
    return f".{value:0{digits}}" if value else ""


def clock(count, unit):
    digits = {"s": 3, "ms": 3, "us": 6, "ns": 9}[unit]  # seconds are written as milliseconds
    per = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[unit]
    seconds, rest = divmod(count, per)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + fraction(rest, digits)


def stamp(count, unit, zone):
    per = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[unit]
    seconds, rest = divmod(count, per)
    days, second = divmod(seconds, DAY)
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days=days)
    return f"{day.isoformat()}T{clock(second * per + rest, unit)}" + ("Z" if zone else "")


def as_json(scalar):
    """Of a scalar of Arrow, since a list of Python's has no nanoseconds."""
    kind = scalar.type
    if isinstance(kind, pa.BaseExtensionType):
        if not scalar.is_valid:
            return None
        storage = scalar.value.as_py()
        return str(uuid.UUID(bytes=storage)) if kind == pa.uuid() else json.loads(storage)
    if not scalar.is_valid:
        return None
    if pa.types.is_struct(kind):
        return {f.name: as_json(scalar[i]) for i, f in enumerate(kind)}
    if pa.types.is_map(kind):
        pairs = [[as_json(pair[0]), as_json(pair[1])] for pair in scalar.values]
        return dict(pairs) if pa.types.is_string(kind.key_type) else pairs
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [as_json(item) for item in scalar.values]
    if pa.types.is_time(kind):
        return clock(scalar.value, kind.unit)
    if pa.types.is_timestamp(kind):
        return stamp(scalar.value, kind.unit, kind.tz)
    value = scalar.as_py()
    if pa.types.is_decimal(kind):
        return format(value, "f").replace("-0E", "0E")
    if pa.types.is_date(kind):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if pa.types.is_floating(kind):
        return float(value) if math.isfinite(value) else None
    return value


def rows_of(table):
    columns = [[as_json(scalar) for scalar in table.column(i)] for i in range(table.num_columns)]
    return [dict(zip(table.column_names, values)) for values in zip(*columns)]


# ---- the files

CODECS = ["none", "snappy", "gzip", "zstd", "lz4"]


def encodings_of(kind):
    """What pyarrow can write such values by, beside a dictionary."""
    if pa.types.is_boolean(kind):
        return ["PLAIN", "RLE"]
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]
    if pa.types.is_fixed_size_binary(kind) or pa.types.is_decimal(kind):
        return ["PLAIN", "BYTE_STREAM_SPLIT"] + ([] if pa.types.is_decimal(kind) else ["DELTA_BYTE_ARRAY"])
    if pa.types.is_floating(kind):
        return ["PLAIN", "BYTE_STREAM_SPLIT"]
    if pa.types.is_integer(kind) or pa.types.is_date32(kind) or pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        return ["PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"]
    return ["PLAIN"]


def settings_of(rng):
    rows = rng.choice([1, 7, 100, 1000, 3000])
    return {
        "compression": rng.choice(CODECS),
        "data_page_version": rng.choice(["1.0", "2.0"]),
        "data_page_size": rng.choice([64, 500, 5000, 1 << 20]),
        "row_group_size": rng.choice([rows, rows // 2 + 1, rows // 7 + 1]),
        "write_page_checksum": rng.random() < 0.3,
        "write_page_index": rng.random() < 0.3,
        "write_statistics": rng.random() < 0.7,
        "version": rng.choice(["1.0", "2.4", "2.6", "2.6"]),
        "store_schema": rng.random() < 0.7,
        "use_compliant_nested_type": rng.random() < 0.7,
        "dictionary_pagesize_limit": rng.choice([50, 1000, 1 << 20]),
        "write_batch_size": rng.choice([10, 1024]),
        "use_content_defined_chunking": rng.random() < 0.2,
    }, rows


def one_type(name, kind, rng):
    """Two files for each encoding of a type."""
    for encoding in 2 * (encodings_of(kind) + ["dictionary"]):
        settings, rows = settings_of(rng)
        nulls = rng.choice([0, 0.1, 0.9, 1])
        values = column(kind, rng, rows, nulls, rng.choice([0, 1, 5, 100]))
        table = pa.table({"v": values})
        if nulls == 0 and rng.random() < 0.5 and kind != pa.null():
            table = table.cast(pa.schema([pa.field("v", kind, nullable=False)]))
        if encoding == "dictionary":
            settings["use_dictionary"] = True
        else:
            settings.update(use_dictionary=False, column_encoding={"v": encoding})
        yield table, settings, f"{name} {encoding}"


def leaf_paths(kind, path):
    """The names by which pyarrow knows the columns of a nested type, and their types."""
    if pa.types.is_struct(kind):
        return [found for f in kind for found in leaf_paths(f.type, f"{path}.{f.name}")]
    if pa.types.is_map(kind):
        return leaf_paths(kind.key_type, path + ".key_value.key") + leaf_paths(kind.item_type, path + ".key_value.value")
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return leaf_paths(kind.value_type, path + ".list.element")
    return [(path, kind)]


def nested_types(name, kind, rng):
    for round_ in range(5):
        settings, rows = settings_of(rng)
        rows = min(rows, 400)
        table = pa.table({"v": column(kind, rng, rows, rng.choice([0, 0.1, 0.5]), rng.choice([0, 0, 5]))})
        settings["use_dictionary"] = round_ % 2 == 0
        if round_ % 2:
            settings["use_compliant_nested_type"] = True
            settings["column_encoding"] = {path: rng.choice(encodings_of(of)) for path, of in leaf_paths(kind, "v")}
        yield table, settings, name


def many_columns(rng):
    for round_ in range(30):
        settings, rows = settings_of(rng)
        rows = min(rows, 300)
        kinds = {**{name: kind for name, (kind, _) in LEAVES.items()}, **NESTED}
        names = rng.sample(sorted(kinds), 12)
        settings["use_dictionary"] = rng.random() < 0.5
        if rng.random() < 0.3:  # pyarrow reads them back as nanoseconds, and years that these do not reach wrong
            settings["use_deprecated_int96_timestamps"] = True
            names = [name for name in names if not name.startswith(("stamp_s", "stamp_ms", "stamp_us"))] + ["stamp_ns"]
        yield pa.table({n: column(kinds[n], rng, rows, rng.choice([0, 0.1, 0.5, 1]), rng.choice([0, 5]))
                        for n in names}), settings, "many columns"


def write(path, table, settings):
    if "[ns" in str(table.schema):  # older versions of the format have no nanoseconds, and pyarrow aborts
        settings["version"] = "2.6"
    try:
        pq.write_table(table, path, **settings)
        return True
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        print(f"pyarrow does not write {table.schema.types} with {settings}: {error}", file=sys.stderr)
        return False


def same(ours, theirs):
    """1 and 1.0 are one number to Python, and True is 1: types count too."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


def main():
    program, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    rng = random.Random(seed)
    print(f"pyarrow {pa.__version__}, seed {seed}")
    files = rows = wrong = lost = 0
    seen = {"codecs": set(), "encodings": set(), "types": set()}
    with tempfile.TemporaryDirectory() as folder:
        makers = [one_type(name, kind, rng) for name, (kind, _) in LEAVES.items()]
        makers += [nested_types(name, kind, rng) for name, kind in NESTED.items()]
        makers.append(many_columns(rng))
        for maker in makers:
            for table, settings, what in maker:
                path = Path(folder) / f"{files}.parquet"
                if not write(path, table, settings):
                    continue
                files += 1
                about = pq.read_metadata(path)
                for g in range(about.num_row_groups):
                    for c in range(about.num_columns):
                        chunk = about.row_group(g).column(c)
                        seen["codecs"].add(chunk.compression)
                        seen["encodings"].update(chunk.encodings)
                        seen["types"].add(chunk.physical_type)
                read = pq.read_table(path, use_threads=False)
                # pyarrow loses rows behind a page without values: findings/pyarrow_empty-page-loses-rows.sh
                lost += read.num_rows < table.num_rows
                expected = rows_of(table if read.num_rows < table.num_rows else read)
                said = subprocess.run([program, path], capture_output=True, check=True).stdout.decode()
                lines = said.split("\n")[1:-1]
                found = [line if line.startswith("!") else json.loads(line) for line in lines]
                rows += len(expected)
                if len(found) == len(expected) and all(map(same, found, expected)):
                    path.unlink()
                    continue
                wrong += 1
                first = next((i for i, pair in enumerate(zip(found, expected)) if not same(*pair)), min(len(found), len(expected)))
                print(f"FAIL {what} with {settings}: {len(found)} rows, expected {len(expected)}; row {first + 1}:")
                print(f"  found    {str(found[first:first + 1])[:400]}\n  expected {str(expected[first:first + 1])[:400]}")
    for name, values in seen.items():
        print(f"{name}: {', '.join(sorted(values))}")
    print(f"{files} files, {rows} rows, {wrong} files with a difference; in {lost} files pyarrow lost rows that it wrote")
    sys.exit(1 if wrong or files < 200 else 0)


if __name__ == "__main__":
    main()
