"""The rule of the policy pack that every image is pinned, in pods, custom resources, charts and kinds."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from declared import Unknown

from tests.unit.test_policy import JOB, POSTGRESQL, RELEASE, REPLICATION, found

UNPINNED = ["redis", "redis:latest", "registry:5000/redis", "infisical/infisical:latest-postgres"]
PINNED = ["redis:7.0", "registry:5000/a/redis:7.0", "redis@sha256:0a", "redis:latest@sha256:0a"]


@pytest.mark.parametrize("image", UNPINNED)
def test_an_image_without_tag_or_of_the_latest_is_refused(image: str) -> None:
    pod = {"spec": {"template": {"spec": {"initContainers": [{"image": "a:1"}, {"image": image}]}}}}
    (message,) = found("images-are-pinned", JOB, pod)
    assert message == "spec.template.spec.initContainers.1.image has no tag, or latest"
    assert found("images-are-pinned", POSTGRESQL, {"spec": {"connectionPooler": {"dockerImage": image}}})
    assert found("images-are-pinned", REPLICATION, {"spec": {"kubernetesConfig": {"image": image}}})


@pytest.mark.parametrize("image", PINNED)
def test_a_tag_or_a_digest_pins_an_image(image: str) -> None:
    assert found("images-are-pinned", JOB, {"spec": {"containers": [{"image": image}]}}) == []


@pytest.mark.parametrize("image", [{}, {"repository": "a"}, {"tag": "latest"}, {"tag": ""}, {"tag": None}])
def test_a_chart_is_told_a_tag(image: Mapping[str, object]) -> None:
    (message,) = found("images-are-pinned", RELEASE, {"values": {"backend": {"image": image}}})
    assert message == "values.backend.image has no tag, or latest"


def test_a_chart_with_a_tag_or_digest_passes_and_one_without_any_image_does_not() -> None:
    for image in ({"tag": "v1"}, {"tag": 1.0}, {"digest": "sha256:0a"}):
        assert found("images-are-pinned", RELEASE, {"values": {"image": image}}) == []
    assert found("images-are-pinned", RELEASE, {"values": {}}) == ["values name no image, so the chart's default holds"]


def test_the_chart_of_the_redis_operator_has_name_and_tag_apart() -> None:
    operator = {"imageName": "quay.io/opstree/redis-operator", "imageTag": "v0.23.0"}
    assert found("images-are-pinned", RELEASE, {"values": {"redisOperator": operator}}) == []
    (message,) = found("images-are-pinned", RELEASE, {"values": {"redisOperator": {**operator, "imageTag": "latest"}}})
    assert message == "values.redisOperator.imageName has no tag, or latest"


def test_the_schema_of_a_kind_names_no_image() -> None:
    schema = {"properties": {"image": {"type": "string"}}}
    props = {"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}}
    assert found("images-are-pinned", "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", props) == []


def test_an_image_that_a_preview_can_not_tell_is_not_judged() -> None:
    assert found("images-are-pinned", JOB, {"spec": {"containers": [{"image": Unknown.VALUE}]}}) == []
