#!/usr/bin/env python3
"""Adapters of PEFT in many shapes: each scores here as PEFT says, or is refused by the name of what it has."""
import contextlib
import copy
import json
import logging
import os
import shutil
import subprocess
import warnings

from lib.common import Checks, largest, need, random_rows

need("torch", "transformers", "peft", "safetensors")
import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

from families import SHAPES, made

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")
torch.set_num_threads(2)
LOSS_BOUND, LOGITS_BOUND = 2e-5, 2e-4
SEVEN, FORTY, UNTIED = "falcon7b-tiny-h4", "falcon40b-tiny", "falcon7b-tiny-h4-untied"
BIASES, BF16, NEOX = "falconrw-tiny", "falcon7b-tiny-h4-bf16", "gptneox-tiny"
QKV, DENSE = "query_key_value", "dense"
CASES = []


def case(what, base=SEVEN, refused=(), edit=None, save=None, config=None, dtype=None, name="default", prepare=None,
         does_something=True, merges=True, **settings):
    """`settings`: of LoraConfig. `refused`: what the error must mention (none: it is read). `edit(folder)` changes what
    was saved; `prepare(model)` the base before it gets its adapter."""
    settings = {"r": 8, "lora_alpha": 16, "target_modules": [QKV], "init_lora_weights": False, **settings}
    CASES.append(dict(what=what, base=base, refused=refused, edit=edit, save=save or {}, config=config, dtype=dtype,
                      name=name, prepare=prepare, does_something=does_something, merges=merges, settings=settings))


# ---- changes of what was saved

def settings_of(folder):
    return json.loads((folder / "adapter_config.json").read_text())


def with_settings(**new):
    def edit(folder):
        (folder / "adapter_config.json").write_text(json.dumps({**settings_of(folder), **new}))
    return edit


def without(*keys):
    def edit(folder):
        (folder / "adapter_config.json").write_text(
            json.dumps({key: value for key, value in settings_of(folder).items() if key not in keys}))
    return edit


def only(*keys):
    def edit(folder):
        (folder / "adapter_config.json").write_text(
            json.dumps({key: value for key, value in settings_of(folder).items() if key in keys}))
    return edit


def tensors_changed(change):
    def edit(folder):
        file = folder / "adapter_model.safetensors"
        tensors = load_file(file)
        change(tensors)
        save_file({k: v.contiguous() for k, v in tensors.items()}, file, metadata={"format": "pt"})
    return edit


def as_bin(folder):
    torch.save(load_file(folder / "adapter_model.safetensors"), folder / "adapter_model.bin")
    (folder / "adapter_model.safetensors").unlink()


def names_of_a_live_model(tensors):
    for name in list(tensors):
        for kind in ("lora_A", "lora_B"):
            if name.endswith(f".{kind}.weight"):
                tensors[name.replace(f".{kind}.weight", f".{kind}.default.weight")] = tensors.pop(name)


def drop(part):
    def change(tensors):
        for name in [n for n in tensors if part in n]:
            del tensors[name]
    return change


def renamed(old, new):
    def change(tensors):
        for name in [n for n in tensors if old in n]:
            tensors[name.replace(old, new)] = tensors.pop(name)
    return change


def larger_embedding(model):
    model.resize_token_embeddings(520)


# ---- the table

