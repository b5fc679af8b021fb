"""What a stack may say. Pydantic models hold plain data, one file a subject, and one loader reads them."""

from settings.machinery.charts import Chart, ChartError, LocalChart, local_copy
from settings.machinery.commands import Commands
from settings.machinery.encryption_keys import ENCRYPTION_KEYS, key_label, passphrase_label
from settings.machinery.environment import Environment, environment_of
from settings.machinery.finding import SettingsError
from settings.machinery.loader import load
from settings.settings import Settings

__all__ = [
    "ENCRYPTION_KEYS",
    "Chart",
    "ChartError",
    "Commands",
    "Environment",
    "LocalChart",
    "Settings",
    "SettingsError",
    "environment_of",
    "key_label",
    "load",
    "local_copy",
    "passphrase_label",
]
