"""`pointsman validate --as-of`: what dies within the days asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pointsman.cli.validation import validate

FILE = (
    "include: [openai]\n"
    "models:\n"
    "  - {name: old, provider: openai, deprecation_date: 2030-01-01, sunset_date: 2030-06-01, replacement: new}\n"
    "  - {name: new, provider: openai}\n"
)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--as-of", "2029-01-01", "--days", "30"], None),
        (["--as-of", "2029-12-15", "--days", "30"], "openai:old will be deprecated on 2030-01-01"),
        (["--as-of", "2030-02-01"], "openai:old is deprecated since 2030-01-01, gone on 2030-06-01; use new instead"),
        (["--as-of", "2030-02-01"], "openai:gpt-4o"),
    ],
)
def test_what_dies_is_listed(tmp_path: Path, options: list[str], says: str | None) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(FILE)
    result = CliRunner().invoke(validate, [str(path), *options])
    assert result.exit_code == 0, result.output
    if says is None:
        assert "openai:old" not in result.output
    else:
        assert says in result.output


def test_a_day_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "pointsman.yaml"
    path.write_text(FILE)
    assert CliRunner().invoke(validate, [str(path), "--as-of", "soon"]).exit_code == 2
