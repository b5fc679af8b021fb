"""What safeguards look for in the state is what the program makes: a resource of another name disarms a refusal."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import cast

import pytest

from safeguards import made
from tests.unit.harness import ROOT, external, shape, with_applications


def _looked_for() -> Iterator[tuple[str, made.Made]]:
    for constant, value in vars(made).items():
        if constant.isupper() and isinstance(value, tuple):
            several = cast("tuple[made.Made, ...]", value if isinstance(value[0], tuple) else (value,))
            yield from ((constant, each) for each in several)


LOOKED_FOR = [*_looked_for()]


@pytest.mark.parametrize(("constant", "resource"), LOOKED_FOR, ids=lambda value: str(value[-1]))
def test_what_is_looked_for_is_what_the_program_makes(constant: str, resource: made.Made) -> None:
    graphs = (shape("installed"), external(), with_applications())
    there = {(each.type, each.name) for graph in graphs for each in graph}
    assert resource in there, f"{constant} would never be found"


def test_all_kinds_of_names_are_looked_for() -> None:
    assert len(LOOKED_FOR) > 12


def test_no_safeguard_writes_a_name_by_itself() -> None:
    """A name in the text of a safeguard stays as it is when the part calls its resource otherwise."""
    for file in (ROOT / "safeguards").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="outputs"), args=[_, ast.Constant() | ast.JoinedStr()]):
                    pytest.fail(f"{file.name}:{node.lineno} has to take the name from components/base/logical_names.py")
                case _:
                    pass