def plain_ones():
    for base in (SEVEN, FORTY, UNTIED, BIASES, NEOX, BF16, "falcon7b-tiny-h7", "falcon7b-tiny-h4-bin"):
        case(f"queries, keys, values on {base}", base)
    for r in (1, 2, 3, 16, 32, 64):
        case(f"rank {r}", FORTY, r=r, lora_alpha=2 * r)
    case("alpha with a fraction, dropout", lora_alpha=7.5, lora_dropout=0.1)
    case("alpha below nothing", lora_alpha=-3)
    for base in (SEVEN, FORTY, BIASES):
        case(f"all linear layers of {base}", base, target_modules="all-linear")
    case("all linear layers, in capitals", target_modules="ALL-LINEAR")
    case("a list of modules", target_modules=[QKV, DENSE, "dense_h_to_4h", "dense_4h_to_h"])
    case("whole names", target_modules=["transformer.h.0.self_attention.dense", "transformer.h.3.mlp.dense_4h_to_h"])
    case("parts of names", target_modules=["self_attention.dense", "h.2.mlp.dense_h_to_4h"])
    case("a regular expression", target_modules=r".*\.h\.[13]\.self_attention\.(dense|query_key_value)")
    case("a regular expression with alternatives", target_modules=r".*query_key_value|.*h\.0\.mlp\.dense.*")
    case("a regular expression that looks ahead", target_modules=r"transformer\.h\.\d+\.(?!mlp).*dense")
    case("all but some", target_modules="all-linear", exclude_modules=[DENSE, "h.1.mlp.dense_h_to_4h"])
    case("all but an expression", target_modules="all-linear", exclude_modules=r".*\.mlp\..*")
    case("some layers", layers_to_transform=[0, 2])
    case("one layer", layers_to_transform=3)
    case("layers of a pattern", layers_to_transform=[1], layers_pattern="h")
    case("layers of patterns", layers_to_transform=[1, 2], layers_pattern=["layers", "h"])
    case("the head", UNTIED, target_modules=[QKV, "lm_head"])
    case("the head alone", UNTIED, target_modules=["lm_head"])
    case("a tied head", SEVEN, target_modules=[QKV, "lm_head"])
    case("a tied head with DoRA", SEVEN, target_modules=["lm_head"], use_dora=True)
    case("GPT-NeoX's layers", NEOX, target_modules="all-linear")


def numbers():
    case("ranks by names", target_modules=[QKV, DENSE], rank_pattern={QKV: 4, "h.1.self_attention.dense": 2})
    case("ranks by an expression", FORTY, target_modules="all-linear", rank_pattern={r".*\.mlp\..*": 3, DENSE: 5})
    case("alphas by an expression, and order", FORTY, target_modules=[QKV, DENSE],
         alpha_pattern={r".*\.h\.[0-1]\..*": 64, QKV: 4})
    case("alphas in another order", FORTY, target_modules=[QKV, DENSE],
         alpha_pattern={QKV: 4, r".*\.h\.[0-1]\..*": 64})
    case("ranks and alphas with a caret", FORTY, target_modules=[QKV, DENSE],
         rank_pattern={r"^transformer\.h\.0\.self_attention\.dense": 2}, alpha_pattern={r"h\.2.*": 32})
    case("rank-stabilised", use_rslora=True)
    case("rank-stabilised, ranks by names", FORTY, use_rslora=True, rank_pattern={"h.1": 2, "h.2.self_attention.query_key_value": 4})
    case("DoRA", use_dora=True)
    case("DoRA on all of 40B's", FORTY, use_dora=True, target_modules="all-linear")
    case("DoRA on biases", BIASES, use_dora=True, target_modules="all-linear")
    case("DoRA, rank-stabilised", FORTY, use_dora=True, use_rslora=True, target_modules=[QKV, DENSE])
    case("DoRA, ranks by names", FORTY, use_dora=True, target_modules=[QKV, DENSE], rank_pattern={DENSE: 3})
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        case(f"saved in {dtype}", dtype=dtype)
        case(f"DoRA saved in {dtype}", FORTY, dtype=dtype, use_dora=True)


def beginnings():
    for way in (True, "gaussian", "orthogonal", "mica"):
        case(f"begun as {way}", init_lora_weights=way, target_modules=[QKV, DENSE])
    case("begun as eva", init_lora_weights="eva", target_modules=[QKV])
    for way in ("pissa", "pissa_niter_4"):
        case(f"begun as {way}", refused=("init_lora_weights", way, "path_initial_model_for_weight_conversion"),
             init_lora_weights=way)
    for base in (SEVEN, FORTY, UNTIED, BIASES, BF16):
        case(f"begun as olora, on {base}", base, init_lora_weights="olora", target_modules="all-linear")
    case("begun as olora, with a head", UNTIED, init_lora_weights="olora", target_modules=[QKV, "lm_head"], use_rslora=True)
    case("begun as olora, with DoRA", FORTY, init_lora_weights="olora", use_dora=True)
    case("begun as olora, with a head saved", init_lora_weights="olora", modules_to_save=["lm_head"])
    case("begun as olora, with a tied head", init_lora_weights="olora", target_modules=["lm_head"])
    case("begun as olora, with a tied head that is not saved along", refused=("olora", "embedding"), init_lora_weights="olora",
         target_modules=["lm_head"], save={"save_embedding_layers": False})
    for way in ("loftq", "corda", "lora_ga"):
        case(f"begun as {way}", refused=("init_lora_weights", way), edit=with_settings(init_lora_weights=way))


