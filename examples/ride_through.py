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
table = twin.sweep(SITE, "5m", megapacks=range(5), faults=[OUTAGE], progress=False)
for row in table:
    seconds, racks = row["ride_through_seconds"], row["most_shed_racks"]
    print(f"{row['megapacks']} Megapacks: {seconds:4.0f} s, {racks} racks shed")

# %% [markdown]
# A single run tells what happened, and when.

# %%
run = twin.simulate(SITE, "2m", faults=[OUTAGE], every="30s", record=["facility"])
for event in run.events:
    print(f"{event.at:4.0f} s  {event.kind} ({event.target})")
