"""Hold what a run declared, and answer questions about it."""

from __future__ import annotations

import base64
import difflib
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Key = str | int  # of a mapping, or the index in a list


class Leaf(NamedTuple):
    """A value of a resource's inputs that contains no other."""

    path: tuple[Key, ...]
    value: object
    secret: bool

    @property
    def where(self) -> str:
        """Return the path as a message has it."""
        return ".".join(map(str, self.path))


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource:
    """One registration, as the engine gets it. `resource["spec", "tls"]` is an input, its secret mark taken off."""

    urn: str
    id: str
    type: str
    name: str
    parent: str  # URN
    custom: bool  # False: a component
    inputs: dict[str, Any]
    secrets: frozenset[tuple[Key, ...]]  # paths that are marked as secret; all below them is secret too
    dependencies: frozenset[str]  # URNs, of `depends_on` and of properties
    property_dependencies: dict[str, frozenset[str]]
    provider: str  # URN, empty for a component or where the program named none
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    aliases: tuple[str, ...]
    create_timeout: str
    update_timeout: str
    outputs: list[dict[str, Any]] = field(default_factory=list)  # of a component; one entry a call

    @property
    def kind(self) -> str:
        """Return the last part of the type: Job, postgresql, PlatformDb."""
        return self.type.rpartition(":")[2]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    __repr__ = __str__

    def __getitem__(self, path: Key | tuple[Key, ...]) -> Any:
        value: Any = self.inputs
        walked: list[str] = []
        for key in path if isinstance(path, tuple) else (path,):
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                there = ", ".join(value) if isinstance(value, dict) else f"it is a {type(value).__name__}"
                where = ".".join(walked) or "its inputs"
                raise AssertionError(f"{self}: no {key} in {where}; there: {there or 'nothing'}") from None
            walked.append(str(key))
        return value

    def leaves(self, *path: Key) -> Iterator[Leaf]:
        """Yield every leaf at `path` and below it."""
        yield from self._leaves(self[path] if path else self.inputs, path)

    def _leaves(self, value: Any, path: tuple[Key, ...]) -> Iterator[Leaf]:
        if isinstance(value, dict | list) and value:
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                yield from self._leaves(item, (*path, key))
        else:
            yield Leaf(path, value, any(path[:length] in self.secrets for length in range(len(path) + 1)))


