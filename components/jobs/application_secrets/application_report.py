"""Say what is not as the stack says: as much of it as can be kept, and no value."""

import re
from collections.abc import Callable, Iterable

from application_wish import Application

_KEPT = 400_000  # characters of drift: a ConfigMap has at most 1 MiB


def shortened(lines: list[str]) -> str:
    """Return as many lines as a ConfigMap takes, and how many there are beside those."""
    kept, size = list[str](), 0
    for line in lines:
        size += len(line) + 1
        if size > _KEPT:
            return "\n".join([*kept, f"and {len(lines) - len(kept)} more"])
        kept.append(line)
    return "\n".join(kept)


def hiding(applications: Iterable[Application]) -> Callable[[str], str]:
    """Return what hides the values that the stack gives, wherever they stand in a text."""
    values = {
        secret.value for each in applications for secret in each.secrets if secret.value and len(secret.value) > 3
    }
    longest_first = sorted(values, key=len, reverse=True)  # a value that contains another one goes as a whole

    def hide(text: str) -> str:
        for value in longest_first:
            text = text.replace(value, "[hidden]")
        return text

    return hide


def unwritten(places: Iterable[str]) -> str:
    """Return that changes there have only become requests for approval."""
    return (
        f"not written: in {', '.join(sorted(set(places)))} a policy makes every change a request for approval. Exempt "
        "machines from the policy, or the folder, or let its secrets be people's"
    )


def requested(drift: str, application: str) -> set[str]:
    """Return where the last run has asked for approval, by what it has written down. Each more would be one more."""
    found = re.search(rf"^{re.escape(application)}: not written: in (.*?) a policy", drift, re.MULTILINE)
    return set(found[1].split(", ")) if found else set()
