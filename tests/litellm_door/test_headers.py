"""Response headers hold whatever a model is called."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from pointsman.litellm.headers import header_value


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("gpt-4o", "gpt-4o"),
        ("meta-llama/Llama-3.1:8b (fast)", "meta-llama/Llama-3.1:8b (fast)"),
        ("100%", "100%25"),
        ("modèle", "mod%C3%A8le"),
        ("模型", "%E6%A8%A1%E5%9E%8B"),
        ("a\r\nset-cookie: b", "a%0D%0Aset-cookie: b"),
    ],
)
def test_what_is_no_printable_ascii_is_percent_encoded(name: str, sent: str) -> None:
    assert header_value(name) == sent
    assert unquote(sent) == name


def test_a_half_of_a_pair_breaks_no_response() -> None:
    assert header_value("a\ud800").isascii()
