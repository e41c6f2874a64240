"""Requests to a BMC: who may ask, sessions, queries, and errors in Redfish's form."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.redfish.bmcs import PASSWORD, USER, BmcRig, basic
from twin.redfish.exchange import BmcAnswer
from twin.redfish.messages import BaseMessage
from twin.redfish.sessions import MOST_SESSIONS, SESSION_SECONDS

BMC, SESSIONS = "r0001-n1-bmc", "/redfish/v1/SessionService/Sessions"


def answered(answer: BmcAnswer | None) -> BmcAnswer:
    """Return an answer that is there."""
    assert answer is not None
    return answer


def refused(answer: BmcAnswer | None, status: int, name: str) -> dict[str, Any]:
    """Return the message of an error in Redfish's form, of this status and name."""
    answer = answered(answer)
    error = orjson.loads(answer.body)["error"]
    (message,) = error["@Message.ExtendedInfo"]
    assert (answer.status, error["code"]) == (status, f"Base.1.18.{name}")
    assert message["MessageId"] == error["code"]
    assert message["Message"] == error["message"]
    assert "%" not in message["Message"]
    found: dict[str, Any] = message
    return found


def begin(rig: BmcRig, user: str = USER, shown: str = PASSWORD, bmc: str = BMC) -> BmcAnswer:
    """Return the answer to a request for a session."""
    body = orjson.dumps({"UserName": user, "Password": shown})
    return answered(rig.ask(bmc, SESSIONS, "POST", authorization=None, body=body))


@pytest.mark.parametrize("path", ["/redfish", "/redfish/v1", "/redfish/v1/", "/redfish/v1/odata",
                                  "/redfish/v1/$metadata"])  # fmt: skip
def test_root_needs_no_login(steady: BmcRig, path: str) -> None:
    """What the protocol leaves open is open."""
    assert answered(steady.ask(BMC, path, authorization=None)).status == 200


@pytest.mark.parametrize(
    "shown",
    [None, basic(USER, "wrong"), basic("root"), "Basic %%%", "Basic \xff\xff", "Bearer x", "Basic"],
)
def test_everything_else_needs_a_login(steady: BmcRig, shown: str | None) -> None:
    """Without the right login a request is answered 401, and told how to log in."""
    answer = answered(steady.ask(BMC, "/redfish/v1/Systems", authorization=shown))
    refused(answer, 401, "NoValidSession")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_unknown_paths_are_not_told_to_strangers(steady: BmcRig) -> None:
    """Without a login a path that is not there looks as one that is."""
    refused(steady.ask(BMC, "/redfish/v1/Nothing", authorization=None), 401, "NoValidSession")


def test_basic_needs_tls(steady: BmcRig) -> None:
    """Over plain HTTP only a session opens a BMC."""
    answer = answered(steady.ask(BMC, "/redfish/v1/Systems", secure=False))
    refused(answer, 401, "NoValidSession")
    assert "WWW-Authenticate" not in answer.headers


def test_session_opens_its_bmc(rig: BmcRig) -> None:
    """A session's token opens the BMC that gave it until the session is deleted, and no other."""
    answer = begin(rig)
    assert answer.status == 201
    token, place = answer.headers["X-Auth-Token"], answer.headers["Location"]

    def status(bmc: str = BMC) -> int:
        found = rig.ask(bmc, "/redfish/v1/Systems", authorization=None, token=token)
        return answered(found).status

    assert status() == 200
    assert status("r0001-n2-bmc") == 401
    shown = orjson.loads(answered(rig.ask(BMC, place)).body)
    assert shown["UserName"] == USER
    assert PASSWORD not in str(shown)
    assert token not in str(shown)
    listed = orjson.loads(answered(rig.ask(BMC, SESSIONS)).body)
    assert listed["Members"] == [{"@odata.id": place}]
    assert answered(rig.ask(BMC, place, "DELETE")).status == 204
    assert status() == 401
    refused(rig.ask(BMC, place), 404, "ResourceMissingAtURI")


def test_session_ends_when_it_is_not_used(rig: BmcRig) -> None:
    """A session lives for its timeout after its last use."""
    token = begin(rig).headers["X-Auth-Token"]
    for at, status in ((SESSION_SECONDS, 200), (2 * SESSION_SECONDS, 200),
                       (3 * SESSION_SECONDS + 1, 401)):  # fmt: skip
        answer = rig.ask(BMC, "/redfish/v1/Systems", authorization=None, token=token, at=float(at))
        assert answered(answer).status == status


