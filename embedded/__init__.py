"""Run the Kubernetes cluster that the project brings along: real programs built from pinned sources, on one node.

Nothing in `components/` or `settings/` knows of it. A user with a cluster of their own never needs it.
"""
