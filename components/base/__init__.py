"""What the parts stand on: pods, Jobs, gates, rights, names and passwords.

Nothing here imports a part (a module directly below `components/`), settings, operations or the embedded cluster.
"""