def files():
    case("an adapter of another name, in its own folder", name="mine")
    case("a .bin file", edit=as_bin)
    case("a .bin file of DoRA in bf16", edit=as_bin, use_dora=True, dtype=torch.bfloat16)
    case("names of a model with an adapter in it", edit=tensors_changed(names_of_a_live_model))
    case("settings of PEFT 0.3",
         edit=only("base_model_name_or_path", "bias", "fan_in_fan_out", "inference_mode", "init_lora_weights",
                   "lora_alpha", "lora_dropout", "modules_to_save", "peft_type", "r", "target_modules", "task_type"))
    case("settings of PEFT 0.5", edit=without(
        "use_rslora", "use_dora", "loftq_config", "alora_invocation_tokens", "arrow_config", "corda_config", "eva_config",
        "ensure_weight_tying", "exclude_modules", "lora_bias", "peft_version", "qalora_group_size", "target_parameters",
        "trainable_token_indices", "use_qalora", "megatron_config", "megatron_core"))
    case("no settings but the necessary", edit=only("peft_type", "r", "lora_alpha", "target_modules"))
    case("no alpha: PEFT's own", edit=without("lora_alpha"))
    case("Microsoft's keys of PEFT 0.2", edit=with_settings(enable_lora=None, merge_weights=False))
    case("a setting of a newer PEFT that is not set", edit=with_settings(new_setting=None, other_setting=False, third=[]))
    case("a setting of a newer PEFT", refused=("new_setting", "not supported", "merge"), edit=with_settings(new_setting=3))
    case("the embedding saved along, as it is", save={"save_embedding_layers": True})
    case("the embedding saved along, as it is, in bf16", BF16, save={"save_embedding_layers": True})
    case("embedding and head saved along, as they are", UNTIED, save={"save_embedding_layers": True})
    case("tensors of a layer missing", refused=("h.1", "nothing for"), edit=tensors_changed(drop(".h.1.")))
    case("B missing", refused=("lora",), edit=tensors_changed(drop("lora_B")))
    case("A missing", refused=("lora_A", "missing"), edit=tensors_changed(drop("h.0.self_attention.query_key_value.lora_A")))
    case("another model's names", refused=("another model",), edit=tensors_changed(renamed("transformer.h.", "model.layers.")))
    case("another rank than the settings say", refused=("rank 8",), edit=with_settings(r=4))
    case("an adapter of a wider model", "falcon7b-tiny-h7", refused=("expected", "another model"), config="made for 7B-h4")


