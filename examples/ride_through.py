"""How long a site rides through an outage of the grid, by its number of Megapacks.

python examples/ride_through.py
"""
# %% [markdown]
# # How long does the site ride through with k Megapacks?
#
# The grid is lost for four minutes, and there is no generator. Small batteries make the
# difference plain: units of 17 kWh for a site that draws some 150 kW. The energy management sheds
# racks as soon as the batteries would be empty within `supply.reserve_seconds`, five minutes.

# %%
import matplotlib.pyplot as plt

import twin

SITE = twin.load_site(
    {
        "name": "two-racks",
        "racks": 2,
        "racks_per_array": 2,
        "megapacks": {"energy_joules": 6e7, "power_watts": 200_000.0},
    }
)
OUTAGE = twin.Fault("grid-outage", at="30s", duration="4m")

# %% [markdown]
# A sweep simulates every case, on all cores, and gives a row for each. `inf` means that no rack
# was shed and all load was served while the grid was away.

# %%
table = twin.sweep(SITE, "6m", megapacks=range(5), faults=[OUTAGE], progress=False)
for row in table:
    seconds, racks = row["ride_through_seconds"], row["most_shed_racks"]
    print(f"{row['megapacks']} Megapacks: {seconds:4.0f} s, {racks} racks shed")

# %% [markdown]
# A single run tells what happened, and when: here with two Megapacks, which do not suffice.

# %%
two = {**SITE.model_dump(exclude_unset=True), "name": "two-megapacks"}
two["megapacks"]["count"] = 2
run = twin.simulate(
    two, "6m", faults=[OUTAGE], every="2s", record=["facility.it_power", "megapack"]
)
for event in run.events:
    print(f"{event.at:4.0f} s  {event.kind} ({event.target})")

# %% [markdown]
# The picture of both. The grid is back after four minutes, and the site joins it a minute later,
# when it has been steady.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
lost = max(table.column("outage_seconds"))
for row in table:
    whole = row["most_shed_racks"] == 0
    seconds = lost if whole else row["ride_through_seconds"]
    left.bar(row["megapacks"], seconds, color="tab:green" if whole else "tab:orange")
    told = "all run" if whole else f"{row['most_shed_racks']} shed"
    left.annotate(told, (row["megapacks"], seconds), ha="center", va="bottom")
left.axhline(lost, color="black", linestyle="--", linewidth=1)
left.set(
    xlabel="Megapacks",
    ylabel="all racks run for [s]",
    title=f"Off the grid for {lost:.0f} s",
    ylim=(0, 1.15 * lost),
)
load = run["facility", "it_power"] / 1e3
battery = run.sum("megapack", "power", down="nan") / 1e3
right.axvspan(30, 30 + lost, color="0.9", label="off the grid")
right.plot(load.time, load, label="IT equipment")
right.plot(battery.time, battery, label="Megapacks, discharging")
right.set(xlabel="time [s]", ylabel="power [kW]", title="Two Megapacks")
right.legend(fontsize="small", loc="center right")
figure.savefig("ride_through.png", dpi=100)
