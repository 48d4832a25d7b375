"""Cohorts: who the virtual patients are. Correlated attributes, each a pure function of seed and patient number."""

from sim.cohort.drawing import BLOCK, DTYPE, GIVEN, Recipe, draw, patient_count, prepare, read_patients

__all__ = ["BLOCK", "DTYPE", "GIVEN", "Recipe", "draw", "patient_count", "prepare", "read_patients"]
