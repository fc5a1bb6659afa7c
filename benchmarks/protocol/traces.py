"""Full-information traces: prompts, and for every model its score, tokens and cost; read from files or generated."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from pointsman.replay.traces import Trace, read_trace

# A folder with NAME.models.csv and so on, beside this project's.
TRACES = Path(__file__).resolve().parents[2].parent / "shared" / "traces"


def load(folder: Path) -> list[Trace]:
    """Every trace in a folder; a generated one where there is none."""
    return [read_trace(path) for path in sorted(folder.glob("*.scores.csv.gz"))] or [generate()]


# name, USD per million tokens in and out, prior, answer length, skill at: arithmetic, code, facts, writing
_MADE_MODELS = (
    ("large", 5.00, 15.0, 0.88, 320, (0.86, 0.88, 0.86, 0.84)),
    ("coder", 0.30, 0.90, 0.74, 260, (0.72, 0.86, 0.60, 0.58)),
    ("medium", 0.60, 2.40, 0.80, 280, (0.76, 0.74, 0.80, 0.79)),
    ("reckoner", 0.40, 1.20, 0.72, 420, (0.85, 0.66, 0.58, 0.52)),
    ("small", 0.10, 0.40, 0.70, 240, (0.62, 0.58, 0.70, 0.72)),
    ("tiny", 0.05, 0.10, 0.55, 180, (0.35, 0.30, 0.52, 0.55)),
    ("boastful", 2.00, 8.00, 0.90, 350, (0.60, 0.62, 0.66, 0.70)),
)
_THINGS = ["apples", "trains", "tickets", "marbles", "pages", "boxes", "coins", "lamps", "bottles", "chairs"]
_TOPICS = [
    "tides",
    "volcanoes",
    "printing",
    "lighthouses",
    "railways",
    "glaciers",
    "maps",
    "bridges",
    "looms",
    "comets",
]


def generate(size: int = 3000, seed: int = 7) -> Trace:
    """Make a trace up: four kinds of prompt, seven models of different skill at each, one with a prior too good."""
    chance = Random(seed)
    prompts, kinds = [], []
    for _ in range(size):
        kind = chance.randrange(4)
        kinds.append(kind)
        prompts.append(_prompt(kind, chance))
    skills = np.array([model[5] for model in _MADE_MODELS])
    rng = np.random.default_rng(seed)
    # A prompt that is hard is hard for all: scores of one prompt are correlated.
    hardness = rng.normal(0.0, 0.25, (size, 1))
    scores = (rng.random((size, len(_MADE_MODELS))) < np.clip(skills[:, kinds].T - hardness, 0.02, 0.98)).astype(float)
    lengths = np.array([model[4] for model in _MADE_MODELS])
    output = np.maximum(rng.normal(lengths, lengths / 4.0, scores.shape), 10.0).round()
    tokens = [len(prompt) // 4 + 8 for prompt in prompts]
    costs = (np.outer(tokens, [m[1] for m in _MADE_MODELS]) + output * [m[2] for m in _MADE_MODELS]) / 1e6
    return Trace(
        name="generated",
        prompts=prompts,
        prompt_tokens=tokens,
        models=[model[0] for model in _MADE_MODELS],
        prices=[(model[1], model[2]) for model in _MADE_MODELS],
        priors=[model[3] for model in _MADE_MODELS],
        scores=scores,
        costs=costs,
        output_tokens=output,
    )


def _prompt(kind: int, chance: Random) -> str:
    thing, other = chance.sample(_THINGS, 2)
    topic = chance.choice(_TOPICS)
    a, b, c = (chance.randrange(2, 400) for _ in range(3))
    if kind == 0:
        return (
            f"A shop has {a} {thing} and buys {b} more. It sells {c} of them at ${b % 17 + 1} each and gives 1/4 of the "
            f"rest away. How many {thing} are left, and how much did it earn in total?"
        )
    if kind == 1:
        return (
            f"def f({thing}, {other}):\n    total = [{a}, {b}]\n    for each in {thing}:\n        total.append(each * {c})"
            f"\n    return {{'{other}': total[-1]}}\n\nassert f([{b}], None) == ??"
        )
    if kind == 2:
        return f"Which of these is true of {topic}?\nA. They need {thing}.\nB. They end at {other}.\nC. Neither."
    return (
        f"Write a short letter to a friend who has never seen {topic}. Describe what they look like in the evening, "
        f"mention {thing}, and end on a note of encouragement; keep the tone warm and the sentences long."
    )
