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
# # Your own cohort and study
#
# A paper reports 60 patients: how would this model have predicted them? First we describe its patients, then we put
# its results beside the simulated ones. The paper is invented; put yours in its place.

# %%
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import pandas as pd

from sim.program import ask

folder = Path(mkdtemp())

# %% [markdown]
# ## The patients
#
# A cohort file states what differs from a shipped one. Of a table of shares one may be left out: it takes the rest.

# %%
cohorts = folder / "mine" / "cohort"
cohorts.mkdir(parents=True)
(cohorts / "our_series.yaml").write_text("""
defaults: [base, _self_]
label: our series
burden: {shares: {none: 0.25, below_5: 0.40}}
prior_hct: {share: {value: 0.35}}
dose: {median: {value: 2.0}}
wait: {median: {value: 50}}
""")
results = ask(
    "cohort=our_series",
    "policy=watch",
    "engine=batch",
    "cohort.n=4096",
    "economics=none",
    f"out={folder}/patients",
    folders=[folder / "mine"],
)
patients = pd.read_parquet(results / "patients.parquet")
patients[["age", "prior_hct", "dose", "flu_auc"]].describe().round(2).loc[["mean", "25%", "50%", "75%"]]

# %% [markdown]
# Look before going on: are these the patients of the paper? What was not stated comes from `base`.

# %%
burden = patients["burden_class"].map(dict(enumerate(["none", "<5 %", "5-25 %", "25-40 %", ">40 %"])))
burden.value_counts(normalize=True).round(3)

# %% [markdown]
# ## The study
#
# A study names its patients and lists what was published, as printed: shares in percent. A hazard ratio is estimated
# in the simulated patients by Cox regression, as the paper did.

# %%
study = folder / "my_study.yaml"
study.write_text("""
label: Our series
cohort: {from: base, burden: {shares: {none: 0.25, below_5: 0.40}}, prior_hct: {share: {value: 0.35}}}
quantities:
  cr: {kind: proportion, of: {cr: true}, value: 88, n: 60}
  os_12: {kind: survival, endpoint: os, months: 12, value: 74, low: 61, high: 83, interval: 95% CI}
  efs_12: {kind: survival, endpoint: efs, months: 12, value: 55, low: 42, high: 67, interval: 95% CI}
  burden: {kind: hazard_ratio, endpoint: efs, group: {burden: ">5%"}, value: 2.9, low: 1.3, high: 6.2, interval: 95% CI}
""")
found = ask("experiment=validate", f"validate.file={study}", "validate.patients=4096", f"out={folder}/study")
table = pd.read_csv(found / "validate.csv")
table[["quantity", "published", "low", "high", "model", "mc_se", "z", "within"]].round(3)

# %% [markdown]
# `z` is the distance in standard errors. Beyond 2 in either direction, chance is a poor explanation.

# %%
axes = table.plot.barh(x="quantity", y="z", legend=False, color="#0067a8", figsize=(7, 2.5))
axes.axvspan(-1.96, 1.96, color="#e3e6ea", zorder=0)
axes.set(xlabel="model minus publication, standard errors", ylabel="", xlim=(-4, 4))
plt.show()

# %% [markdown]
# ## What it means
#
# Where the model misses, ask three questions in this order: are the patients described as they were, is the practice
# the same (who was transplanted in remission?), is the quantity counted alike? Only then doubt the biology. A study
# that is emulated here was not used to fit anything; `experiment=calibrate` does that.