def in_place_of_the_base():
    for base in (SEVEN, UNTIED, FORTY, BF16, BIASES):
        case(f"{base}: a head saved", base, modules_to_save=["lm_head"])
        case(f"{base}: an embedding saved", base, modules_to_save=["word_embeddings"])
        case(f"{base}: both saved", base, modules_to_save=["word_embeddings", "lm_head"])
    case("an embedding of GPT-NeoX", NEOX, modules_to_save=["embed_in"])
    # In transformers 5 it is lm_head, in files embed_out.
    case("a head of GPT-NeoX", NEOX, modules_to_save=["lm_head"])
    case("a LoRA of GPT-NeoX's head", NEOX, target_modules=[QKV, "lm_head"])
    case("the last norm saved", modules_to_save=["ln_f"])
    case("all norms saved", FORTY, modules_to_save=["ln_f", "ln_attn", "ln_mlp"])
    case("a linear layer saved", modules_to_save=["h.1.mlp.dense_4h_to_h"])
    case("a whole MLP saved", modules_to_save=["h.2.mlp"])
    case("a linear layer with biases saved", BIASES, modules_to_save=["h.1.mlp.dense_4h_to_h"])
    case("a head saved beside all linear layers", UNTIED, target_modules="all-linear", modules_to_save=["lm_head"])
    case("a head saved beside an expression that names it", UNTIED, target_modules=r".*(query_key_value|lm_head)",
         modules_to_save=["lm_head"])
    case("a head saved, in bf16", modules_to_save=["lm_head"], dtype=torch.bfloat16)
    case("a head saved, in f16", modules_to_save=["lm_head"], dtype=torch.float16)
    case("a head saved, in a .bin", edit=as_bin, modules_to_save=["lm_head"])
    case("a head saved beside DoRA", FORTY, use_dora=True, modules_to_save=["lm_head"])
    case("modules to save that this model does not have", modules_to_save=["score", "classifier"])
    case("a head that should be there", refused=("modules_to_save", "lm_head"), modules_to_save=["lm_head"],
         edit=tensors_changed(drop("lm_head")))
    case("the embedding saved along, changed", save={"save_embedding_layers": True}, prepare="embedding")
    case("embedding and head saved along, changed", UNTIED, save={"save_embedding_layers": True}, prepare="embedding")
    # Where the base's rows are what they were: peft_token_rows.py.
    case("a vocabulary that was enlarged, and saved", refused=("[520, 64]", "[512, 64]", "resize"),
         modules_to_save=["word_embeddings"], prepare=larger_embedding)
    case("ties to be kept, of a name that PEFT does not know", modules_to_save=["word_embeddings"], ensure_weight_tying=True)
    case("ties to be kept, of a head", modules_to_save=["lm_head"], ensure_weight_tying=True)
    case("ties to be kept, of nothing", ensure_weight_tying=True)
    case("ties to be kept, of the embedding's LoRA", target_modules=[QKV, "word_embeddings"], ensure_weight_tying=True)
    case("ties to be kept, of the head's LoRA", refused=("lm_head", "target_modules"), target_modules=[QKV, "lm_head"],
         ensure_weight_tying=True)
    case("ties to be kept, of a head, as no PEFT writes it", refused=("ensure_weight_tying", "lm_head"),
         modules_to_save=["lm_head"], edit=with_settings(ensure_weight_tying=True))
    case("ties to be kept, of a head of its own", UNTIED, modules_to_save=["lm_head"], edit=with_settings(ensure_weight_tying=True))
    for base in (SEVEN, BIASES, NEOX):
        case(f"{base}: all biases", base, bias="all")
        case(f"{base}: biases of LoRAs", base, bias="lora_only", target_modules="all-linear")
    case("all biases beside DoRA", BIASES, bias="all", use_dora=True)
    case("biases without a LoRA's", BIASES, bias="all", layers_to_transform=[0])
    case("a bias of B", BIASES, lora_bias=True, target_modules="all-linear")
    case("a bias of B, and all biases", BIASES, lora_bias=True, bias="all")
    case("a bias of B where the base has none", lora_bias=True, target_modules=[QKV, DENSE])
    case("a bias of the head's B", UNTIED, lora_bias=True, target_modules=["lm_head"], merges=False)


def embeddings():
    table = "word_embeddings"
    for base in (SEVEN, UNTIED, FORTY, BF16):
        case(f"{base}: a LoRA of the embedding", base, target_modules=[QKV, table])
    case("a LoRA of the embedding alone", target_modules=[table])
    case("a LoRA of GPT-NeoX's embedding", NEOX, target_modules=[QKV, "embed_in"])
    case("LoRAs of embedding and head", UNTIED, target_modules=[table, "lm_head"])
    case("LoRAs of embedding and tied head", target_modules=[table, "lm_head"])
    case("a LoRA of the embedding, a head saved", target_modules=[table], modules_to_save=["lm_head"])
    case("a LoRA of the embedding, rank-stabilised, of its own rank", target_modules=[QKV, table], use_rslora=True,
         rank_pattern={table: 2}, alpha_pattern={table: 5})
    case("a LoRA of the embedding, in f16", target_modules=[QKV, table], dtype=torch.float16)
    case("DoRA of the embedding", refused=("use_dora", "embedding"), target_modules=[QKV, table], use_dora=True)
    case("a LoRA of the embedding that is missing", refused=("word_embeddings",), target_modules=[QKV, table],
         edit=tensors_changed(drop("lora_embedding")))


