"""Teaches a model a few rows that are in memory, and prints the loss of each step.

python3 examples/finetune.py CHECKPOINT OUT      finetune.py demo/checkpoint /tmp/run
"""

import sys

import falconer

ROWS = [
    {
        "instruction": "Where is the owl?",
        "input": "The small white owl sings near the lake.",
        "output": "The owl is near the lake.",
    },
    {
        "instruction": "Where is the fox?",
        "input": "One young red fox sleeps on the hill.",
        "output": "The fox is on the hill.",
    },
    {
        "instruction": "What does the deer do?",
        "input": "In winter: The old grey deer plays at the mill.",
        "output": "The deer plays.",
    },
    {
        "instruction": "Who is near the lake?",
        "input": "That black otter drinks near the lake.",
        "output": "The otter is near the lake.",
    },
]


def print_loss(step: falconer.Step) -> None:
    print(f"step {step.step}/{step.total_steps}  loss {step.loss:.4f}")


def main(checkpoint: str, out: str) -> None:
    report = falconer.finetune(
        "lora",
        checkpoint=checkpoint,
        data=ROWS,
        out=out,
        overwrite=True,  # an earlier run in OUT
        lora_targets=["all-linear"],
        lora_dropout=0,
        lr=3e-3,
        epochs=10,
        batch_size=2,
        on_step=print_loss,
    )
    print(report.final_folder)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except falconer.Error as error:
        sys.exit(str(error))
