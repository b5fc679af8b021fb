"""How a stack is read and checked, by types, variables, rules over several sections, and the loader.

The sections, one file a subject, stand directly below `settings/`. From here they import `types`, `variables`,
`broken_rule` and `cron`, and the rest of this folder imports them. No module of `settings` imports Pulumi.
"""
