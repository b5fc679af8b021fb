"""Check what a stack needs from its cluster before `pulumi up`, one subject a file.

A check is a function that takes the cluster and the stack's settings and gives results. It raises Unanswered where the
cluster does not tell.
"""
