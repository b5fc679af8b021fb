"""The harness sees what it says it sees: each question has a graph for yes and one for no."""

from __future__ import annotations

import pulumi
import pytest
from pulumi import Output, ResourceOptions
from pulumi_kubernetes import core, meta
from pulumi_random import RandomBytes, RandomPassword

from tests.unit.harness import Graph, run


class Part(pulumi.ComponentResource):
    """A component with one ConfigMap."""

    def __init__(self, name: str, opts: ResourceOptions, data: Output[str] | str = "") -> None:
        super().__init__("test:index:Part", name, None, opts)
        core.v1.ConfigMap(f"{name}-map", data={"key": data}, opts=ResourceOptions(parent=self))
        self.register_outputs({})


def _with(base: ResourceOptions, *needs: pulumi.Resource) -> ResourceOptions:
    return ResourceOptions.merge(base, ResourceOptions(depends_on=list(needs)))


def chain(opts: ResourceOptions) -> None:
    """c after b after a; d apart."""
    a = Part("a", opts)
    b = Part("b", _with(opts, a))
    Part("c", _with(opts, b))
    Part("d", opts)


def leak(opts: ResourceOptions) -> None:
    password = RandomPassword("password", length=20, opts=opts)
    RandomBytes("bytes", length=16, opts=opts)
    core.v1.Secret("good", string_data={"key": password.result}, opts=opts)
    Part("bad", opts, Output.unsecret(password.result))
    pulumi.export("marked", password.result)
    pulumi.export("plain", Output.unsecret(password.result).apply(lambda value: f"it is {value}"))


def test_waiting_goes_through_components_and_on() -> None:
    graph = run(chain)
    assert (
        repr(graph.waits("c", for_="a")) == "yes: ConfigMap/c-map → Part/c → ConfigMap/b-map → Part/b → ConfigMap/a-map"
    )
    assert repr(graph.waits("a", for_="c")) == "no: ConfigMap/a-map does not wait for ConfigMap/c-map"
    assert not graph.waits("d", for_="a")
    assert graph.free("a", of="c")
    assert repr(graph.free("c", of="a")).startswith("no: ConfigMap/c-map waits for ConfigMap/a-map: ")
    assert graph.parallel("a", "d")
    assert not graph.parallel("a", "b")
    assert not graph.parallel("b", "a")


def test_waiting_for_what_makes_nothing_is_an_error() -> None:
    graph = run(lambda opts: [pulumi.ComponentResource("test:index:Empty", "empty", None, opts), Part("a", opts)])
    with pytest.raises(AssertionError, match="empty makes nothing"):
        graph.waits("a", for_="empty")


def test_the_order_is_the_fewest_waits_and_the_critical_path_its_longest_chain() -> None:
    graph = run(chain)
    assert graph.order(["a", "b", "c", "d"]) == {("b", "a"), ("c", "b")}
    assert graph.order(["a", "c"]) == {("c", "a")}
    assert graph.critical_path({"a": 1, "b": 1, "c": 1, "d": 2}) == ["a", "b", "c"]
    assert graph.critical_path({"a": 1, "b": 1, "c": 1, "d": 4}) == ["d"]


def test_a_dependency_through_a_value_is_one() -> None:
    def make(opts: ResourceOptions) -> None:
        map_ = core.v1.ConfigMap("map", opts=opts)
        core.v1.Secret("secret", metadata=meta.v1.ObjectMetaArgs(namespace=map_.metadata.name), opts=opts)

    assert run(make).waits("secret", for_="map")


def test_secrets_and_leaks() -> None:
    graph = run(leak)
    assert graph.secret("good", "stringData", "key")
    assert repr(graph.secret("bad-map", "data")) == "no: ConfigMap/bad-map: data.key is plain"
    assert graph.leaks() == ["ConfigMap/bad-map: data.key", "RandomBytes/bytes: its name or id", "export plain"]


def test_names_are_unambiguous() -> None:
    def make(opts: ResourceOptions) -> None:
        core.v1.ConfigMap("same", opts=opts)
        core.v1.Secret("same", opts=opts)
        Part("part", opts)

    graph: Graph = run(make)
    assert graph["Secret/same"].kind == "Secret"
    with pytest.raises(AssertionError, match="2 resources are called same; say which: ConfigMap/same, Secret/same"):
        graph["same"]
    with pytest.raises(
        AssertionError, match="0 resources are called Secret/part; there are: ConfigMap/part-map, Part/"
    ):
        graph["Secret/part"]
    with pytest.raises(AssertionError, match="called prat-map; there are: ConfigMap/part-map"):
        graph["prat-map"]
    with pytest.raises(AssertionError, match="called nobody; none has a name like it"):
        graph["nobody"]
    with pytest.raises(AssertionError, match="ConfigMap/same: no spec in its inputs; there: "):
        graph["ConfigMap/same"]["spec", "x"]


def test_one_urn_is_one_resource() -> None:
    with pytest.raises(AssertionError, match="two resources have the URN"):
        run(lambda opts: [core.v1.ConfigMap("map", opts=opts), core.v1.ConfigMap("map", opts=opts)])


def test_an_output_in_a_string_is_an_error() -> None:
    with pytest.raises(Exception, match="__str__"):
        run(lambda opts: Part(f"{Output.from_input('a')}", opts))


def test_an_exception_of_the_program_ends_the_test() -> None:
    def make(opts: ResourceOptions) -> None:
        Output.from_input(1).apply(lambda one: one / 0)

    with pytest.raises(ZeroDivisionError):
        run(make)


def test_what_depends_on_a_failure_is_not_made() -> None:
    graph = run(chain, failing="b-map")
    assert graph["ConfigMap/a-map"]
    assert not {"b-map", "c", "c-map"} & {r.name for r in graph}
    with pytest.raises(AssertionError, match="did not end with nowhere: None"):
        run(chain, failing="nowhere")


def test_runs_are_isolated() -> None:
    assert len(list(run(chain))) == len(list(run(chain)))
