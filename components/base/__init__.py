"""The foundation under the parts: pods, Jobs, gates, rbac, names and passwords.

Nothing here imports a part (a module directly below `components/`), settings, operations or the embedded cluster.
"""
