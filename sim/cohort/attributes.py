"""The words a cohort is written in: categories in code order, the order of drawing, and what tables may depend on."""

from __future__ import annotations

from typing import Final

#: Attributes joined by the copula, in the order in which they are drawn.
CONTINUOUS: Final = ("age", "burden", "dose", "flu_auc", "months")

#: Ages (years) that bound the age bands of conditional tables.
AGE_EDGES: Final = (3.0, 4.0, 18.0)
#: Percent marrow blasts that bound the burden classes above the assay's limit.
BURDEN_EDGES: Final = (5.0, 25.0, 40.0)

BURDEN_CLASSES: Final = ("none", "below_5", "from_5", "from_25", "above_40")
CYTOGENETICS: Final = ("kmt2ar", "ph", "hypodiploid", "other")
TP53: Final = ("none", "somatic", "germline")
RELAPSES: Final = ("primary_refractory", "first", "second", "third")
BLINATUMOMAB: Final = ("naive", "responder", "nonresponder")
SITES: Final = ("marrow", "cns", "extramedullary", "isolated_cns", "testis")
DONORS: Final = ("none", "sibling", "unrelated", "haploidentical")

#: Names of the categories of a table, in code order.
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "burden_class": BURDEN_CLASSES,
    "cytogenetics": CYTOGENETICS,
    "tp53": TP53,
    "relapses": RELAPSES,
    "blinatumomab": BLINATUMOMAB,
    "site": SITES,
    "donor": DONORS,
}

#: Attributes whose tables may depend on others, in the order in which they are drawn.
ORDER: Final = (
    "age_band",
    "burden_class",
    "female",
    "down",
    "instability",
    "cytogenetics",
    "tp53",
    "relapses",
    "prior_hct",
    "hct_tbi",
    "refractory",
    "blinatumomab",
    "inotuzumab",
    "site",
    "comorbidity",
    "neuro_history",
    "distance",
    "poverty",
    "uninsured",
    "donor",
    "product",
    "wish",
    "fit",
)

#: What a table's odds may depend on: name -> attribute and the codes that satisfy it.
CONDITIONS: Final[dict[str, tuple[str, tuple[int, ...]]]] = {
    "under_3": ("age_band", (0,)),
    "under_4": ("age_band", (0, 1)),
    "adult": ("age_band", (3,)),
    "burden_none": ("burden_class", (0,)),
    "burden_5": ("burden_class", (2, 3, 4)),
    "burden_40": ("burden_class", (4,)),
    "female": ("female", (1,)),
    "down": ("down", (1,)),
    "instability": ("instability", (1,)),
    "kmt2ar": ("cytogenetics", (0,)),
    "ph": ("cytogenetics", (1,)),
    "hypodiploid": ("cytogenetics", (2,)),
    "tp53": ("tp53", (1, 2)),
    "germline_tp53": ("tp53", (2,)),
    "primary_refractory": ("relapses", (0,)),
    "relapsed": ("relapses", (1, 2, 3)),
    "first_relapse": ("relapses", (1,)),
    "later_relapse": ("relapses", (2, 3)),
    "prior_hct": ("prior_hct", (1,)),
    "refractory": ("refractory", (1,)),
    "blinatumomab": ("blinatumomab", (1, 2)),
    "blinatumomab_failed": ("blinatumomab", (2,)),
    "cns": ("site", (1, 3)),
    "comorbidity": ("comorbidity", (1,)),
    "distance": ("distance", (1,)),
    "poverty": ("poverty", (1,)),
}
