"""Write the blocks `template:` and `config:` of Pulumi.yaml, for `pulumi new` and for Pulumi's engine."""

from __future__ import annotations

import json

from operations.descriptions import about, by_key
from operations.pulumi import PROJECT
from settings.secrets import SECRETS
from settings.settings import BY_PRESENCE


def template() -> str:
    """Return the block that makes `pulumi new` take this project.

    It asks for no setting: `pulumi new` would store a section as text, and the first `pulumi config set --path` would
    put a new section in its place.
    """
    lines = [
        "template:",
        "  displayName: Infisical on Kubernetes",
        "  description: Infisical with its PostgreSQL, Redis, certificates, migrations and ingress",
        "  quickstart: Keep the project's name, run ./bootstrap.sh, and go on with README.md, On your own cluster.",
    ]
    return "\n".join(lines) + "\n"


def project_config() -> str:
    """Return the block. It has every key, so that `pulumi config` knows it and keeps secrets encrypted."""
    lines = [
        "config:",
        "  # The ambient kubectl context would decide where a resource goes that names no provider.",
        '  pulumi:disable-default-providers: {value: ["*"]}',
        "  # What follows is made by `make reference` from settings/; docs/configuration.md says more.",
    ]
    for key, field in by_key().items():
        lines.append(f"  {PROJECT}:{key}:")
        # With a type, the engine would refuse a stack without the key: it takes the default for an unencrypted value.
        lines += ["    secret: true"] if key in SECRETS else []
        untyped = key in SECRETS or key in BY_PRESENCE  # the latter: so that an empty section is told from none
        lines += ['    default: ""'] if untyped else ["    type: object", "    default: {}"]
        lines.append(f"    description: {json.dumps(about(field), ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
