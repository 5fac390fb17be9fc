#!/usr/bin/env python3
"""Compares how Falconer renders chat templates with transformers and jinja2.

    tests/ecosystem/chat_templates.py --program build/falconer

Templates, conversations and single expressions lie in tests/golden/chat_templates.json and
jinja_cases.json, with the text that jinja2 gave. Checked here: that this jinja2 still gives it, and
that `falconer tokenize --chat` gives the text and the token ids of transformers' apply_chat_template.
Prints PASS or FAIL for each template; exits 1 where one failed, 77 where a package is missing.
`--write` puts what jinja2 gives into the files.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
TEMPLATES = os.path.join(ROOT, "tests/golden/chat_templates.json")
CASES = os.path.join(ROOT, "tests/golden/jinja_cases.json")

try:
    import jinja2
    import transformers
    from transformers.utils import chat_template_utils
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)


def render(template, variables):
    """What transformers' own environment gives; None where it raises."""
    try:
        return chat_template_utils._compile_jinja_template(template).render(**variables)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError,
            AssertionError, AttributeError, SyntaxError, RuntimeError):
        return None


def variables_of(template, conversation, prompt):
    return dict(messages=conversation["messages"], tools=conversation.get("tools"), documents=None,
                add_generation_prompt=prompt, **template["special"])


def load():
    with open(TEMPLATES, encoding="utf-8") as file:
        templates = json.load(file)
    with open(CASES, encoding="utf-8") as file:
        return templates, json.load(file)


def write():
    templates, cases = load()
    for template in templates["templates"]:
        template["cases"] = [
            {"conversation": name, "prompt": prompt,
             "expected": render(template["template"],
                                variables_of(template, templates["conversations"][name], prompt))}
            for name in template["conversations"] for prompt in (False, True)]
    for case in cases["cases"]:
        case["expected"] = render(case["template"], cases["variables"])
    for path, content in ((TEMPLATES, templates), (CASES, cases)):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, indent=1)
            file.write("\n")


def recorded_is_live(templates, cases):
    """What lies in the files is what this jinja2 gives."""
    wrong = [t["name"] for t in templates["templates"] for case in t["cases"]
             if case["expected"] != render(t["template"], variables_of(
                 t, templates["conversations"][case["conversation"]], case["prompt"]))]
    wrong += [case["template"] for case in cases["cases"]
              if case["expected"] != render(case["template"], cases["variables"])]
    return f"{len(wrong)} recorded texts differ, the first of {wrong[0]!r}" if wrong else ""


def make_checkpoint(folder, template):
    """The demo's tokenizer with the template's markers as special tokens."""
    with open(os.path.join(ROOT, "demo/checkpoint/tokenizer.json"), encoding="utf-8") as file:
        tokenizer = json.load(file)
    known = {token["content"] for token in tokenizer["added_tokens"]}
    next_id = max(tokenizer["model"]["vocab"].values()) + 1
    for marker in template["markers"]:
        if marker in known:
            continue
        tokenizer["added_tokens"].append(dict(
            id=next_id, content=marker, single_word=False, lstrip=False, rstrip=False,
            normalized=False, special=True))
        next_id += 1
    config = dict(template["special"], tokenizer_class="PreTrainedTokenizerFast",
                  chat_template=template["template"])
    for name, content in (("tokenizer.json", tokenizer), ("tokenizer_config.json", config)):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            json.dump(content, file)


def run(program, folder, conversation, *flags):
    """The row that the program gives; its message where it fails."""
    row = os.path.join(folder, "row.jsonl")
    with open(row, "w", encoding="utf-8") as file:
        json.dump(conversation, file)
    done = subprocess.run([program, "tokenize", "--chat", "--checkpoint", folder, "--input", row,
                           *flags], capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip()


def compare(program, template, conversations):
    with tempfile.TemporaryDirectory() as folder:
        make_checkpoint(folder, template)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        for name in template["conversations"]:
            conversation = conversations[name]
            prompt = conversation["messages"][-1]["role"] != "assistant"
            settings = dict(tools=conversation.get("tools"), add_generation_prompt=prompt)
            try:
                text = tokenizer.apply_chat_template(conversation["messages"], tokenize=False, **settings)
            except (jinja2.TemplateError, TypeError) as error:
                got = run(program, folder, conversation)
                if not isinstance(got, str) or "template" not in got:
                    return f"{name}: transformers refuses ({error}), falconer does not: {got}"
                continue
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            got = run(program, folder, conversation, "--parse-special")
            # transformers leaves a tool's call out where the template has no place for it: an answer without
            # words, which would be learned.
            calls = any("tool_calls" in m for m in conversation["messages"])
            if calls and "tool_calls" not in template["template"]:
                if isinstance(got, str) and "no place for it" in got:
                    continue
                return f"{name}: the template drops a call, and falconer does not say so: {got}"
            if isinstance(got, str) or got["text"] != text or got["ids"] != ids:
                return f"{name}: expected {text!r} {ids}, found {got}"
            safe = run(program, folder, conversation)
            special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
            written = [i for i in safe["ids"] if i in special]
            parsed = [i for i in ids if i in special]
            if tokenizer.decode(safe["ids"]) != text:
                return f"{name}: without --parse-special the text is another"
            if name != "injected" and safe["ids"] != ids:
                return f"{name}: without --parse-special the ids are others"
            if name == "injected" and len(written) >= len(parsed) and len(parsed) > 0 \
                    and any(m in conversation["messages"][0]["content"] for m in template["markers"]):
                return f"{name}: markers in a message became control tokens"
    return ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=os.path.join(ROOT, "build/falconer"))
    parser.add_argument("--goldens", help="not used")
    parser.add_argument("--write", action="store_true", help="record what jinja2 gives")
    options = parser.parse_args()
    if options.write:
        return write()
    templates, cases = load()
    results = {"recorded": recorded_is_live(templates, cases)}
    for template in templates["templates"]:
        results[template["name"]] = compare(options.program, template, templates["conversations"])
    for name, wrong in results.items():
        print(f"FAIL {name}: {wrong}" if wrong else f"PASS {name}")
    sys.exit(any(results.values()))


if __name__ == "__main__":
    main()
