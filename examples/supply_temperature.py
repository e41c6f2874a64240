"""What a degree of supply temperature costs.

python examples/supply_temperature.py
"""
# %% [markdown]
# # What does one degree of supply temperature cost?
#
# Warmer coolant makes warmer GPUs, and those leak more: the same work takes more power. Against
# that stands what the real site saves with warmer water, which its own chillers decide.

# %%
import matplotlib.pyplot as plt

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
left_alone, warmer = twin.Twin(SITE, seed=1), twin.Twin(SITE, seed=1)
seconds: list[float] = []
celsius: list[tuple[float, float]] = []
while warmer.now < 300.0:
    if warmer.now == 60.0:
        warmer.apply(supply_celsius=36.0)
    for sim in (left_alone, warmer):
        sim.step("5s")
    seconds.append(warmer.now)
    usual, now = (float(sim["gpu", "gpu_temp"].mean()) for sim in (left_alone, warmer))
    celsius.append((usual, now))
usual, now = celsius[-1]
print(f"GPUs {usual:.1f} °C at 32 °C, {now:.1f} °C after four minutes at 36 °C")

# %% [markdown]
# The picture of both. The job pauses now and then, for a checkpoint or an evaluation, and its GPUs
# cool.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
left.plot(SUPPLY, [100.0 * (own / energy[0] - 1.0) for own in energy], "o-")
left.set(
    xlabel="supply temperature [°C]", ylabel="more energy [%]", title="The same work costs more"
)
right.plot(seconds, celsius, label=["32 °C", "36 °C from 60 s on"])
right.set(xlabel="time [s]", ylabel="mean of all GPUs [°C]", title="The same minutes, warmer")
right.legend(fontsize="small", loc="lower left")
figure.savefig("supply_temperature.png", dpi=100)
