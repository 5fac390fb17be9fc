#!/usr/bin/env python3
"""What modules are called: transformers' classes against Falconer, in every family. Adapters have these names, and they need
not be those of a checkpoint's tensors, which transformers 5 renames as it loads them."""
import json

from lib.common import Checks, need, random_rows

need("torch", "transformers", "safetensors", "peft")
import peft
import torch
import transformers
from safetensors.torch import load_file

import families

VOCABULARY = 96
# Modules with other names in files.
RENAMED = {"gpt_neox": {"lm_head": "embed_out"}}


def hugging_face(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def modules_of(model, kind):
    return {name for name, module in model.named_modules() if isinstance(module, kind)}


def largest(a, b):
    return max((torch.as_tensor(x) - y).abs().max().item() for x, y in zip(a, b))


def logits(model, rows):
    with torch.no_grad():
        return [model(torch.tensor([row])).logits[0] for row in rows]


def files_names(c, name, folder, model, family):
    stored = {key.rsplit(".", 1)[0] for key in load_file(folder / "model.safetensors")}
    own = {key.rsplit(".", 1)[0] for key in dict(model.named_parameters())}
    expected = {RENAMED.get(family, {}).get(module, module) for module in own}
    c.check(f"{name}: what files call otherwise is known", stored == expected, sorted(stored ^ expected) or "")


def ours_in_peft(c, name, folder, model, rows):
    out = c.train("lora", folder, c.folder / "ours" / name, "--lora-targets", "all-linear,head")
    keys = load_file(out / "adapter_model.safetensors")
    found = {key.removeprefix("base_model.model.").rsplit(".lora_", 1)[0] for key in keys}
    linear = modules_of(model, torch.nn.Linear)
    c.check(f"{name}: a LoRA of all has the classes' names", found == linear, sorted(found ^ linear) or "")
    names = {module.rsplit(".", 1)[-1] for module in linear}
    if "out_proj" in names:  # PEFT refuses it of a model with state space layers
        out = c.train("lora", folder, c.folder / "ours" / f"{name}, some", "--lora-targets", ",".join(sorted(names - {"out_proj"})))
    loaded = peft.PeftModel.from_pretrained(model, out).eval()
    c.close(f"{name}: PEFT computes with it what Falconer does", largest(c.logits(folder, rows, out), logits(loaded, rows)), 1e-3)


def peft_in_ours(c, name, folder, rows, what, **settings):
    torch.manual_seed(1)
    model = peft.get_peft_model(hugging_face(folder), peft.LoraConfig(r=2, task_type="CAUSAL_LM", **settings))
    with torch.no_grad():
        for _, p in model.named_parameters():
            if p.requires_grad:
                p.add_(0.1 * torch.randn(p.shape))
    out = c.folder / "peft" / name / what
    model.save_pretrained(out)
    loaded = peft.PeftModel.from_pretrained(hugging_face(folder), out).eval()
    c.close(f"{name}: {what} of PEFT's", largest(c.logits(folder, rows, out), logits(loaded, rows)), 1e-3)


def main():
    c = Checks(__doc__)
    rows = random_rows(2, 12, VOCABULARY, seed=5)
    kinds = {}
    for name, (kind, settings) in families.SHAPES.items():
        kinds.setdefault(kind, (name, settings))
    for kind, (name, settings) in kinds.items():
        folder = c.folder / "models" / kind
        families.made(kind, settings, 1).save_pretrained(folder)
        family = json.loads((folder / "config.json").read_text())["model_type"]
        model = hugging_face(folder)
        table = next(n for n, m in model.named_modules() if isinstance(m, torch.nn.Embedding)).rsplit(".", 1)[-1]
        dense = next(n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)).rsplit(".", 1)[-1]
        files_names(c, name, folder, model, family)
        ours_in_peft(c, name, folder, model, rows)
        peft_in_ours(c, name, folder, rows, "a LoRA of the head", target_modules=["lm_head"])
        peft_in_ours(c, name, folder, rows, "a head saved", target_modules=[dense], modules_to_save=["lm_head"])
        tied = model.config.tie_word_embeddings
        ids = {table: [3, 9]} if tied else {table: [3, 9], "lm_head": [3, 9]}
        peft_in_ours(c, name, folder, rows, "rows of tables", target_modules=[dense], trainable_token_indices=ids)
    c.finish()


if __name__ == "__main__":
    main()
