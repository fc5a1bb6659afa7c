"""The transcript of docs/litellm.md, from an empty folder to a routed request, is executed as it stands."""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path

from litellm_door.proxies import environment, free_port

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
