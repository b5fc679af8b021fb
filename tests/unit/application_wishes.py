"""Anything that a stack may ask for an application, and each way to break it."""

from __future__ import annotations

import base64
import copy
import os
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from settings.machinery.stored_value import is_kept

Config = dict[str, Any]
WISHES = 5000 if "THOROUGH" in os.environ else 25

# What YAML and Pulumi's configuration can hold; half a character is no text.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
AWKWARD = st.sampled_from(
    [" a", "a\n", "a\r\n\n", "${HOME}", "a\0b", "\ufeffx", "{{ .A }}", "<no value>", "é", "\n", "%2F"]
)
PLAIN = AWKWARD | TEXT
SLUGS = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,4})?", fullmatch=True)
PATHS = st.just("/") | st.from_regex(r"(/[A-Za-z0-9_-]{1,6}){1,3}", fullmatch=True)
NAMES = st.from_regex(r"[-_A-Za-z0-9][-._A-Za-z0-9]{0,12}", fullmatch=True)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """An application as the stack file has it, and the encrypted keys that it names."""

    application: Config
    encrypted: dict[str, str]

    def places(self) -> list[tuple[str, str, str]]:
        """Return environment, folder and name of each secret."""
        secrets: dict[str, dict[str, Config]] = self.application["secrets"]
        return [(e, path, key) for e, folders in secrets.items() for path, keys in folders.items() for key in keys]


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    """Draw an application that is right."""
    environments = draw(st.lists(SLUGS, min_size=1, max_size=3, unique=True))
    encrypted: dict[str, str] = {}
    secrets: dict[str, dict[str, Config]] = {}
    for environment in draw(st.lists(st.sampled_from(environments), max_size=3, unique=True)):
        for path in draw(st.lists(PATHS, min_size=1, max_size=2, unique=True)):
            keys = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
            secrets.setdefault(environment, {})[path] = {key: draw(values(encrypted)) for key in keys}
    people = {"viewer": ["dev@example.org"], "admin": ["lead@example.org", "Dev@example.org"]}
    application: Config = {
        "environments": {slug: f"The {slug}" for slug in environments},
        "people": {role: people[role] for role in draw(st.sets(st.sampled_from(sorted(people))))},
        "secrets": secrets,
    }
    return Wish(application=application, encrypted=encrypted)


@st.composite
def values(draw: st.DrawFn, encrypted: dict[str, str]) -> object:
    """Draw a value of any kind. What it names is put into `encrypted`."""
    kind = draw(st.sampled_from(["text", "number", "from", "bytes", "generate", "people", "initial", "people's bytes"]))
    key = f"shopKey{len(encrypted)}"
    match kind:
        case "text":
            return draw(PLAIN)
        case "number":
            return draw(st.integers(-(10**14), 10**15 - 1))  # larger ones pass through Pulumi as different ones
        case "from":
            encrypted[key] = draw(PLAIN)
            return {"from": key}
        case "bytes":
            encrypted[key] = base64.b64encode(draw(st.binary(min_size=1, max_size=60))).decode()
            return {"from": key, "encoding": "base64"}
        case "generate":
            return {"generate": draw(st.integers(16, 256))}
        case "people":
            return {"owner": "people"}
        case "people's bytes":
            return {"owner": "people", "encoding": "base64"}
        case _:
            return {"owner": "people", "initial": draw(PLAIN.filter(is_kept))}


@dataclass(frozen=True, kw_only=True)
class Broken:
    """A wish with one fault, and where in the application it is."""

    wish: Wish
    place: tuple[str, ...]


WRONG_VALUES: list[object] = ["", True, 1.5, [], {}, {"form": "x"}, {"generate": 15}, {"generate": "x"}, {"from": ""}]
WRONG_NAMES = ["A B", "A:B", "..", "A/B", "é", ""]
WRONG_PATHS = ["a", "/a/", "//", "/a b", ""]
WRONG_SLUGS = ["Prod", "a--b", "-a", "a_b", "", "a" * 65]


@st.composite
def broken(draw: st.DrawFn) -> Broken:
    """Draw an application with one fault."""
    wish = draw(wishes().filter(lambda each: bool(each.places())))
    application = copy.deepcopy(wish.application)
    environment, path, key = draw(st.sampled_from(wish.places()))
    keys: Config = application["secrets"][environment][path]
    match draw(st.sampled_from(["value", "name", "path", "environment", "missing", "unknown", "role", "address"])):
        case "value":
            keys[key] = draw(st.sampled_from(WRONG_VALUES))
            place = ("secrets", environment, path, key)
        case "name":
            place = ("secrets", environment, path, draw(st.sampled_from(WRONG_NAMES)))
            keys[place[-1]] = "x"
        case "path":
            place = ("secrets", environment, draw(st.sampled_from(WRONG_PATHS)))
            application["secrets"][environment][place[-1]] = {"A": "x"}
        case "environment":
            place = ("environments", draw(st.sampled_from(WRONG_SLUGS)))
            application["environments"][place[-1]] = "E"
        case "missing":
            place = ("environments", environment)
            del application["environments"][environment]
            application["environments"]["other-one"] = "O"
        case "unknown":
            place = ("secretz",)
            application["secretz"] = {}
        case "role":
            place = ("people", "owner")
            application["people"]["owner"] = ["a@example.org"]
        case _:
            place = ("people", "viewer")
            application["people"]["viewer"] = [draw(st.sampled_from(["a", "a@", "@b.org", "a b@c.org"]))]
    # A replaced value may have been the only one to name a key.
    return Broken(wish=Wish(application=application, encrypted=wish.encrypted), place=place)
