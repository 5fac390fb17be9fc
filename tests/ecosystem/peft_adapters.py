#!/usr/bin/env python3
"""PEFT loads our LoRA adapters without a word about keys, and its own score the same here."""
import json
import logging
import shutil
import warnings

from lib.common import Checks, largest, need, random_rows

need("torch", "transformers", "peft", "safetensors")
import numpy
import peft
import torch
import transformers
from safetensors.numpy import load_file

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
logging.disable(logging.WARNING)
BOUND = 2e-4
# Keys that a reader of any version needs; everything else must differ from PEFT's default.
ALWAYS = {"peft_type", "task_type", "base_model_name_or_path", "inference_mode", "r", "lora_alpha", "target_modules"}


def load(base, adapter):
    """The model with its adapter, and what PEFT warned of."""
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = peft.PeftModel.from_pretrained(model, adapter)
    return model.eval(), [str(w.message) for w in said if "key" in str(w.message).lower()]


def logits(model, rows):
    with torch.no_grad():
        return [model(torch.tensor([list(map(int, row))])).logits[0].numpy() for row in rows]


def superfluous(adapter):
    said = json.loads((adapter / "adapter_config.json").read_text())
    default = peft.LoraConfig().to_dict()
    return [key for key, value in said.items()
            if key not in ALWAYS and key in default and default[key] == value] + [key for key in said if key not in default]


def agrees(c, what, base, adapter, ours):
    """`ours`: the adapter as falconer is given it."""
    rows = random_rows(3, 16, 512, seed=9)
    model, said = load(base, adapter)
    c.check(f"{what}: PEFT has nothing to say about keys", not said, said or "")
    c.check(f"{what}: only keys that say something", not superfluous(adapter), superfluous(adapter) or "")
    bare = c.logits(base, rows)
    with_it = c.logits(base, rows, ours)
    c.check(f"{what}: the adapter does something", largest(bare, with_it) > 0.05)
    c.close(f"{what}: PEFT's logits are ours", largest(logits(model, rows), with_it), BOUND)


def trained_here(c):
    for name, flags in (("falcon7b-tiny-h4", ()), ("falcon40b-tiny", ("--lora-targets", "q,v")),
                        ("falcon40b-tiny", ("--lora-targets", "k")),
                        ("falcon7b-tiny-h4", ("--lora-targets", "all-linear", "--lora-rs")),
                        ("falcon40b-tiny", ("--lora-targets", "all-linear", "--lora-dora")),
                        ("falcon7b-tiny-h4", ("--lora-targets", "q,v,dense", "--lora-alpha", "7"))):
        base = c.goldens / "models" / name
        what = " ".join(("lora", *flags, "on", name))
        key = "".join(ch for ch in what if ch.isalnum())
        adapter = c.train("lora", base, c.folder / f"run-{key}", *flags)
        agrees(c, f"{what}, as the run saves it", base, adapter, adapter)
        out = c.folder / f"peft-{key}"
        c.run("export", "--checkpoint", base, "--adapter", adapter, "--format", "peft", "--out", out)
        agrees(c, f"{what}, exported", base, out, adapter)


def from_lit(c):
    for name, code, file in (("falcon7b-tiny-h4", "litparrot-2023", "lit_model_lora_finetuned.pth"),
                             ("falcon7b-tiny-h4", "litgpt", None), ("falcon40b-tiny", "litgpt", None)):
        base, folder = c.goldens / "models" / name, c.goldens / "lit" / name / code / "lora"
        adapter = folder / file if file else lit_folder(c, folder, f"{name}-{code}")
        out = c.folder / f"peft-{name}-{code}"
        c.run("export", "--checkpoint", base, "--adapter", adapter, "--format", "peft", "--out", out)
        agrees(c, f"{code}'s LoRA on {name}, exported", base, out, adapter)
        if code == "litgpt":
            golden = load_file(folder / "golden.safetensors")
            model, _ = load(base, out)
            c.close(f"{code}'s LoRA on {name}, exported: logits that LitGPT gave",
                    largest(logits(model, golden["b1.input_ids"]), list(golden["b1.logits"])), BOUND)


def lit_folder(c, golden, name):
    """LitGPT's tensors as a folder with LORA_QV's adapter_config.json."""
    folder = c.folder / f"lora-qv-{name}"
    folder.mkdir()
    shutil.copy(golden / "trainable.safetensors", folder / "adapter_model.safetensors")
    said = json.loads((golden / "golden.json").read_text())["settings"]
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA_QV", "r": said["r"],
                                                             "lora_alpha": said["alpha"]}))
    return folder


