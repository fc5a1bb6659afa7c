"""A forked process is a replica of its own: other ids, a thread of its own, nothing counted or written twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pointsman import ModelRegistry, Router
from pointsman.learning.ledger import ATTEMPTS, DECISIONS

SCRIPT = """
import os, sys
from pointsman import ModelRegistry, ModelSpec, Outcome, Router

router = Router(ModelRegistry([ModelSpec(name="m", provider="openai")]), sys.argv[2], sys.argv[1])

def observe(times):
    for _ in range(times):
        router.observe(router.decide("hi"), Outcome(seconds=0.1))

observe(3)
children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        observe(2)
        router.close()
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
observe(1)
router.close()
"""


@pytest.mark.parametrize("policy", ["ucb", "adaptive"])
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_fork_learns_and_writes_for_itself(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, policy: str
) -> None:
    url = f"sqlite:///{tmp_path}/p.db" if kind == "sqlite" else str(request.getfixturevalue("redis_url"))
    subprocess.run([sys.executable, "-c", SCRIPT, url, policy], check=True, timeout=120)
    router = Router(ModelRegistry(), policy, url)
    assert router.statistics()["selection_stats"]["total_attempts"] == 3 + 3 * 2 + 1
    assert len(list(router.ledger.rows(DECISIONS))) == len(list(router.ledger.rows(ATTEMPTS))) == 10
    replicas = {key.partition("/")[0] for key, _ in router.store.items(f"learnt.{policy}")}
    assert len(replicas) == 4
    router.close()
