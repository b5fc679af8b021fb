"""Move the Secrets of a namespace into Infisical, one step at a time, each of which can be taken back."""
