#!/usr/bin/env python3
"""Trains the demo's tokenizer: byte-level BPE with Falcon's pre-tokenizer, on the pages and the words of questions.

  make_tokenizer.py PAGES.jsonl OUT [--size 640]        (needs the Python package tokenizers)
"""
import argparse, json, os

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

# Words of questions, so that they do not fall apart into letters.
QUESTIONS = "User: Which colour is it? Where is it? What does it do? How old or large is it?\nAssistant: it"

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("pages")
p.add_argument("out")
p.add_argument("--size", type=int, default=640)
a = p.parse_args()
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
    pre_tokenizers.Punctuation("contiguous"),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    pre_tokenizers.Digits(individual_digits=False),
    pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated"),
])
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(vocab_size=a.size, special_tokens=["<|endoftext|>"], show_progress=False,
                              initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
texts = [json.loads(line)["text"] for line in open(a.pages)][:20000]
tokenizer.train_from_iterator(texts + [QUESTIONS] * 2000, trainer)
os.makedirs(a.out, exist_ok=True)
tokenizer.save(os.path.join(a.out, "tokenizer.json"))
with open(os.path.join(a.out, "tokenizer_config.json"), "w") as f:
    json.dump({"eos_token": "<|endoftext|>", "model_max_length": 256, "tokenizer_class": "PreTrainedTokenizerFast"}, f, indent=2)
    f.write("\n")
print(tokenizer.get_vocab_size(), "tokens")
