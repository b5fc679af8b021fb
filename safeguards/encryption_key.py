"""Refuse to change the key that everything in the database is encrypted with."""

from __future__ import annotations

from collections.abc import Mapping

from components.base.names import INFISICAL_SECRET
from safeguards import made
from safeguards.refusal import Refusal
from safeguards.state import LastState
from settings import Commands, Settings
from settings.infisical import is_for_fips
from settings.machinery.encryption_keys import ENCRYPTION_KEYS, encryption_keys, key_label

Keys = Mapping[str, str]  # by variable, the one that opens the database first
_RUNBOOK = "docs/runbooks/root-key-rotated.md"


def refuse_key_change(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal when the settings would take away a key that the stack's state has.

    `infisical.replaceEncryptionKey` is the label of a key that may go. The message says how to keep the key, and what
    to do when Infisical itself made the new one.
    """
    deployed = encryption_keys(state.secret(INFISICAL_SECRET))
    wanted = wanted_keys(settings, state)
    for variable in lost_keys(deployed, wanted, settings):
        key, label = deployed[variable], key_label(variable, deployed[variable])
        way_back = _way_back(variable, key, wanted, _generated(state), commands)
        setting = ENCRYPTION_KEYS[variable if variable in wanted else next(iter(wanted))]
        new = ", ".join(key_label(name, key) for name, key in wanted.items() if key) or "not made yet"
        raise Refusal(
            f"{setting}: this stack's data is encrypted under a different key (its label is {label}, that of the new "
            f"one {new}), and Infisical can't read the data without it. To keep it: {way_back}. To replace it, because "
            f"you had Infisical make the new key (Admin > Encryption; read {_RUNBOOK} first) or because the data may "
            f"go: {commands.set('infisical.replaceEncryptionKey', label)}"
        )


def refuse_fips_on_an_empty_database(settings: Settings, state: LastState, commands: Commands) -> None:
    """Raise Refusal for the image for FIPS 140 where a first key is to be generated.

    On an empty database it starts in FIPS mode, which takes ENCRYPTION_KEY in base64 alone. Upstream:
    backend/src/lib/crypto/cryptography/crypto.ts.
    """
    if not is_for_fips(settings.infisical.image) or any(wanted_keys(settings, state).values()):
        return
    raise Refusal(
        "infisical.image: on an empty database the image for FIPS 140 starts with a key of 256 bits in base64 alone, "
        "and the key that is generated here has 32 characters, so no server would start. Set the ordinary image: "
        f"{commands.set('infisical.image', 'IMAGE')}. For a database that an ordinary image has made, set its key: "
        f"{commands.set('encryptionKey', secret=True)}"
    )


def wanted_keys(settings: Settings, state: LastState) -> Keys:
    """Return the keys that the settings lead to. The value is empty before a key is generated."""
    return _given(settings) or {"ENCRYPTION_KEY": _generated(state)}


def lost_keys(deployed: Keys, wanted: Keys, settings: Settings) -> list[str]:
    """Return the variables whose deployed keys Infisical could no longer use, except the one that may be replaced."""
    lost = [name for name, key in deployed.items() if wanted.get(name) != key]
    if deployed and (first := next(iter(deployed))) != next(iter(wanted)) and first not in lost:
        lost.append(first)  # it is still there, but the key before it would open the database in its place
    allowed = settings.infisical.replace_encryption_key
    return [name for name in lost if key_label(name, deployed[name]) != allowed]


def _way_back(variable: str, key: str, wanted: Keys, generated: str, commands: Commands) -> str:
    in_its_place = ENCRYPTION_KEYS[next(iter(wanted))]
    if key == generated:
        return f"it was generated, so remove yours: {commands.remove(in_its_place)}"
    if wanted.get(variable) == key:
        return f"Infisical would not use it beside {in_its_place}, so remove that: {commands.remove(in_its_place)}"
    setting = ENCRYPTION_KEYS[variable]
    return f"it is {variable} in Secret {INFISICAL_SECRET}, so set it again: {commands.set(setting, secret=True)}"


def _generated(state: LastState) -> str:
    generated = state.outputs(*made.ENCRYPTION_KEY)
    return str(generated.get("result", ""))


def _given(settings: Settings) -> dict[str, str]:
    keys = {"ENCRYPTION_KEY": settings.encryption_key, "ROOT_ENCRYPTION_KEY": settings.root_encryption_key}
    return {variable: key.get_secret_value() for variable, key in keys.items() if key}
