"""Units: what a parameter line may state, and its value in the kernel's own units (days, proportions)."""

from typing import Final

DAYS_PER_YEAR: Final = 365.25
DAYS_PER_MONTH: Final = 30.4375
DAYS_PER_WEEK: Final = 7.0

#: Factor that turns a value of the unit into the kernel's unit. Durations become days, rates become per day.
FACTORS: Final[dict[str, float]] = {
    "days": 1.0,
    "weeks": DAYS_PER_WEEK,
    "months": DAYS_PER_MONTH,
    "years": DAYS_PER_YEAR,
    "per day": 1.0,
    "per 100 days": 0.01,
    "per month": 1.0 / DAYS_PER_MONTH,
    "per year": 1.0 / DAYS_PER_YEAR,
    "log10 per month": 1.0 / DAYS_PER_MONTH,
    "log10": 1.0,
    "ln months": 1.0,
    "sd": 1.0,
    "sd per log10": 1.0,
    "logit": 1.0,
    "logit per sd": 1.0,
    "logit per log10": 1.0,
    "ln": 1.0,
    "ln per sd": 1.0,
    "ln per log10": 1.0,
    "log10 per sd": 1.0,
    "probability": 1.0,
    "ratio": 1.0,
    "count": 1.0,
    "switch": 1.0,
    "mg*h/L": 1.0,
    "10^6/kg": 1.0,
    "age years": 1.0,
    "mg/dL": 1.0,
    # prices and quantities: what along a flow is per time becomes per day
    "per week": 1.0 / DAYS_PER_WEEK,
    "per kg": 1.0,
    "per m2": 1.0,
    "per kg per day": 1.0,
    "per m2 per day": 1.0,
    "per kg per month": 1.0 / DAYS_PER_MONTH,
    "per m2 per month": 1.0 / DAYS_PER_MONTH,
    **dict.fromkeys(
        "per infusion|per dose|per mg|per mcg|per g|per unit|per stay|per procedure|per test|per visit|per course"
        "|per event|per patient|per transplant|per episode|per trip|utility|QALY".split("|"),
        1.0,
    ),
}


def to_kernel(value: float, unit: str) -> float:
    """Convert a value into the kernel's unit (days, per day, proportions).

    Parameters
    ----------
    value
        The value as written in the parameter line.
    unit
        One of `FACTORS`.

    Raises
    ------
    KeyError
        When the unit is unknown.
    """
    return value * FACTORS[unit]


def from_kernel(value: float, unit: str) -> float:
    """Invert `to_kernel`: the value in its own unit."""
    return value / FACTORS[unit]
