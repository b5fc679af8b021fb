"""A delivery into a namespace that isn't there stops `up` before the first resource."""

from __future__ import annotations

import pytest

from safeguards.refusal import Refusal
from safeguards.target_namespaces import refuse_missing_namespaces
from tests.unit.test_application_settings import load, shop


def test_a_missing_namespace_is_named_with_the_command_that_makes_it() -> None:
    with pytest.raises(
        Refusal, match=r"are delivered into shop, and the cluster has no .* `kubectl create namespace shop`"
    ):
        refuse_missing_namespaces(load(shop()), {"kube-system": {}})
    elsewhere = load(shop(), cluster={"context": "prod", "kubeconfig": "/home/me/my clusters"})
    command = "kubectl --context=prod '--kubeconfig=/home/me/my clusters' create namespace shop"
    with pytest.raises(Refusal, match=command):
        refuse_missing_namespaces(elsewhere, {"kube-system": {}})


def test_one_that_is_there_will_do() -> None:
    refuse_missing_namespaces(load(shop()), {"shop": {}})
    refuse_missing_namespaces(load({}, {}), {})
