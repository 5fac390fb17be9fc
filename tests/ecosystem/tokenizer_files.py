#!/usr/bin/env python3
"""tokenizer.json files of many makes: `falconer tokenize` gives the ids and the text that `tokenizers`
gives, or refuses the file and names what it does not have.

    tests/ecosystem/tokenizer_files.py --program build/falconer [--write FOLDER]

Each file has a small BPE, trained here, and a mix of components; each is tried on 2,000 texts of many
scripts, white space, control characters and tokens' own texts. Prints PASS or FAIL for each; exits 1
where one failed, 77 where a package is missing. `--write` puts some of them, with ids, where
tests/text/tokenizer_files_test.cc reads them."""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

try:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers import processors, trainers
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

N, P, D = normalizers, pre_tokenizers, decoders
TEXTS = 2000
SAMPLES = """Don't we'll merge 12345 tokens? The quick brown fox jumps over the lazy dog.
for (int i = 0; i < 10; ++i) { total += values[i] * 0.5; }
Übergrößenträger fährt naïve señor à l'Île; İstanbul ıssız, ǅungla ŒUVRE ﬁn ﬂuß.
Привет, мир! Съешь же ещё этих мягких французских булок. Ἀχιλλεύς ΣΊΣΥΦΟΣ ὀδυσσεύς
你好，世界。機械翻訳は難しい。こんにちは カタカナ ｶﾞﾊﾟ 안녕하세요 한글
مرحبا بالعالم שָׁלוֹם עוֹלָם नमस्ते दुनिया สวัสดีชาวโลก ελληνικά հայերեն ქართული አማርኛ
👩‍🚀👍🏽 🇩🇪 ❤️ 🦅 ½ ² ³ ⅷ ٣ ९ x_y — “quoted” ‘single’ …
e\u0301 a\u0308o\u0308 \u1e9b\u0323 q\u0307\u0323 \u212b \u2126 \ufb01 \u3300 \u33a5 \uff21\uff42 \u1100\u1161\u11a8""".split("\n")
ODD = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u2003", "\u3000", "\u0085", "\u180e", "\u200b", "\u200d",
       "\ufeff", "\x00", "\x01", "\x1b", "\x7f", "\u0301", "\u0308\u0323", "\u0334", "▁", "▁▁", "Ġ", "<s>", "</s>", "<unk>",
       "<mask>", "<|end|>", "[WORD]", "Tok en", "<0x0A>", "<0x41>", "<", "|", "123", "1234567", "--", "...", "''", "'s", "I'LL",
       "\u00df", "\u0130", "\u03a3", "\u01c5", "\ufffd", "\ufb03", "\u1d2c", "\u0600", "\ue000", "\U0001f1e6", "\U000e0041"]


def texts(seed=1):
    numbers = random.Random(seed)
    words = [word for sample in SAMPLES for word in sample.split(" ")]
    made = ["", " ", "a", *SAMPLES]
    while len(made) < TEXTS:
        parts = []
        for _ in range(numbers.randrange(1, 14)):
            kind = numbers.random()
            if kind < 0.45:
                parts.append(numbers.choice(words))
            elif kind < 0.8:
                parts.append(numbers.choice(ODD))
            elif kind < 0.9:
                parts.append(" ")
            else:
                parts.append(any_character(numbers) * numbers.choice([1, 1, 2, 5]))
        made.append("".join(parts))
    return made


def any_character(numbers):
    """Below Unicode 15, whose classes no regular expression here has."""
    while True:
        code = numbers.choice([numbers.randrange(0x3100), numbers.randrange(0x10000), numbers.randrange(0x20000)])
        if not 0xD800 <= code < 0xE000 and unicodedata.category(chr(code)) != "Cn":
            return chr(code)


def train(tokenizer, size=400, alphabet=None, specials=("<unk>", "<s>", "</s>")):
    limit = {} if len(alphabet or []) == 256 else {"limit_alphabet": 150 if alphabet is None else 40}
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(specials), show_progress=False,
                                  initial_alphabet=alphabet or [], **limit)
    tokenizer.train_from_iterator(SAMPLES * 3, trainer)
    return tokenizer


def byte_level(pre=None, normalizer=None, post=None, model=None, added=(), alphabet=None):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre or P.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = D.ByteLevel()
    train(tokenizer, 600, P.ByteLevel.alphabet() if alphabet is None else alphabet)
    if normalizer:
        tokenizer.normalizer = normalizer
    return finish(tokenizer, post, model, added)