def not_here():
    case("layers that are repeated", refused=("layer_replication",), edit=with_settings(layer_replication=[[0, 2], [1, 4]]))
    case("a LoRA of parameters", refused=("target_parameters",), edit=with_settings(target_parameters=["mlp.w"]))
    case("QALoRA", refused=("use_qalora",), edit=with_settings(use_qalora=True))
    case("aLoRA", refused=("alora_invocation_tokens",), edit=with_settings(alora_invocation_tokens=[1, 2]))
    case("Arrow", refused=("arrow_config",), edit=with_settings(arrow_config={"top_k": 2}))
    case("block-diagonal", refused=("use_bdlora",), edit=with_settings(use_bdlora={"nblocks": 2}))
    case("rows and columns exchanged", refused=("fan_in_fan_out",), edit=with_settings(fan_in_fan_out=True))
    case("a bias of another kind", refused=("bias", "lora_only"), edit=with_settings(bias="some"))
    for kind in ("IA3", "PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "ADALORA", "LOHA", "LOKR", "OFT", "VERA", "FOURIERFT",
                 "ADAPTION_PROMPT", "XLORA"):
        case(f"{kind}", refused=("peft_type", kind, "PEFT"), edit=with_settings(peft_type=kind))
    case("no kind", refused=("peft_type",), edit=without("peft_type"))
    case("an expression that is none", refused=("target_modules", "["), edit=with_settings(target_modules=".*[h"))


# Families beside Falcon, each with what its fused matrices are called and a norm; those with a head of their own.
FAMILIES = {"llama": ([], "input_layernorm"), "mistral, a window": ([], "norm"), "qwen2": ([], "post_attention_layernorm"),
            "qwen3": ([], "q_norm"), "phi3": (["qkv_proj"], "input_layernorm"), "gemma": ([], "norm"),
            "gemma2": ([], "post_feedforward_layernorm"), "gemma3": ([], "k_norm"),
            "olmo2": ([], "post_attention_layernorm"), "stablelm": ([], "norm"), "cohere": ([], "input_layernorm"),
            "starcoder2": ([], "norm")}
OWN_HEADS = ("llama", "phi3", "olmo2", "stablelm")


def of_families():
    for family, (fused, norm) in FAMILIES.items():
        own = dict(base=f"family {family}")
        case(f"{family}: q and v", target_modules=fused or ["q_proj", "v_proj"], **own)
        case(f"{family}: all linear layers, rank-stabilised", target_modules="all-linear", use_rslora=True, **own)
        case(f"{family}: DoRA", target_modules=["o_proj", *(fused or ["k_proj"])], use_dora=True, **own)
        case(f"{family}: a norm saved along", modules_to_save=[norm], target_modules=["o_proj"], **own)
    for family in OWN_HEADS:
        case(f"{family}: the head saved along", base=f"family {family}", modules_to_save=["lm_head"], target_modules=["o_proj"])


# ---- what is done with each

