"""What an adapter changes: the likeliest next tokens without it and with it.

python3 examples/logits.py CHECKPOINT ADAPTER      logits.py demo/checkpoint /tmp/run/final
"""

import math
import sys
from typing import List

import falconer


def print_likeliest(title: str, model: falconer.Model, ids: List[int]) -> None:
    last = [float(logit) for logit in model.logits(ids)[-1]]  # of the token behind all ids
    most = max(last)
    total = sum(math.exp(logit - most) for logit in last)
    print(title)
    for token in sorted(range(len(last)), key=lambda token: -last[token])[:3]:
        share = math.exp(last[token] - most) / total
        print(f'  {100 * share:5.1f} %  "{model.decode([token])}"')


def main(checkpoint: str, adapter: str) -> None:
    with falconer.Model(checkpoint, adapter) as model:
        ids = model.encode("Where is the owl?", "The small white owl sings near the lake.")
        with model.using(None):  # the base alone; load_adapter() reads further adapters
            print_likeliest("without the adapter", model, ids)
        print_likeliest("with it", model, ids)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except falconer.Error as error:
        sys.exit(str(error))
