#!/usr/bin/env python3
"""Tokenizers of the kinds that model families come with: `falconer tokenize` gives the ids and the text that `tokenizers`
gives, or that transformers makes of a tokenizer.model.

    tests/ecosystem/tokenizer_families.py --program build/falconer [--speed] [--write FOLDER] [NAME ...]

Each kind has a vocabulary of its own, trained here, and is tried on 5,000 texts: many scripts, code, numbers, emoji with
joiners, combining marks, control characters, spaces of all kinds, and texts that spell its special tokens. Ids that no text
has are decoded as well. Prints PASS or FAIL for each; exits 1 where one failed, 77 where a package is missing. `--speed`
prints tokens per second of one thread beside the package's. `--write` puts small ones, with ids, where
tests/text/tokenizer_files_test.cc reads them."""
import argparse
import codecs
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
try:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers import processors, trainers
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

N, P, D = normalizers, pre_tokenizers, decoders
TEXTS = 5000
SAMPLES = """Don't WE'LL merge 12345 tokens? The quick brown fox jumps over the lazy dog; it's 3.14159 or 1,000,000.
for (int i = 0; i < 10; ++i) { total += values[i] * 0.5; }  // sum\n\tif (x == NULL) return -1;
def encode(self, text: str) -> list[int]:\n    return [self.vocab[t] for t in text.split()]
Übergrößenträger fährt naïve señor à l'Île; İstanbul ıssız, ǅungla ŒUVRE ﬁn ﬂuß ﬀ ſs.
Привет, мир! Съешь же ещё этих мягких французских булок, да выпей чаю. Ἀχιλλεύς ΣΊΣΥΦΟΣ ὀδυσσεύς
你好，世界。機械翻訳は難しい。こんにちは カタカナ ｶﾞﾊﾟ 안녕하세요 한글 １２３ Ｆｕｌｌ
مرحبا بالعالم ٣٤٥ שָׁלוֹם עוֹלָם नमस्ते दुनिया १२३ สวัสดีชาวโลก ελληνικά հայերեն ქართული አማርኛ தமிழ் বাংলা
👩‍🚀👍🏽 🇩🇪 ❤️ 🦅 🏳️‍🌈 ½ ² ³ ⅷ ٣ ९ x_y — “quoted” ‘single’ … ∑∫√ ≤≥ €£¥
e\u0301 a\u0308o\u0308 \u1e9b\u0323 q\u0307\u0323 \u212b \u2126 \ufb01 \u3300 \u33a5 \uff21\uff42 \u1100\u1161\u11a8""".split("\n")
ODD = [" ", "  ", "   ", "     ", "\t", "\n", "\r\n", "\r", "\n\n", "\n\n\n  ", "\u00a0", "\u2003", "\u2009", "\u202f", "\u205f", "\u3000",
       "\u1680", "\u2028", "\u2029", "\u0085", "\u180e", "\u200b", "\u200d", "\ufeff", "\x00", "\x01", "\x0b", "\x0c", "\x1b", "\x1f",
       "\x7f", "\x9f", "\u0301", "\u0308\u0323", "\u0334", "\u20e3", "\ufe0f", "▁", "▁▁", "▁a", " ▁", "Ġ", "Ċ", "<0x0A>", "<0x41>", "<",
       "|", "[", "]", "123", "1234567", "٣٤٥٦", "½", "--", "...", "''", "'s", "'S", "'LL", "I'Ve", "'ſ", "a'd", "//", "/*\n*/", "==",
       "\u00df", "\u0130", "\u03a3", "\u01c5", "\ufffd", "\ufb03", "\u1d2c", "\u0600", "\ue000", "\U0001f1e6", "\U000e0041", "一", "ア"]
