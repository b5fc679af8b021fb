"""Divide secrets into the requests that Infisical takes: it answers 413 to more than 1 MiB (Fastify's bodyLimit)."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

Object = dict[str, Any]

# Bytes of one secret's JSON, in which a character beyond ASCII has six or twelve and a line break two.
LONGEST = 900_000
_COUNT = 100  # secrets in one request
_BYTES = 700_000  # of their JSON together


def batches(secrets: Iterable[Object]) -> Iterator[list[Object]]:
    """Yield what goes into one request after the other. A secret that is too long for any goes alone."""
    batch, size = list[Object](), 0
    for secret in secrets:
        length = sent_length(secret)
        if batch and (len(batch) == _COUNT or size + length > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(secret)
        size += length
    if batch:
        yield batch


def sent_length(value: object) -> int:
    """Return how many bytes a request has of it."""
    return len(json.dumps(value))
