"""The registry at 10,000 models: loading, looking up, registering, memory; figures beside goals.

The catalogue is made on the fly (about 3.5 MiB of YAML). What is compared is measured in the same run: loading beside
`yaml.CSafeLoader` on the same file, look-up beside scanning the list. Memory and imports are measured in processes of
their own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import yaml
from rich.console import Console
from rich.table import Table

from pointsman import ModelRegistry, ModelSpec

MIB = 1024 * 1024
WANTED = ("vision", "tools", "computer_use")
_ABILITIES = ("tools", "json.schema", "streaming", "reasoning", "prompt_caching", "pdf", "audio", "batch", "web_search")

IMPORTS = """
import json, sys, time
started = time.perf_counter()
from pointsman.catalog.litellm_map import read_litellm_map
found = read_litellm_map().models
seconds = time.perf_counter() - started
chat = sum(spec.has_capability("generation.text.chat") for spec in found)
print(json.dumps([chat, seconds, "litellm" in sys.modules]))
"""


def catalogue(size: int, seed: int = 7) -> str:
    """A catalogue of so many models, as people write them: about 350 bytes each."""
    random = Random(seed)
    lines = ["models:"]
    for number in range(size):
        abilities = sorted(random.sample(_ABILITIES, 4))
        if number % 20 == 0:
            abilities += [each for each in WANTED if each not in abilities]
        lines += [
            f"  - name: model-{number}",
            f"    provider: {random.choice(('openai', 'azure', 'bedrock', 'gemini', 'ollama'))}",
            f"    family: family-{number % 50}",
            f"    capabilities: [generation.text.chat, {', '.join(abilities)}]",
            f"    context_window: {random.choice((8_192, 128_000, 1_000_000))}",
            f"    max_output_tokens: {random.choice((2_048, 4_096, 8_192))}",
            f"    cost_per_1m_input_tokens: {random.random() * 10:.3f}",
            f"    cost_per_1m_output_tokens: {random.random() * 40:.3f}",
            f"    quality: {{reasoning: {random.random():.2f}, coding: {random.random():.2f}}}",
            f"    litellm_model: openai/model-{number}",
        ]
    return "\n".join([*lines, ""])


def cpu(action: Callable[[], object], runs: int = 3) -> float:
    """Least CPU seconds of some runs: the others were disturbed."""
    times = []
    for _ in range(runs):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return min(times)


def each(action: Callable[[], object], calls: int) -> float:
    """Median over batches of the seconds per call."""
    means = []
    for _ in range(9):
        started = time.perf_counter()
        for _ in range(calls):
            action()
        means.append((time.perf_counter() - started) / calls)
    return statistics.median(means)


def registering(registry: ModelRegistry, count: int = 300) -> list[float]:
    """Seconds of each of so many registrations."""
    times = []
    for number in range(count):
        spec = ModelSpec(name=f"new-{number}", provider="custom", capabilities=["generation.text.chat", "tools"])
        started = time.perf_counter()
        registry.register_model(spec)
        times.append(time.perf_counter() - started)
    return times


def child(*arguments: str) -> list[float]:
    """What a fresh process prints, as numbers."""
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, env=environment)
    return [float(number) for number in json.loads(done.stdout)]


def memory(path: str) -> None:
    """Print the peak of this process in MB: after loading a file, and after 300 more models were registered."""
    registry = ModelRegistry.load(path)
    loaded = peak_of_this_process()
    registering(registry)
    print(json.dumps([loaded, peak_of_this_process()]))


def peak_of_this_process() -> float:
    """Most MB that were in memory at once; Linux's `ru_maxrss` would count what the parent had before the start."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = (line.split() for line in status.read_text().splitlines())
        return next(int(words[1]) for words in lines if words[0] == "VmHWM:") * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


class Report:
    """Rows of what was measured, the goal, and whether it holds."""

    def __init__(self, title: str) -> None:
        self.table = Table(title=title)
        self.missed = False
        for heading in ("what", "measured", "goal", ""):
            self.table.add_column(heading, justify="right" if heading in ("measured", "goal") else "left")

    def add(self, what: str, measured: str, goal: str = "", *, holds: bool | None = None) -> None:
        self.missed = self.missed or holds is False
        self.table.add_row(what, measured, goal, {True: "holds", False: "MISSED", None: ""}[holds])


