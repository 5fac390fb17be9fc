#!/usr/bin/env python3
"""Chat templates of today's families, over conversations of one to six turns, with a system message, with tools.

    tests/ecosystem/chat_families.py --program build/falconer

tests/golden/chat_families/ has one template for each family's format, and chat_families.json the conversations and what
jinja2 gave, as digests. Checked here: that this jinja2, as transformers sets it up, still gives it, and that `falconer
tokenize --chat` gives the text and the token ids of transformers' apply_chat_template. Prints PASS or FAIL for each; exits 1
where one failed, 77 where a package is missing. `--write` puts what jinja2 gives into the file."""
import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile

import chat_templates  # ends with 77 where a package is missing
import transformers

FOLDER = os.path.join(chat_templates.ROOT, "tests/golden/chat_families")
FILE = FOLDER + ".json"
TEXTS = ["  Which of 3 < 4 && 5 > 2 is \"true\"?\n", "Both, by the rules:\n\n1. 3 < 4\n2. 5 > 2  ", "Und auf Deutsch, bitte: naïve Größe 👩‍🚀?",
         "<think>\nIs it German?\n</think>\n\nJa: naïve Größe.", "What's {{ 7 * 7 }} or {% if %}?\t", "It's 49 — or 'nothing'."]
SYSTEM = " Answer in one line; it's \"short\". "
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "the weather of a place,\nnow", "parameters": {
        "type": "object", "required": ["place"], "properties": {
            "place": {"type": "string", "description": "a town's <name>"}, "days": {"type": "array", "items": {"type": "integer"}}}}}},
    {"type": "function", "function": {"name": "clock", "description": "tells the time", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "call12345", "type": "function", "function": {
    "name": "weather", "arguments": {"place": "Zürich & 'Bern'", "days": [1, 2], "exact": True, "until": None}}}]}
RESULT = {"role": "tool", "name": "weather", "tool_call_id": "call12345", "content": "{\"sky\": \"grey\", \"t\": -3.5}"}

TOKENS = {
    "llama-2": ("<s>", "</s>", []), "mistral": ("<s>", "</s>", ["[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
                                                               "[TOOL_RESULTS]", "[/TOOL_RESULTS]"]),
    "llama-3": ("<|begin_of_text|>", "<|eot_id|>", ["<|start_header_id|>", "<|end_header_id|>"]),
    "qwen2.5": (None, "<|im_end|>", ["<|im_start|>"]), "qwen3": (None, "<|im_end|>", ["<|im_start|>"]),
    "smollm2": ("<|im_start|>", "<|im_end|>", []), "falcon3": (None, "<|endoftext|>", ["<|system|>", "<|user|>", "<|assistant|>"]),
    "phi-3": ("<s>", "<|endoftext|>", ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]),
    "phi-4": (None, "<|im_end|>", ["<|im_start|>", "<|im_sep|>"]), "gemma-2": ("<bos>", "<eos>", ["<start_of_turn>", "<end_of_turn>"]),
    "gemma-3": ("<bos>", "<eos>", ["<start_of_turn>", "<end_of_turn>", "<start_of_image>"]),
    "olmo-2": ("<|endoftext|>", "<|endoftext|>", []), "stablelm-2": (None, "<|im_end|>", ["<|im_start|>"]), "zephyr": ("<s>", "</s>", []),
    "vicuna": ("<s>", "</s>", []),
    "cohere": ("<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>", ["<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>"]),
    "deepseek": ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", ["<｜User｜>", "<｜Assistant｜>", "<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>"]),
}


def conversations():
    """Name: messages, and tools where there are some."""
    made = {}
    for count in range(1, 7):
        turns = [{"role": ("user", "assistant")[i % 2], "content": TEXTS[i]} for i in range(count)]
        made[f"{count}"] = {"messages": turns}
        made[f"{count} system"] = {"messages": [{"role": "system", "content": SYSTEM}, *turns]}
    called = [{"role": "user", "content": TEXTS[0]}, CALL, RESULT, {"role": "assistant", "content": "Grey, -3.5 degrees."},
              {"role": "user", "content": TEXTS[2]}]
    for count in (1, 3, 4, 5):
        made[f"tools {count}"] = {"messages": called[:count], "tools": TOOLS}
        made[f"tools {count} system"] = {"messages": [{"role": "system", "content": SYSTEM}, *called[:count]], "tools": TOOLS[:1]}
    made["call"] = {"messages": called[:2], "tools": TOOLS}
    made["odd role"] = {"messages": [{"role": "user", "content": "a"}, {"role": "critic", "content": "b"}]}
    made["two users"] = {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}
    return made


