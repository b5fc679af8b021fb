"""Do with a stack what `pulumi up` does not: check, repair, pin charts, list, import and keep secrets."""
