"""Calibration: published quantities, how they are emulated, and how parameters are fitted to them."""
