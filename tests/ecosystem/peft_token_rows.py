#!/usr/bin/env python3
"""Rows of the embedding beside a LoRA (--resize-embeddings, trainable_token_indices): the same here and in PEFT."""
import json
import logging
import shutil

from lib.common import Checks, largest, need, random_rows

need("torch", "transformers", "peft", "safetensors")
import peft
import torch
import transformers
from safetensors.numpy import load_file

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
logging.disable(logging.WARNING)
BOUND = 4e-5  # of a logit
LR = 0.002
TIED, OWN_HEAD, GROUPED = "falcon7b-tiny-h4", "falcon7b-tiny-h4-untied", "falcon40b-tiny"
BOTH = {"word_embeddings": [512, 513, 514], "lm_head": [512, 513, 514]}
# What learns, the rows that the model was resized to (none: it was not), the model.
SHAPES = (
    ("tokens of the base", TIED, [5, 7, 3], None),
    ("tokens of the base, by name", GROUPED, {"transformer.word_embeddings": [511, 5, 6]}, None),
    ("tokens of the base, not the head's", OWN_HEAD, [5, 7], None),
    ("tokens of the base, the head's alone", OWN_HEAD, {"lm_head": [5, 7, 511]}, None),
    ("new tokens", TIED, [512, 513, 514], 515),
    ("new tokens and others", TIED, [513, 9, 512, 10], 514),
    ("new tokens, some of those that the model was resized for", GROUPED, [512, 515], 520),
    ("new tokens, own head", OWN_HEAD, BOTH, 515),
    ("new tokens, own head that was resized alone", OWN_HEAD, [512, 513], 514),
    ("a resized model, LoRA alone", TIED, None, 515),
)


def base_of(checks, name, rows):
    model = transformers.AutoModelForCausalLM.from_pretrained(checks.goldens / "models" / name, dtype=torch.float32)
    if rows:
        model.resize_token_embeddings(rows)
    return model


def lora(model, ids, **settings):
    torch.manual_seed(1)
    settings = {"r": 4, "lora_alpha": 8, "init_lora_weights": False, "target_modules": ["query_key_value"], **settings}
    model = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", trainable_token_indices=ids, **settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "trainable_tokens_delta" in name:
                parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


def logits(model, rows):
    with torch.no_grad():
        return [model.eval()(torch.tensor([list(map(int, row))])).logits[0].numpy() for row in rows]


def rows_for(vocabulary):
    rows = random_rows(3, 16, vocabulary, seed=9)
    rows[0][2:8] = [5, 7, 3, 511, 5, 9]
    rows[1][2:6] = [vocabulary - 1, vocabulary - 2, 5, vocabulary - 1]
    return rows


def said_of(adapter):
    return json.loads((adapter / "adapter_config.json").read_text()).get("trainable_token_indices")


def agrees_in_peft(checks, what, name, vocabulary, rows, adapter, ours):
    model = peft.PeftModel.from_pretrained(base_of(checks, name, vocabulary), adapter)
    checks.close(f"{what}: PEFT's logits are ours", largest(logits(model, rows), ours), BOUND)


def agrees_merged(checks, what, name, rows, adapter, ours, *words):
    base, out = checks.goldens / "models" / name, checks.folder / "merged"
    shutil.rmtree(out, ignore_errors=True)
    checks.run("merge", "--checkpoint", base, "--adapter", adapter, "--out", out, "--verify", *words)
    model = transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    checks.close(f"{what}, merged: transformers' logits are ours", largest(logits(model, rows), ours), BOUND)
    checks.close(f"{what}, merged: ours too", largest(checks.logits(out, rows), ours), BOUND)


def made_by_peft(checks):
    for number, (what, name, ids, vocabulary) in enumerate(SHAPES):
        base, folder, out = checks.goldens / "models" / name, checks.folder / f"p{number}", checks.folder / f"e{number}"
        model = lora(base_of(checks, name, vocabulary), ids)
        model.save_pretrained(folder)
        rows = rows_for(vocabulary or 512)
        ours = checks.logits(base, rows, folder)
        checks.close(f"{what}: scores the same here", largest(logits(model, rows), ours), BOUND)
        checks.run("export", "--checkpoint", base, "--adapter", folder, "--format", "peft", "--out", out)
        agrees_in_peft(checks, f"{what}, exported", name, vocabulary, rows, out, ours)
        if what.startswith("tokens"):
            same = said_of(out) in (ids, {n.split(".")[-1]: i for n, i in ids.items()} if isinstance(ids, dict) else ids,
                                    next(iter(ids.values())) if isinstance(ids, dict) else ids)
            checks.check(f"{what}, exported: the settings say the same", same, said_of(out))
        agrees_merged(checks, what, name, rows, folder, ours)