class Corpus:
    def __init__(self, checks):
        self.c, self.bases, self.bare = checks, {}, {}
        self.rows = random_rows(3, 16, 512, seed=9)

    def path(self, base):
        if not base.startswith("family "):
            return self.c.goldens / "models" / base
        folder = self.c.folder / base
        if not folder.exists():
            kind, settings = SHAPES[base.removeprefix("family ")]
            made(kind, dict(settings, vocab_size=512), 5).save_pretrained(folder)
        return folder

    def model(self, base):
        if base not in self.bases:
            self.bases[base] = transformers.AutoModelForCausalLM.from_pretrained(self.path(base), dtype=torch.float32).eval()
        return copy.deepcopy(self.bases[base])

    def logits(self, model):
        with torch.no_grad():
            return model(torch.tensor(self.rows)).logits.float()

    def loss(self, logits):
        return float(torch.nn.functional.cross_entropy(
            logits[:, :-1].reshape(-1, logits.shape[-1]), torch.tensor(self.rows)[:, 1:].reshape(-1)))

    def base_logits(self, base):
        if base not in self.bare:
            self.bare[base] = self.logits(self.model(base))
        return self.bare[base]

    def make(self, number, k):
        """A folder with an adapter whose every number is another one than at the beginning."""
        torch.manual_seed(number)
        made_for = SEVEN if k["config"] else k["base"]
        model = self.model(made_for)
        if callable(k["prepare"]):
            k["prepare"](model)
        config = peft.LoraConfig(task_type="CAUSAL_LM", **k["settings"])
        config.base_model_name_or_path = str(self.path(made_for))
        model = peft.get_peft_model(model, config, adapter_name=k["name"])
        with torch.no_grad():
            for name, p in model.named_parameters():
                changed = p.requires_grad or (k["prepare"] == "embedding" and "word_embeddings" in name)
                if not changed:
                    continue
                if "lora_embedding_A" in name:
                    p.copy_(torch.randn_like(p) * 0.05)
                elif "lora_" in name and "magnitude" not in name:
                    p.add_(torch.randn_like(p) * 0.03)
                else:
                    p.mul_(1 + 0.1 * torch.randn_like(p)).add_(torch.randn_like(p) * 0.02)
        folder = self.c.folder / f"adapter-{number}"
        model.save_pretrained(folder, **k["save"])
        if k["name"] != "default":
            folder = folder / k["name"]
        for key in ("rank_pattern", "alpha_pattern"):  # PEFT sorts the keys as it saves, and reads them in order
            if key in k["settings"]:
                with_settings(**{key: k["settings"][key]})(folder)
        if k["dtype"]:
            def narrow(tensors):
                for name in tensors:
                    tensors[name] = tensors[name].to(k["dtype"])
            tensors_changed(narrow)(folder)
        if k["edit"]:
            k["edit"](folder)
        return folder

    def with_peft(self, base, folder):
        return self.logits(peft.PeftModel.from_pretrained(self.model(base), folder).eval())

    def falconer(self, *words):
        return subprocess.run([str(self.c.program), "--log", "warning", *map(str, words)], capture_output=True, text=True)

    def refused(self, k, folder):
        data = self.c.folder / "row.jsonl"
        data.write_text(json.dumps({"input_ids": self.rows[0]}) + "\n")
        done = self.falconer("score", "--checkpoint", self.path(k["base"]), "--adapter", folder, "--data", data,
                             "--output", self.c.folder / "refused.jsonl")
        missing = [m for m in k["refused"] if m not in done.stderr]
        good = done.returncode in (1, 2) and not missing
        self.c.check(f"{k['what']}: refused", good,
                     "" if good else f"exit {done.returncode}, not mentioned: {missing}: {done.stderr.strip()}")

    def read(self, number, k, folder):
        base, what = self.path(k["base"]), k["what"]
        expected = self.with_peft(k["base"], folder)
        done = self.falconer("score", "--checkpoint", base, "--adapter", folder, "--data", self.data(), "--output",
                             self.c.folder / "scored.jsonl", "--logits", self.c.folder / "one.safetensors", "--precision", "f32")
        if done.returncode != 0:
            self.c.check(f"{what}: read", False, done.stderr.strip())
            return
        found = load_file(self.c.folder / "one.safetensors")
        found = torch.stack([found[f"logits.{i}"] for i in range(len(self.rows))])
        self.agrees(f"{what}: scores as in PEFT", expected, found)
        if k["does_something"]:
            self.c.check(f"{what}: does something", float((expected - self.base_logits(k["base"])).abs().max()) > 5e-3)
        self.exported(number, k, folder, expected)
        self.merged(number, k, folder, expected)

    def data(self):
        data = self.c.folder / "rows.jsonl"
        if not data.exists():
            data.write_text("".join(json.dumps({"input_ids": row}) + "\n" for row in self.rows))
        return data

    def agrees(self, what, expected, found):
        loss = abs(self.loss(expected) - self.loss(found))
        logits = float((expected - found).abs().max()) if expected.shape == found.shape else float("nan")
        self.c.check(what, loss <= LOSS_BOUND and logits <= LOGITS_BOUND,
                     f"loss {loss:.2g}, bound {LOSS_BOUND:.2g}; logits {logits:.2g}, bound {LOGITS_BOUND:.2g}")

    def exported(self, number, k, folder, expected):
        out = self.c.folder / f"exported-{number}"
        done = self.falconer("export", "--checkpoint", self.path(k["base"]), "--adapter", folder, "--format", "peft", "--out", out)
        if done.returncode != 0:
            self.c.check(f"{k['what']}: exported", False, done.stderr.strip())
            return
        before, after = settings_of(folder), settings_of(out)
        default = peft.LoraConfig().to_dict()
        differs = [key for key in ("use_rslora", "use_dora", "bias", "lora_bias", "modules_to_save", "lora_dropout",
                                  "ensure_weight_tying")
                   if before.get(key, default.get(key)) != after.get(key, default.get(key))]
        self.c.check(f"{k['what']}: exported, the settings say the same", not differs, differs or "")
        self.agrees(f"{k['what']}: exported, PEFT has the same", expected, self.with_peft(k["base"], out))
        shutil.rmtree(out)

    def merged(self, number, k, folder, expected):
        out = self.c.folder / f"merged-{number}"
        done = self.falconer("merge", "--checkpoint", self.path(k["base"]), "--adapter", folder, "--out", out)
        if not k["merges"]:
            self.c.check(f"{k['what']}: merging is refused", done.returncode == 1 and "--adapter" in done.stderr, done.stderr.strip())
            return
        if done.returncode != 0:
            self.c.check(f"{k['what']}: merged", False, done.stderr.strip())
            return
        if k["base"] == BF16:  # a merged model of bf16 is rounded
            return shutil.rmtree(out)
        model = transformers.AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32).eval()
        self.agrees(f"{k['what']}: merged, transformers has the same", expected, self.logits(model))
        shutil.rmtree(out)

    def go(self, number, k):
        with contextlib.redirect_stdout(open(os.devnull, "w")):
            folder = self.make(number, k)
        if k["refused"]:
            self.refused(k, folder)
        else:
            self.read(number, k, folder)
        shutil.rmtree(self.c.folder / f"adapter-{number}")


