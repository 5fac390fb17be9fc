#!/usr/bin/env python3
"""Writes the demo's texts: stories in a little language to pretrain on, and rows that teach a skill.

  make_data.py OUT [--pages 40000] [--rows 3000] [--held-out 200] [--seed 7]

A story says what animals look like, what they do and where, and later says some of it again, so
that a model must look back to write it. The skill is to answer a question about a story, which no
story does. All of it is generated: no text of anybody else is in it.
"""
import argparse, json, os, random

ANIMALS = "fox owl bear hare wolf crow deer frog goat swan mouse otter heron badger falcon lynx".split()
COLOURS = "red brown white black grey green golden silver".split()
SIZES = "small large old young".split()
ACTIONS = "sleeps sings waits hides runs eats plays drinks".split()
PLACES = ["by the river", "in the forest", "on the hill", "near the lake", "under the bridge", "in the garden",
          "behind the barn", "at the mill"]
TIMES = ["In the morning", "At night", "In spring", "After the rain", "In winter", "At noon"]


class Fact:
    """One animal of a story."""

    def __init__(self, rng, animal):
        self.animal = animal
        self.colour, self.size = rng.choice(COLOURS), rng.choice(SIZES)
        self.action, self.place = rng.choice(ACTIONS), rng.choice(PLACES)

    def sentence(self, rng):
        article = rng.choice(["The", "One", "That"])
        return f"{article} {self.size} {self.colour} {self.animal} {self.action} {self.place}."

    def again(self, rng):
        """The fact once more, in other words."""
        return rng.choice([
            f"It is the {self.animal} that {self.action} {self.place}.",
            f"So the {self.animal} is {self.colour}.",
            f"So the {self.animal} is {self.size} and {self.colour}.",
            f"Yes, the {self.animal} {self.action}.",
            f"Now the {self.animal} is {self.place}.",
            f"The one {self.place} is the {self.animal}.",
        ])

    def question(self, rng):
        """An instruction and its answer."""
        return rng.choice([
            (f"Which colour is the {self.animal}?", f"The {self.animal} is {self.colour}."),
            (f"Where is the {self.animal}?", f"The {self.animal} is {self.place}."),
            (f"What does the {self.animal} do?", f"The {self.animal} {self.action}."),
            (f"Who {self.action}?", f"The {self.animal} {self.action}."),
            (f"Who is {self.place}?", f"The {self.animal} is {self.place}."),
        ])


def facts_of(rng):
    facts = [Fact(rng, animal) for animal in rng.sample(ANIMALS, rng.choice([1, 2, 2, 3]))]
    # What two animals share would leave a question without a clear answer.
    for name in ("place", "action", "colour"):
        if len({getattr(fact, name) for fact in facts}) < len(facts):
            return facts_of(rng)
    return facts


def opening(rng, facts):
    text = " ".join(fact.sentence(rng) for fact in facts)
    return f"{rng.choice(TIMES)}: {text}" if rng.random() < 0.5 else text


def page(rng):
    """Several stories, one a line, and now and then two people who greet each other."""
    lines = []
    for _ in range(rng.choice([2, 3, 4])):
        lines.append(greeting(rng) if rng.random() < 0.15 else story(rng))
    return "\n".join(lines)


def greeting(rng):
    words = rng.choice(["Good morning", "Good evening", "Hello", "Well then", "Thank you"])
    return f"User: {words}.\nAssistant: {words}."


def story(rng):
    facts = facts_of(rng)
    parts = [opening(rng, facts)]
    for _ in range(rng.choice([2, 3, 4])):
        parts.append(rng.choice(facts).again(rng))
    return " ".join(parts)


def skill_row(rng):
    facts = [Fact(rng, rng.choice(ANIMALS))]
    instruction, output = facts[0].question(rng)
    return {"instruction": instruction, "input": opening(rng, facts), "output": output}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--pages", type=int, default=40000)
    p.add_argument("--rows", type=int, default=3000)
    p.add_argument("--held-out", type=int, default=200)
    p.add_argument("--seed", type=int, default=7)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    rng = random.Random(a.seed)
    with open(os.path.join(a.out, "pages.jsonl"), "w") as f:
        for _ in range(a.pages):
            f.write(json.dumps({"text": page(rng)}) + "\n")
    seen, rows = set(), []
    while len(rows) < a.rows + a.held_out:  # no held-out row is a training row too
        row = skill_row(rng)
        key = (row["instruction"], row["input"])
        if key not in seen:
            seen.add(key)
            rows.append(row)
    for name, part in (("train.json", rows[: a.rows]), ("test.json", rows[a.rows:])):
        with open(os.path.join(a.out, name), "w") as f:
            json.dump(part, f, indent=0)
            f.write("\n")


if __name__ == "__main__":
    main()
