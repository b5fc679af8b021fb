"""Refuse to begin without what opens the stack's encrypted keys, in words of this project instead of Pulumi's."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from operations.errors import OperationError
from operations.pulumi import Stack

_PASSPHRASE = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


def refuse_closed_secrets(stack: Stack, environment: Mapping[str, str]) -> None:
    """Raise OperationError when the stack file is absent, or encrypted with a passphrase that nobody gave."""
    file = stack.file
    if not file.exists():
        raise OperationError(f"{file.name}: this checkout has no such file. Commit it: its secrets are encrypted")
    try:
        content = yaml.safe_load(file.read_text()) or {}
    except (yaml.YAMLError, UnicodeDecodeError):
        raise OperationError(f"{file.name} is no YAML. A merge may have left its marks there") from None
    if "encryptionsalt" in content and not any(map(environment.get, _PASSPHRASE)):
        raise OperationError(
            f"{file.name} is encrypted with a passphrase: give the job {_PASSPHRASE[0]} from the CI system's "
            "secrets. Where the CI system may use a cloud's KMS, no passphrase is needed: docs/delivery.md"
        )
