"""Deliver a stack from continuous integration: docs/delivery.md."""
