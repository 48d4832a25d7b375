"""Uncertainty about parameters: the distribution of each line, joint draws, designs, and what the error is made of.

Nothing here simulates: lines and arrays go in, arrays and frames come out. `sim.experiments` puts them to work.
"""