def look_ups(report: Report, registry: ModelRegistry) -> None:
    specs = registry.list_models()
    keys = [spec.key for spec in specs[::97]]
    state = [0]

    def get() -> None:
        state[0] = (state[0] + 1) % len(keys)
        registry.get_model(keys[state[0]])

    loop = each(lambda: state.__setitem__(0, (state[0] + 1) % len(keys)), 100_000)
    by_key = each(get, 100_000) - loop
    report.add("get_model by key", f"{by_key * 1e9:,.0f} ns", "1,000 ns", holds=by_key < 1e-6)
    name = specs[len(specs) // 2].name
    by_name = each(lambda: registry.get_model(name), 50_000)
    report.add("get_model by bare name", f"{by_name * 1e9:,.0f} ns")

    def scan() -> list[ModelSpec]:
        return [spec for spec in specs if all(spec.has_capability(name) for name in WANTED)]

    def scan_sets() -> list[ModelSpec]:
        needed = set(WANTED)
        return [spec for spec in specs if needed <= set(spec.capabilities)]

    found = registry.get_models_by_capabilities(WANTED)
    assert [spec.key for spec in found] == [spec.key for spec in scan()] == [spec.key for spec in scan_sets()]
    indexed, scanned, quick = (
        each(lambda: registry.get_models_by_capabilities(WANTED), 50),
        each(scan, 1),
        each(scan_sets, 1),
    )
    report.add(f"three capabilities, {len(found)} of {len(specs):,} found", f"{indexed * 1e6:,.1f} us")
    report.add("  scanning with has_capability", f"{scanned / indexed:,.0f} x", "50 x", holds=scanned >= 50 * indexed)
    report.add("  scanning plain sets, no tree", f"{quick / indexed:,.0f} x", "50 x", holds=quick >= 50 * indexed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=10_000)
    parser.add_argument("--memory-of", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        memory(options.memory_of)
        return
    report = Report(f"a registry of {options.models:,} models")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "models.yaml"
        path.write_text(catalogue(options.models))
        text = path.read_text()
        report.add("catalogue", f"{len(text) / MIB:.2f} MiB", "3.5 MiB")
        plain = cpu(lambda: yaml.load(text, Loader=yaml.CSafeLoader))
        ours = cpu(lambda: ModelRegistry.load(path))
        report.add("yaml.CSafeLoader alone", f"{plain * 1e3:,.0f} ms CPU")
        report.add("ModelRegistry.load", f"{ours * 1e3:,.0f} ms CPU")
        report.add("  against it", f"{ours / plain:.2f} x", "20 x", holds=ours <= 20 * plain)
        registry = ModelRegistry.load(path)
        look_ups(report, registry)
        times = registering(registry)
        middle, worst = statistics.median(times), max(times)
        report.add("register one", f"{middle * 1e6:,.0f} us", "1,000 us", holds=middle < 1e-3)
        report.add("  the slowest of 300", f"{worst * 1e6:,.0f} us")
        loaded, changed = child(__file__, "--memory-of", str(path))
        report.add("peak memory of the process, loaded", f"{loaded:,.0f} MB", "200 MB", holds=loaded <= 200)
        report.add("  after 300 registrations", f"{changed:,.0f} MB", "200 MB", holds=changed <= 200)
    chat, seconds, has_litellm = child("-c", IMPORTS)
    report.add("LiteLLM's map: chat models", f"{chat:,.0f}", "2,000", holds=chat > 2_000)
    report.add("  read in, imports included", f"{seconds * 1e3:,.0f} ms", "1,000 ms", holds=seconds < 1)
    report.add("  litellm in sys.modules", "yes" if has_litellm else "no", "no", holds=not has_litellm)
    Console(width=110).print(report.table)
    sys.exit(report.missed)


if __name__ == "__main__":
    main()