SPECIALS = ["<unk>", "<s>", "</s>"]
MORE = [AddedToken("<|im_start|>", special=True, normalized=False), AddedToken("<|end|>", rstrip=True, special=True, normalized=False),
        AddedToken("<mask>", lstrip=True, special=True, normalized=False), AddedToken("[WORD]", single_word=True),
        AddedToken("<think>", special=False, normalized=True), AddedToken("Tok en", normalized=True)]


def corpus():
    """Text in many scripts, and as much code as there is prose."""
    folder = os.path.dirname(codecs.__file__)
    made = SAMPLES * 30
    for name in ("argparse.py", "codecs.py", "json/decoder.py", "textwrap.py", "statistics.py"):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            made += file.read().split("\n")
    return made


CORPUS = corpus()


def any_character(numbers):
    """Below Unicode 15, whose classes no regular expression here has."""
    while True:
        code = numbers.choice([numbers.randrange(0x3100), numbers.randrange(0x10000), numbers.randrange(0x20000)])
        if not 0xD800 <= code < 0xE000 and unicodedata.category(chr(code)) != "Cn":
            return chr(code)


def texts(count=TEXTS, seed=3):
    numbers = random.Random(seed)
    words = [word for line in SAMPLES for word in line.split(" ")]
    spelled = [*SPECIALS, *(token.content for token in MORE)]
    made = ["", " ", "  ", "a", "\n", "▁", "▁ a", " ▁a", "<s>", "<s> a</s>", *SAMPLES]
    while len(made) < count:
        parts = []
        for _ in range(numbers.randrange(1, 16)):
            kind = numbers.random()
            if kind < 0.4:
                parts.append(numbers.choice(words))
            elif kind < 0.65:
                parts.append(numbers.choice(ODD))
            elif kind < 0.72:
                parts.append(numbers.choice(spelled))
            elif kind < 0.78:
                parts.append(numbers.choice(CORPUS))
            elif kind < 0.9:
                parts.append(" ")
            else:
                parts.append(any_character(numbers) * numbers.choice([1, 1, 2, 5]))
        made.append("".join(parts))
    return made


def finished(tokenizer, post=None, model=None, added=()):
    if post:
        tokenizer.post_processor = post
    for token in added:
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    state = json.loads(tokenizer.to_str())
    state["model"].update(model or {})
    state["added_tokens"] = [token for token in state["added_tokens"] if not token["content"].startswith("<0x")]
    return Tokenizer.from_str(json.dumps(state))


class Maker:
    """Makes tokenizers of one size."""

    def __init__(self, small):
        self.corpus = SAMPLES * 3 if small else CORPUS
        self.size = 420 if small else 3000
        self.small = small

    def byte_level(self, pre, normalizer=None, post=None, model=None, added=MORE):
        tokenizer = Tokenizer(models.BPE())
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer, tokenizer.decoder = pre, D.ByteLevel()
        tokenizer.train_from_iterator(self.corpus, trainers.BpeTrainer(
            vocab_size=self.size, special_tokens=SPECIALS, show_progress=False, initial_alphabet=P.ByteLevel.alphabet()))
        return finished(tokenizer, post, model, added)

    def characters(self, normalizer=None, pre=None, decoder=None, post=None, model=None, added=MORE):
        bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre or P.Metaspace()  # for training alone, where the family has none
        tokenizer.decoder = decoder
        tokenizer.train_from_iterator(self.corpus, trainers.BpeTrainer(
            vocab_size=self.size + 100, special_tokens=[*SPECIALS, *bytes_], show_progress=False, limit_alphabet=120))
        state = json.loads(tokenizer.to_str())
        if pre is None:
            state["pre_tokenizer"] = None
        return finished(Tokenizer.from_str(json.dumps(state)), post, model, added)

    def unigram(self, normalizer=None, pre=None, decoder=None, post=None, fallback=False, rounded=None, added=MORE):
        tokenizer = Tokenizer(models.Unigram())
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer, tokenizer.decoder = pre or P.Metaspace(), decoder or D.Metaspace()
        tokenizer.train_from_iterator(self.corpus, trainers.UnigramTrainer(
            vocab_size=self.size, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False, max_piece_length=12))
        model = json.loads(tokenizer.to_str())["model"]
        vocab = model["vocab"]
        if fallback:
            vocab += [[f"<0x{byte:02X}>", 0.0] for byte in range(256)]
        if rounded is not None:  # many ways to write a text are then as good
            vocab = [[token, float(round(score / rounded) * rounded)] for token, score in vocab]
        return finished(tokenizer, post, {"vocab": vocab, "byte_fallback": fallback}, added)


