"""cartwin: CAR T-cell therapy for B-ALL, every virtual patient as its own twin under every policy."""

__version__ = "0.1.0"
