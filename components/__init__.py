"""The parts of the platform, each ComponentResource in a file named after it.

The other files say what several of them share, such as specs, network paths and placement.

A part takes its section of the settings as plain data, component objects where it needs order, and Outputs where it
needs data. It never reads a stack's configuration, and imports neither the machinery that loads settings nor
`operations`, `safeguards` or `embedded`.
"""
