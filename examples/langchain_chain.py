"""A LangChain chain that keeps answering: `prompt | ChatPointsman | parser`, tools, a long document, a model that dies.

Runs offline: the models are servers of `pointsman.testing` on loopback. For your own:
`ChatPointsman.from_config("pointsman.yaml")`, or `ChatPointsman(models={"gpt-4o": ChatOpenAI(...), ...})`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import yaml

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool

from pointsman.langchain import ChatPointsman, RouteRunnable
from pointsman.testing import ModelFleet, ServedModel, serve

MODELS = [
    ServedModel("small", input_price_per_1m=0.1, output_price_per_1m=0.4, context_window=16_000),
    ServedModel("large", input_price_per_1m=3.0, output_price_per_1m=12.0, context_window=200_000),
]


@tool
def population(city: str) -> int:
    """How many people live in a city."""
    return len(city) * 100_000


def write_config(fleet: ModelFleet) -> Path:
    """What you would keep in pointsman.yaml."""
    path = Path(tempfile.mkdtemp()) / "pointsman.yaml"
    path.write_text(yaml.safe_dump({"policy": "cheapest", "calls": {"deadline": 30}, "models": fleet.catalogue()}))
    return path


def main() -> None:
    with serve(MODELS, seed=7) as fleet:
        llm = ChatPointsman.from_config(write_config(fleet), timeout=10)
        prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
        chain = prompt | llm | StrOutputParser()

        print("a short question:   ", chain.invoke({"question": "Who are you?"}))
        message = llm.invoke("word " * 60_000)
        print("60,000 words go to: ", message.response_metadata["model_name"])
        print("who would serve:    ", (prompt | RouteRunnable(llm.router)).invoke({"question": "Hello"}).model)
        called = llm.bind_tools([population], tool_choice="population").invoke("How many people live in Paris?")
        print("a tool is called:   ", called.tool_calls[0]["name"])

        fleet["small"].kill()
        print("with small killed:  ", chain.invoke({"question": "Who are you?"}))
        print("a stream as well:   ", "".join(chain.stream({"question": "And you?"})))
        answers = chain.batch([{"question": f"Question {number}"} for number in range(8)])
        print("a batch as well:    ", len(answers), "answers of", 8)

        message = llm.invoke("Was this any good?")
        record = message.response_metadata["pointsman"]
        llm.router.feedback(record["decision_id"], 0.9)
        print("what an answer says:", {name: record[name] for name in ("model", "attempts", "cost")})


if __name__ == "__main__":
    main()
