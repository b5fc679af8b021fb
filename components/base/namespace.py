"""Create namespaces that say which stack they belong to."""

from __future__ import annotations

from collections.abc import Mapping

from pulumi import Input, ResourceOptions
from pulumi_kubernetes import core, meta


def namespace(logical: str, name: str, identity: Mapping[str, Input[str]], opts: ResourceOptions) -> core.v1.Namespace:
    """Create a Namespace with the annotations that tell which stack it belongs to.

    A different stack that wants a namespace of this name is refused before it makes anything; if that check is
    circumvented, the API server refuses the annotation, which has a different owner and value.
    """
    metadata = meta.v1.ObjectMetaArgs(name=name, annotations=dict(identity))
    return core.v1.Namespace(logical, metadata=metadata, opts=opts)
