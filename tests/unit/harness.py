"""Runs the program, or one component, on Pulumi's mocks and answers questions about the graph it declared.

    graph = platform("prod", redis={"sentinels": 5})
    assert graph.waits("infisical", for_="cert-sync")
    assert graph.secret("Secret/infisical-secrets", "stringData", "ENCRYPTION_KEY")
    assert graph["RedisSentinel/platform-kv-sentinel"]["spec", "clusterSize"] == 5

Mocks alone see a resource's inputs; what orders, protects and replaces it stands in the request to the engine. So a
monitor records every request whole. Each run has a context of its own: Pulumi keeps all of its state in context
variables, and nothing passes from one test to the next.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import functools
import hashlib
import json
import os
import runpy
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pulumi
import pulumi_kubernetes
import pulumi_random
import yaml
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.rpc import UNKNOWN
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack

from settings.secrets import SECRETS

ROOT = Path(__file__).resolve().parents[2]
PROJECT: str = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["name"]

# What `make secrets STACK=prod` asks for.
THROW_AWAY = {
    "smtpPassword": "throw-away-smtp",
    "githubLoginClientSecret": "throw-away-login",
    "githubAppClientSecret": "throw-away-app",
    "githubAppPrivateKey": "-----BEGIN PRIVATE KEY-----\ndGhyb3ctYXdheQ==\n-----END PRIVATE KEY-----\n",
    "awsSecretAccessKey": "throw-away-aws",
}

# How secrets are marked on the wire: sdk/go/common/resource/sig.go of pulumi/pulumi.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"


def _start_loop() -> None:
    loop = asyncio.new_event_loop()
    # A program that fails leaves tasks behind; its first exception has ended the test already.
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)


# For every resource Pulumi reads the source line of every frame on the stack. A thread's stack is short: with pytest's
# below it, the tests take three times as long.
_WORKER = ThreadPoolExecutor(max_workers=1, initializer=_start_loop, thread_name_prefix="pulumi")

Computed = Mapping[str, Mapping[str, object]]
Configured = Mapping[str, object] | str  # of a stack's key
State = Mapping[str, Mapping[str, object]]  # URN to type and outputs
Key = str | int  # of a mapping, or the index in a list


# --- running ---------------------------------------------------------------------------------------------------------


def platform(stack: str = "dev", *, preview: bool = False, state: State | None = None, **keys: Configured) -> Graph:
    """The whole program, with the configuration of Pulumi.<stack>.yaml. Equal calls run once.

    A keyword names a key of the stack: a section, whose keys replace those of the file, or a secret. In a preview
    nothing is known that a provider makes. `state` is what the last update left.
    """
    return _platform(stack, preview, json.dumps(state or {}), json.dumps(keys, sort_keys=True))


@functools.cache
def _platform(stack: str, preview: bool, state: str, keys: str) -> Graph:
    values = configuration(stack, **json.loads(keys))
    environment = {"PULUMI_CONFIG": json.dumps(values), "PULUMI_CONFIG_SECRET_KEYS": json.dumps(encrypted(values))}

    def program() -> None:
        with mock.patch.dict(os.environ, environment):
            runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    graph = _record(program, _Providers({}, preview=preview, state=json.loads(state)), stack)
    return replace(graph, given=frozenset(values[key] for key in encrypted(values)))


def everything() -> Graph:
    """The program with all that a stack may turn on, and the older chart."""
    return platform(
        "prod",
        database={"instances": 3, "storageClass": "fast", "pooler": {"instances": 3, "mode": "session"}},
        redis={"instances": 5, "sentinels": 5, "quorum": 3, "storageClass": "fast"},
        infisical={
            "corsAllowedOrigins": ["https://app.example.org", "https://admin.example.org:8443"],
            "readReplicas": "cluster",
            "telemetry": True,
            "allowInternalIpConnections": True,
            "pools": {"min": 1, "max": 8, "replicaMin": 0, "replicaMax": 4, "auditLogsMin": 0, "auditLogsMax": 2},
            "chart": {"flavour": "infisical", "version": "0.4.2", "path": "embedded/charts/infisical"},
        },
        ingress={"issuer": {"kind": "letsEncrypt", "email": "ops@example.org", "staging": True}},
    )


def configuration(stack: str, **keys: Configured) -> dict[str, str]:
    """What the engine hands to the program: strings as they are, everything else as JSON."""
    values: dict[str, Any] = dict(yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"])
    if stack == "prod":
        values |= {f"{PROJECT}:{key}": value for key, value in THROW_AWAY.items()}
    chart = values[f"{PROJECT}:infisical"].setdefault("chart", {"flavour": "infisical-standalone"})
    chart.setdefault("path", f"embedded/charts/{chart['flavour']}")  # which `make charts` would put into charts/
    for name, changes in keys.items():
        key = f"{PROJECT}:{name}"
        values[key] = {**values.get(key, {}), **changes} if isinstance(changes, Mapping) else changes
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def encrypted(values: Iterable[str]) -> list[str]:
    """The keys which a stack file holds encrypted."""
    return [key for key in values if key.removeprefix(f"{PROJECT}:") in SECRETS]


def run(
    make: Callable[[pulumi.ResourceOptions], object], *, computed: Computed | None = None, failing: str = ""
) -> Graph:
    """What `make` declares, given options with explicit providers.

    `computed` replaces outputs which a provider would compute, by logical name:
    `{"platform-db-password": {"result": "p@ss"}}`. Objects with the logical name `failing` can't be made: the graph is
    what was made all the same, and AssertionError says that the program did not end over them.
    """

    def program() -> None:
        providers = [pulumi_kubernetes.Provider("kubernetes"), pulumi_random.Provider("random")]
        make(pulumi.ResourceOptions(providers=providers))

    return _record(program, _Providers(computed or {}, failing=failing))


def _record(program: Callable[[], None], providers: _Providers, stack: str = "dev") -> Graph:
    monitor = _Monitor(providers)
    exports: dict[str, Leaf] = {}

    async def export() -> None:
        root = get_root_resource()
        assert isinstance(root, Stack)
        for name, value in root.outputs.items():
            output = pulumi.Output.from_input(value)
            exports[name] = Leaf((name,), await output.future(), await output.is_secret())

    def inner() -> None:
        pulumi.runtime.set_mocks(providers, PROJECT, stack, providers.preview, monitor=monitor)
        pulumi.runtime.test(program)()
        pulumi.runtime.test(export)()

    # An Output in an f-string is a warning by default, and a sentence of help in the value.
    with mock.patch.dict(os.environ, {"PULUMI_ERROR_OUTPUT_STRING": "true"}):
        ended = _WORKER.submit(contextvars.Context().run, inner).exception()
    if providers.failing:
        assert "can't be made" in str(ended), f"the program did not end with {providers.failing}: {ended!r}"
    elif ended:
        raise ended
    return Graph(
        resources=monitor.registered, exports=exports, generated=frozenset(monitor.generated), reads=monitor.reads
    )


class _Providers(Mocks):
    """Echoes the inputs and adds what the providers would compute, in its real shape."""

    def __init__(
        self, computed: Computed, *, preview: bool = False, failing: str = "", state: State | None = None
    ) -> None:
        self._computed = computed
        self._state = state or {}
        self.preview = preview
        self.failing = failing

    def call(self, args: MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]]]:
        if args.token == "pulumi:pulumi:readStackResourceOutputs":
            return {"outputs": self._state}, []
        raise NotImplementedError(f"{args.token}: the program reads nothing from a provider")

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if self.failing and args.name == self.failing:
            raise RuntimeError(f"{args.name} can't be made")
        outputs: dict[str, Any] = dict(args.inputs)
        id_ = f"{args.name}-id"
        if args.typ.startswith("random:"):
            made = _random(args)
            # As in the provider: the id of RandomBytes is its value, and no id is ever encrypted.
            id_ = made.get("base64", "none")
            outputs |= self._known(made)
        elif args.typ.startswith("kubernetes:"):
            suffix = hashlib.sha256(args.name.encode()).hexdigest()[:8]
            uid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{args.typ}/{args.name}"))
            identity = {"name": f"{args.name}-{suffix}"} | self._known({"uid": uid})
            outputs["metadata"] = identity | args.inputs.get("metadata", {})
        return id_, outputs | dict(self._computed.get(args.name, {}))

    def _known(self, outputs: Mapping[str, object]) -> dict[str, object]:
        return dict.fromkeys(outputs, UNKNOWN) if self.preview else dict(outputs)


def _random(args: MockResourceArgs) -> dict[str, str]:
    data = hashlib.shake_256(args.name.encode()).digest(int(args.inputs["length"]))
    if args.typ == "random:index/randomPassword:RandomPassword":
        return {"result": data.hex()[: len(data)]}
    assert args.typ == "random:index/randomBytes:RandomBytes", args.typ
    return {"hex": data.hex(), "base64": base64.b64encode(data).decode()}


class _Monitor(MockMonitor):
    def __init__(self, mocks: Mocks) -> None:
        super().__init__(mocks)
        self.registered: dict[str, Resource] = {}
        self.reads: dict[str, str] = {}
        self.generated: set[str] = set()

    def ReadResource(self, request: Any) -> Any:
        response = super().ReadResource(request)
        self.reads[response.urn] = f"{request.type.rpartition(':')[2]}/{request.id}"
        return response

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)
        if response.urn in self.registered:
            raise AssertionError(f"two resources have the URN {response.urn}")  # mocks would let it pass
        self.registered[response.urn] = _resource(response.urn, response.id, request)
        for name in request.additionalSecretOutputs:  # the engine's part: these come back as secrets
            if name in response.object.fields and request.type.startswith("random:"):
                self.generated.add(str(response.object[name]))
                response.object[name] = {_SIGNATURE: _SECRET, "value": response.object[name]}
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if request.urn in self.registered:  # not the stack, which registers before the program has begun
            self.registered[request.urn].outputs.append(_decode(MessageToDict(request.outputs), (), set()))
        return super().RegisterResourceOutputs(request)


def _resource(urn: str, id_: str, request: Any) -> Resource:
    secrets: set[tuple[Key, ...]] = set()
    inputs = _decode(MessageToDict(request.object), (), secrets)
    by_property = {key: frozenset(value.urns) for key, value in request.propertyDependencies.items()}
    return Resource(
        urn=urn,
        id=id_,
        type=request.type,
        name=request.name,
        parent=request.parent,
        custom=request.custom,
        inputs=inputs,
        secrets=frozenset(secrets),
        dependencies=frozenset(request.dependencies).union(*by_property.values()),
        property_dependencies=by_property,
        provider=request.provider.rpartition("::")[0],
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        delete_before_replace=request.deleteBeforeReplace,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        aliases=tuple(str(alias) for alias in request.aliases),
        create_timeout=request.customTimeouts.create,
        update_timeout=request.customTimeouts.update,
    )


def _decode(value: Any, path: tuple[Key, ...], secrets: set[tuple[Key, ...]]) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            secrets.add(path)
            return _decode(value["value"], path, secrets)
        return {key: _decode(item, (*path, key), secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item, (*path, index), secrets) for index, item in enumerate(value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


# --- asking ----------------------------------------------------------------------------------------------------------


class Leaf(NamedTuple):
    """A value of a resource's inputs which contains no other."""

    path: tuple[Key, ...]
    value: object
    secret: bool

    @property
    def where(self) -> str:
        """The path, for a message."""
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
    secrets: frozenset[tuple[Key, ...]]  # paths which are marked as secret; all below them is secret too
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
        """The last part of the type: Job, postgresql, PlatformDb."""
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
                there = f" there are {', '.join(value)}" if isinstance(value, dict) else ""
                raise AssertionError(f"{self}: no {key} below {'.'.join(walked) or 'its inputs'};{there}") from None
            walked.append(str(key))
        return value

    def leaves(self, *path: Key) -> Iterator[Leaf]:
        """Every leaf at `path` and below it."""
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
    generated: frozenset[str]  # the values which the random provider made: all of them secret
    reads: Mapping[str, str]  # URN to kind and id of what has to exist already
    given: frozenset[str] = frozenset()  # the encrypted settings

    def __repr__(self) -> str:
        return f"<graph of {len(self.resources)} resources>"

    def __getitem__(self, name: str) -> Resource:
        found = [resource for resource in self.resources.values() if name in (resource.name, str(resource))]
        components = [resource for resource in found if not resource.custom]
        candidates = components if len(found) > 1 and components else found
        if len(candidates) == 1:
            return candidates[0]
        near = [r for r in self.resources.values() if name.rpartition("/")[2] in r.name]
        raise AssertionError(f"{len(found)} resources are called {name}; there are: {_listed(found or near)}")

    def __iter__(self) -> Iterator[Resource]:
        return iter(self.resources.values())

    def of_type(self, type_: str) -> list[Resource]:
        """All resources of a Pulumi type."""
        return [resource for resource in self if resource.type == type_]

    @property
    def objects(self) -> list[Resource]:
        """Everything that a provider makes."""
        return [resource for resource in self if resource.custom and not resource.type.startswith("pulumi:")]

    @property
    def components(self) -> list[Resource]:
        """All components."""
        return [resource for resource in self if not resource.custom and resource.type != "pulumi:pulumi:Stack"]

    def children(self, name: str) -> list[Resource]:
        """What stands directly below a resource."""
        return [resource for resource in self if resource.parent == self[name].urn]

    def made_by(self, name: str) -> list[Resource]:
        """The resource itself, or everything that a component and the components below it make."""
        return [resource for resource in self.objects if self[name].urn in self._lineage(resource)]

    def waits(self, name: str, *, for_: str) -> Answer:
        """Whether nothing of `name` is made before all of `for_` is: made, and for a Job succeeded."""
        later, earlier = self._pair(name, for_)
        paths = {(a, b): self._path(a, b) for a in later for b in earlier}
        missing = [f"{a} does not wait for {b}" for (a, b), path in paths.items() if not path]
        if missing:
            return Answer(False, "; ".join(missing[:5]) + (f"; and {len(missing) - 5} more" if missing[5:] else ""))
        return Answer(True, _shown(paths[later[0], earlier[-1]]))

    def free(self, name: str, *, of: str) -> Answer:
        """Whether nothing of `name` waits for anything of `of`."""
        later, earlier = self._pair(name, of)
        for a in later:
            for b in earlier:
                if path := self._path(a, b):
                    return Answer(False, f"{a} waits for {b}: {_shown(path)}")
        return Answer(True, f"nothing of {name} waits for anything of {of}")

    def parallel(self, one: str, other: str) -> Answer:
        """Whether neither waits for anything of the other."""
        return self.free(one, of=other) and self.free(other, of=one)

    def secret(self, name: str, *path: Key) -> Answer:
        """Whether the input at `path` is secret, or everything below it."""
        plain = [leaf.where for leaf in self[name].leaves(*path) if not leaf.secret]
        return Answer(
            not plain, f"{self[name]}: {', '.join(plain) or 'every leaf'} is {'plain' if plain else 'secret'}"
        )

    def leaks(self) -> list[str]:
        """Where a secret value stands in the plain: an input without mark, a name, an id, an output, an export."""
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
        """Whether a value contains a secret one, as it is or in base64."""
        text = json.dumps(value, default=str)
        secrets = self.generated | self.given
        return any(form in text for secret in secrets for form in (json.dumps(secret)[1:-1], _base64(secret)))

    def _pair(self, name: str, other: str) -> tuple[list[Resource], list[Resource]]:
        later, earlier = self.made_by(name), self.made_by(other)
        for called, members in ((name, later), (other, earlier)):
            if not members:
                raise AssertionError(f"{called} makes nothing, so nothing can wait for it")
        return later, earlier

    def _lineage(self, resource: Resource) -> Iterator[str]:
        yield resource.urn
        if parent := self.resources.get(resource.parent):
            yield from self._lineage(parent)

    def _needs(self, urn: str) -> list[str]:
        """What must be there before the engine hears of a resource. Of a parent: its registration, so its own needs."""
        resource = self.resources.get(urn)  # none for the stack
        return [*sorted(resource.dependencies), resource.provider, resource.parent] if resource else []

    @functools.cached_property
    def _cache(self) -> dict[str, dict[str, str]]:
        return {}

    def _path(self, later: Resource, earlier: Resource) -> list[Resource]:
        """The way from one resource to another over needs; empty when there is none."""
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


def _listed(resources: Iterable[Resource]) -> str:
    return ", ".join(sorted(map(str, resources))) or "none like it"


def _base64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()
