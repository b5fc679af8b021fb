"""Tell what the cluster has otherwise than the stack has made it, and put it back: docs/delivery.md."""
