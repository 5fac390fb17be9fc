#!/usr/bin/env bash
# jinja2 3.1.6: tojson.
#
# One would guess: "tojson" writes JSON as json.dumps does.
# What happens: it writes JSON that is safe inside HTML: <, >, & and ' become \u003c, \u003e, \u0026 and \u0027, and
# keys are sorted. So plain jinja2 renders a chat template to other tokens than transformers, which replaces the
# filter by json.dumps with ensure_ascii=False.
# Output of 2026-11-29:
#   {'b': '<tool>', 'a': "it's"} becomes {"a": "it\u0027s", "b": "\u003ctool\u003e"}
# Matters in src/text/jinja/filters.cc, whose tojson is that of transformers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'jinja2==3.1.6'
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import jinja2

value = {"b": "<tool>", "a": "it's"}
found = jinja2.Environment().from_string("{{ value | tojson }}").render(value=value)
print(f"{value} becomes {found}")
if found != r'{"a": "it\u0027s", "b": "\u003ctool\u003e"}':
    sys.exit("jinja2's tojson is another one now")
PYTHON
