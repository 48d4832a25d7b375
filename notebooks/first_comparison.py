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
# # A first comparison
#
# Should children in remission after CAR T cells be transplanted? Every virtual patient lives under every policy, so
# policies are compared on the same patients. This is `python -m sim` with fewer patients, step by step.

# %%
from pathlib import Path
from tempfile import mkdtemp

import pandas as pd

from sim.compose import settings_from
from sim.experiments.compare import run

folder = Path(mkdtemp()) / "comparison"
settings = settings_from(
    ["policy=[watch,hct_for_all,selective]", "engine=batch", "cohort.n=4096", "quiet=true", f"out={folder}"]
)
run(settings)
sorted(path.name for path in folder.iterdir())

# %% [markdown]
# ## What each policy gives
#
# `summary.csv` is tidy: policy, stratum, measure, months, value, Monte-Carlo standard error, unit.

# %%
summary = pd.read_csv(folder / "summary.csv")
everybody = summary[summary["stratum"] == "all"]
survival = everybody[everybody["measure"].isin(["os", "efs"]) & (everybody["months"] == 60)]
survival.pivot(index="policy", columns="measure", values="value").round(3)

# %%
life_years = everybody[everybody["measure"] == "life_years"]
life_years[["policy", "value", "mc_se"]].round(2)

# %% [markdown]
# ## Differences on the same patients
#
# A difference between twins has a much smaller error than one between two independent samples: `variance_reduction`
# says how many times as many patients independent samples would need.

# %%
paired = pd.read_csv(folder / "paired.csv")
columns = ["policy", "difference", "mc_se", "unpaired_se", "variance_reduction", "gain", "lose", "same"]
paired.loc[paired["measure"] == "life_years", columns].round(3)

# %% [markdown]
# ## What happened to one patient
#
# The journal holds every sojourn and event. Days count from referral.

# %%
from sim.journal import event_names

journal = pd.read_parquet(folder / "journal.parquet")
first = journal[(journal["policy"] == "selective") & (journal["patient"] == 0)].copy()
first["event"] = first["event"].map(event_names())
first[["event", "time_start", "time_stop", "detail"]].round(1).head(20)

# %% [markdown]
# ## Curves

# %%
import matplotlib.pyplot as plt
import seaborn as sns

curves = pd.read_csv(folder / "curves.csv")
overall = curves[(curves["curve"] == "os") & (curves["months"] <= 120)]
overall = overall[overall["stratum"] == "all"] if "stratum" in overall else overall
axes = sns.lineplot(overall, x="months", y="estimate", hue="policy", drawstyle="steps-post")
axes.set(xlabel="months since infusion", ylabel="alive", ylim=(0, 1))
plt.show()
