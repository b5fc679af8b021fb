"""When the secrets of a stack were last put away, as the stack file remembers it."""

from __future__ import annotations

from pydantic import Field

from settings.machinery.types import ArchiveId, Day, KeyLabel, Section


class EscrowSettings(Section):
    """The last escrow. `make escrow` writes this section, and `make doctor` and `make status` judge it."""

    date: Day = Field(description="When it was written.")
    key_label: KeyLabel = Field(
        description="Label of the encryption key in it, as Infisical shows it. It does not reveal the key. A "
        "label that is not the deployed key's says that the escrow is of an older key.",
    )
    passphrase_label: KeyLabel | None = Field(
        default=None,
        description="The same of the passphrase in it, backupPassphrase, which opens the backups. It does not reveal "
        "the passphrase.",
    )
    archive: ArchiveId | None = Field(
        default=None, description="Identifier in it of the archive that the database wrote to, as the output shows it."
    )
