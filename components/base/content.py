"""Name objects by their content, so that a change reaches the pods that use them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pulumi import Input, Resource, ResourceOptions
from pulumi_kubernetes import core, meta


def content_name(name: str, data: Mapping[str, str]) -> str:
    """Return a name that ends with a digest of the data."""
    return f"{name}-{digest(data)}"


def content_addressed(
    name: str, namespace: Input[str], data: Mapping[str, str], *, parent: Resource
) -> core.v1.ConfigMap:
    """Create an immutable ConfigMap whose name ends with a digest of its data."""
    return core.v1.ConfigMap(
        name,
        metadata=meta.v1.ObjectMetaArgs(name=content_name(name, data), namespace=namespace),
        data=dict(data),
        immutable=True,
        opts=ResourceOptions(parent=parent),
    )


def versioned_secret(
    name: str, namespace: Input[str], data: Mapping[str, Input[str]], *, parent: Resource
) -> core.v1.Secret:
    """Create an immutable Secret that Pulumi names, so that a different value makes a new Secret and a new pod.

    This way a pod follows a secret's value without a digest of it in an annotation.
    """
    return core.v1.Secret(
        name,
        metadata=meta.v1.ObjectMetaArgs(namespace=namespace),
        string_data=dict(data),
        immutable=True,
        opts=ResourceOptions(parent=parent),
    )


def digest(value: object) -> str:
    """Return twelve hexadecimal digits that depend on plain data alone.

    Never use it for secrets: anybody who can guess the value can check the guess.
    """
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
