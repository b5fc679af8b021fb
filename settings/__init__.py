"""What a stack may say: pydantic models, one file a subject, and the one loader. Plain data, no Pulumi resource."""

from settings.machinery.charts import ChartError, LocalChart, local_copy
from settings.machinery.commands import Commands
from settings.machinery.environment import Environment, environment_of
from settings.machinery.finding import SettingsError
from settings.machinery.loader import load
from settings.settings import Settings

__all__ = [
    "ChartError",
    "Commands",
    "Environment",
    "LocalChart",
    "Settings",
    "SettingsError",
    "environment_of",
    "load",
    "local_copy",
]
