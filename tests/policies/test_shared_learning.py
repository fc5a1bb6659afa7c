"""Processes that share a store learn as one: every score counts once for each of them, and all come to the same view."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROCESSES, REQUESTS = 4, 60

SERVE = f"""
import json, sys
from random import Random
from pointsman import ModelRegistry, ModelSpec, Outcome, Request, Router
from pointsman.testing import FakeClock

store, number = sys.argv[1], int(sys.argv[2])
registry = ModelRegistry(
    ModelSpec(name=name, provider="p", capabilities=["generation.text.chat"], quality={{"general": prior}})
    for name, prior in (("praised", 0.9), ("humble", 0.7))
)
clock, chance = FakeClock(), Random(number)
router = Router(registry, "adaptive", store, clock=clock, seed=number)
for step in range({REQUESTS}):
    clock.advance(0.2)
    decision = router.decide(Request(messages=f"What is {{step}} times {{number}}?"))
    router.observe(decision, Outcome(input_tokens=10, output_tokens=10, seconds=0.5))
    router.feedback(decision.id, float(chance.random() < (0.95 if decision.model == "p:humble" else 0.2)))
router.close()
print("served")
sys.stdin.readline()
late = Router(registry, "adaptive", store, clock=clock, seed=number)
decision = late.decide(Request(messages="What is 2 times 3?"))
shares = {{spec.name: round(share, 6) for spec, share in zip(decision.arms, decision.probabilities, strict=True)}}
print(json.dumps([late.policy.statistics(), shares]))
"""


def test_four_processes_share_every_score_and_come_to_one_view(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/shared.db"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SERVE, store, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(PROCESSES)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "served\n"
        views = [json.loads(process.communicate("all have served\n", timeout=120)[0]) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    statistics, shares = views[0]
    assert all(view == [statistics, shares] for view in views)
    assert sum(row["scored"] for row in statistics.values()) == PROCESSES * REQUESTS
    assert sum(row["attempts"] for row in statistics.values()) == PROCESSES * REQUESTS
    assert shares["humble"] > 0.9
