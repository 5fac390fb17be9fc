#!/usr/bin/env python3
"""transformers loads what `export --format hf` and `merge` write: no key missing or unexpected, the same logits."""
import json
import logging
import shutil

from lib.common import Checks, largest, need, random_rows

need("torch", "transformers", "safetensors")
import torch
import transformers
from safetensors.numpy import load_file

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
logging.disable(logging.WARNING)
# What f32 in another order of summation does to logits of size 10 (goldens/README.md).
BOUND = 2e-4


def load(folder, dtype=torch.float32):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, output_loading_info=True, attn_implementation="sdpa")
    wrong = {key: sorted(map(str, value)) for key, value in info.items() if value}
    return model.eval(), wrong


def logits(model, rows):
    with torch.no_grad():
        return [model(torch.tensor([list(map(int, row))])).logits[0].float().numpy() for row in rows]


def tied(model):
    return model.get_output_embeddings().weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def exported(c):
    """Every checkpoint of the goldens as a folder of small shards, against the logits stored with it."""
    for name in ("falcon7b-tiny-h4", "falcon7b-tiny-h7", "falcon40b-tiny", "falcon7b-tiny-h4-untied", "falconrw-tiny",
                 "gptneox-tiny", "falcon7b-tiny-h4-bin", "falcon7b-tiny-h4-sharded"):
        source, out = c.goldens / "models" / name, c.folder / f"hf-{name}"
        c.run("export", "--checkpoint", source, "--format", "hf", "--out", out, "--max-shard-size", "200KB")
        shards = sorted(out.glob("model-*.safetensors"))
        index = json.loads((out / "model.safetensors.index.json").read_text())
        c.check(f"{name}: {len(shards)} shards, all in the index",
                len(shards) > 1 and {s.name for s in shards} == set(index["weight_map"].values()))
        model, wrong = load(out)
        c.check(f"{name}: no missing or unexpected keys", not wrong, wrong or "")
        golden = load_file(c.goldens / "goldens" / name.removesuffix("-bin").removesuffix("-sharded") / "golden.safetensors")
        rows = list(golden["b0.input_ids"])
        c.close(f"{name}: logits are the stored ones", largest(logits(model, rows), list(golden["b0.logits"])), BOUND)
        before, _ = load(source)
        same = all(torch.equal(a, b) for a, b in zip(before.state_dict().values(), model.state_dict().values(), strict=True))
        c.check(f"{name}: every weight bit for bit", same)
        said = json.loads((out / "config.json").read_text()).get("tie_word_embeddings")
        c.check(f"{name}: head {'tied' if tied(before) else 'of its own'}, and config.json says so",
                tied(model) == tied(before) == said)


def old_names(c):
    """The spelling of 2023, which only code on the hub could read, becomes one that transformers knows."""
    source, old = c.goldens / "models" / "falcon40b-tiny", c.folder / "refined-web"
    shutil.copytree(source, old)
    config = json.loads((source / "config.json").read_text())
    (old / "config.json").write_text(json.dumps({
        "model_type": "RefinedWeb", "architectures": ["RWForCausalLM"], "auto_map": {"AutoConfig": "configuration_RW.RWConfig"},
        "n_layer": config["num_hidden_layers"], "n_head": config["num_attention_heads"], "n_head_kv": config["num_kv_heads"],
        "hidden_size": config["hidden_size"], "vocab_size": config["vocab_size"], "bias": False, "alibi": False,
        "layer_norm_epsilon": 1e-5, "torch_dtype": "float32", "bos_token_id": 11, "eos_token_id": 11}))
    out = c.folder / "hf-refined-web"
    c.run("export", "--checkpoint", old, "--format", "hf", "--out", out)
    model, wrong = load(out)
    golden = load_file(c.goldens / "goldens" / "falcon40b-tiny" / "golden.safetensors")
    c.check("a RefinedWeb folder of 2023: no missing or unexpected keys", not wrong, wrong or "")
    c.close("a RefinedWeb folder of 2023: logits are the stored ones",
            largest(logits(model, list(golden["b0.input_ids"])), list(golden["b0.logits"])), BOUND)


def dtypes(c):
    source = c.goldens / "models" / "falcon7b-tiny-h4"
    reference, _ = load(source)
    for flag, dtype in (("bf16", torch.bfloat16), ("f16", torch.float16)):
        out = c.folder / f"hf-{flag}"
        c.run("export", "--checkpoint", source, "--format", "hf", "--out", out, "--dtype", flag)
        model, wrong = load(out, "auto")
        same = all(torch.equal(a.to(dtype), b)
                   for a, b in zip(reference.state_dict().values(), model.state_dict().values(), strict=True))
        c.check(f"{flag}: every weight as torch rounds it, dtype from config.json", same and not wrong, wrong or "")


def merged(c):
    rows = random_rows(3, 16, 512, seed=5)
    for base, method, flags in (("falcon7b-tiny-h4", "lora", ()),
                                ("falcon40b-tiny", "lora", ("--lora-targets", "all-linear", "--lora-dora")),
                                ("falcon7b-tiny-h4", "lora", ("--lora-targets", "head,q,v")),
                                ("falcon40b-tiny", "adapter-v2", ())):
        source = c.goldens / "models" / base
        what = " ".join((method, *flags, "on", base))
        key = "".join(ch for ch in what if ch.isalnum())
        adapter = c.train(method, source, c.folder / f"run-{key}", *flags)
        out = c.folder / f"merged-{key}"
        said = c.run("merge", "--checkpoint", source, "--adapter", adapter, "--out", out, "--verify", "--max-shard-size", "300KB")
        c.check(f"{what}: verified while merging", "verified" in said)
        model, wrong = load(out)
        c.check(f"{what}: no missing or unexpected keys in the merged folder", not wrong, wrong or "")
        c.close(f"{what}: transformers' logits are ours", largest(logits(model, rows), c.logits(out, rows)), BOUND)
        if method == "lora":
            with_adapter = c.logits(source, rows, adapter)
            c.close(f"{what}: and those of the adapter", largest(logits(model, rows), with_adapter), BOUND)
            c.check(f"{what}: head as it must be", tied(model) == ("head,q,v" not in flags))


def tokenizer(c):
    out = c.folder / "hf-falcon7b-tiny-h4"
    ours = c.folder / "ids.jsonl"
    texts = [json.loads(line)["text"] for line in (c.goldens / "tokenizer_tiny" / "cases.jsonl").read_text().splitlines()]
    data = c.folder / "texts.jsonl"
    data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    c.run("tokenize", "--checkpoint", out, "--input", data, "--output", ours)
    theirs = transformers.AutoTokenizer.from_pretrained(out)
    expected = [theirs(text)["input_ids"] for text in texts]
    found = [json.loads(line)["ids"] for line in ours.read_text().splitlines()]
    c.check(f"the tokenizer that goes along: {len(texts)} texts give the same ids", expected == found)


checks = Checks(__doc__)
exported(checks)
old_names(checks)
dtypes(checks)
merged(checks)
tokenizer(checks)
checks.finish()
