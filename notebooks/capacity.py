# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Capacity
#
# The policy that wins on paper transplants everybody. What does it do to a hospital with two transplant rooms?
# Patients arrive, queue for places, relapse in line or are treated elsewhere.

# %%
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from sim.program import ask

folder = Path(mkdtemp())

# %% [markdown]
# ## Two policies, one hospital
#
# Sixty patients a year, three replications of two years after a year of warm-up. The same patients come on the same
# days under both policies.

# %%
run = ask(
    "experiment=capacity",
    "hospital=regional_centre",
    "policy=[watch,hct_for_all]",
    "arrivals.per_year=60",
    "years=2",
    "warm_up_years=1",
    "replications=3",
    "economics=none",
    f"out={folder}/few_rooms",
)
summary = pd.read_csv(run / "summary.csv")
shown = ["utilisation_hct", "wait_hct_mean", "relapses_awaiting_hct", "wait_infusion_p50", "infused", "life_years"]
everybody = summary[summary["stratum"] == "all"] if "stratum" in summary else summary
table = everybody[everybody["measure"].isin(shown)].pivot(index="measure", columns="policy", values="value")
table.round(2)

# %% [markdown]
# ## Where they wait
#
# Half-widths of the 95 % interval over replications are in `summary.csv` (`low`, `high`): with three replications
# they are wide.

# %%
waits = pd.read_csv(run / "waits.csv")
waits.head()

# %%
times = pd.read_csv(run / "times.csv")
times.head()

# %% [markdown]
# ## One more room
#
# What would one more transplant room change, in the same world, with the same patients?

# %%
more = ask(
    "experiment=capacity",
    "hospital=regional_centre",
    "policy=hct_for_all",
    "arrivals.per_year=60",
    "years=2",
    "warm_up_years=1",
    "replications=3",
    "what_if.one_more=hct",
    "economics=none",
    f"out={folder}/one_more",
)
pd.read_csv(more / "what_if.csv")

# %% [markdown]
# ## What it means
#
# A policy's benefit is bounded by the rooms there are. The numbers of places in `conf/hospital` are invented: put in
# those of your own hospital before drawing conclusions (`hospital.pools.hct=3`).