def characters(pre=None, normalizer=None, post=None, model=None, added=(), decoder=None, fallback=False, **settings):
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)] if fallback else []
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=fallback, **settings))
    if pre:
        tokenizer.pre_tokenizer = pre
    if normalizer:
        tokenizer.normalizer = normalizer
    if decoder:
        tokenizer.decoder = decoder
    train(tokenizer, 700 if fallback else 450, specials=["<unk>", "<s>", "</s>", *bytes_])
    if fallback:  # bytes are the model's own, not special
        state = json.loads(tokenizer.to_str())
        state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
        tokenizer = Tokenizer.from_str(json.dumps(state))
    return finish(tokenizer, post, model, added)


def finish(tokenizer, post=None, model=None, added=()):
    if post:
        tokenizer.post_processor = post
    for token in added:
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    if model:
        state = json.loads(tokenizer.to_str())
        state["model"].update(model)
        tokenizer = Tokenizer.from_str(json.dumps(state))
    return tokenizer


def template(single="<s> $A </s>"):
    return processors.TemplateProcessing(single=single, special_tokens=[("<s>", 1), ("</s>", 2)])


def sentencepiece(**more):
    """LLaMA 2's kind."""
    made = dict(normalizer=N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")]), fallback=True, fuse_unk=True,
                decoder=D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)]),
                post=template("<s> $A"))
    made.update(more)
    return characters(**made)


def split(regex, behavior="isolated", invert=False, after=None):
    return P.Sequence([P.Split(Regex(regex), behavior, invert), after or P.ByteLevel(add_prefix_space=False, use_regex=False)])


FLAGS = [AddedToken("<mask>", lstrip=True, special=True), AddedToken("[WORD]", single_word=True),
         AddedToken("<|end|>", rstrip=True, special=True, normalized=False), AddedToken("Tok en", normalized=True)]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
META = dict(decoder=D.Metaspace())


