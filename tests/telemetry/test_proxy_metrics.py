"""A LiteLLM Proxy shows pointsman's metrics on its own /metrics, and on a port of its own."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import yaml
from litellm_door.proxies import Proxy, free_port

from pointsman.testing import ServedModel, serve

LINE = 'pointsman_attempts_total{model="openai:small",outcome="answered"} 1.0'


def test_metrics_of_a_proxy(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "pointsman.yaml").write_text(yaml.safe_dump({"telemetry": {"prometheus": True, "port": port}}))
    with serve([ServedModel("small")], seed=1, life_limit=200) as fleet:
        proxy = Proxy(tmp_path, fleet.litellm_model_list())
        config = yaml.safe_load((tmp_path / "config.yaml").read_text())
        config["litellm_settings"]["callbacks"].append("prometheus")
        config["litellm_settings"]["require_auth_for_metrics_endpoint"] = False
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        with proxy:
            proxy.client().chat.completions.create(model="auto", messages=[{"role": "user", "content": "hello"}])
            for url in (f"{proxy.url}/metrics/", f"http://127.0.0.1:{port}/metrics"):
                assert shows(url, LINE)


def shows(url: str, line: str) -> bool:
    """Whether a scrape has the line; LiteLLM tells of an answer a moment after it was given."""
    for _ in range(200):
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  our own loopback address
            if line in answer.read().decode():
                return True
    return False