def trained_by_peft(c):
    """The other direction: adapters that PEFT saved, with the logits that it gave."""
    for folder in sorted((c.goldens / "peft").glob("*/*")):
        base = c.goldens / "models" / folder.parent.name
        golden = load_file(folder / "golden.safetensors")
        mask = golden["b1.attention_mask"].astype(bool)
        rows = [row[m] for row, m in zip(golden["b1.input_ids"], mask)]
        stored = [row[m] for row, m in zip(golden["b1.logits"], mask)]
        what = f"PEFT's {folder.name} on {base.name}"
        c.close(f"{what}: scores the same here", largest(c.logits(base, rows, folder), stored), BOUND)
        out = c.folder / f"again-{base.name}-{folder.name}"
        c.run("export", "--checkpoint", base, "--adapter", folder, "--format", "peft", "--out", out)
        before, after = load_file(folder / "adapter_model.safetensors"), load_file(out / "adapter_model.safetensors")
        same = before.keys() == after.keys() and all(numpy.array_equal(before[k], after[k]) for k in before)
        c.check(f"{what}: exported again, every tensor is the same", same)


# Keys are regular expressions; the first that matches counts.
PATTERNS = (
    ("alphas", {"alpha_pattern": {r".*\.h\.[0-1]\..*": 64, "query_key_value": 4}}),
    ("alphas in another order", {"alpha_pattern": {"query_key_value": 4, r".*\.h\.[0-1]\..*": 64}}),
    ("ranks", {"rank_pattern": {"h.1.self_attention.query_key_value": 2, "dense": 3}}),
    ("both, rank-stabilised", {"rank_pattern": {r"h\.[12]\.self.*": 5}, "alpha_pattern": {"dense": 1.5}, "use_rslora": True}),
    ("both, DoRA", {"rank_pattern": {"dense": 3}, "alpha_pattern": {"h.0.*": 5}, "use_dora": True}),
    ("some layers", {"layers_to_transform": [0, 2], "alpha_pattern": {"h.2.*": 40}}),
    ("a regular expression", {"target_modules": r".*h\.[12]\.self_attention\.(dense|query_key_value)"}),
    ("all but some", {"target_modules": "all-linear", "exclude_modules": ["dense"]}),
)


def patterns(c):
    """Ranks, alphas and layers of their own: what PEFT makes of them, and of what is saved here."""
    base, rows = c.goldens / "models" / "falcon40b-tiny", random_rows(3, 16, 512, seed=9)
    for number, (what, settings) in enumerate(PATTERNS):
        settings = {"target_modules": ["query_key_value", "dense"], **settings}
        model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
        torch.manual_seed(number)
        model = peft.get_peft_model(model, peft.LoraConfig(r=8, lora_alpha=16, init_lora_weights=False, **settings))
        folder, out, again = (c.folder / f"pattern-{number}-{kind}" for kind in ("peft", "out", "again"))
        model.save_pretrained(folder)
        said = json.loads((folder / "adapter_config.json").read_text())
        for key in ("alpha_pattern", "rank_pattern"):  # PEFT sorts the keys as it saves, and reads them in order
            said[key] = settings.get(key, {})
        (folder / "adapter_config.json").write_text(json.dumps(said))
        model, _ = load(base, folder)
        c.close(f"{what}: scores the same here", largest(logits(model, rows), c.logits(base, rows, folder)), BOUND)
        c.run("export", "--checkpoint", base, "--adapter", folder, "--format", "peft", "--out", out)
        agrees(c, f"{what}, exported", base, out, folder)
        load(base, out)[0].save_pretrained(again)
        c.close(f"{what}, exported, saved by PEFT: scores the same here",
                largest(c.logits(base, rows, again), c.logits(base, rows, folder)), BOUND)


def refusals(c):
    base = c.goldens / "models" / "falcon7b-tiny-h4"
    adapter = c.goldens / "lit" / "falcon7b-tiny-h4" / "litparrot-2023" / "adapter" / "lit_model_adapter_finetuned.pth"
    c.refused("a LLaMA-Adapter is refused for PEFT, which has none",
              ["export", "--checkpoint", base, "--adapter", adapter, "--format", "peft", "--out", c.folder / "no"], "PEFT", "adapter")


checks = Checks(__doc__)
trained_here(checks)
from_lit(checks)
trained_by_peft(checks)
patterns(checks)
refusals(checks)
checks.finish()
