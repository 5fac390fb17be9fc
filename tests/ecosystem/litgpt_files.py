#!/usr/bin/env python3
"""LitGPT's and Lit-Parrot's files, both ways: torch.load takes what we write, their arithmetic gives our logits, and
what they trained scores the same here. Where the package litgpt is installed, LitGPT itself loads our files."""
import importlib.util
import json
import logging
import math
import shutil
import warnings

from lib.common import Checks, largest, need, random_rows

need("torch", "safetensors", "yaml")
import numpy
import torch
import torch.nn.functional as F
import yaml
from safetensors.torch import load_file

logging.disable(logging.WARNING)
warnings.simplefilter("ignore")
BOUND = 2e-4
LITGPT = importlib.util.find_spec("litgpt") is not None and importlib.util.find_spec("lightning") is not None


def open_pth(path):
    """As torch's strictest reader has it: nothing of the pickle is run, storages are mapped."""
    return torch.load(path, weights_only=True, mmap=True, map_location="cpu")


def settings_of(folder):
    return yaml.safe_load((folder / "model_config.yaml").read_text())


def rotate(x, base):
    """x: [heads, T, D]; halves of a head are rotated against each other."""
    size = x.shape[-1]
    angle = torch.arange(x.shape[1])[:, None] * base ** (-torch.arange(0, size, 2) / size)[None, :]
    cos, sin = angle.cos().repeat(1, 2), angle.sin().repeat(1, 2)
    return x * cos + torch.cat((-x[..., size // 2:], x[..., : size // 2]), -1) * sin


def forward(w, s, ids):
    """LitGPT's model by its formulas. Rows of attn.qkv: all queries, keys, values; of attn.attn: group by group."""
    linear = lambda x, name: F.linear(x, w[name + ".weight"].float(), w[name + ".bias"].float() if name + ".bias" in w else None)
    norm = lambda x, name: F.layer_norm(x, x.shape[-1:], w[name + ".weight"].float(), w[name + ".bias"].float(), s["norm_eps"])
    heads, groups, size = s["n_head"], s["n_query_groups"], s["head_size"]
    x = w["transformer.wte.weight"].float()[torch.tensor([int(i) for i in ids])]
    length = len(ids)
    for i in range(s["n_layer"]):
        h = f"transformer.h.{i}."
        n = norm(x, h + "norm_1")
        if h + "attn.qkv.weight" in w:
            q, k, v = linear(n, h + "attn.qkv").split((heads * size, groups * size, groups * size), -1)
        else:
            rows = linear(n, h + "attn.attn").view(length, groups, heads // groups + 2, size)
            q, k, v = rows[:, :, :-2].reshape(length, -1), rows[:, :, -2].reshape(length, -1), rows[:, :, -1].reshape(length, -1)
        q, k, v = (t.view(length, -1, size).transpose(0, 1) for t in (q, k, v))
        q, k = rotate(q, s["rope_base"]), rotate(k, s["rope_base"])
        k, v = (t.repeat_interleave(heads // groups, 0) for t in (k, v))
        scores = q @ k.transpose(1, 2) / math.sqrt(size) + torch.full((length, length), -math.inf).triu(1)
        attention = linear((scores.softmax(-1) @ v).transpose(0, 1).reshape(length, -1), h + "attn.proj")
        m = n if s["shared_attention_norm"] else norm(x, h + "norm_2")
        x = x + attention + linear(F.gelu(linear(m, h + "mlp.fc")), h + "mlp.proj")
    return F.linear(norm(x, "transformer.ln_f"), w["lm_head.weight"].float()).numpy()


def litgpt_logits(gpt, weights, rows):
    gpt.load_state_dict({key: value.clone().float() for key, value in weights.items()}, strict=True)
    gpt.eval()
    with torch.no_grad():
        return [gpt(torch.tensor([[int(i) for i in row]]))[0].numpy() for row in rows]


def models(c):
    rows = random_rows(3, 16, 512, seed=2)
    for name in ("falcon7b-tiny-h4", "falcon40b-tiny", "falcon7b-tiny-h4-untied", "falcon7b-tiny-h4-bin-sharded-bf16"):
        base = c.goldens / "models" / name
        ours = c.logits(base, rows)
        for form in ("litgpt", "lit-parrot"):
            what, out = f"{name} as {form}", c.folder / f"{form}-{name}"
            c.run("export", "--checkpoint", base, "--format", form, "--out", out)
            weights = open_pth(out / "lit_model.pth")
            settings = settings_of(out)
            c.check(f"{what}: torch.load with weights_only and mmap", len(weights) > 10)
            c.close(f"{what}: logits by LitGPT's formulas are ours",
                    largest([forward(weights, settings, row) for row in rows], ours), BOUND)
            c.close(f"{what}: opened here, it gives the same logits", largest(c.logits(out, rows), ours), 0)
            files = {"lit_model.pth", "model_config.yaml", "lit_config.json", "tokenizer.json", "tokenizer_config.json"}
            c.check(f"{what}: every file that LitGPT asks for", files <= {p.name for p in out.iterdir()})
            if LITGPT:
                from litgpt import GPT, Config

                config = Config.from_file(out / "model_config.yaml")
                c.close(f"{what}: LitGPT itself loads it, strictly, and gives our logits",
                        largest(litgpt_logits(GPT(config), weights, rows), ours), BOUND)
        back = c.folder / f"back-{name}"
        c.run("export", "--checkpoint", c.folder / f"litgpt-{name}", "--format", "hf", "--out", back)
        before = read_hf(base)
        after = read_hf(back)
        same = all(torch.equal(before[key], after[key]) for key in after)
        c.check(f"{name}: from Hugging Face to LitGPT and back, bit for bit", same)


def read_hf(folder):
    tensors = {}
    for path in folder.glob("*.safetensors"):
        tensors.update(load_file(path))
    for path in folder.glob("*.bin"):
        tensors.update(torch.load(path, weights_only=True))
    return tensors


def converters(c):
    """LitGPT's own way back to Hugging Face's names, and a folder that LitGPT wrote."""
    from litgpt import GPT, Config
    from litgpt.scripts.convert_lit_checkpoint import convert_lit_checkpoint
    from litgpt.utils import save_config

    rows = random_rows(2, 12, 512, seed=4)
    for name in ("falcon7b-tiny-h4", "falcon40b-tiny"):
        made, out = c.folder / f"litgpt-{name}", c.folder / f"converted-{name}"
        convert_lit_checkpoint(made, out)
        theirs, base = torch.load(out / "model.pth", weights_only=True), read_hf(c.goldens / "models" / name)
        c.check(f"{name}: LitGPT's converter brings it back bit for bit",
                all(torch.equal(theirs[key], value) for key, value in base.items()))
        config = Config.from_file(made / "model_config.yaml")
        torch.manual_seed(1)
        gpt, folder = GPT(config), c.folder / f"from-litgpt-{name}"
        folder.mkdir()
        for parameter in gpt.parameters():
            torch.nn.init.normal_(parameter, 0, 0.1)
        torch.save(gpt.state_dict(), folder / "lit_model.pth")
        save_config(config, folder)
        with torch.no_grad():
            theirs = [gpt(torch.tensor([row]))[0].numpy() for row in rows]
        c.close(f"{name}'s shape: a folder that LitGPT wrote gives its logits here",
                largest(c.logits(folder, rows), theirs), BOUND)


METHODS = {"lora": ("litgpt.lora", "lit_model.pth.lora"), "adapter": ("litgpt.adapter", "lit_model.pth.adapter"),
           "adapter_v2": ("litgpt.adapter_v2", "lit_model.pth.adapter_v2")}


def golden_adapter(c, folder, method):
    """Tensors of LitGPT under its names, as a folder that falconer reads."""
    out = c.folder / ("golden-" + "-".join(folder.parts[-3:]))
    out.mkdir()
    shutil.copy(folder / "trainable.safetensors", out / "adapter_model.safetensors")
    said = json.loads((folder / "golden.json").read_text())["settings"]
    if method == "lora":
        config = {"peft_type": "LORA_QV", "r": said["r"], "lora_alpha": said["alpha"]}
    else:
        config = {"peft_type": "ADAPTER" if method == "adapter" else "ADAPTER_V2",
                  "adapter_length": said["adapter_prompt_length"], "adapter_start_layer": said["adapter_start_layer"]}
    (out / "adapter_config.json").write_text(json.dumps(config))
    return out


def litgpt_model(base, method, said):
    """LitGPT's class of a method, for a base folder and the method's settings."""
    module = importlib.import_module(METHODS[method][0])
    config = module.Config.from_file(base / "model_config.yaml", **said)
    return module.GPT(config)


def their_keys(weights, method):
    """LitGPT's LoRA and Adapter v2 wrap linear layers: it maps older names when it loads."""
    if method == "adapter":
        return weights
    from litgpt.utils import map_old_state_dict_weights

    linear = [name for name in weights if name.endswith(("attn.qkv.weight", "attn.proj.weight", "mlp.fc.weight",
                                                         "mlp.proj.weight", "lm_head.weight"))]
    mapping = {name: name.removesuffix("weight") + "linear.weight" for name in linear}
    return map_old_state_dict_weights(dict(weights), mapping, "")


def written_adapters(c):
    """What LitGPT trained, through falconer, into LitGPT's files again: the same tensors, the same logits."""
    for name in ("falcon7b-tiny-h4", "falcon40b-tiny"):
        for method in METHODS:
            code = "litgpt-qkv-prefix" if name == "falcon40b-tiny" and method != "lora" else "litgpt"
            folder = c.goldens / "lit" / name / code / method
            base = c.goldens / "models" / name
            golden = load_file(folder / "trainable.safetensors")
            out = c.folder / f"lit-adapter-{name}-{method}"
            what = f"{method} on {name}"
            c.run("export", "--checkpoint", base, "--adapter", golden_adapter(c, folder, method), "--format", "litgpt", "--out", out)
            written = open_pth(out / METHODS[method][1])
            c.check(f"{what}: the names and values that LitGPT has",
                    written.keys() == golden.keys() and all(torch.equal(written[k], golden[k]) for k in golden))
            rows = random_rows(2, 14, 512, seed=6)
            c.close(f"{what}: read again here", largest(c.logits(base, rows, out), c.logits(base, rows, c.folder / ("golden-" + "-".join(folder.parts[-3:])))), 0)
            if not LITGPT or code != "litgpt":
                continue
            said = json.loads((folder / "golden.json").read_text())["settings"]
            if method == "lora":
                said = {k: v for k, v in yaml.safe_load((out / "hyperparameters.yaml").read_text()).items() if k.startswith("lora_")}
            lit_base = c.folder / f"litgpt-{name}"
            gpt = litgpt_model(lit_base, method, {k: v for k, v in said.items() if k.startswith(("lora_", "adapter_"))})
            weights = {**their_keys(open_pth(lit_base / "lit_model.pth"), method), **written}
            stored = load_file(folder / "golden.safetensors")
            lengths = [int(n) for n in stored["b1.lengths"]]
            ids = [row[:n].tolist() for row, n in zip(stored["b1.input_ids"], lengths)]
            expected = [row[:n].numpy() for row, n in zip(stored["b1.logits"], lengths)]
            c.close(f"{what}: LitGPT itself loads it and gives the stored logits",
                    largest(litgpt_logits(gpt, weights, ids), expected), BOUND)


def merged_by_litgpt(c):
    """A LoRA of ours on everything: `litgpt merge_lora` takes the folder, and the result gives our logits."""
    from litgpt.scripts.merge_lora import merge_lora

    rows = random_rows(2, 14, 512, seed=8)
    for name, flags in (("falcon7b-tiny-h4", ("--lora-targets", "all-linear,head", "--lora-alpha", "5", "--lora-rs")),
                        ("falcon40b-tiny", ("--lora-targets", "q,k,dense")), ("falcon40b-tiny", ("--lora-targets", "qkv,dense_4h_to_h"))):
        base = c.goldens / "models" / name
        what = " ".join(("lora", *flags, "on", name))
        key = "".join(ch for ch in what if ch.isalnum())
        adapter = c.train("lora", base, c.folder / f"run-{key}", *flags)
        out = c.folder / f"merge-lora-{key}"
        c.run("export", "--checkpoint", base, "--adapter", adapter, "--format", "litgpt", "--out", out)
        expected = c.logits(base, rows, adapter)
        c.close(f"{what}: exported and read again", largest(c.logits(base, rows, out), expected), BOUND)
        merge_lora(out, pretrained_checkpoint_dir=c.folder / f"litgpt-{name}")
        c.close(f"{what}: merged by LitGPT, it gives our logits", largest(c.logits(out, rows), expected), BOUND)


def lit_parrot_adapters(c):
    """Lit-Parrot's own .pth files of 2023, read and written again."""
    for name, method, file in (("falcon7b-tiny-h4", "lora", "lit_model_lora_finetuned.pth"),
                               ("falcon40b-tiny", "lora", "lit_model_lora_finetuned.pth"),
                               ("falcon7b-tiny-h4", "adapter", "lit_model_adapter_finetuned.pth"),
                               ("falcon7b-tiny-h4", "adapter_v2", "lit_model_adapter_finetuned.pth")):
        base, folder = c.goldens / "models" / name, c.goldens / "lit" / name / "litparrot-2023" / method
        out = c.folder / f"parrot-{name}-{method}.pth"
        c.run("export", "--checkpoint", base, "--adapter", folder / file, "--format", "lit-parrot", "--out", out)
        theirs, ours = torch.load(folder / file, weights_only=True), open_pth(out)
        theirs = theirs.get("model", theirs)
        c.check(f"Lit-Parrot's {method} on {name}: read and written again, the same names, shapes and values",
                theirs.keys() == ours.keys() and all(torch.equal(theirs[k], ours[k]) for k in theirs))


def trained_there(c):
    """The other direction: every adapter that LitGPT and Lit-Parrot trained, with the logits that they gave."""
    for golden in sorted((c.goldens / "lit").glob("*/*/*/golden.safetensors")):
        folder = golden.parent
        name, code, method = folder.parts[-3:]
        if code == "litparrot-2023" and method == "lora" or code == "litgpt" and name == "falcon40b-tiny" and method != "lora":
            c.skip(f"{code}'s {method} on {name}", "a defect of that program (goldens/README.md)")
            continue
        base = c.goldens / "models" / name
        stored = load_file(golden)
        lengths = [int(n) for n in stored["b1.lengths"]]
        rows = [row[:n].tolist() for row, n in zip(stored["b1.input_ids"], lengths)]
        expected = [row[:n].numpy() for row, n in zip(stored["b1.logits"], lengths)]
        files = list(folder.glob("*.pth"))
        made = c.folder / ("golden-" + "-".join(folder.parts[-3:]))
        adapter = files[0] if files else made if made.exists() else golden_adapter(c, folder, method)
        c.close(f"{code}'s {method} on {name}: scores the same here", largest(c.logits(base, rows, adapter), expected), BOUND)


def refusals(c):
    rw = c.goldens / "models" / "falconrw-tiny"
    c.refused("a model with ALiBi is refused for LitGPT", ["export", "--checkpoint", rw, "--format", "litgpt", "--out", c.folder / "no"], "ALiBi")
    base = c.goldens / "models" / "falcon7b-tiny-h4"
    adapter = c.goldens / "peft" / "falcon7b-tiny-h4" / "dora-r4"
    c.refused("DoRA is refused for LitGPT, with what to do",
              ["export", "--checkpoint", base, "--adapter", adapter, "--format", "litgpt", "--out", c.folder / "no.pth"], "DoRA", "merge")


checks = Checks(__doc__)
models(checks)
written_adapters(checks)
lit_parrot_adapters(checks)
trained_there(checks)
refusals(checks)
if LITGPT:
    converters(checks)
    merged_by_litgpt(checks)
else:
    checks.skip("LitGPT's own classes and converters", "the package litgpt is not installed")
checks.finish()