def with_tokens(checks, name, count):
    """The model, its tokenizer with `count` more tokens than it has rows."""
    folder = checks.folder / f"{name}-with-{count}"
    if folder.exists():
        return folder
    shutil.copytree(checks.goldens / "models" / name, folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([f"<new-{i}>" for i in range(512 - len(tokenizer) + count)])
    tokenizer.save_pretrained(folder)
    return folder


def trained_here(checks):
    for name, flags in ((TIED, ()), (OWN_HEAD, ()), (GROUPED, ("--lora-targets", "all-linear", "--lora-dora"))):
        base, rows = with_tokens(checks, name, 3), rows_for(515)
        data, out = checks.folder / "new.jsonl", checks.folder / f"run-{name}"
        data.write_text("".join(json.dumps({"input_ids": row, "labels": row}) + "\n"
                                for row in random_rows(12, 14, 515, seed=3)))
        checks.run("finetune", "lora", "--checkpoint", base, "--data", data, "--out", out, "--max-steps", 4, "--batch-size", 6,
                   "--lr", "2e-2", "--warmup-steps", 0, "--precision", "f32", "--resize-embeddings", *flags)
        adapter, what = out / "final", f"trained here on {name}"
        ours = checks.logits(base, rows, adapter)
        checks.check(f"{what}: logits of every token", ours[0].shape == (16, 515), ours[0].shape)
        agrees_in_peft(checks, what, name, 515, rows, adapter, ours)
        agrees_merged(checks, what, name, rows, adapter, ours, "--any-base")
        merged = json.loads((checks.folder / "merged" / "config.json").read_text())
        checks.check(f"{what}, merged: config.json has the rows", merged["vocab_size"] == 515, merged["vocab_size"])


def steps(checks):
    """Ten steps of SGD from an adapter of PEFT's: the losses, and what the first step says of the rows' gradient."""
    for name, ids, vocabulary in ((TIED, [512, 513, 514, 7], 515), (OWN_HEAD, BOTH, 515), (TIED, [5, 7, 3], None)):
        base, what = checks.goldens / "models" / name, f"ten steps on {name} with {ids}"
        folder = checks.folder / "begin"
        shutil.rmtree(folder, ignore_errors=True)
        model = lora(base_of(checks, name, vocabulary), ids)
        model.save_pretrained(folder)
        rows = random_rows(4, 20, vocabulary or 512, seed=5)
        for row in rows:
            row[3:9] = [5, 7, (vocabulary or 512) - 1, 3, 5, (vocabulary or 512) - 2]
        begin = deltas(folder)
        theirs, first = [], None
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(parameters, lr=LR)
        for step in range(10):
            optimizer.zero_grad()
            batch = torch.tensor(rows)
            loss = model.train()(input_ids=batch, labels=batch).loss
            loss.backward()
            if step == 0:
                first = {n: p.grad.numpy().copy() for n, p in model.named_parameters() if "tokens_delta" in n}
            optimizer.step()
            theirs.append(loss.item())
        data = checks.folder / "steps.jsonl"
        data.write_text("".join(json.dumps({"input_ids": row, "labels": row}) + "\n" for row in rows))
        ran = {}
        for count in (1, 10):
            ran[count] = checks.folder / "ran"
            shutil.rmtree(ran[count], ignore_errors=True)
            checks.run("finetune", "lora", "--checkpoint", base, "--data", data, "--out", ran[count], "--init-adapter", folder,
                       "--max-steps", count, "--batch-size", 4, "--lr", LR, "--optimizer", "sgd", "--weight-decay", 0,
                       "--grad-clip", 0, "--warmup-steps", 0, "--precision", "f32", "--test-size", 0, "--schedule", "constant",
                       "--lora-dropout", 0, "--on-spike", "off", "--any-base")
            if count == 1:
                for key, before in begin.items():
                    gradient = (before - deltas(ran[1] / "final")[key][: len(before)]) / LR
                    theirs_is = next(g for n, g in first.items() if n.replace(".default", "") == key)
                    scale = float(abs(theirs_is).max())
                    checks.close(f"{what}: the gradient of {key.split('.')[-3]}", largest([gradient / scale], [theirs_is / scale]), 2e-4)
        metrics = [json.loads(line) for line in (ran[10] / "metrics.jsonl").read_text().splitlines()]
        ours = [m["loss"] for m in metrics if "loss" in m]
        checks.check(f"{what}: the loss falls", theirs[-1] < theirs[0] - 0.1, f"{theirs[0]:.4f} to {theirs[-1]:.4f}")
        checks.close(f"{what}: PEFT's losses", max(abs(a - b) for a, b in zip(theirs, ours, strict=True)), 2e-5)


def deltas(folder):
    """By PEFT's names; of a tied head once."""
    found = {k: v for k, v in load_file(folder / "adapter_model.safetensors").items() if "trainable_tokens_delta" in k}
    embedding = next((v for k, v in found.items() if "word_embeddings" in k), None)
    return {k: v for k, v in found.items() if "word_embeddings" in k or embedding is None or (v != embedding).any()}


def refusals(checks):
    base = checks.goldens / "models" / TIED
    lora(base_of(checks, TIED, None), {"word_embeddings": [5, 7], "lm_head": [8]}).save_pretrained(checks.folder / "untied")
    checks.refused("other rows for a tied head are refused", ["score", "--checkpoint", base, "--data", checks.folder / "score.jsonl",
                   "--adapter", checks.folder / "untied"], "trainable_token_indices", "lm_head")
    for form in ("litgpt", "gguf-lora"):
        checks.refused(f"rows are refused for {form}", ["export", "--checkpoint", base, "--adapter", checks.folder / "p0",
                       "--format", form, "--out", checks.folder / f"no-{form}"], "embedding", "merge")


checks = Checks(__doc__)
made_by_peft(checks)
trained_here(checks)
steps(checks)
refusals(checks)
checks.finish()
