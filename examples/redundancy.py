"""Which rack loses the redundancy of its power supplies first.

python examples/redundancy.py
"""
# %% [markdown]
# # Which rack loses redundancy first?
#
# Power supplies fail here and there, and in one rack the breaker of a PDU trips. A server has
# redundancy while it could lose one more supply and still carry its load.

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

import twin

FAULTS = [
    twin.Fault("psu-failure", at=20, target="r0001/n3/psu2"),
    twin.Fault("psu-failure", at=40, target="r0002/n1/psu1"),
    twin.Fault("psu-failure", at=60, target="r0002/n1/psu4"),
    twin.Fault("pdu-breaker-trip", at=80, target="r0003/pdu1"),
]
SITE = twin.load_site({"name": "three-racks", "racks": 3, "racks_per_array": 3})

# %%
run = twin.simulate(SITE, "2m", faults=FAULTS, every=5, record=["psu.state", "server.power"])
nominal = run["psu", "state"] == 0
working = nominal.values.reshape(*nominal.shape[:2], SITE.servers_per_rack, -1).sum(axis=-1)

# %% [markdown]
# How many supplies a server needs follows from its greatest power; what works beyond that is its
# spare.

# %%
power = run["server", "power"]
needed = np.ceil(power.max("time").values / SITE.server.psu_rating_watts)
least = (working - needed).min(axis=-1)

# %%
lost = {}
for place, rack in enumerate(power.rack.values):
    times = power.time.values[least[:, place] < 1]
    lost[str(rack)] = float(times[0]) if times.size else math.inf
for rack, seconds in sorted(lost.items(), key=lambda item: item[1]):
    print(f"{rack}: redundancy lost after {seconds:.0f} s")

# %% [markdown]
# The picture of it: where a line is at 0, some server of the rack cannot lose another supply; below
# 0 it lacks one already.

# %%
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for place, rack in enumerate(power.rack.values):
    beside = least[:, place] + 0.03 * (1 - place)  # so that no line hides another
    axes.step(power.time, beside, where="post", label=str(rack))
axes.set(
    xlabel="time [s]", ylabel="spare supplies, worst server", title="Spare power supplies by rack"
)
axes.set_yticks([-1, 0, 1])
axes.legend()
figure.savefig("redundancy.png", dpi=100)