def template_of(name):
    bos, eos, more = TOKENS[name]
    special = {key: token for key, token in (("bos_token", bos), ("eos_token", eos)) if token}
    with open(f"{FOLDER}/{name}.jinja", encoding="utf-8") as file:
        return dict(name=name, template=file.read(), special=special, markers=[*dict.fromkeys([*special.values(), *more])])


def digest(text):
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()[:16]


def rendered(template, conversation):
    """Without and with the beginning of an answer; null where the template refuses. The day is a given one."""
    return [digest(chat_templates.render(template["template"], dict(
        chat_templates.variables_of(template, conversation, prompt), date_string="30 Nov 2026"))) for prompt in (False, True)]


def recorded():
    given = conversations()
    templates = []
    for name in TOKENS:
        template = template_of(name)
        templates.append({"name": name, "special": template["special"],
                          "digests": {case: rendered(template, conversation) for case, conversation in given.items()}})
    return {"conversations": given, "templates": templates}


def transformers_gives(tokenizer, conversation):
    prompt = conversation["messages"][-1]["role"] != "assistant"
    try:
        text = tokenizer.apply_chat_template(conversation["messages"], tools=conversation.get("tools"), tokenize=False,
                                             add_generation_prompt=prompt)
    except (chat_templates.jinja2.TemplateError, TypeError):
        return None
    return text, tokenizer(text, add_special_tokens=False)["input_ids"]


def falconer_gives(program, folder, given):
    """The rows of one run, or its message."""
    done = subprocess.run([program, "--log", "quiet", "tokenize", "--chat", "--checkpoint", folder, "--input", "-", "--parse-special"],
                          input="".join(json.dumps(conversation) + "\n" for conversation in given), capture_output=True, encoding="utf-8",
                          check=False)
    return [json.loads(line) for line in done.stdout.split("\n") if line] if done.returncode == 0 else done.stderr.strip()


def without_place(template, conversation):
    """transformers leaves out tools and calls where a template has no place for them; Falconer says so."""
    source = template["template"]
    calls = any("tool_calls" in message for message in conversation["messages"])
    return (conversation.get("tools") and "tools" not in source) or (calls and "tool_calls" not in source)


def compare(program, template):
    with tempfile.TemporaryDirectory() as folder:
        chat_templates.make_checkpoint(folder, template)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        wanted, rows = [], []
        for case, conversation in conversations().items():
            if case == "odd role":  # refused as a row, before any template sees it
                continue
            expected = transformers_gives(tokenizer, conversation)
            if expected is None or without_place(template, conversation):
                got = falconer_gives(program, folder, [conversation])
                if not isinstance(got, str) or "template" not in got:
                    return f"{case}: expected to be refused, found {got}"
                continue
            wanted.append((case, *expected))
            rows.append(conversation)
        got = falconer_gives(program, folder, rows)
        if isinstance(got, str):
            return got
        for (case, text, ids), row in zip(wanted, got, strict=True):
            if row["text"] != text or row["ids"] != ids:
                return f"{case}: expected {text!r} {ids}, found {row}"
        return "" if len(rows) >= 6 else f"only {len(rows)} conversations are rendered"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", default=os.path.join(chat_templates.ROOT, "build/falconer"))
    parser.add_argument("--goldens", help="not used")
    parser.add_argument("--write", action="store_true", help="record what jinja2 gives")
    options = parser.parse_args()
    if options.write:
        with open(FILE, "w", encoding="utf-8") as file:
            json.dump(recorded(), file, ensure_ascii=False, indent=1)
            file.write("\n")
        return
    with open(FILE, encoding="utf-8") as file:
        live = json.load(file) == recorded()
    results = {"recorded": "" if live else "what lies in chat_families.json is not what this jinja2 gives"}
    for name in TOKENS:
        results[name] = compare(options.program, template_of(name))
    for name, wrong in results.items():
        print(f"FAIL chat_families: {name}: {wrong[:1500]}" if wrong else f"PASS chat_families: {name}")
    sys.exit(any(results.values()))


if __name__ == "__main__":
    main()
