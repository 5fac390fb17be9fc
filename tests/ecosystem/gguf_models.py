#!/usr/bin/env python3
"""llama.cpp runs what `export --format gguf` and `gguf-lora` write.

llama.cpp's GELU is not Falcon's: it takes tanh's approximation, out of a table with inputs and outputs in f16. So its
logits are compared with the same arithmetic with that GELU, done here in numpy from the GGUF as its own reader has it;
and that arithmetic with the exact GELU is compared with falconer's logits. Both agree as f32 does."""
import json
import math
import shutil

from lib.common import Checks, largest, need, random_rows

need("numpy", "gguf", "llama_cpp", "safetensors", "tokenizers")
import gguf
import numpy as np
from safetensors.numpy import load_file, save_file

from lib.llama import Llama

# What f32 in another order of summation does to logits of size 10 (goldens/README.md).
BOUND = 2e-4
# The table of the GELU turns two sums that differ in their last bit into neighbours in f16 now and then, which differ by
# 2^-11: a few of the hundreds of inputs of a matrix, layer by layer.
BOUND_TABLE = 5e-3


def exact_gelu(x):
    erf = np.vectorize(math.erf)
    return (0.5 * x * (1 + erf(x / math.sqrt(2)))).astype(np.float32)


def table_gelu(x):
    """ggml's: f16 in, f16 out, between -10 and 10."""
    h = x.astype(np.float16).astype(np.float32)
    y = 0.5 * h * (1 + np.tanh(np.float32(math.sqrt(2 / math.pi)) * h * (1 + np.float32(0.044715) * h * h)))
    return np.where(x <= -10, 0, np.where(x >= 10, x, y.astype(np.float16).astype(np.float32))).astype(np.float32)


def tensors_of(path):
    """Every tensor of a GGUF as f32, by llama.cpp's own Python reader."""
    reader = gguf.GGUFReader(path)
    return {t.name: gguf.quants.dequantize(t.data, t.tensor_type).reshape([int(n) for n in reversed(t.shape)])
            for t in reader.tensors}, reader


def norm(x, w, b):
    x64 = x.astype(np.float64)
    y = (x64 - x64.mean(-1, keepdims=True)) / np.sqrt(x64.var(-1, keepdims=True) + 1e-5)
    return (y * w + b).astype(np.float32)


