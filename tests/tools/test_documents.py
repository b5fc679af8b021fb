"""What the documents name is there: files, tests, headings."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from rules import RULES

from tests.unit.harness import ROOT

TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
).stdout.split()
DOCUMENTS = [name for name in TRACKED if name.endswith(".md")]
SOURCES = [name for name in TRACKED if name.endswith((".py", ".md", ".sh", "Makefile")) and (ROOT / name).exists()]
DATED = r"20\d\d-\d\d-\d\d · (accepted|superseded by D\d+)"
FOLDERS = {name.partition("/")[0] for name in TRACKED if "/" in name}


def prose(document: str) -> str:
    """Return a document's text without its blocks of code."""
    return re.sub(r"^```.*?^```", "", (ROOT / document).read_text(), flags=re.DOTALL | re.MULTILINE)


def slug(heading: str) -> str:
    """Return the anchor that a heading has on the web."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(document: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)}


def named_files(text: str) -> Iterator[str]:
    """Yield what stands in code and looks like a path of the checkout; a place for a name (<part>) is none."""
    for code in re.findall(r"`([^`\n]+)`", text):
        path, _, test = code.partition("::")
        if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", path) and path.partition("/")[0] in FOLDERS:
            yield f"{path}::{test}" if test else path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document: str) -> None:
    for target in re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", prose(document)):
        path, _, anchor = target.partition("#")
        there = (ROOT / document).parent / path if path else ROOT / document
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_file_and_test_that_is_named_exists(document: str) -> None:
    for name in named_files(prose(document)):
        path, _, test = name.partition("::")
        assert (ROOT / path).exists(), name
        assert not test or f"def {test}(" in (ROOT / path).read_text(), name


def test_decisions_are_numbered_dated_and_in_force_or_superseded() -> None:
    text = (ROOT / "docs" / "decisions.md").read_text()
    headings = re.findall(r"^## D(\d+)\. .+\n\n(.*)$", text, re.MULTILINE)
    numbers = [int(number) for number, _ in headings]
    assert len(numbers) == text.count("\n## ")
    assert numbers == sorted(set(numbers)), "a number that was given out and not used stays free"
    statuses = [status for _, status in headings]
    assert [status for status in statuses if not re.fullmatch(DATED, status)] == []
    dates = [status[:10] for status in statuses]
    assert dates == sorted(dates)


def test_every_decision_that_is_cited_exists() -> None:
    made = set(re.findall(r"^## (D\d+)\.", (ROOT / "docs" / "decisions.md").read_text(), re.MULTILINE))
    cited = {(name, number) for name in SOURCES for number in re.findall(r"\bD\d+\b", (ROOT / name).read_text())}
    assert {(name, number) for name, number in cited if number not in made} == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_command_can_be_pasted_as_it_stands(document: str) -> None:
    """zsh, the shell of macOS, takes what stands behind # for words of the command, and a value is asked for."""
    blocks = re.findall(r"^ *```\n(.*?)^ *```", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    assert [line for line in lines if re.search(r"\S\s+# ", line)] == []
    assert [line for line in lines if re.search(r"config set .*--secret \S+ +[^\s|<\\]", line)] == []
    assert [line for line in lines if re.search(r"\$EDITOR", line)] == []


def test_every_runbook_is_in_the_index() -> None:
    index = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    pages = {path.name for path in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"]({page})" not in index} == set(), "add a row to docs/runbooks/README.md"


def test_the_readme_of_the_policy_pack_has_every_rule() -> None:
    assert re.findall(r"^\| `([\w-]+)` \|", prose("policy/README.md"), re.MULTILINE) == [rule.name for rule in RULES]
