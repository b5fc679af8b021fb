"""The parts of the platform, one ComponentResource a file.

A component takes what it needs as arguments: component objects where it needs order, Outputs where it needs data. It
never reads a stack's configuration and knows nothing of the cluster it runs on.
"""
