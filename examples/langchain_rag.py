"""Answers from documents: the chain stays the same, the router picks a model whose window holds what was found.

Runs offline on model servers of its own; with your own models: `python langchain_rag.py pointsman.yaml`.
"""

from __future__ import annotations

import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from pointsman import ModelRegistry, ModelSpec, PromptTooLongError, Router
from pointsman.langchain import ChatPointsman
from pointsman.testing import ServedModel, serve

MODELS = [
    ServedModel("small", input_price_per_1m=0.1, output_price_per_1m=0.4, context_window=8_000),
    ServedModel("large", input_price_per_1m=3.0, output_price_per_1m=12.0, context_window=64_000),
]
LIBRARY = [
    Document("A pointsman stands where the tracks divide and sets the points.", metadata={"topic": "railway"}),
    Document("A signal at danger is red. " * 2_000, metadata={"topic": "signals"}),
    Document("Every timetable ever printed. " * 20_000, metadata={"topic": "timetables"}),
]
PROMPT = ChatPromptTemplate.from_messages(
    [("system", "Answer from these documents only:\n{context}"), ("user", "{question}")]
)


def retrieve(question: str) -> str:
    """A retriever in one line; any LangChain retriever goes here."""
    return "\n\n".join(each.page_content for each in LIBRARY if each.metadata["topic"] in question)


def ask(chain: Runnable[str, AIMessage], question: str) -> None:
    try:
        record = chain.invoke(question).response_metadata["pointsman"]
        print(f"{question:<34} answered by {record['model']} for ${record['cost']:.6f}")
    except PromptTooLongError as error:
        print(f"{question:<34} {error.code}: {error.tokens:,} tokens, the largest window holds {error.largest:,}")


def chain_of(llm: ChatPointsman) -> Runnable[str, AIMessage]:
    found = {"context": RunnableLambda(retrieve), "question": RunnablePassthrough()}
    chain: Runnable[str, AIMessage] = found | PROMPT | llm
    return chain


def main() -> None:
    questions = ["What is a railway pointsman?", "What do signals mean?", "What do timetables say?"]
    if len(sys.argv) > 1:
        for question in questions:
            ask(chain_of(ChatPointsman.from_config(sys.argv[1])), question)
        return
    with serve(MODELS, seed=7) as fleet:
        registry = ModelRegistry(ModelSpec(**entry) for entry in fleet.catalogue())
        chain = chain_of(ChatPointsman(router=Router(registry, policy="cheapest")))
        for question in questions:
            ask(chain, question)
        fleet["small"].fail("server_error_503")
        print("with small failing:")
        ask(chain, questions[0])


if __name__ == "__main__":
    main()
