"""Commands in messages: each is what a shell takes for what is meant, and names its stack."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from settings import Commands

OF_A_FILE = Commands("project", "acme/my stack", Path("my stacks/prod.yaml"))


@pytest.mark.parametrize("verb", ["up", "preview --diff", "refresh", "destroy", "config set"])
def test_what_reads_the_stack_file_names_the_one_that_was_given(verb: str) -> None:
    words = shlex.split(OF_A_FILE.pulumi(verb))
    assert words == ["pulumi", *verb.split(), "--stack", "acme/my stack", "--config-file", "my stacks/prod.yaml"]
    assert "--config-file" not in Commands("project", "prod").pulumi(verb)


def test_what_reads_none_names_none() -> None:
    assert shlex.split(OF_A_FILE.pulumi("stack export")) == ["pulumi", "stack", "export", "--stack", "acme/my stack"]


def test_variables_of_make_are_quoted() -> None:
    assert shlex.split(OF_A_FILE.make("import-secrets", FILE="my old.yaml")) == [
        "make",
        "import-secrets",
        "STACK=acme/my stack",
        "FILE=my old.yaml",
    ]
