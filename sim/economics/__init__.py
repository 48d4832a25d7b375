"""Economics: what lives cost and are worth, read from the journal; decision analysis for any pair of arrays."""
