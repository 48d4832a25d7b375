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
# # Price and payment
#
# What may the product cost, and does it matter how it is paid? A price question compares with having no CAR T cells
# at all, and counts from referral, since some patients never get that far.

# %%
from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from sim.program import ask

folder = Path(mkdtemp())

# %%
base = ask("policy=[no_car,watch,selective]", "origin=referral", "engine=batch", "cohort.n=4096", f"out={folder}/base")
incremental = pd.read_csv(base / "incremental.csv")
incremental[["option", "cost", "effect", "inc_cost", "inc_effect", "icer", "icer_low", "icer_high", "status"]].round(2)

# %% [markdown]
# ## The threshold price
#
# Costs are linear in the product's price, so the price at which net benefit is zero has a closed form. Nothing is
# simulated again: the run is valued anew.

# %%
price = ask("experiment=price", f"run={base}", "economics.wtp=[50000,100000,150000]", f"out={folder}/price")
thresholds = pd.read_csv(price / "thresholds.csv")
thresholds[["policy", "comparator", "wtp", "factor", "mc_se"]].round(3)

# %% [markdown]
# `factor` multiplies the prices of the price book: 1.2 would mean 20 % above them, and below 0 no price would do.

# %%
curve = pd.read_csv(price / "price_curve.csv")
axes = sns.lineplot(curve, x="factor", y="icer", hue="policy", marker="o")
axes.set(xlabel="price of the product, as a multiple of the list price", ylabel="USD per QALY gained", ylim=(0, None))
plt.show()

# %% [markdown]
# ## How it is paid
#
# Under a staged payment the second part falls due only while remission lasts. The payer pays less than the list
# price, and the difference per patient spreads.

# %%
schemes = pd.read_csv(price / "schemes.csv")
schemes.round(3)

# %% [markdown]
# ## Your own scheme
#
# A payment scheme is a list of shares that sum to 1, each with its month and its condition.

# %%
own = folder / "mine" / "economics" / "payment"
own.mkdir(parents=True)
(own / "thirds.yaml").write_text("""
label: a third at infusion, a third at months 6 and 12 in remission
source: assumed
status: assumed
hct_counts: true
payments:
  - {share: 0.34, months: 0, condition: always}
  - {share: 0.33, months: 6, condition: remission}
  - {share: 0.33, months: 12, condition: remission}
""")
thirds = ask(
    "experiment=value",
    f"run={base}",
    "economics/payment=thirds",
    f"out={folder}/thirds",
    folders=[folder / "mine"],
)
pd.read_csv(thirds / "payments.csv").round(3)

# %% [markdown]
# ## What it means
#
# Payment by result moves risk from the payer to the maker; it changes the mean price paid, not the lives. Which price
# is right depends on what a QALY may cost, and on the comparator: `no_car` here is salvage as the model has it.
