"""What one does with a stack beside `pulumi up`: check, repair, pin charts, list, move in and keep secrets."""
