"""Make the identity of a stack: its name, and an id that only its own state has."""

from __future__ import annotations

from collections.abc import Mapping

from pulumi import ComponentResource, Input, Output, ResourceOptions, get_organization, get_project, get_stack
from pulumi_random import RandomUuid

from components.base.names import STACK_ANNOTATION, STACK_ID_ANNOTATION, type_token


class StackIdentity(ComponentResource):
    """Create the random id that every namespace of the stack carries beside the stack's name.

    The name alone would not do: two backends may each have a stack of this name, and a state that replaces a lost one
    is a different state. One that takes the place of a lost one goes on with `given`, the id of that (D78).
    """

    annotations: Mapping[str, Input[str]]
    state: Output[str]  # the id of this very state, which no other one ever has

    def __init__(self, name: str, given: str | None = None, opts: ResourceOptions | None = None) -> None:
        super().__init__(type_token("StackIdentity"), name, None, opts)
        self.state = RandomUuid(name, opts=ResourceOptions(parent=self)).result
        id_ = given or self.state
        stack = f"{get_organization()}/{get_project()}/{get_stack()}"
        self.annotations = {STACK_ANNOTATION: stack, STACK_ID_ANNOTATION: id_}
        self.register_outputs({"id": id_})
