"""Masks secrets in text, in every form they are likely to be printed in."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
MINIMUM_LENGTH = 6  # a shorter value would mask half of the log, and hides nothing
URI_PASSWORD = re.compile(r"://[^:/@\s]*:([^@\s]+)@")


def mounted_secret(directory: Path) -> list[str]:
    """The values of a Secret mounted as a directory; the directories in it are the kubelet's own."""
    return [entry.read_bytes().decode(errors="replace") for entry in sorted(directory.iterdir()) if entry.is_file()]


def redactor(values: Iterable[str]) -> Callable[[str], str]:
    """A function which replaces every form of every value by ***."""
    forms = {form for value in values for form in _forms(value) if len(form) >= MINIMUM_LENGTH}
    if not forms:
        return lambda text: text
    # Longest first: a value which contains another one must go as a whole.
    pattern = re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
    return lambda text: pattern.sub(MASK, text)


def _forms(value: str) -> Iterator[str]:
    passwords = URI_PASSWORD.findall(value)
    # A PEM key reaches a log line by line.
    for plain in {value, value.strip(), *value.splitlines(), *passwords, *map(unquote, passwords)}:
        encoded = base64.b64encode(plain.encode()).decode()
        yield from (plain, json.dumps(plain)[1:-1], quote(plain), quote(plain, safe=""), quote_plus(plain))
        yield from (encoded, encoded.rstrip("="), encoded.translate(str.maketrans("+/", "-_")).rstrip("="))
