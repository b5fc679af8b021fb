"""How a stack is read and checked: types, variables, cross-section rules, the loader.

The sections, one file a subject, stand directly below `settings/`. They import `types` and `variables` from here, and
the rest of this folder imports them. No module of `settings` imports Pulumi.
"""