def trained_here(corpus):
    """PEFT loads what finetune wrote for a family."""
    for family, (fused, _) in FAMILIES.items():
        base = f"family {family}"
        parts = "gate,v" if fused else "q,v,down"
        for what, flags in (("all linear layers", ("--lora-targets", "all-linear")), (parts, ("--lora-targets", parts, "--lora-rs")),
                            ("DoRA", ("--lora-targets", "o", "--lora-dora"))):
            if what != "DoRA" and family == "starcoder2" and "gate" in what:
                continue
            out = corpus.c.folder / "trained"
            adapter = corpus.c.train("lora", corpus.path(base), out, *flags)
            found = corpus.c.logits(corpus.path(base), corpus.rows, adapter)
            corpus.agrees(f"{family}: trained here on {what}, PEFT has the same", corpus.with_peft(base, adapter),
                          torch.stack([torch.from_numpy(rows) for rows in found]))
            shutil.rmtree(out)


def left_overs(corpus):
    """A model that was merged and saved is a model; an adapter whose folder has none of its own is no adapter."""
    c = corpus.c
    folder = c.folder / "left-over"
    folder.mkdir()
    c.refused("a folder without settings is refused",
              ["score", "--checkpoint", corpus.path(SEVEN), "--adapter", folder, "--data", corpus.data(), "--output",
               c.folder / "no.jsonl"], "adapter_config.json")
    inner = folder / "mine"
    model = peft.get_peft_model(corpus.model(SEVEN), peft.LoraConfig(target_modules=[QKV]), adapter_name="mine")
    model.save_pretrained(folder)
    c.refused("a folder around an adapter's is refused, with the adapter's name",
              ["score", "--checkpoint", corpus.path(SEVEN), "--adapter", folder, "--data", corpus.data(), "--output",
               c.folder / "no.jsonl"], "adapter_config.json", str(inner))


plain_ones()
numbers()
beginnings()
files()
in_place_of_the_base()
embeddings()
not_here()
of_families()
checks = Checks(__doc__)
corpus = Corpus(checks)
chosen = os.environ.get("PEFT_CORPUS", "")  # a part of the names of those that are run
for number, one in enumerate(CASES):
    if chosen in one["what"]:
        corpus.go(number, one)
left_overs(corpus)
if chosen in "families":
    trained_here(corpus)
print(f"{len(CASES)} adapters", flush=True)
checks.finish()