def mixes():
    yield "gpt2", lambda: byte_level(added=FLAGS)
    yield "gpt2_prefix", lambda: byte_level(P.ByteLevel(add_prefix_space=True))
    yield "gpt2_no_regex", lambda: byte_level(P.ByteLevel(add_prefix_space=False, use_regex=False))
    yield "gpt2_ignore_merges", lambda: byte_level(model={"ignore_merges": True}, added=FLAGS)
    yield "gpt2_unknown_bytes", lambda: byte_level(alphabet=["a", "b", "Ġ"], model={"unk_token": "<unk>"})
    yield "gpt2_fused_unknown_bytes", lambda: byte_level(alphabet=["a"], model={"unk_token": "<unk>", "fuse_unk": True})
    yield "gpt2_missing_bytes", lambda: byte_level(alphabet=["a"])
    yield "llama3", lambda: byte_level(split(LLAMA3), model={"ignore_merges": True}, post=template("<s> $A"), added=FLAGS)
    yield "roberta", lambda: byte_level(P.ByteLevel(add_prefix_space=True), added=FLAGS,
                                        post=processors.RobertaProcessing(("</s>", 2), ("<s>", 1)))
    yield "bert_processing", lambda: byte_level(post=processors.BertProcessing(("</s>", 2), ("<s>", 1)))
    yield "processors_in_sequence", lambda: byte_level(post=processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), template()]))
    yield "falcon", lambda: byte_level(P.Sequence([
        P.Punctuation("contiguous"), P.ByteLevel(add_prefix_space=False), P.Digits(False),
        P.Split(Regex("[0-9][0-9][0-9]"), "isolated")]))
    for name in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip"):
        yield f"bytes_{name}", lambda n=name: byte_level(normalizer=getattr(N, n)(), added=FLAGS)
    yield "strip_left", lambda: byte_level(normalizer=N.Strip(left=True, right=False))
    yield "strip_right", lambda: byte_level(normalizer=N.Strip(left=False, right=True))
    yield "normalizers", lambda: byte_level(
        normalizer=N.Sequence([N.NFD(), N.StripAccents(), N.Lowercase(), N.Replace("ss", "ß"), N.NFKC()]), added=FLAGS)
    yield "replace_regex", lambda: byte_level(normalizer=N.Replace(Regex(r"\s+|\d"), " "), added=FLAGS)
    yield "replace_nothing", lambda: byte_level(normalizer=N.Replace(Regex(r"x*"), "-"))
    yield "prepend", lambda: byte_level(normalizer=N.Prepend("a "), added=FLAGS)
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            yield f"split_{behavior}{'_inverted' if invert else ''}", lambda b=behavior, i=invert: byte_level(
                split(r"\w+|\d{2}|[^\s\w]", b, i))
        yield f"split_text_{behavior}", lambda b=behavior: byte_level(P.Sequence(
            [P.Split("e", b), P.ByteLevel(add_prefix_space=False)]))
        yield f"punctuation_{behavior}", lambda b=behavior: byte_level(P.Sequence([P.Punctuation(b), P.ByteLevel()]))
    yield "digits", lambda: byte_level(P.Sequence([P.Digits(True), P.ByteLevel(add_prefix_space=False)]))
    yield "digits_together", lambda: byte_level(P.Sequence([P.Digits(False), P.ByteLevel(use_regex=False)]))
    yield "lines", lambda: byte_level(split(r"^.|.$|\bt"))
    yield "word_classes", lambda: byte_level(split(r"\W+|[\w']+"))
    yield "hexadecimal", lambda: byte_level(split(r"\h+"))
    yield "possessive_interval", lambda: byte_level(split(r"\p{L}{1,2}+"))
    yield "class_and", lambda: byte_level(split(r"[\w&&[^\d]]+"))
    yield "option_inside", lambda: byte_level(split(r"a(?i)b|c"))
    yield "llama2", lambda: sentencepiece(added=FLAGS)
    yield "llama2_without_bytes", lambda: sentencepiece(fallback=False)
    yield "llama2_unfused", lambda: sentencepiece(fuse_unk=False, fallback=False)
    yield "llama2_ignore_merges", lambda: sentencepiece(model={"ignore_merges": True}, added=FLAGS)
    yield "llama2_no_unknown", lambda: sentencepiece(model={"unk_token": None})
    yield "gemma", lambda: sentencepiece(normalizer=N.Replace(" ", "▁"), pre=P.Split(" ", "merged_with_previous"), added=FLAGS,
                                         decoder=D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse()]))
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            yield f"metaspace_{scheme}{'' if cut else '_whole'}", lambda s=scheme, c=cut: characters(
                P.Metaspace(prepend_scheme=s, split=c), decoder=D.Metaspace(prepend_scheme=s), added=FLAGS)
    yield "mistral", lambda: sentencepiece(normalizer=N.NFC(), pre=P.Metaspace(prepend_scheme="first", split=False), added=FLAGS)
    yield "metaspace_strip", lambda: characters(P.Metaspace(prepend_scheme="first"), normalizer=N.Strip(), **META)
    yield "metaspace_underscore", lambda: characters(P.Metaspace(replacement="_"), decoder=D.Metaspace(replacement="_"))
    yield "metaspace_in_sequence", lambda: characters(
        P.Sequence([P.WhitespaceSplit(), P.Punctuation(), P.Metaspace()]), added=FLAGS, **META)
    yield "first_in_sequence", lambda: characters(
        P.Sequence([P.Digits(True), P.Metaspace(prepend_scheme="first")]), added=FLAGS, **META)
    yield "whitespace", lambda: characters(P.Whitespace(), added=FLAGS)
    yield "whitespace_fused", lambda: characters(P.Whitespace(), fuse_unk=True, decoder=D.Fuse())
    yield "whitespace_split", lambda: characters(P.WhitespaceSplit(), normalizer=N.NFKC())
    yield "bert_pre_tokenizer", lambda: characters(P.BertPreTokenizer(), normalizer=N.Sequence([N.NFD(), N.Lowercase()]))
    yield "delimiter", lambda: characters(P.CharDelimiterSplit("-"), decoder=D.Strip("e", 1, 0))
    yield "no_pre_tokenizer", lambda: characters(normalizer=N.NFKD(), decoder=D.Sequence(
        [D.Fuse(), D.Replace("ab", "-"), D.Strip("t", 2, 0)]))
    yield "wordpiece_decoder", lambda: characters(P.Whitespace(), decoder=D.WordPiece())
    yield "bpe_decoder", lambda: characters(P.Whitespace(), decoder=D.BPEDecoder())
    yield "bert_normalizer", lambda: characters(P.Whitespace(), normalizer=N.BertNormalizer())
    yield "nmt_normalizer", lambda: characters(P.Whitespace(), normalizer=N.Nmt())
    yield "byte_level_normalizer", lambda: characters(normalizer=N.ByteLevel(), decoder=D.ByteLevel())
    yield "scripts", lambda: characters(P.UnicodeScripts())
    yield "suffix", lambda: characters(P.Whitespace(), model={"end_of_word_suffix": "</w>"})
    yield "dropout", lambda: byte_level(model={"dropout": 0.1})


