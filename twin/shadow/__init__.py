"""The observer: what every sensor should read by what others read, and what that tells of devices.

Relations (:mod:`twin.shadow.relations`) call the plant's own functions with measured causes;
:mod:`twin.shadow.calibration` learns each device's parameters, :mod:`twin.shadow.detection` watches
what is left over at a known error rate, and :mod:`twin.shadow.causes` names the culprit.
"""

from twin.shadow.core import ShadowCore, ShadowSettings
from twin.shadow.relations import RELATIONS, Relation

__all__ = ["RELATIONS", "Relation", "ShadowCore", "ShadowSettings"]
