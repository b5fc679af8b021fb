"""Take over what a different tool has deployed, without replacing it: docs/moving-in.md."""
