"""What one does with a stack beside `pulumi up`: check the cluster, pin charts, list, move in and keep secrets."""
