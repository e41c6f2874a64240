"""Errors as Redfish answers them: an object ``error`` with ``@Message.ExtendedInfo``.

Messages are those of the DMTF's registry ``Base``; a row is all that one needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from twin.redfish.schemas import Payload

__all__ = ["BASE", "BaseMessage", "RedfishError"]

BASE = "Base.1.18"
"""Registry of the messages, and its version."""
_MOST_LETTERS = 256


@dataclass(frozen=True, slots=True)
class _MessageText:
    status: int
    severity: str
    text: str
    resolution: str


class BaseMessage(Enum):
    """A message of the registry ``Base``; ``%1`` and so on stand for its arguments."""

    MALFORMED = "MalformedJSON"
    MISSING = "ResourceMissingAtURI"
    NOT_ALLOWED = "OperationNotAllowed"
    NO_SESSION = "NoValidSession"
    UNAUTHORIZED = "ResourceAtUriUnauthorized"
    PROPERTY_MISSING = "PropertyMissing"
    PROPERTY_TYPE = "PropertyValueTypeError"
    PROPERTY_FORMAT = "PropertyValueFormatError"
    PROPERTY_NOT_LISTED = "PropertyValueNotInList"
    PROPERTY_UNKNOWN = "PropertyUnknown"
    PROPERTY_READ_ONLY = "PropertyNotWritable"
    NOTHING_TO_DO = "NoOperation"
    PARAMETER_MISSING = "ActionParameterMissing"
    PARAMETER_TYPE = "ActionParameterValueTypeError"
    PARAMETER_UNKNOWN = "ActionParameterUnknown"
    SESSIONS_FULL = "SessionLimitExceeded"
    BUSY = "ServiceTemporarilyUnavailable"
    QUERY_UNSUPPORTED = "QueryParameterUnsupported"
    QUERY_VALUE = "QueryParameterValueFormatError"
    QUERY_RANGE = "QueryParameterOutOfRange"
    HEADER_INVALID = "HeaderInvalid"
    TOO_LONG = "PayloadTooLarge"
    NO_BMC = "GeneralError"
    STREAMS_FULL = "EventSubscriptionLimitExceeded"

    @property
    def row(self) -> _MessageText:
        """What the registry says of it."""
        return _ROWS[self]


_AGAIN = "Correct the request body and resubmit the request."
_ROWS = {
    BaseMessage.MALFORMED: _MessageText(
        400, "Critical", "The request body submitted was malformed JSON and could not be parsed by "
        "the receiving service.",
        "Ensure that the request body is valid JSON and resubmit the request."),
    BaseMessage.MISSING: _MessageText(
        404, "Critical", "The resource at the URI '%1' was not found.",
        "Place a valid resource at the URI or correct the URI and resubmit the request."),
    BaseMessage.NOT_ALLOWED: _MessageText(
        405, "Critical", "The HTTP method is not allowed on this resource.",
        "None.  The methods that are allowed are in the header Allow."),
    BaseMessage.NO_SESSION: _MessageText(
        401, "Critical", "There is no valid session established with the implementation.",
        "Establish a session before attempting any operations."),
    BaseMessage.UNAUTHORIZED: _MessageText(
        401, "Critical", "While accessing the resource at '%1', the service received an "
        "authorization error '%2'.",
        "Ensure that the appropriate access is provided for the service in order for it to access "
        "the URI."),
    BaseMessage.PROPERTY_MISSING: _MessageText(
        400, "Warning", "The property %1 is a required property and must be included in the "
        "request.", "Ensure that the property is in the request body and has a valid value and "
        "resubmit the request if the operation failed."),
    BaseMessage.PROPERTY_TYPE: _MessageText(
        400, "Warning", "The value %1 for the property %2 is not a type that the property can "
        "accept.", _AGAIN),
    BaseMessage.PROPERTY_FORMAT: _MessageText(
        400, "Warning", "The value %1 for the property %2 is not a format that the property can "
        "accept.", _AGAIN),
    BaseMessage.PROPERTY_NOT_LISTED: _MessageText(
        400, "Warning", "The value %1 for the property %2 is not in the list of acceptable values.",
        "Choose a value from the enumeration list that the implementation can support and resubmit "
        "the request if the operation failed."),
    BaseMessage.PARAMETER_MISSING: _MessageText(
        400, "Critical", "The action %1 requires the parameter %2 to be present in the request "
        "body.", "Supply the action with the required parameter in the request body when the "
        "request is resubmitted."),
    BaseMessage.PARAMETER_TYPE: _MessageText(
        400, "Warning", "The value %1 for the parameter %2 in the action %3 is not a type that the "
        "parameter can accept.", "Correct the value for the parameter in the request body and "
        "resubmit the request if the operation failed."),
    BaseMessage.PARAMETER_UNKNOWN: _MessageText(
        400, "Warning", "The action %1 was submitted with the invalid parameter %2.",
        "Correct the invalid parameter and resubmit the request if the operation failed."),
    BaseMessage.PROPERTY_UNKNOWN: _MessageText(
        400, "Warning", "The property %1 is not in the list of valid properties for the resource.",
        "Remove the unknown property from the request body and resubmit the request if the "
        "operation failed."),
    BaseMessage.PROPERTY_READ_ONLY: _MessageText(
        400, "Warning", "The property %1 is a read-only property and cannot be assigned a value.",
        "Remove the property from the request body and resubmit the request if the operation "
        "failed."),
    BaseMessage.NOTHING_TO_DO: _MessageText(
        400, "Warning", "The request body submitted contain no data to act upon and no changes to "
        "the resource took place.", "Add properties in the JSON object and resubmit the request."),
    BaseMessage.SESSIONS_FULL: _MessageText(
        503, "Critical", "The session establishment failed due to the number of simultaneous "
        "sessions exceeding the limit of the implementation.",
        "Reduce the number of other sessions before trying to establish the session or increase "
        "the limit of simultaneous sessions, if supported."),
    BaseMessage.BUSY: _MessageText(
        503, "Critical", "The service is temporarily unavailable.  Retry in %1 seconds.",
        "Wait for the indicated retry duration and retry the operation."),
    BaseMessage.QUERY_UNSUPPORTED: _MessageText(
        501, "Warning", "Query parameter '%1' is not supported.",
        "Correct or remove the query parameter and resubmit the request."),
    BaseMessage.QUERY_VALUE: _MessageText(
        400, "Warning", "The value '%1' for the query parameter %2 is not a format that the "
        "parameter can accept.",
        "Correct the value for the query parameter in the request and resubmit the request."),
    BaseMessage.QUERY_RANGE: _MessageText(
        400, "Warning", "The value '%1' for the query parameter %2 is out of range %3.",
        "Reduce the value for the query parameter to a value that is within range, such as a "
        "start or count value that is within bounds of the number of resources in a collection or "
        "a page that is within the range of valid pages."),
    BaseMessage.HEADER_INVALID: _MessageText(
        412, "Critical", "Header '%1' is invalid.",
        "Resubmit the request with a valid request header."),
    BaseMessage.TOO_LONG: _MessageText(
        413, "Critical", "The supplied payload exceeds the maximum size supported by the service.",
        "Reduce the size of the payload and resubmit the request."),
    BaseMessage.STREAMS_FULL: _MessageText(
        503, "Critical", "The event subscription failed due to the number of simultaneous "
        "subscriptions exceeding the limit of the implementation.",
        "Reduce the number of other subscriptions before trying to establish the event "
        "subscription or increase the limit of simultaneous subscriptions, if supported."),
    BaseMessage.NO_BMC: _MessageText(
        421, "Critical", "A general error has occurred.  See Resolution for information on how to "
        "resolve the error, or @Message.ExtendedInfo if Resolution is not provided.",
        "The header Host names no controller that is served here.  Ask for one of those at '%1', "
        "such as %2, by the header Host or by a name that leads to this address."),
}  # fmt: skip


class RedfishError(Exception):
    """A request that is answered by an error.

    Args:
        message: of the registry.
        arguments: of the message.
        allow: methods that the resource has, where another was asked for.
    """

    def __init__(self, message: BaseMessage, *arguments: str, allow: tuple[str, ...] = ()) -> None:
        super().__init__(message.value)
        self.status = message.row.status
        self.allow = allow
        self._message = message
        self._arguments = tuple(map(_shortened, arguments))

    @property
    def payload(self) -> Payload:
        """The object that says it."""
        told = self.told
        return {
            "error": {
                "code": told["MessageId"],
                "message": told["Message"],
                "@Message.ExtendedInfo": [told],
            }
        }

    @property
    def told(self) -> Payload:
        """The message by itself, as an annotation has it."""
        row = self._message.row
        return {
            "@odata.type": "#Message.v1_1_1.Message",
            "MessageId": f"{BASE}.{self._message.value}",
            "Message": self._filled(row.text),
            "MessageArgs": list(self._arguments),
            "MessageSeverity": row.severity,
            "Resolution": self._filled(row.resolution),
        }

    def _filled(self, text: str) -> str:
        """Return a text with the arguments in their places."""
        for number, argument in enumerate(self._arguments, start=1):
            text = text.replace(f"%{number}", argument)
        return text


def _shortened(text: str) -> str:
    """Return what a client sent, but not more of it than shows what is meant."""
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}…"
