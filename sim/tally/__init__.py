"""Counting lives: measures, their exact sums over blocks of patients, and the frames that answer."""
