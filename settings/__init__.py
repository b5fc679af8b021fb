"""What a stack may say: pydantic models, one file a subject, and the one loader. Plain data, no Pulumi resource."""

from settings.loader import Settings, SettingsError, load

__all__ = ["Settings", "SettingsError", "load"]
