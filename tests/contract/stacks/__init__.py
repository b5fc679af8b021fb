"""Whole stack configurations, sound ones and broken ones, written down from the documentation, not from the models."""

from tests.contract.stacks.catalogue import FAULTS, broken_stacks
from tests.contract.stacks.faults import Fault
from tests.contract.stacks.sound import handed_over, secret_values, stacks
from tests.contract.stacks.values import Config, pem

__all__ = ["FAULTS", "Config", "Fault", "broken_stacks", "handed_over", "pem", "secret_values", "stacks"]