def template(single):
    return processors.TemplateProcessing(single=single, special_tokens=[("<s>", 1), ("</s>", 2)])


def split(*regexes):
    return P.Sequence([*(P.Split(Regex(regex), "isolated") for regex in regexes),
                       P.ByteLevel(add_prefix_space=False, use_regex=False)])


ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = ENDS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN2 = ENDS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES
QWEN3_5 = ENDS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + SPACES
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
GPT4O = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENDS}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENDS}?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES)
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|"
          r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES)
DEEPSEEK = [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+",
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"""
            r""" ?[\p{P}\p{S}]+[\r\n]*|""" + SPACES]
PIECES = D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)])
SPACED = N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")])
PHI3 = [AddedToken(f"<|{name}|>", rstrip=True, special=True, normalized=False) for name in ("user", "end", "assistant")]
RUNS = [AddedToken(" " * count, normalized=True, special=False) for count in range(24, 1, -1)]


def families():
    """Name: how it is made."""
    both = processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<s> $A")])
    yield "gpt_neox", lambda m: m.byte_level(P.ByteLevel(add_prefix_space=False), N.NFC(), added=[*MORE, *RUNS])
    yield "llama3", lambda m: m.byte_level(split(LLAMA3), post=both, model={"ignore_merges": True})
    yield "falcon3", lambda m: m.byte_level(P.Sequence([
        P.Punctuation("contiguous"), P.ByteLevel(add_prefix_space=False), P.Digits(False), P.Split(Regex("[0-9][0-9][0-9]"), "isolated")]))
    yield "qwen2", lambda m: m.byte_level(split(QWEN2), N.NFC(), post=processors.ByteLevel(trim_offsets=False))
    yield "qwen3_5", lambda m: m.byte_level(split(QWEN3_5), N.NFC())
    yield "olmo2", lambda m: m.byte_level(split(LLAMA3), post=processors.ByteLevel(trim_offsets=False))
    yield "stablelm2", lambda m: m.byte_level(split(LLAMA3), N.NFC())
    yield "gpt4o", lambda m: m.byte_level(split(GPT4O))
    yield "tekken", lambda m: m.byte_level(split(TEKKEN), post=template("<s> $A"), model={"ignore_merges": True})
    yield "cohere", lambda m: m.byte_level(P.Sequence([P.Digits(True), P.ByteLevel(add_prefix_space=False)]), N.NFC(), post=template("<s> $A"))
    yield "smollm2", lambda m: m.byte_level(P.Sequence([P.Digits(True), P.ByteLevel(add_prefix_space=False, use_regex=True)]))
    yield "deepseek", lambda m: m.byte_level(split(*DEEPSEEK), post=template("<s> $A"))
    yield "llama2", lambda m: m.characters(SPACED, decoder=PIECES, post=template("<s> $A"))
    yield "llama2_legacy_off", lambda m: m.characters(pre=P.Metaspace(prepend_scheme="first", split=False), decoder=PIECES, post=template("<s> $A"))
    yield "vicuna", lambda m: m.characters(pre=P.Metaspace(prepend_scheme="always", split=False), decoder=PIECES, post=template("<s> $A </s>"))
    yield "phi3", lambda m: m.characters(SPACED, decoder=PIECES, added=[*PHI3, *MORE[1:]])
    yield "mistral", lambda m: m.characters(SPACED, decoder=PIECES, post=template("<s> $A"), model={"ignore_merges": True})
    yield "gemma", lambda m: m.characters(N.Replace(" ", "▁"), decoder=D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse()]),
                                          post=template("<s> $A"), added=[*MORE, *RUNS])
    yield "gemma3", lambda m: m.characters(N.Replace(" ", "▁"), P.Split(" ", "merged_with_previous"),
                                           D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse()]), template("<s> $A"))
    yield "unigram", lambda m: m.unigram(post=template("$A </s>"))
    yield "unigram_bytes", lambda m: m.unigram(fallback=True, pre=P.Metaspace(prepend_scheme="first", split=False), decoder=PIECES)
    yield "unigram_ties", lambda m: m.unigram(rounded=2.0, pre=P.Metaspace(split=False))
    yield "unigram_words", lambda m: m.unigram(N.Sequence([N.NFKC(), N.Lowercase()]), P.Sequence([P.WhitespaceSplit(), P.Metaspace()]))


WRITTEN = ["deepseek", "unigram", "unigram_ties"]


def run(program, folder, rows, *more):
    done = subprocess.run([program, "--log", "quiet", "tokenize", folder, "--input", "-", "--output", "-", *more],
                          input="".join(json.dumps(row) + "\n" for row in rows), capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        return None, done.stderr.strip()
    return [json.loads(line) for line in done.stdout.split("\n") if line], ""


def first_difference(program, folder, tokenizer, all_texts):
    expected = [encoding.ids for encoding in tokenizer.encode_batch(all_texts)]
    found, error = run(program, folder, [{"text": text} for text in all_texts])
    if found is None:
        return error
    for text, want, row in zip(all_texts, expected, found):
        if row["ids"] != want:
            return f"{text!r}: ids {row['ids']} for {want} {[tokenizer.id_to_token(i) for i in want]}"
    # Ids as no text has them, too.
    numbers = random.Random(2)
    known = sorted(tokenizer.get_vocab().values())
    expected += [[numbers.choice(known) for _ in range(numbers.randrange(12))] for _ in range(1000)]
    found, error = run(program, folder, [{"ids": ids} for ids in expected], "--decode")
    if found is None:
        return error
    for ids, row in zip(expected, found):
        want = tokenizer.decode(ids, skip_special_tokens=False)
        if row["text"] != want:
            return f"{ids}: text {row['text']!r} for {want!r}"
    return ""


def speed(program, folder, tokenizer):
    """Tokens per second, ours without what the program and its rows cost."""
    lines = ["\n".join(CORPUS[i:i + 40]) for i in range(0, len(CORPUS), 40)] * 4
    begin = time.perf_counter()
    tokens = sum(len(tokenizer.encode(line).ids) for line in lines)
    theirs = tokens / (time.perf_counter() - begin)
    rows = [{"text": line} for line in lines]

    def seconds(some):
        begin = time.perf_counter()
        run(program, folder, some, "--threads", "1")
        return time.perf_counter() - begin
    once, often = (min(seconds(rows * times) for _ in range(3)) for times in (1, 5))
    return theirs, tokens * 4 / (often - once)


def write(folder, name, tokenizer):
    rows = [{"text": t, "ids": tokenizer.encode(t).ids} for t in texts(70, 5)]
    for row in rows:
        row["decoded"] = tokenizer.decode(row["ids"], skip_special_tokens=False)
    with open(f"{folder}/{name}.json", "w", encoding="utf-8") as file:
        json.dump({"tokenizer": json.loads(tokenizer.to_str()), "rows": rows}, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


# ---- tokenizer.model alone

SPM = {
    "llama": (dict(model_type="bpe"), {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}),
    "llama_legacy": (dict(model_type="bpe"), {"tokenizer_class": "LlamaTokenizer", "legacy": True, "add_bos_token": True, "add_eos_token": True}),
    "llama_no_prefix": (dict(model_type="bpe"), {"tokenizer_class": "LlamaTokenizerFast", "add_prefix_space": False}),
    "llama_symbols": (dict(model_type="bpe", control_symbols=["<ctl>"], user_defined_symbols=["<usr>", "ab", "[x]"]),
                      {"tokenizer_class": "LlamaTokenizer", "pad_token": "<pad>"}),
    "bpe": (dict(model_type="bpe"), {}),
    "bpe_settings": (dict(model_type="bpe", remove_extra_whitespaces=True, byte_fallback=False), {"add_bos_token": True}),
    "bpe_no_prefix": (dict(model_type="bpe", add_dummy_prefix=False), {"legacy": False}),
    "bpe_symbols": (dict(model_type="bpe", control_symbols=["<ctl>"], user_defined_symbols=["<usr>", "ab", "a.b", "[x]"]), {}),
    "unigram": (dict(model_type="unigram"), {}),
    "unigram_settings": (dict(model_type="unigram", byte_fallback=False, remove_extra_whitespaces=True), {"add_eos_token": True}),
    "unigram_nmt_nfkc": (dict(model_type="unigram", normalization_rule_name="nmt_nfkc", remove_extra_whitespaces=True), {}),
    "bpe_nfkc_cf": (dict(model_type="bpe", normalization_rule_name="nfkc_cf", byte_fallback=False), {}),
    "llama_nmt_nfkc": (dict(model_type="bpe", normalization_rule_name="nmt_nfkc"), {"tokenizer_class": "LlamaTokenizer"}),
    "unigram_symbols": (dict(model_type="unigram", user_defined_symbols=["<usr>", "ab"]), {"legacy": False}),
}


def sentencepiece_files(program, check, wanted, all_texts):
    """As transformers' AutoTokenizer reads them."""
    try:
        import sentencepiece
        import transformers
    except ImportError as error:
        return print(f"skipped tokenizer.model: {error}")
    lines = [line.replace("\0", "") for line in CORPUS if line]
    for name, (settings, config) in SPM.items():
        if wanted and f"model_{name}" not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            given = dict(vocab_size=900, byte_fallback=True, hard_vocab_limit=False, character_coverage=0.995, minloglevel=2,
                         normalization_rule_name="identity", remove_extra_whitespaces=False)
            given.update(settings)
            sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_prefix=f"{folder}/tokenizer", **given)
            os.remove(f"{folder}/tokenizer.vocab")
            for file, content in (("config.json", {"model_type": "llama"}), ("tokenizer_config.json", config)):
                with open(f"{folder}/{file}", "w", encoding="utf-8") as out:
                    json.dump(content, out)
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer
            check(f"model_{name}", first_difference(program, folder, tokenizer, all_texts))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/falconer")
    parser.add_argument("--goldens", help="not used")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--write")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    program = os.path.abspath(args.program)
    failures = 0

    def check(name, why):
        nonlocal failures
        failures += why != ""
        print(f"{'FAIL' if why else 'PASS'} tokenizer_families: {name}{': ' + why[:500] if why else ''}", flush=True)

    if args.write:
        for name, make in families():
            if name in WRITTEN:
                write(args.write, name, make(Maker(small=True)))
        return
    all_texts = texts()
    for name, make in families():
        if args.names and name not in args.names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = make(Maker(small=False))
            tokenizer.save(f"{folder}/tokenizer.json")
            if args.speed:
                theirs, ours = speed(program, folder, tokenizer)
                print(f"{name}: tokenizers {theirs:,.0f}, falconer {ours:,.0f} tokens/s, {ours / theirs:.1f} times", flush=True)
            else:
                check(name, first_difference(program, folder, tokenizer, all_texts))
    if not args.speed:
        sentencepiece_files(program, check, args.names, all_texts)
    sys.exit(failures > 0)


main()
