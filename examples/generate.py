"""Answers questions, with an adapter where one is named.

python3 examples/generate.py CHECKPOINT [ADAPTER]      generate.py demo/checkpoint /tmp/run/final
"""

import sys

import falconer


def main(checkpoint: str, adapter: str = "") -> None:
    with falconer.Model(checkpoint, adapter=adapter or None) as model:
        answer = model.generate(
            "Where is the owl?",
            "The small white owl sings near the lake.",
            max_new_tokens=24,
            temperature=0,  # the likeliest token always
            on_text=lambda text: print(text, end="", flush=True),
        )
        print(f"\n{len(answer.ids)} tokens, {answer.finish_reason}")

        # Several prompts are answered together; each gets the answer that it would get alone.
        prompts = [
            model.encode(question, "A red fox plays near the lake.")
            for question in ("Where is the fox?", "Who is near the lake?")
        ]
        for answer in model.generate_all(prompts, max_new_tokens=24, temperature=0):
            print(answer.text)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except falconer.Error as error:
        sys.exit(str(error))
