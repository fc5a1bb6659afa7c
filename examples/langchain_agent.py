"""An agent with tools that does not notice which of its models is down.

Runs offline on model servers of its own; with your own models: `python langchain_agent.py pointsman.yaml`.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.tools import tool

from pointsman import ModelRegistry, ModelSpec, Router
from pointsman.langchain import ChatPointsman
from pointsman.testing import Fault, ServedModel, serve

MODELS = [
    ServedModel("small", input_price_per_1m=0.1, output_price_per_1m=0.4),
    ServedModel("medium", input_price_per_1m=1.0, output_price_per_1m=4.0),
    ServedModel("large", input_price_per_1m=3.0, output_price_per_1m=12.0),
]


@tool
def departures(station: str) -> str:
    """The next departures from a station."""
    return f"the 12:04 leaves {station} from platform 3"


def ask(agent: Any, question: str) -> None:
    messages = agent.invoke({"messages": [("user", question)]})["messages"]
    answers = [message for message in messages if isinstance(message, AIMessage)]
    models = [message.response_metadata["pointsman"]["model"].partition(":")[2] for message in answers]
    print(f"{answers[-1].text}   [{' -> '.join(models)}]")


def main() -> None:
    question = "Which trains are the next departures from the station Crewe?"
    if len(sys.argv) > 1:
        ask(create_agent(ChatPointsman.from_config(sys.argv[1]), [departures]), question)
        return
    with serve(MODELS, seed=7) as fleet:
        registry = ModelRegistry(ModelSpec(**entry) for entry in fleet.catalogue())
        llm = ChatPointsman(router=Router(registry, policy="cheapest"), timeout=1)
        agent = create_agent(llm, [departures])
        ask(agent, question)
        print("small is killed")
        fleet["small"].kill()
        ask(agent, question)
        print("medium hangs")
        fleet["medium"].fail(Fault.hang())
        ask(agent, question)


if __name__ == "__main__":
    main()
