"""Groups of patients for subgroup results: by baseline and by the landmark at day 28, never by later events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

#: Everybody.
ALL: Final = "all"
_BURDEN: Final = ("none", "below_5", "from_5", "from_25", "above_40")
_AGES: Final = (0.0, 3.0, 10.0, 18.0)
_AGE_NAMES: Final = ("under_3", "3_to_9", "10_to_17", "adult")
_MRD: Final = ("negative", "positive", "no_remission")


def strata_names(products: Sequence[str]) -> list[str]:
    """List the strata: everybody, then the levels of each grouping (``prior_hct:yes``)."""
    return [
        ALL,
        "prior_hct:no",
        "prior_hct:yes",
        *(f"burden:{name}" for name in _BURDEN),
        *(f"age:{name}" for name in _AGE_NAMES),
        *(f"mrd28:{name}" for name in _MRD),
        *(f"product:{name}" for name in products),
    ]


def strata_codes(people: Any, products: Sequence[str]) -> np.ndarray:
    """Give the strata of each patient as positions in `strata_names`.

    Parameters
    ----------
    people
        Structured array or mapping of columns: age, prior_hct, burden_class, product, cr, day28_mrd.
    products
        Names of the catalogue in code order.

    Returns
    -------
    numpy.ndarray
        Shape (n, groupings), int64; the first column is everybody.
    """
    names = strata_names(products)
    start = {kind: next(i for i, name in enumerate(names) if name.startswith(f"{kind}:")) for kind in _KINDS}
    age = np.searchsorted(_AGES, np.asarray(people["age"]), side="right") - 1
    remission = np.asarray(people["cr"]) == 1
    mrd = np.where(remission, (np.asarray(people["day28_mrd"]) > 0).astype(np.int64), _MRD.index("no_remission"))
    columns = {
        "prior_hct": np.asarray(people["prior_hct"]),
        "burden": np.asarray(people["burden_class"]),
        "age": age,
        "mrd28": mrd,
        "product": np.asarray(people["product"]),
    }
    codes = [np.zeros(len(age), dtype=np.int64), *(start[kind] + columns[kind].astype(np.int64) for kind in _KINDS)]
    return np.stack(codes, axis=1)


_KINDS: Final = ("prior_hct", "burden", "age", "mrd28", "product")
#: Columns that `strata_codes` reads.
NEEDED: Final = ("age", "prior_hct", "burden_class", "product", "cr", "day28_mrd")
