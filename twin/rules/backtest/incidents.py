"""Incidents: what really happened, as the user lists it, and the alerts that should have told."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from twin.clients.moments import moment
from twin.errors import ConfigError, did_you_mean, validation_message
from twin.rules.source import RuleSet
from twin.yamls import load, read_text

__all__ = ["PastIncident", "check_alerts", "read_incidents"]

_MOST = 10_000


def _moment(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("write a moment such as 2026-05-03T10:00Z")  # noqa: TRY004 - pydantic wants it
    try:
        return moment(str(value), None, "it")
    except ConfigError as error:
        raise ValueError(str(error)) from None


Moment = Annotated[float, BeforeValidator(_moment)]


class PastIncident(BaseModel):
    """One incident of the past.

    Attributes:
        name: of the incident.
        start: when it began, unix seconds.
        end: when it was over.
        labels: of the series that it was about, such as a rack; an alert that has these labels
            must have these values.
        alerts: that should have fired; without any, it only excuses alerts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(min_length=1, max_length=200)
    start: Moment = Field(alias="from")
    end: Moment = Field(alias="to")
    labels: dict[str, str] = {}
    alerts: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _in_order(self) -> PastIncident:
        if self.end <= self.start:
            raise ValueError(f"incident {self.name!r} ends before it begins; correct from and to")
        return self


class _IncidentFile(BaseModel):
    """A file of incidents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    incidents: tuple[PastIncident, ...] = Field(min_length=1, max_length=_MOST)


def read_incidents(path: Path) -> tuple[PastIncident, ...]:
    """Return the incidents of a file, in order of time.

    Raises:
        ConfigError: it cannot be read, or is no list of incidents.
    """
    values = load(read_text(path), str(path))
    if isinstance(values, list):
        values = {"incidents": values}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path}: has no incidents; write a list under incidents, each with name, from and to"
        )
    try:
        found = _IncidentFile.model_validate(values).incidents
    except ValidationError as error:
        raise ConfigError(validation_message(error, str(path)).splitlines()[0]) from None
    return tuple(sorted(found, key=lambda own: own.start))


def check_alerts(incidents: tuple[PastIncident, ...], rules: RuleSet, where: str) -> None:
    """Refuse an expected alert that no rule has.

    Raises:
        ConfigError: with the nearest name.
    """
    known = {rule.name for rule in rules.alerts}
    for incident in incidents:
        for alert in incident.alerts:
            if alert not in known:
                raise ConfigError(
                    f"{where}: incident {incident.name!r} expects {alert!r}, and no rule has that "
                    f"name{did_you_mean(alert, known) or '; correct it, or add its rule file'}"
                )
