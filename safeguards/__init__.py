"""What stops `up` before the first resource: comparisons of a stack's settings with its last state.

Imports settings and components; creates no resource.
"""

from safeguards.database_version import refuse_downgrade
from safeguards.encryption_key import refuse_key_change
from safeguards.refusal import Refusal
from safeguards.state import last_state
from safeguards.volumes import refuse_volume_change
from settings import Commands, Settings

__all__ = ["Refusal", "check"]


def check(settings: Settings, commands: Commands) -> None:
    """Raise the first Refusal."""
    state = last_state()
    refuse_key_change(settings, state, commands)
    refuse_downgrade(settings, state, commands)
    refuse_volume_change(settings, state, commands)