# What Falconer says of the files that it does not read.
REFUSED = {
    "replace_nothing": "matches an empty text", "hexadecimal": "\\h", "possessive_interval": "{1,2}+", "class_and": "&&",
    "option_inside": "(?i)", "metaspace_strip": "prepend_scheme first", "wordpiece_decoder": "WordPiece",
    "bpe_decoder": "BPEDecoder", "bert_normalizer": "BertNormalizer", "nmt_normalizer": "Nmt",
    "byte_level_normalizer": "ByteLevel", "scripts": "UnicodeScripts", "suffix": "end_of_word_suffix",
    "dropout": "dropout"}
WRITTEN = ["gpt2", "llama2", "mistral", "gemma", "normalizers", "whitespace", "roberta", "no_pre_tokenizer"]


def run(program, folder, rows, *more):
    done = subprocess.run([program, "--log", "warning", "tokenize", folder, "--input", "-", "--output", "-", *more],
                          input="".join(json.dumps(row) + "\n" for row in rows), capture_output=True, encoding="utf-8",
                          check=False)
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
    expected += [[numbers.choice(known) for _ in range(numbers.randrange(12))] for _ in range(500)]
    found, error = run(program, folder, [{"ids": ids} for ids in expected], "--decode")
    if found is None:
        return error
    for ids, row in zip(expected, found):
        want = tokenizer.decode(ids, skip_special_tokens=False)
        if row["text"] != want:
            return f"{ids}: text {row['text']!r} for {want!r}"
    return ""


def write(folder, name, tokenizer, all_texts):
    some = all_texts[:11] + all_texts[11::25]
    rows = [{"text": t, "ids": tokenizer.encode(t).ids} for t in some]
    for row in rows:
        row["decoded"] = tokenizer.decode(row["ids"], skip_special_tokens=False)
    with open(f"{folder}/{name}.json", "w", encoding="utf-8") as file:
        json.dump({"tokenizer": json.loads(tokenizer.to_str()), "rows": rows}, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


def gpt2_files(program, folder, all_texts):
    """vocab.json and merges.txt alone, as transformers reads them."""
    try:
        from transformers import GPT2TokenizerFast
    except ImportError as error:
        return print(f"skipped gpt2 files: {error}")
    byte_level().model.save(folder)
    with open(f"{folder}/special_tokens_map.json", "w", encoding="utf-8") as file:
        json.dump({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}, file)
    with open(f"{folder}/tokenizer_config.json", "w", encoding="utf-8") as file:
        json.dump({"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
                   "tokenizer_class": "GPT2Tokenizer"}, file)
    tokenizer = GPT2TokenizerFast.from_pretrained(folder).backend_tokenizer
    return first_difference(program, folder, tokenizer, all_texts)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default="build/falconer")
    parser.add_argument("--goldens", help="not used")
    parser.add_argument("--write")
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    program = os.path.abspath(args.program)
    failures = 0

    def check(name, why):
        nonlocal failures
        failures += why != ""
        print(f"{'FAIL' if why else 'PASS'} tokenizer_files: {name}{': ' + why[:500] if why else ''}", flush=True)

    all_texts = texts()
    for name, make in mixes():
        if args.names and name not in args.names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = make()
            tokenizer.save(f"{folder}/tokenizer.json")
            if args.write and name in WRITTEN:
                write(args.write, name, tokenizer, all_texts)
            if name in REFUSED:
                _, error = run(program, folder, [{"text": "a"}])
                why = "" if REFUSED[name] in error else error or "was not refused"
            else:
                why = first_difference(program, folder, tokenizer, all_texts)
            check(name, why)
    if not args.names:
        with tempfile.TemporaryDirectory() as folder:
            why = gpt2_files(program, folder, all_texts)
            if why is not None:
                check("vocab.json and merges.txt", why)
    sys.exit(failures > 0)


main()
