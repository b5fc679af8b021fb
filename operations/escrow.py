"""Write what a stack can't be restored without into one encrypted file, to be kept away from the cluster."""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from components.base.logical_names import APPLICATION_SECRETS
from components.base.names import ADMIN_SECRET, BACKUP_STORE, INFISICAL_SECRET, type_token
from operations.errors import OperationError
from operations.pulumi import Stack
from operations.state import outputs_of, resources_of
from settings.machinery.encryption_keys import ENCRYPTION_KEYS, encryption_keys, key_label, passphrase_label
from settings.machinery.loader import parsed

# Maps a setting to the variable of the deployed Secret.
_DEPLOYED = {"authSecret": "AUTH_SECRET", "cookieSecret": "COOKIE_SECRET_SIGN_KEY", "redisPassword": "REDIS_PASSWORD"}

# Marks a secret in an exported state: sdk/go/common/resource/sig.go of pulumi/pulumi.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"

_HOW_TO = """\
# The secrets of an Infisical. To restore a stack whose state is lost, in a checkout of the project, before its first
# `pulumi up` and before a backup of its database is restored, since without the encryption key that can't be read:
#
#   {decrypt} | {import_secrets}
#
# It reads the Secret below, and what no Secret of Infisical has: stackId, adminPassword, backupPassphrase and
# generatedValues. By hand, for each key of `settings` (one of several lines from a file, databaseReadReplicas as JSON,
# extraSecrets and generatedValues one by one, with --path and 'extraSecrets.NAME'):
#
#   {set_key}
#
# As long as the state is there, nothing of this has to be set: what was generated stands in it.
"""


def run(stack: Stack, arguments: argparse.Namespace) -> int:
    """Write the file for `arguments.recipient` to `arguments.output`, or to a name of its own. Return 0.

    Raises OperationError. Where the stack file can't take note of it, the escrow is there all the same.
    """
    recipient: str = arguments.recipient
    if "SECRET-KEY" in recipient or "PRIVATE KEY" in recipient:
        raise OperationError("that recipient is a private key: give the public one (of age: age-keygen -y FILE)")
    if not recipient.strip():
        raise OperationError("name a recipient: age1…, an SSH public key, or a user of your GPG keyring")
    program = "age" if re.match(r"age1|ssh-(ed25519|rsa) ", recipient) else "gpg"
    if not shutil.which(program):
        package = {"age": "age", "gpg": "gnupg"}[program]
        raise OperationError(f"`{program}` is not on PATH: apt-get install {package}, brew install {package}")
    now = datetime.now(UTC)
    today, moment = now.date().isoformat(), f"{now:%Y-%m-%dT%H%M%SZ}"
    output: Path = arguments.output or Path(f"escrow-{stack.name.replace('/', '-')}-{moment}.{program}")
    if output.exists():
        another = stack.commands.make("escrow", RECIPIENT=recipient, OPTIONS="--output FILE")
        raise OperationError(f"{output} is there already, and may be the only one of its kind. Name another: {another}")
    decrypt = "age --decrypt --identity KEYFILE" if program == "age" else "gpg --decrypt"
    opening = f"{decrypt} {shlex.quote(str(output))}"
    variables = deployed(stack)
    secrets = settings_of(stack, variables) | _kept(stack)
    labels = {ENCRYPTION_KEYS[name]: key_label(name, key) for name, key in encryption_keys(variables).items()}
    about = {"stack": stack.name, "site": variables.get("SITE_URL", ""), "date": today, "labels": labels}
    if id_ := outputs_of(stack, type_token("StackIdentity")).get("id"):
        about["stackId"] = id_  # by which the cluster and Infisical know the stack
    backup = outputs_of(stack, "pulumi:pulumi:Stack").get("backup") or {}
    if backup:
        about["backup"] = backup  # where the backups are, and the archive's identifier
    about["settings"] = secrets
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": INFISICAL_SECRET}, "stringData": variables}
    content = _how_to(stack, opening) + yaml.dump_all([about, secret], Dumper=_Dumper, sort_keys=False)
    _encrypt(_command(program, recipient), content, output)
    print("settings inside:", *secrets, sep="\n  ")
    print("variables inside:", *variables, sep="\n  ")
    for key, label in labels.items():
        print(f"label of {key}, as Infisical shows it: {label}")
    print(f"encrypted for {recipient} in {output}: keep it where neither the cluster nor the stack's state is")
    print(f"to open it: {opening}")
    _remember(stack, today, next(iter(labels.values())), secrets.get("backupPassphrase"), backup)
    print("the stack file has its date and the labels: commit it, so that everybody's `make doctor` knows")
    return 0


def _kept(stack: Stack) -> dict[str, Any]:
    """Return what was generated and no variable of Infisical's holds."""
    found = {
        "adminPassword": deployed(stack, ADMIN_SECRET).get("password"),
        "backupPassphrase": deployed(stack, BACKUP_STORE).get("passphrase"),
        "generatedValues": _generated(stack),
    }
    return {key: value for key, value in found.items() if value}