@dataclass(frozen=True)
class Answer:
    """Yes or no, and why: pytest prints it when the assertion fails."""

    yes: bool
    because: str

    def __bool__(self) -> bool:
        return self.yes

    def __repr__(self) -> str:
        return f"{'yes' if self.yes else 'no'}: {self.because}"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Graph:
    """What one run declared.

    A resource is called by its logical name, or as kubectl does by `Kind/name`; a name alone that several have means
    the component among them. A component stands for everything below it.
    """

    resources: dict[str, Resource]  # by URN, in the order of registration
    exports: dict[str, Leaf]  # the stack's outputs
    generated: frozenset[str]  # the values that the random provider made, all of them secret
    reads: Mapping[str, str]  # URN to kind and id of what has to exist already
    given: frozenset[str] = frozenset()  # the encrypted settings

    def __repr__(self) -> str:
        return f"<graph of {len(self.resources)} resources>"

    def __getitem__(self, name: str) -> Resource:
        found = self._called.get(name, [])
        components = [resource for resource in found if not resource.custom]
        candidates = components if len(found) > 1 and components else found
        if len(candidates) == 1:
            return candidates[0]
        raise AssertionError(f"{len(found)} resources are called {name}; {self._meant(name, found)}")

    def _meant(self, name: str, found: Iterable[Resource]) -> str:
        """Return what was meant by a name that is not the name of one resource."""
        if several := sorted(map(str, found)):
            return f"say which: {', '.join(several)}"
        bare = name.rpartition("/")[2]
        close = difflib.get_close_matches(bare, {r.name for r in self}, n=3)
        near = sorted(str(r) for r in self if bare in r.name or r.name in close)
        return f"there are: {', '.join(near)}" if near else "none has a name like it"

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources.values())

    def of_type(self, type_: str) -> list[Resource]:
        """Return all resources of a Pulumi type."""
        return [resource for resource in self if resource.type == type_]

    @functools.cached_property
    def objects(self) -> list[Resource]:
        """Return everything that a provider makes."""
        return [resource for resource in self if resource.custom and not resource.type.startswith("pulumi:")]

    @property
    def components(self) -> list[Resource]:
        """Return all components."""
        return [resource for resource in self if not resource.custom and resource.type != "pulumi:pulumi:Stack"]

    def children(self, name: str) -> list[Resource]:
        """Return what stands directly below a resource."""
        parent = self[name].urn
        return [resource for resource in self if resource.parent == parent]

    def made_by(self, name: str) -> list[Resource]:
        """Return the resource itself, or everything that a component and the components below it make."""
        top = self[name].urn
        return [resource for resource in self.objects if top in self._lineages[resource.urn]]

    def waits(self, name: str, *, for_: str) -> Answer:
        """Return whether nothing of `name` is made before all of `for_` is made, and for a Job has succeeded."""
        later, earlier = self._pair(name, for_)
        paths = {(a, b): self._path(a, b) for a in later for b in earlier}
        missing = [f"{a} does not wait for {b}" for (a, b), path in paths.items() if not path]
        if missing:
            return Answer(False, "; ".join(missing[:5]) + (f"; and {len(missing) - 5} more" if missing[5:] else ""))
        return Answer(True, _shown(paths[later[0], earlier[-1]]))

    def free(self, name: str, *, of: str) -> Answer:
        """Return whether nothing of `name` waits for anything of `of`."""
        later, earlier = self._pair(name, of)
        for a in later:
            for b in earlier:
                if path := self._path(a, b):
                    return Answer(False, f"{a} waits for {b}: {_shown(path)}")
        return Answer(True, f"nothing of {name} waits for anything of {of}")

    def parallel(self, one: str, other: str) -> Answer:
        """Return whether neither waits for anything of the other."""
        return self.free(one, of=other) and self.free(other, of=one)

    def order(self, names: Iterable[str]) -> set[tuple[str, str]]:
        """Return the fewest waits, each as (later, earlier), from which all waits among `names` follow."""
        names = list(names)
        waits = {(a, b) for a in names for b in names if a != b and self.waits(a, for_=b)}
        return {(a, b) for a, b in waits if not any((a, c) in waits and (c, b) in waits for c in names)}

    def critical_path(self, seconds: Mapping[str, float]) -> list[str]:
        """Return the chain that takes longest, earliest first, when each of the named takes so many seconds."""
        order = self.order(seconds)

        @functools.cache
        def until(name: str) -> tuple[float, list[str]]:
            total, chain = max((until(earlier) for later, earlier in order if later == name), default=(0, []))
            return total + seconds[name], [*chain, name]

        return max(until(name) for name in seconds)[1]

    def secret(self, name: str, *path: Key) -> Answer:
        """Return whether the input at `path`, or everything below it, is secret."""
        plain = [leaf.where for leaf in self[name].leaves(*path) if not leaf.secret]
        return Answer(
            not plain, f"{self[name]}: {', '.join(plain) or 'every leaf'} is {'plain' if plain else 'secret'}"
        )

    def leaks(self) -> list[str]:
        """Return where a secret value stands in plain text: an unmarked input, a name, an id, an output, an export."""
        found = [
            f"{resource}: {leaf.where}"
            for resource in self
            for leaf in resource.leaves()
            if not leaf.secret and self.reveals(leaf.value)
        ]
        found += [f"{resource}: its name or id" for resource in self if self.reveals([resource.name, resource.id])]
        found += [f"{resource}: its outputs" for resource in self.components if self.reveals(resource.outputs)]
        return found + [f"export {e.where}" for e in self.exports.values() if not e.secret and self.reveals(e.value)]

    def reveals(self, value: object) -> bool:
        """Return whether a value contains a secret one, as it is or in base64."""
        text = json.dumps(value, default=str)
        secrets = self.generated | self.given
        return any(form in text for secret in secrets for form in (json.dumps(secret)[1:-1], _base64(secret)))

    def _pair(self, name: str, other: str) -> tuple[list[Resource], list[Resource]]:
        later, earlier = self.made_by(name), self.made_by(other)
        for called, members in ((name, later), (other, earlier)):
            if not members:
                raise AssertionError(f"{called} makes nothing, so nothing can wait for it")
        return later, earlier

    @functools.cached_property
    def _lineages(self) -> dict[str, list[str]]:
        """Return for each URN the URNs of itself and everything above."""

        def lineage(urn: str) -> list[str]:
            return [urn, *lineage(self.resources[urn].parent)] if urn in self.resources else []

        return {urn: lineage(urn) for urn in self.resources}

    @functools.cached_property
    def _called(self) -> dict[str, list[Resource]]:
        """Return what goes by a name, which is a logical name or Kind/name."""
        called: dict[str, list[Resource]] = {}
        for resource in self:
            for name in (resource.name, str(resource)):
                called.setdefault(name, []).append(resource)
        return called

    def _needs(self, urn: str) -> list[str]:
        """Return what must be there before the engine hears of a resource, the needs of its parent among it."""
        resource = self.resources.get(urn)  # none for the stack
        return [*sorted(resource.dependencies), resource.provider, resource.parent] if resource else []

    @functools.cached_property
    def _cache(self) -> dict[str, dict[str, str]]:
        return {}

    def _path(self, later: Resource, earlier: Resource) -> list[Resource]:
        """Return the way from one resource to the other over needs, empty when there is none."""
        came_from = self._cache.get(later.urn)
        if came_from is None:
            came_from, frontier = {}, [later.urn]
            while frontier:
                ahead: list[str] = []
                for urn in frontier:
                    for need in self._needs(urn):
                        if need and need != later.urn and need not in came_from:
                            came_from[need] = urn
                            ahead.append(need)
                frontier = ahead
            self._cache[later.urn] = came_from
        if earlier.urn not in came_from:
            return []
        path = [earlier.urn]
        while path[-1] != later.urn:
            path.append(came_from[path[-1]])
        return [self.resources[urn] for urn in reversed(path)]


def _shown(path: Iterable[Resource]) -> str:
    return " → ".join(map(str, path))


def _base64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
