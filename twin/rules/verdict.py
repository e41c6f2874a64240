"""Expectations against episodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from twin.errors import ConfigError
from twin.rules.attribution import PENDING_BEFORE, owed
from twin.rules.engine import Episode
from twin.rules.result import Check, CheckStatus
from twin.scenario import AlertClears, AlertFires, AlertMatch, show_duration
from twin.scenario.loader import LoadedScenario

__all__ = ["check_names", "judge"]


def check_names(loaded: LoadedScenario, known: Iterable[str]) -> None:
    """Refuse an expectation of an alert that no rule makes.

    A shipped scenario is for the shipped rules; with others, what it says of alerts that
    are not there is left out.

    Raises:
        ConfigError: with file and line.
    """
    if loaded.shipped:
        return
    names = set(known)
    for keys, name in loaded.scenario.expect.alerts():
        if name not in names:
            raise ConfigError(
                f"{loaded.place('expect', *keys)}: no rule makes the alert {name!r}; "
                "correct its name, or add the file that has it with --rules"
            )


def judge(
    loaded: LoadedScenario,
    episodes: Sequence[Episode],
    known: Iterable[str],
    told: Mapping[str, float] | None = None,
    *,
    foreign: bool = False,
) -> list[Check]:
    """Return what became of every expectation.

    Args:
        loaded: the scenario.
        episodes: of all alerts.
        known: names of all alerts that rules make.
        told: when Alertmanager told of each alert, by name; None when it was not asked.
        foreign: whether the rules are not those that the shipped scenarios are for.
    """
    return _Judge(loaded, episodes, frozenset(known), told, foreign).checks()


class _Judge:
    def __init__(
        self,
        loaded: LoadedScenario,
        episodes: Sequence[Episode],
        known: frozenset[str],
        told: Mapping[str, float] | None,
        foreign: bool,
    ) -> None:
        self._loaded = loaded
        self._episodes = episodes
        self._fired = [episode for episode in episodes if episode.firing is not None]
        self._known = known
        self._told = told
        self._foreign = foreign

    def checks(self) -> list[Check]:
        """Return all checks in the order of the file."""
        expect = self._loaded.scenario.expect
        found = [self._fires(own, index) for index, own in enumerate(expect.fires)]
        found += [self._never(own, index) for index, own in enumerate(expect.never)]
        found += [self._clears(own, index) for index, own in enumerate(expect.clears)]
        found += [
            self._notice(kind, own, index)
            for kind, matches in (("inhibited", expect.inhibited), ("notified", expect.notified))
            for index, own in enumerate(matches)
        ]
        if expect.exactly is not None:
            found.append(self._exactly(expect.exactly))
        return found

    def _place(self, *keys: str | int) -> str:
        return self._loaded.place("expect", *keys)

    @property
    def _over(self) -> float:
        """When all faults are over."""
        faults = self._loaded.scenario.faults
        return max((self._loaded.ends(event) for event in faults), default=0.0)

    def _matching(self, match: AlertMatch) -> list[Episode]:
        return [own for own in self._fired if match.matches(own.labels)]

    def _of(self, episode: Episode) -> list[Episode]:
        """Return all episodes of the alert that one is of."""
        return [own for own in self._episodes if own.candidate == episode.candidate]

    def _unknown(self, kind: str, match: AlertMatch, text: str, place: str) -> Check | None:
        if match.alert in self._known:
            return None
        detail = "no rule makes this alert"
        return Check(kind, text, CheckStatus.SKIPPED, detail, place, match.alert)

    def _fires(self, own: AlertFires, index: int) -> Check:
        within = "" if own.within is None else f" within {show_duration(own.within)}"
        text, place = f"{_shown(own)} fires{within}", self._place("fires", index)
        if check := self._unknown("fires", own, text, place):
            return check
        faults = self._loaded.scenario.faults
        began = faults[own.after - 1].at if faults else 0.0
        late_enough = [e for e in self._matching(own) if e.firing is not None and e.firing >= began]
        first_fault = faults[0].at if faults else 0.0
        after = [e for e in late_enough if owed(e, self._of(e), first_fault)]
        if not after:
            detail = "did not fire" + (" after the fault" if self._matching(own) else "")
            if late_enough:
                detail = f"cannot be told: {PENDING_BEFORE}"
            return Check("fires", text, CheckStatus.FAILED, detail, place, own.alert)
        first = min(e.firing for e in after if e.firing is not None)
        delay = first - began
        late = own.within is not None and delay > own.within
        status = CheckStatus.FAILED if late else CheckStatus.PASSED
        detail = f"fired {show_duration(delay)} after the fault" + (", too late" if late else "")
        cleared = _end(after)
        return Check("fires", text, status, detail, place, own.alert, first, cleared, delay)

    def _never(self, own: AlertMatch, index: int) -> Check:
        text, place = f"{_shown(own)} never fires", self._place("never", index)
        if check := self._unknown("never", own, text, place):
            return check
        fired = self._matching(own)
        if not fired:
            return Check("never", text, CheckStatus.PASSED, "stayed silent", place, own.alert)
        first = fired[0]
        detail = f"fired at {_at(first)}: {_labels(first)}"
        return Check(
            "never", text, CheckStatus.FAILED, detail, place, own.alert, first.firing, _end(fired)
        )

    def _clears(self, own: AlertClears, index: int) -> Check:
        within = "" if own.within is None else f" within {show_duration(own.within)}"
        text, place = f"{_shown(own)} clears{within}", self._place("clears", index)
        if check := self._unknown("clears", own, text, place):
            return check
        fired = self._matching(own)
        if not fired:
            return Check("clears", text, CheckStatus.FAILED, "did not fire", place, own.alert)
        faults = self._loaded.scenario.faults
        which = faults if own.after is None else faults[own.after - 1 : own.after]
        over = max((self._loaded.ends(event) for event in which), default=0.0)
        cleared = _end(fired)
        if cleared is None:
            detail = "still fires at the end"
            return Check(
                "clears", text, CheckStatus.FAILED, detail, place, own.alert, fired[0].firing
            )
        delay = cleared - over
        late = own.within is not None and delay > own.within
        status = CheckStatus.FAILED if late else CheckStatus.PASSED
        when = f"{show_duration(abs(delay))} {'after' if delay >= 0 else 'before'}"
        detail = f"cleared {when} the end of the fault" + (", too late" if late else "")
        return Check(
            "clears", text, status, detail, place, own.alert, fired[0].firing, cleared, delay
        )

    def _notice(self, kind: str, own: AlertMatch, index: int) -> Check:
        text = f"{_shown(own)} is {'inhibited' if kind == 'inhibited' else 'notified'}"
        place = self._place(kind, index)
        if check := self._unknown(kind, own, text, place):
            return check
        if self._told is None:
            detail = "Alertmanager was not asked; add --alertmanager"
            return Check(kind, text, CheckStatus.SKIPPED, detail, place, own.alert)
        if not self._matching(own):
            return Check(kind, text, CheckStatus.FAILED, "did not fire", place, own.alert)
        told = self._told.get(own.alert)
        if kind == "inhibited" and told is not None and told >= self._over:
            # An alert that outlives its cause is judged once the cause is gone.
            told = None
        status = (
            CheckStatus.PASSED if (told is None) is (kind == "inhibited") else CheckStatus.FAILED
        )
        detail = "no notification" if told is None else f"told at {show_duration(told)}"
        return Check(kind, text, status, detail, place, own.alert, self._matching(own)[0].firing)

    def _exactly(self, wanted: Sequence[str]) -> Check:
        text = f"exactly these fire: {', '.join(wanted)}" if wanted else "nothing fires"
        place = self._place("exactly")
        scenario = self._loaded.scenario
        # Rules that the scenario does not know may well see its faults.
        if self._foreign and self._loaded.shipped and (scenario.faults or wanted):
            detail = "these are other rules than it is written for"
            return Check("exactly", text, CheckStatus.SKIPPED, detail, place)
        fired = {episode.labels["alertname"] for episode in self._fired}
        problems = []
        if extra := sorted(fired - set(wanted)):
            first = {name: next(e for e in self._fired if e.labels["alertname"] == name)
                     for name in extra}  # fmt: skip
            shown = (f"{name} at {_at(own)} ({_labels(own)})" for name, own in first.items())
            problems.append(f"also fired: {', '.join(shown)}")
        if missing := sorted(set(wanted) - fired):
            problems.append(f"did not fire: {', '.join(missing)}")
        status = CheckStatus.FAILED if problems else CheckStatus.PASSED
        count = len(fired)
        seen = f"{count} alert{'' if count == 1 else 's'} fired" if fired else "nothing fired"
        return Check("exactly", text, status, "; ".join(problems) or seen, place)


def _shown(own: AlertMatch) -> str:
    labels = ", ".join(f'{name}="{value}"' for name, value in own.labels.items())
    return f"{own.alert}{{{labels}}}" if labels else own.alert


def _end(episodes: Sequence[Episode]) -> float | None:
    """Return when the last of them ended, None while one still goes on."""
    ends = [episode.ended for episode in episodes]
    return None if None in ends else max(end for end in ends if end is not None)


def _at(episode: Episode) -> str:
    return show_duration(episode.firing or 0.0)


_DULL = frozenset({"alertname", "severity", "domain", "site", "hall", "array", "job"})


def _labels(episode: Episode) -> str:
    """Return the labels that tell which instance it is."""
    own = {name: value for name, value in episode.labels.items() if name not in _DULL}
    return ", ".join(f"{name}={value}" for name, value in list(own.items())[:4]) or "no labels"
