"""What ChatPointsman adds to a call of a bare fake chat model, beside LangChain's own `with_fallbacks`, in one run.

Ten models, policy `weighted`, memory store: each call of ours is decided, carried out, watched over and learnt from;
`with_fallbacks` decides nothing. Times are CPU time, the best of many rounds in which the rows take turns: what else
the machine does hardly shows. Compare the ratios, not the numbers of different machines.

The deadline's row is what children cost that cannot give up by themselves at a timeout, as these cannot: a thread
watches over each attempt. ChatOpenAI and ChatLiteLLM need none, with or without a deadline.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from rich.console import Console
from rich.table import Table

from pointsman import ModelRegistry, ModelSpec, Router
from pointsman.failover.calls import CallSettings
from pointsman.langchain import ChatPointsman

MODELS = 10
PROMPT = [HumanMessage("hello")]


class InstantModel(BaseChatModel):
    """Answers at once; it has nothing to wait for and so nothing to give up."""

    name_of_model: str = "instant"

    @property
    def _llm_type(self) -> str:
        return "instant"

    def _result(self) -> ChatResult:
        usage = UsageMetadata(input_tokens=1, output_tokens=1, total_tokens=2)
        message = AIMessage("hi", usage_metadata=usage, response_metadata={"finish_reason": "stop"})
        return ChatResult(generations=[ChatGeneration(message=message)], llm_output={"model_name": self.name_of_model})

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        return self._result()

    async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
        return self._result()

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for number in range(10):
            last = number == 9
            message = AIMessageChunk(
                content="hi ",
                response_metadata={"finish_reason": "stop"} if last else {},
                chunk_position="last" if last else None,
            )
            yield ChatGenerationChunk(message=message)


def routed(policy: str, settings: CallSettings) -> ChatPointsman:
    names = [f"m{number}" for number in range(MODELS)]
    specs = [
        ModelSpec(
            name=name,
            provider="fake",
            capabilities=["generation.text.chat"],
            context_window=128_000,
            max_output_tokens=4_096,
            cost_per_1m_input_tokens=1 + number,
            cost_per_1m_output_tokens=2 + number,
        )
        for number, name in enumerate(names)
    ]
    router = Router(ModelRegistry(specs), policy, "memory://", seed=1, calls=settings)
    return ChatPointsman(router=router, models={name: InstantModel(name_of_model=name) for name in names})


def measure(actions: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """CPU microseconds of each action: the least of some rounds."""
    times = dict.fromkeys(actions, math.inf)
    for _ in range(rounds):
        for name, action in actions.items():
            started = time.process_time()
            action()
            times[name] = min(times[name], time.process_time() - started)
    return {name: least * 1e6 for name, least in times.items()}


def rows(models: Mapping[str, Runnable[Any, Any]], way: str, rounds: int, calls: int) -> dict[str, float]:
    with asyncio.Runner() as runner:

        def repeat(model: Runnable[Any, Any]) -> None:
            for _ in range(calls):
                if way == "invoke":
                    model.invoke(PROMPT)
                else:
                    list(model.stream(PROMPT))

        async def arepeat(model: Runnable[Any, Any]) -> None:
            for _ in range(calls):
                await model.ainvoke(PROMPT)

        def action(model: Runnable[Any, Any]) -> Callable[[], None]:
            return (lambda: runner.run(arepeat(model))) if way == "ainvoke" else (lambda: repeat(model))

        spent = measure({name: action(model) for name, model in models.items()}, rounds)
        return {name: each / calls for name, each in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=100)
    options = parser.parse_args()
    bare = InstantModel()
    free = CallSettings(deadline=None)
    models: dict[str, Runnable[Any, Any]] = {
        "bare": bare,
        "with_fallbacks": bare.with_fallbacks([InstantModel() for _ in range(MODELS - 1)]),
        "pointsman, weighted": routed("weighted", free),
        "pointsman, ucb": routed("ucb", free),
        "pointsman, adaptive": routed("adaptive", free),
        "pointsman, weighted, with a deadline": routed("weighted", CallSettings()),
    }
    for way in ("invoke", "ainvoke", "stream"):
        spent = rows(models, way, options.rounds, options.calls)
        table = Table(title=f"{way}: CPU microseconds per call")
        for heading in ("model", "per call", "over bare", "bare = 1", "over bare, with_fallbacks = 1"):
            table.add_column(heading, justify="left" if heading == "model" else "right")
        peer = spent["with_fallbacks"] - spent["bare"]
        for name, each in spent.items():
            over = each - spent["bare"]
            table.add_row(
                name,
                f"{each:.0f}",
                f"{over:+.0f}",
                f"{each / spent['bare']:.2f} x",
                "-" if name == "bare" else f"{over / peer:.2f} x",
            )
        Console(width=120).print(table)


if __name__ == "__main__":
    main()
