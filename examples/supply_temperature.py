"""What a degree of supply temperature costs.

python examples/supply_temperature.py
"""
# %% [markdown]
# # What does one degree of supply temperature cost?
#
# Warmer coolant makes warmer GPUs, and those leak more: the same work takes more power. Against
# that stands what the real site saves with warmer water, which its own chillers decide.

# %%
import twin

SITE = {"name": "one-rack", "racks": 1, "racks_per_array": 1}
SUPPLY = (30.0, 32.0, 34.0, 36.0)

# %%
table = twin.sweep(SITE, "3m", over={"cooling.supply_celsius": SUPPLY}, progress=False)
for row in table:
    supply, hottest = row["cooling.supply_celsius"], row["hottest_gpu_celsius"]
    print(f"{supply:.0f} °C: {row['energy_kwh']:.4f} kWh, hottest GPU {hottest:.1f} °C")

# %% [markdown]
# Per degree, as a share of the whole:

# %%
energy = table.column("energy_kwh")
share = (energy[-1] / energy[0] - 1.0) / (SUPPLY[-1] - SUPPLY[0])
print(f"one degree costs {100 * share:.3f} % of the energy")

# %% [markdown]
# The same can be tried on a running site: `apply` holds a set point from now on.

# %%
sim = twin.Twin(SITE, seed=1)
sim.step("1m")
before = float(sim["gpu", "gpu_temp"].mean())
sim.apply(supply_celsius=36.0)
sim.step("4m")
after = float(sim["gpu", "gpu_temp"].mean())
print(f"GPUs {before:.1f} °C at 32 °C, {after:.1f} °C after four minutes at 36 °C")
