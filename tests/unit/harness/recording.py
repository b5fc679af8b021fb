"""Run a program on Pulumi's mocks and record every request to the engine whole.

Each run has a context of its own: Pulumi keeps all of its state in context variables, and nothing passes from one test
to the next.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import hashlib
import os
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar
from unittest import mock

import pulumi
import pulumi_kubernetes
import pulumi_random
from google.protobuf.json_format import MessageToDict
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto.source_pb2 import StackTrace
from pulumi.runtime.rpc import UNKNOWN
from pulumi.runtime.settings import get_root_resource
from pulumi.runtime.stack import Stack

from tests.unit.harness.graph import Graph, Key, Leaf, Resource

P = ParamSpec("P")
T = TypeVar("T")
Computed = Mapping[str, Mapping[str, object]]  # logical name to outputs
State = Mapping[str, Mapping[str, object]]  # URN to type and outputs

# How secrets are marked on the wire: sdk/go/common/resource/sig.go of pulumi/pulumi.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"


def run(
    make: Callable[[pulumi.ResourceOptions], object],
    *,
    computed: Computed | None = None,
    failing: str = "",
    state: State | None = None,
) -> Graph:
    """Return what `make` declares, given options with explicit providers. `state` is what the last update left.

    `computed` replaces outputs that a provider would compute, by logical name:
    `{"platform-db-password": {"result": "p@ss"}}`. What is `failing`, a logical name or Kind/name, can't be made: the
    graph is what was made all the same, and AssertionError says that the program did not end over it.
    """

    def program() -> None:
        providers = [pulumi_kubernetes.Provider("kubernetes"), pulumi_random.Provider("random")]
        make(pulumi.ResourceOptions(providers=providers))

    return record(program, Providers(computed, failing=failing, state=state))


def record(program: Callable[[], None], providers: Providers, project: str = "project", stack: str = "stack") -> Graph:
    """Return what `program` declares. Raises what it raises."""
    monitor = _Monitor(providers)
    exports: dict[str, Leaf] = {}

    async def export() -> None:
        root = get_root_resource()
        assert isinstance(root, Stack)
        for name, value in root.outputs.items():
            output = pulumi.Output.from_input(value)
            exports[name] = Leaf((name,), await output.future(), await output.is_secret())

    def inner() -> None:
        pulumi.runtime.set_mocks(
            providers, project, stack, providers.preview, monitor=monitor, organization="organization"
        )
        pulumi.runtime.test(program)()
        pulumi.runtime.test(export)()

    asyncio.set_event_loop(_LOOP)
    ended: Exception | None = None
    with (
        # An Output in an f-string is a warning by default, and a sentence of help in the value.
        mock.patch.dict(os.environ, {"PULUMI_ERROR_OUTPUT_STRING": "true"}),
        # For every resource Pulumi reads the source line of every frame on the stack, and pytest's are many.
        mock.patch("pulumi.runtime.resource._get_stack_trace", StackTrace),
    ):
        try:
            contextvars.Context().run(inner)
        except Exception as error:
            ended = error
    if providers.failing:
        assert "can't be made" in str(ended), f"the program did not end with {providers.failing}: {ended!r}"
    elif ended:
        raise ended
    return Graph(
        resources=monitor.registered, exports=exports, generated=frozenset(monitor.generated), reads=monitor.reads
    )


class _AtOnce(ThreadPoolExecutor):
    """Call in the caller's thread, because a mock answers at once and a thread that waits for it costs more."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(_AtOnce())
    # A program that fails leaves tasks behind; its first exception has ended the test already.
    loop.set_exception_handler(lambda _loop, _context: None)
    return loop


_LOOP = _loop()


class Providers(Mocks):
    """Echo the inputs and add what the providers would compute, in its real shape. In a preview that is unknown."""

    def __init__(
        self,
        computed: Computed | None = None,
        *,
        preview: bool = False,
        failing: str = "",
        state: State | None = None,
    ) -> None:
        self._computed = computed or {}
        self._state = state or {}
        self.preview = preview
        self.failing = failing

    def call(self, args: MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]]]:
        if args.token == "pulumi:pulumi:readStackResourceOutputs":
            return {"outputs": self._state}, []
        raise NotImplementedError(f"{args.token}: the program reads nothing from a provider")

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if self.failing in (args.name, f"{args.typ.rpartition(':')[2]}/{args.name}"):
            raise RuntimeError(f"{args.name} can't be made")
        outputs: dict[str, Any] = dict(args.inputs)
        id_ = f"{args.name}-id"
        if args.typ.startswith("random:"):
            made = _random(args)
            # As in the provider: the id of RandomBytes is its value, and no id is ever encrypted.
            id_ = made.get("base64", "none")
            outputs |= self._known(made)
        elif args.typ.startswith("kubernetes:"):
            uid = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{args.typ}/{args.name}"))
            identity = {"name": made_name(args.name)} | self._known({"uid": uid})
            outputs["metadata"] = identity | args.inputs.get("metadata", {})
        return id_, outputs | dict(self._computed.get(args.name, {}))

    def _known(self, outputs: Mapping[str, object]) -> dict[str, object]:
        return dict.fromkeys(outputs, UNKNOWN) if self.preview else dict(outputs)


def made_name(logical: str) -> str:
    """Return the name that Pulumi makes for an object without one: the logical name and a few digits."""
    return f"{logical}-{hashlib.sha256(logical.encode()).hexdigest()[:8]}"


def _random(args: MockResourceArgs) -> dict[str, str]:
    if args.typ == "random:index/randomUuid:RandomUuid":
        return {"result": str(uuid.uuid5(uuid.NAMESPACE_URL, args.name))}
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
    """Return the plain value, and add the paths of those marked as secret to `secrets`."""
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            secrets.add(path)
            return _decode(value["value"], path, secrets)
        return {key: _decode(item, (*path, key), secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item, (*path, index), secrets) for index, item in enumerate(value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value
