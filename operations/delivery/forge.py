"""Write a preview's comment on the pull or merge request that this job runs for, in place of the last one."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operations.delivery.comment import MARK
from operations.errors import OperationError

_SECONDS = 30
_PAGES = 50  # of a hundred comments


@dataclass(frozen=True, kw_only=True, slots=True)
class Forge:
    """Where comments are read and made, and where one is changed, with the headers that allow it."""

    comments: str
    one: str  # followed by the comment's id
    change: str  # method
    headers: Mapping[str, str]


def publish(file: Path, environment: Mapping[str, str]) -> None:
    """Make or replace the comment that begins with the file's first line. Raises OperationError."""
    try:
        text = file.read_text()
    except OSError as error:
        raise OperationError(f"comment: {file} can't be read: {error.strerror}") from None
    forge = forge_of(environment)
    first = text.partition("\n")[0]
    if not first.startswith(MARK):
        # Any comment would begin with an empty line, that of a person too.
        raise OperationError(f"comment: {file} is not what `preview` prints, so nothing was written")
    for comment in _comments(forge):
        if str(comment.get("body", "")).startswith(first):
            _ask(forge, forge.change, f"{forge.one}/{comment['id']}", {"body": text})
            return
    _ask(forge, "POST", forge.comments, {"body": text})


def forge_of(environment: Mapping[str, str]) -> Forge:
    """Return the forge whose job this is. Raises OperationError where a variable is missing."""
    if environment.get("GITHUB_ACTIONS"):
        number = re.fullmatch(r"refs/pull/(\d+)/merge", environment.get("GITHUB_REF", ""))
        if not number:
            raise OperationError("comment: this job does not run for a pull request")
        issues = f"{_of(environment, 'GITHUB_API_URL')}/repos/{_of(environment, 'GITHUB_REPOSITORY')}/issues"
        return Forge(
            comments=f"{issues}/{number[1]}/comments",
            one=f"{issues}/comments",
            change="PATCH",
            headers={"Authorization": f"Bearer {_of(environment, 'GITHUB_TOKEN')}"},
        )
    if environment.get("GITLAB_CI"):
        project = f"{_of(environment, 'CI_API_V4_URL')}/projects/{_of(environment, 'CI_PROJECT_ID')}"
        notes = f"{project}/merge_requests/{_of(environment, 'CI_MERGE_REQUEST_IID')}/notes"
        token = {"PRIVATE-TOKEN": _of(environment, "GITLAB_COMMENT_TOKEN")}
        return Forge(comments=notes, one=notes, change="PUT", headers=token)
    raise OperationError("comment: neither GITHUB_ACTIONS nor GITLAB_CI is set: comments are for their jobs")


def _comments(forge: Forge) -> Iterator[Mapping[str, Any]]:
    for page in range(1, _PAGES + 1):
        found = _ask(forge, "GET", f"{forge.comments}?per_page=100&page={page}")
        yield from found
        if len(found) < 100:
            return


def _ask(forge: Forge, method: str, url: str, body: object = None) -> Any:
    if not url.startswith(("https://", "http://")):
        raise OperationError(f"comment: {url} is no address of an API")
    data = None if body is None else json.dumps(body).encode()
    headers = {**forge.headers, "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise OperationError(f"comment: {method} {url} was answered with {error.code} {error.reason}") from None
    except OSError as error:
        raise OperationError(f"comment: {method} {url}: {error}") from None


def _of(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name)
    if not value:
        raise OperationError(f"comment: {name} is not set; docs/delivery.md says where it comes from")
    return value