def _generated(stack: Stack) -> dict[str, str]:
    """Return the values that were generated for applications, by the names that the stack has for them."""
    made: dict[str, str] = {}
    for resource in _decrypted(stack):
        _, mark, name = resource["urn"].rpartition("::")[2].partition(f"{APPLICATION_SECRETS}-")
        if mark and resource["type"] == "random:index/randomPassword:RandomPassword":
            made[name] = (resource.get("outputs") or {})["result"]
    return {**made, **(parsed("generatedValues", stack.configuration.get("generatedValues")) or {})}


def archive_of(backup: Mapping[str, str]) -> str:
    """Return the identifier of the archive in the output `backup`, empty where there is none."""
    return backup.get("archive", "").partition("/wal/")[0].rpartition("/")[2]


def _remember(stack: Stack, today: str, label: str, passphrase: str | None, backup: Mapping[str, str]) -> None:
    """Note in the stack file what is safe now, so that everybody's `make doctor` knows. Raises OperationError."""
    stack.set("escrow.date", today, secret=False, text=True)
    stack.set("escrow.keyLabel", label, secret=False, text=True)
    if passphrase:
        stack.set("escrow.passphraseLabel", passphrase_label(passphrase), secret=False, text=True)
    if archive := archive_of(backup):
        stack.set("escrow.archive", archive, secret=False, text=True)


def settings_of(stack: Stack, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return settings with their values: the deployed ones, and the others that the stack file has encrypted.

    Raises OperationError.
    """
    secrets: dict[str, Any] = {ENCRYPTION_KEYS[name]: key for name, key in encryption_keys(variables).items()}
    if not secrets:
        raise OperationError(f"stack {stack.name} has no encryption key deployed: there is nothing to keep yet")
    secrets |= {setting: variables[name] for setting, name in _DEPLOYED.items() if variables.get(name)}
    if password := urlsplit(variables.get("DB_CONNECTION_URI", "")).password:
        secrets["databasePassword"] = unquote(password)
    others = sorted(stack.secret_keys - secrets.keys() - {*ENCRYPTION_KEYS.values()})
    return secrets | {name: stack.configuration[name] for name in others}


def deployed(stack: Stack, secret: str = INFISICAL_SECRET) -> dict[str, str]:
    """Return what a Secret holds as the stack's state has it, by default Infisical's environment.

    Raises OperationError.
    """
    for resource in _decrypted(stack):
        if resource["type"] != "kubernetes:core/v1:Secret" or resource.get("delete"):
            continue
        inputs, outputs = resource.get("inputs") or {}, resource.get("outputs") or {}
        if (inputs.get("metadata") or {}).get("name") == secret:
            encoded: Mapping[str, str] = outputs.get("data") or {}
            return {name: base64.b64decode(value).decode() for name, value in sorted(encoded.items())}
    return {}


def _decrypted(stack: Stack) -> Any:
    """Return the state's resources with their secrets in plain. Raises OperationError."""
    return _revealed(resources_of(stack.decrypted))


def _how_to(stack: Stack, opening: str) -> str:
    commands = stack.commands
    import_secrets = commands.make("import-secrets", FILE="/dev/stdin")
    return _HOW_TO.format(decrypt=opening, import_secrets=import_secrets, set_key=commands.set("KEY", secret=True))


def _revealed(value: Any) -> Any:
    match value:
        case {"plaintext": str(plaintext)} if value.get(_SIGNATURE) == _SECRET:
            return _revealed(json.loads(plaintext))
        case dict():
            return {key: _revealed(item) for key, item in value.items()}
        case list():
            return [_revealed(item) for item in value]
        case _:
            return value


class _Dumper(yaml.SafeDumper):
    """Write a text of several lines as it is, so that a person can copy it."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _command(program: str, recipient: str) -> list[str]:
    if program == "age":
        return ["age", "--encrypt", "--recipient", recipient]
    # GPG takes the key from the user's keyring, trusted there or not, and does not ask the recipient's domain for one.
    options = ["--batch", "--no-auto-key-locate", "--trust-model", "always"]
    return ["gpg", *options, "--encrypt", "--recipient", recipient]


def _encrypt(command: list[str], content: str, output: Path) -> None:
    """Encrypt over a pipe, so that plain text is never on disk."""
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise OperationError(f"{output} can't be written: {error.strerror}") from None
    complete = False
    try:
        done = subprocess.run(command, input=content.encode(), stdout=file, stderr=subprocess.PIPE)
        if done.returncode:
            raise OperationError(f"`{command[0]}` failed: {' '.join(done.stderr.decode(errors='replace').split())}")
        if not os.fstat(file).st_size:
            raise OperationError(f"`{command[0]}` wrote nothing")
        os.fsync(file)
        complete = True
    finally:
        os.close(file)
        if not complete:
            output.unlink()
