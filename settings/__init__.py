"""What a stack may say: pydantic models, one file a subject, and the one loader. Plain data, no Pulumi resource."""

from settings.charts import ChartError, local_copy
from settings.environment import environment_of
from settings.loader import SettingsError, load
from settings.settings import Settings

__all__ = ["ChartError", "Settings", "SettingsError", "environment_of", "load", "local_copy"]