def test_sessions_are_limited(rig: BmcRig) -> None:
    """A BMC has so many sessions at a time; the next is told, and another BMC still has room."""
    for _ in range(MOST_SESSIONS):
        assert begin(rig).status == 201
    answer = begin(rig)
    refused(answer, 503, "SessionLimitExceeded")
    assert answer.headers["Retry-After"] == "1"
    assert begin(rig, bmc="r0001-n2-bmc").status == 201


def test_wrong_password_begins_no_session(rig: BmcRig) -> None:
    """A wrong name or password is answered 401 without a token."""
    for wrong in ((USER, "wrong"), ("root", PASSWORD)):
        answer = begin(rig, *wrong)
        refused(answer, 401, "ResourceAtUriUnauthorized")
        assert "X-Auth-Token" not in answer.headers


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"", "MalformedJSON"),
        (b"{", "MalformedJSON"),
        (b"[1]", "MalformedJSON"),
        (b"\xff", "MalformedJSON"),
        (b'{"UserName": "admin"}', "PropertyMissing"),
        (b'{"UserName": 1, "Password": "x"}', "PropertyValueTypeError"),
    ],
)
def test_bad_request_for_a_session(steady: BmcRig, body: bytes, name: str) -> None:
    """What is wrong with the body is named."""
    refused(steady.ask(BMC, SESSIONS, "POST", authorization=None, body=body), 400, name)


def test_unknown_resource(steady: BmcRig) -> None:
    """A path that is not there is answered 404 with the path."""
    message = refused(steady.ask(BMC, "/redfish/v1/Systems/none"), 404, "ResourceMissingAtURI")
    assert message["MessageArgs"] == ["/redfish/v1/Systems/none"]


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE", "OPTIONS"])
def test_wrong_method(steady: BmcRig, method: str) -> None:
    """A method that a resource does not have is answered 405 with those that it has."""
    answer = answered(steady.ask(BMC, "/redfish/v1/Systems/DGX", method, body=b"{}"))
    refused(answer, 405, "OperationNotAllowed")
    assert answer.headers["Allow"] == "GET, HEAD"


def test_other_odata_version(steady: BmcRig) -> None:
    """A client of another version of OData is told so."""
    refused(steady.ask(BMC, "/redfish/v1/", version="3.0"), 412, "HeaderInvalid")
    assert answered(steady.ask(BMC, "/redfish/v1/", version="4.0")).status == 200


def test_expand_gives_members_whole(steady: BmcRig) -> None:
    """``$expand`` puts the resources in the place of links, as deep as asked."""
    answer = answered(steady.ask(BMC, "/redfish/v1/Chassis/DGX/Sensors?$expand=."))
    members = orjson.loads(answer.body)["Members"]
    assert all("ReadingUnits" in own for own in members)
    deep = orjson.loads(answered(steady.ask(BMC, "/redfish/v1/Systems?$expand=*($levels=2)")).body)[
        "Members"
    ]
    assert deep[1]["Processors"]["Members@odata.count"] == 8
    assert deep[0]["Links"]["Chassis"][0]["ChassisType"] == "RackMount"


def test_pages_and_properties(steady: BmcRig) -> None:
    """``$top`` and ``$skip`` cut a page, ``$select`` keeps properties, ``only`` takes the one."""

    def get(path: str) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(answered(steady.ask(BMC, f"/redfish/v1/{path}")).body)
        return found

    page = get("Chassis?$top=3&$skip=1")
    assert [own["@odata.id"].rsplit("/", 1)[1] for own in page["Members"]] == [
        "HGX_Chassis_0", "HGX_GPU_SXM_1", "HGX_GPU_SXM_2",
    ]  # fmt: skip
    assert page["Members@odata.count"] == 10
    assert page["Members@odata.nextLink"] == "/redfish/v1/Chassis?$skip=4&$top=3"
    assert set(get("Systems/DGX?$select=PowerState")) == {"@odata.id", "@odata.type", "PowerState"}
    assert get("Registries?only")["Registry"] == "Base.1.18"


@pytest.mark.parametrize(
    ("query", "status", "name"),
    [
        ("$filter=x", 501, "QueryParameterUnsupported"),
        ("$expand=everything", 400, "QueryParameterValueFormatError"),
        ("$expand=.($levels=9)", 400, "QueryParameterOutOfRange"),
        ("$top=-1", 400, "QueryParameterValueFormatError"),
        ("$skip=9999999", 400, "QueryParameterValueFormatError"),
    ],
)
def test_bad_query(steady: BmcRig, query: str, status: int, name: str) -> None:
    """What is wrong with a query parameter is named."""
    refused(steady.ask(BMC, f"/redfish/v1/Chassis?{query}"), status, name)


def test_every_message_can_be_said() -> None:
    """Each message of the table has a status and both texts."""
    for message in BaseMessage:
        row = message.row
        assert 400 <= row.status < 600
        assert row.text
        assert row.resolution
