"""docs/litellm.md: the transcript from an empty folder to a routed request is executed as it stands, the recipe is valid."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from litellm_door.proxies import environment, free_port

from pointsman.config import load_config
from pointsman.stores.urls import open_store
from pointsman.testing import ServedModel, serve

DOCS = Path(__file__).parents[2] / "docs" / "litellm.md"


def test_the_quick_start_of_the_proxy_ends_with_a_routed_request(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    transcript = next(block for block in blocks if "curl" in block)
    assert len(transcript.strip().splitlines()) < 10
    with serve([ServedModel("small"), ServedModel("large")], life_limit=200) as fleet:
        named = {
            **environment(),
            "SMALL_URL": fleet["small"].url,
            "LARGE_URL": fleet["large"].url,
            "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(24)}",
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
        }
        script = transcript.replace("4000", str(free_port())).replace(" &\n", " >proxy.log 2>&1 &\n")
        shell = subprocess.Popen(
            ["/bin/bash", "-c", script], cwd=tmp_path, env=named, stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            answer = shell.communicate(timeout=120)[0].decode()
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
        assert "200 OK" in answer
        assert "x-pointsman-decision: " in answer
        assert fleet.calls == 1


def test_the_files_of_the_recipe_for_production_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", DOCS.read_text(), re.DOTALL)
    recipe = next(block for block in blocks if "num_workers" in block)
    files = dict(re.findall(r"cat > (\S+) <<'EOF'\n(.*?)EOF\n", recipe, re.DOTALL))
    exported = dict(re.findall(r"(\w+)=(\S+)", recipe))
    monkeypatch.setenv("POINTSMAN_STORE", exported["POINTSMAN_STORE"])
    path = tmp_path / exported["POINTSMAN_CONFIG"]
    path.write_text(files["pointsman.yaml"])
    registry, settings = load_config(path)
    assert settings.telemetry.wanted
    assert list(registry.snapshot.pools) == ["auto", "private"]
    assert open_store(settings.store).remote
    assert "pointsman.litellm.proxy_handler" in yaml.safe_load(files["litellm.yaml"])["litellm_settings"]["callbacks"]