def forward(t, heads, groups, ids, gelu):
    """llama.cpp's graph of Falcon."""
    x = t["token_embd.weight"][ids]
    length, width = x.shape
    size = width // heads
    angle = np.arange(length)[:, None] * 10000.0 ** (-np.arange(0, size, 2) / size)[None, :]
    cos, sin = np.tile(np.cos(angle), 2)[:, None], np.tile(np.sin(angle), 2)[:, None]

    def rotate(v):
        return v * cos + np.concatenate((-v[..., size // 2:], v[..., : size // 2]), -1) * sin

    for i in range(sum(name.endswith(".attn_qkv.weight") for name in t)):
        b = f"blk.{i}."
        n = norm(x, t[b + "attn_norm.weight"], t[b + "attn_norm.bias"])
        a = norm(x, t[b + "attn_norm_2.weight"], t[b + "attn_norm_2.bias"]) if b + "attn_norm_2.weight" in t else n
        qkv = a @ t[b + "attn_qkv.weight"].T
        q, k, v = np.split(qkv, [heads * size, (heads + groups) * size], -1)
        q, k = rotate(q.reshape(length, heads, size)), rotate(k.reshape(length, groups, size))
        k, v = (np.repeat(m.reshape(length, groups, size), heads // groups, 1) for m in (k, v))
        scores = np.einsum("ihd,jhd->hij", q, k) / math.sqrt(size) + np.triu(np.full((length, length), -np.inf), 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        attention = np.einsum("hij,jhd->ihd", weights, v).reshape(length, width).astype(np.float32)
        x = x + attention @ t[b + "attn_output.weight"].T + gelu(n @ t[b + "ffn_up.weight"].T) @ t[b + "ffn_down.weight"].T
    head = t.get("output.weight", t["token_embd.weight"])
    return norm(x, t["output_norm.weight"], t["output_norm.bias"]) @ head.T


def shape_of(folder):
    config = json.loads((folder / "config.json").read_text())
    groups = config["num_kv_heads"] if config.get("new_decoder_architecture") else 1
    return config["num_attention_heads"], groups


MODELS = ("falcon7b-tiny-h4", "falcon7b-tiny-h7", "falcon40b-tiny", "falcon7b-tiny-h4-untied")


def f32_logits(c):
    rows = random_rows(3, 20, 512, seed=2)
    for name in MODELS:
        base, path = c.goldens / "models" / name, c.folder / f"{name}.gguf"
        c.run("export", "--checkpoint", base, "--format", "gguf", "--out", path)
        t, _ = tensors_of(path)
        ours = c.logits(base, rows)
        c.close(f"{name}: the file's tensors with the exact GELU give our logits",
                largest([forward(t, *shape_of(base), row, exact_gelu) for row in rows], ours), BOUND)
        llama = Llama(path)
        c.check(f"{name}: llama.cpp loads it", bool(llama.model))
        theirs = llama.logits(rows)
        c.close(f"{name}: with llama.cpp's GELU they give llama.cpp's logits",
                largest([forward(t, *shape_of(base), row, table_gelu) for row in rows], theirs), BOUND_TABLE)
        c.check(f"{name}: the most likely token is the same", top_tokens(theirs, ours) > 0.98,
                f"{top_tokens(theirs, ours):.1%}, logits differ by {largest(theirs, ours):.2g}")


def top_tokens(a, b):
    return float(np.mean([(x.argmax(-1) == y.argmax(-1)).mean() for x, y in zip(a, b)]))


def dtypes(c):
    """Every number as llama.cpp's own Python converter rounds it, and what llama.cpp makes of it."""
    rows = random_rows(3, 20, 512, seed=2)
    kinds = {"f16": gguf.GGMLQuantizationType.F16, "bf16": gguf.GGMLQuantizationType.BF16,
             "q8_0": gguf.GGMLQuantizationType.Q8_0}
    for name in MODELS:
        base = c.goldens / "models" / name
        exact, _ = tensors_of(c.folder / f"{name}.gguf")
        ours = c.logits(base, rows)
        for kind, number in kinds.items():
            path = c.folder / f"{name}-{kind}.gguf"
            c.run("export", "--checkpoint", base, "--format", "gguf", "--dtype", kind, "--out", path, "--verify")
            wrong, fallbacks = [], 0
            for tensor in gguf.GGUFReader(path).tensors:
                values = exact[tensor.name]
                expected = number
                if values.ndim == 1:
                    expected = gguf.GGMLQuantizationType.F32
                elif kind == "q8_0" and values.shape[-1] % 32:
                    expected, fallbacks = gguf.GGMLQuantizationType.F16, fallbacks + 1
                if tensor.tensor_type != expected or not np.array_equal(
                        gguf.quants.quantize(values, expected).view(np.uint8).ravel(), tensor.data.view(np.uint8).ravel()):
                    wrong.append(tensor.name)
            c.check(f"{name} {kind}: every byte as llama.cpp's converter has it ({fallbacks} matrices fall back to f16)",
                    not wrong, wrong or "")
            t, _ = tensors_of(path)
            c.close(f"{name} {kind}: opened here, it gives the logits of its own numbers",
                    largest([forward(t, *shape_of(base), row, exact_gelu) for row in rows], c.logits(path, rows)), BOUND)
            theirs = Llama(path).logits(rows)
            # llama.cpp rounds activations too: to f16, to bf16, or to blocks of 8 bits.
            share = np.sqrt(sum(((x - y) ** 2).sum() for x, y in zip(theirs, ours)) / sum((y ** 2).sum() for y in ours))
            bound = {"f16": 1e-2, "bf16": 5e-2, "q8_0": 1e-1}[kind]
            c.check(f"{name} {kind}: llama.cpp's logits are off by {share:.2%} in the mean, bound {bound:.0%}", share <= bound)


def metadata(c):
    for name in ("falcon7b-tiny-h4", "falcon40b-tiny"):
        base = c.goldens / "models" / name
        config = json.loads((base / "config.json").read_text())
        fields = {key: field.contents() for key, field in gguf.GGUFReader(c.folder / f"{name}.gguf").fields.items()}
        expected = {"general.architecture": "falcon", "general.type": "model", "general.file_type": 0,
                    "general.quantization_version": 2, "falcon.tensor_data_layout": "jploski",
                    "falcon.context_length": config["max_position_embeddings"], "falcon.embedding_length": config["hidden_size"],
                    "falcon.feed_forward_length": 4 * config["hidden_size"], "falcon.block_count": config["num_hidden_layers"],
                    "falcon.attention.head_count": shape_of(base)[0], "falcon.attention.head_count_kv": shape_of(base)[1],
                    "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "falcon"}
        wrong = {key: fields.get(key) for key, value in expected.items() if fields.get(key) != value}
        c.check(f"{name}: the keys that llama.cpp reads", not wrong, wrong or "")
        c.check(f"{name}: a token for every row of the embedding",
                len(fields["tokenizer.ggml.tokens"]) == config["vocab_size"] == len(fields["tokenizer.ggml.token_type"]))


def small_falcon(c, tokenizer):
    """A model of one thin layer with this tokenizer's vocabulary: its GGUF is for the tokens in it."""
    folder = c.folder / f"with-{tokenizer.name}"
    folder.mkdir()
    for path in tokenizer.glob("*.json"):
        if path.name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            shutil.copy(path, folder)
    file = json.loads((tokenizer / "tokenizer.json").read_text())
    size = 1 + max([*file["model"]["vocab"].values(), *(t["id"] for t in file["added_tokens"])])
    (folder / "config.json").write_text(json.dumps({
        "model_type": "falcon", "architectures": ["FalconForCausalLM"], "vocab_size": size, "hidden_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "multi_query": True, "parallel_attn": True,
        "new_decoder_architecture": False, "bias": False, "alibi": False}))
    h, random = "transformer.h.0.", np.random.default_rng(1)
    shapes = {"transformer.word_embeddings.weight": (size, 32), h + "input_layernorm.weight": (32,), h + "input_layernorm.bias": (32,),
              h + "self_attention.query_key_value.weight": (64, 32), h + "self_attention.dense.weight": (32, 32),
              h + "mlp.dense_h_to_4h.weight": (128, 32), h + "mlp.dense_4h_to_h.weight": (32, 128),
              "transformer.ln_f.weight": (32,), "transformer.ln_f.bias": (32,)}
    save_file({k: random.normal(size=s).astype(np.float32) for k, s in shapes.items()}, folder / "model.safetensors")
    return folder


def tokenizers(c):
    """Texts of the goldens: what llama.cpp makes of them with our file, and what falconer does with that file."""
    for name in ("tokenizer", "tokenizer_tiny"):
        folder = small_falcon(c, c.goldens / name)
        path = c.folder / f"{name}.gguf"
        c.run("export", "--checkpoint", folder, "--format", "gguf", "--out", path)
        llama = Llama(path, vocab_only=True)
        missing = missing_bytes(c.goldens / name)
        for file in sorted((c.goldens / name).glob("cases*.jsonl")):
            cases = [json.loads(line) for line in file.read_text().splitlines()]
            data, out = c.folder / "texts.jsonl", c.folder / "ids.jsonl"
            data.write_text("".join(json.dumps({"text": case["text"]}) + "\n" for case in cases))
            c.run("tokenize", "--checkpoint", path, "--input", data, "--output", out)
            ours = [json.loads(line)["ids"] for line in out.read_text().splitlines()]
            c.check(f"{name}/{file.name}: falconer reads the tokenizer out of the GGUF, {len(cases)} texts",
                    ours == [case["ids"] for case in cases])
            other = [case["text"] for case, ids in zip(cases, ours) if llama.tokenize(case["text"]) != ids]
            # A byte without a token is dropped, and Hugging Face's tokenizers, and so falconer, then merge its
            # neighbours; llama.cpp does not.
            unknown = [text for text in other if missing & set(text.encode())]
            c.check(f"{name}/{file.name}: llama.cpp gives the same ids for {len(cases) - len(other)} of {len(cases)} texts"
                    + (f"; {len(unknown)} with a byte that the vocabulary lacks" if unknown else ""),
                    len(other) == len(unknown), [t for t in other if t not in unknown][:4] or "")


SPACE = "\u2581"


def pieces(c):
    """A vocabulary in SentencePiece's way, trained here: merges there, scores in a GGUF."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    texts = [line for path in sorted((c.goldens / "tokenizer").glob("cases*.jsonl")) for line in path.read_text().splitlines()]
    texts = [json.loads(line)["text"] for line in texts]
    # llama.cpp ends a piece at a byte of 0, and so has no token for it.
    texts = [text for text in texts if text and "<" not in text and "\0" not in text]
    learned = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    learned.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    learned.pre_tokenizer = pre_tokenizers.Split(SPACE, "merged_with_next")
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    learned.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=1200, special_tokens=special, max_token_length=12))
    file = json.loads(learned.to_str())
    file["pre_tokenizer"] = None
    file["added_tokens"] = file["added_tokens"][:3]
    file["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    made = c.folder / "pieces"
    made.mkdir()
    (made / "tokenizer.json").write_text(json.dumps(file))
    (made / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}))
    path, reference = c.folder / "pieces.gguf", Tokenizer.from_str(json.dumps(file))
    c.run("export", "--checkpoint", small_falcon(c, made), "--format", "gguf", "--out", path)
    expected = [reference.encode(text, add_special_tokens=False).ids for text in texts]
    data, out = c.folder / "pieces.jsonl", c.folder / "pieces-ids.jsonl"
    data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    c.run("tokenize", "--checkpoint", path, "--input", data, "--output", out)
    ours = [json.loads(line)["ids"] for line in out.read_text().splitlines()]
    c.check(f"pieces: falconer reads them out of the GGUF, {len(texts)} texts", ours == expected)
    llama = Llama(path, vocab_only=True)
    other = [text for text, ids in zip(texts, expected) if llama.tokenize(text) != ids]
    c.check(f"pieces: llama.cpp gives the same ids for {len(texts) - len(other)} of {len(texts)} texts", not other, other[:4] or "")


def missing_bytes(tokenizer):
    """Bytes that no token of the vocabulary spells alone; GPT-2's alphabet writes each as one character."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    spelled = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}
    vocabulary = json.loads((tokenizer / "tokenizer.json").read_text())["model"]["vocab"]
    return {b for b in range(256) if spelled[b] not in vocabulary}


def lora(c):
    rows = random_rows(3, 16, 512, seed=12)
    for name, flags in (("falcon7b-tiny-h4", ()), ("falcon40b-tiny", ("--lora-targets", "q,v")),
                        ("falcon40b-tiny", ("--lora-targets", "all-linear", "--lora-rs", "--lora-alpha", "9")),
                        ("falcon7b-tiny-h4", ("--lora-targets", "q,v,dense,dense_4h_to_h")),
                        ("falcon7b-tiny-h4-untied", ("--lora-targets", "k,head"))):
        base = c.goldens / "models" / name
        what = " ".join(("lora", *flags, "on", name))
        key = "".join(ch for ch in what if ch.isalnum())
        adapter = c.train("lora", base, c.folder / f"run-{key}", *flags)
        compare_lora(c, what, name, adapter, rows)
    for folder in sorted((c.goldens / "peft").glob("*/*")):
        if "dora" not in folder.name:
            compare_lora(c, f"PEFT's {folder.name} on {folder.parent.name}", folder.parent.name, folder, rows)


def compare_lora(c, what, name, adapter, rows):
    base = c.goldens / "models" / name
    path = c.folder / ("lora-" + "".join(ch for ch in what if ch.isalnum()) + ".gguf")
    c.run("export", "--checkpoint", base, "--adapter", adapter, "--format", "gguf-lora", "--out", path)
    t, _ = tensors_of(c.folder / f"{name}.gguf")
    pairs, reader = tensors_of(path)
    alpha = float(reader.fields["adapter.lora.alpha"].contents())
    for tensor in {n.rsplit(".lora_", 1)[0] for n in pairs}:
        a, b = pairs[tensor + ".lora_a"], pairs[tensor + ".lora_b"]
        t[tensor] = t[tensor] + alpha / b.shape[1] * (b @ a)
    ours = c.logits(base, rows, adapter)
    c.close(f"{what}: base and pairs as llama.cpp adds them give our logits",
            largest([forward(t, *shape_of(base), row, exact_gelu) for row in rows], ours), BOUND)
    theirs = Llama(c.folder / f"{name}.gguf").logits(rows, path)
    c.close(f"{what}: and with its GELU llama.cpp's logits",
            largest([forward(t, *shape_of(base), row, table_gelu) for row in rows], theirs), BOUND_TABLE)


def merged(c):
    """An adapter folded in while the GGUF is written."""
    rows = random_rows(3, 16, 512, seed=14)
    base = c.goldens / "models" / "falcon40b-tiny"
    for adapter in ("dora-r4", "lora-all-linear-r8"):
        folder, path = c.goldens / "peft" / "falcon40b-tiny" / adapter, c.folder / f"merged-{adapter}.gguf"
        c.run("export", "--checkpoint", base, "--adapter", folder, "--format", "gguf", "--out", path, "--verify")
        t, _ = tensors_of(path)
        c.close(f"{adapter} folded into a GGUF: its tensors give the adapter's logits",
                largest([forward(t, *shape_of(base), row, exact_gelu) for row in rows], c.logits(base, rows, folder)), BOUND)
        c.close(f"{adapter} folded into a GGUF: and llama.cpp's",
                largest([forward(t, *shape_of(base), row, table_gelu) for row in rows], Llama(path).logits(rows)), BOUND_TABLE)


def refusals(c):
    models = c.goldens / "models"
    c.refused("a model with ALiBi is refused", ["export", "--checkpoint", models / "falconrw-tiny", "--format", "gguf", "--out", c.folder / "no.gguf"], "ALiBi", "--format hf")
    c.refused("GPT-NeoX is refused", ["export", "--checkpoint", models / "gptneox-tiny", "--format", "gguf", "--out", c.folder / "no.gguf"], "gpt_neox", "falcon")
    dora = c.goldens / "peft" / "falcon7b-tiny-h4" / "dora-r4"
    c.refused("DoRA is refused as GGUF LoRA, with what to do",
              ["export", "--checkpoint", models / "falcon7b-tiny-h4", "--adapter", dora, "--format", "gguf-lora", "--out", c.folder / "no.gguf"], "DoRA", "merge")


checks = Checks(__doc__)
f32_logits(checks)
metadata(checks)
dtypes(checks)
tokenizers(checks)
pieces(checks)
lora(checks)
merged(checks)
refusals(checks)
checks.finish()
