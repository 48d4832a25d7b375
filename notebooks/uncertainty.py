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
# # Uncertainty and value of information
#
# How sure is the best policy, and what would it be worth to know more? Joint draws of all uncertain parameters go
# through the model; the same patients live under every policy in every draw.

# %%
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import pandas as pd

from sim.economics import ceac, evpi, evppi
from sim.program import ask

folder = Path(mkdtemp())

# %% [markdown]
# ## The draws
#
# 128 draws of 400 patients make a quick picture, not an answer: see the last section.

# %%
psa = ask(
    "experiment=psa",
    "policy=[watch,hct_for_all,selective]",
    "psa.draws=128",
    "cohort.n=400",
    f"out={folder}/psa",
)
outcomes = pd.read_parquet(psa / "psa.parquet")
costs = outcomes.pivot(index="draw", columns="policy", values="cost")
qalys = outcomes.pivot(index="draw", columns="policy", values="qalys")
costs.describe().loc[["mean", "std"]].round(0)

# %% [markdown]
# ## How often each policy is best
#
# The cost-effectiveness acceptability curve: at each willingness to pay for a QALY, the share of draws in which a
# policy has the highest net benefit.

# %%
curve = ceac(costs, qalys, list(range(0, 300_001, 10_000)))
axes = curve.plot(figsize=(7, 3.5), ylim=(0, 1))
axes.set(xlabel="willingness to pay, USD per QALY", ylabel="probability of being best")
plt.show()

# %% [markdown]
# ## What perfect knowledge would be worth
#
# Whoever knew all parameters would choose rightly in every draw. What that gains on average, per patient, is the
# expected value of perfect information: the most that any research can be worth.

# %%
evpi(costs, qalys, [50_000, 100_000, 150_000])

# %% [markdown]
# ## Which parameters matter
#
# `experiment=voi` does this by regression for groups of parameters. A value below its own standard error is noise,
# and small values lean upwards by about `bias`.

# %%
voi = ask("experiment=voi", f"run={psa}", "voi.single=false", "study=[]", f"out={folder}/voi")
groups = pd.read_csv(voi / "voi_evppi.csv")
groups.head(12)

# %% [markdown]
# The same by hand, for parameters of your choice:

# %%
draws = pd.read_parquet(psa / "draws.parquet").set_index("draw")
evppi(costs, qalys, draws, of=["clinic.transplant.trm"], wtp=100_000)

# %% [markdown]
# ## How far to trust it
#
# The table splits the spread into what more draws and what more patients would remove. `patients_advised` says how
# many patients a draw needs for their chance to be 5 % of the spread between draws.

# %%
pd.read_csv(psa / "psa_variance.csv").head(8)

# %% [markdown]
# ## What it means
#
# A policy can be best on average and still be the worse choice in many draws. If the EVPI times the number of
# patients is more than a study costs, a study may pay; the groups say about what. Uncertainty about structures is not
# in any of these numbers: run the same with `structure=no_eradication`.
