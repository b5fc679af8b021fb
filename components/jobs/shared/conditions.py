"""What a custom resource says of itself."""

from kube import Object


def condition(found: Object, kind: str) -> Object:
    """Return a condition of a custom resource, empty when it has none of that type."""
    conditions: list[Object] = found.get("status", {}).get("conditions", [])
    nothing: Object = {}
    return next((each for each in conditions if each["type"] == kind), nothing)
