"""Messages between nodes and gateways: each survives the way, also between two releases."""

from __future__ import annotations

import types
from dataclasses import replace
from typing import Any, get_args, get_origin

import msgspec
import pytest

from fyke.contracts.node import AttemptRows, EnvironmentPublishing, NodeFiles, NodeGateway
from fyke.errors import (
    CapReached,
    FykeError,
    InsufficientBalance,
    InvalidRequest,
    NotFound,
    NotStorable,
    OutcomeUnknown,
    RunNotFound,
    StaleLease,
    Unavailable,
)
from fyke.model.node import AttemptOrder
from fyke.model.results import AttemptBatch, PushedRow
from fyke.model.run import AttemptKey
from fyke.model.runner import Capacity
from fyke.model.secret import InjectedSecrets
from fyke.reasons import Reason, ReasonCode
from fyke.wire import nodes
from fyke.wire.nodes import (
    AnyNotice,
    AnyRequest,
    BadNodeMessage,
    CommitRows,
    Hello,
    LeaseAttempts,
    ListAttempts,
    StartAttempt,
    decode_answer,
    decode_error,
    decode_notice,
    decode_request,
    encode,
    encode_error,
)
from support.samples import sample


def answer_of(request: Any) -> Any:
    [base] = request.__orig_bases__
    return get_args(base)[0]


@pytest.mark.parametrize("kind", get_args(AnyRequest))
def test_requests_and_their_answers_survive(kind: Any) -> None:
    request = sample(kind)
    assert decode_request(encode(request)) == request
    expected = answer_of(kind)
    variants = get_args(expected) if get_origin(expected) is types.UnionType else (expected,)
    for variant in variants:
        answer = None if variant is None else sample(variant)
        assert decode_answer(request, encode(answer)) == answer


@pytest.mark.parametrize("kind", get_args(AnyNotice))
def test_notices_survive(kind: Any) -> None:
    assert decode_notice(encode(sample(kind))) == sample(kind)


def test_every_request_and_notice_is_decoded() -> None:
    kinds = [kind for kind in vars(nodes).values() if isinstance(kind, type)]
    for base, union in ((nodes.NodeRequest, AnyRequest), (nodes.NodeNotice, AnyNotice)):
        defined = {kind for kind in kinds if issubclass(kind, base) and kind is not base}
        assert defined == {*get_args(union)}


REQUESTS = {
    "replace_earlier": nodes.ReplaceEarlier,
    "register": nodes.RegisterNode,
    "leave": nodes.LeaveNode,
    "contact": nodes.CheckContact,
    "lease": nodes.LeaseAttempts,
    "active": nodes.ListAttempts,
    "start": nodes.StartAttempt,
    "report": nodes.ReportAttempts,
    "share_sites": nodes.ShareSites,
    "reserve_browser": nodes.ReserveBrowser,
    "limit_reached": nodes.ReachLimit,
    "end": nodes.EndAttempt,
    "give_back": nodes.GiveAttemptBack,
    "note_environment": nodes.NoteEnvironment,
    "take_preparation": nodes.TakePreparation,
    "end_preparation": nodes.EndPreparation,
    "append": nodes.CommitRows,
    "commit": nodes.CommitRows,
    "close": nodes.CloseRows,
    "totals": nodes.CountRows,
    "bundle": nodes.FindBundle,
    "environment": nodes.FindEnvironment,
    "page_room": nodes.CheckPageRoom,
    "put_page": nodes.StorePage,
    "discard_page": nodes.DiscardPage,
}
LOCAL = {"rows", "files", "listen", "open"}  # need no request of their own


def test_every_operation_of_a_runner_has_a_request() -> None:
    operations = {
        name
        for contract in (NodeGateway, AttemptRows, NodeFiles)
        for name in vars(contract)
        if not name.startswith("_")
    }
    assert operations == {*REQUESTS} | LOCAL
    others = {nodes.Hello, nodes.RenewCertificate, nodes.CheckNode}
    assert {*get_args(AnyRequest)} == {*REQUESTS.values()} | others


def test_no_request_stores_an_environment() -> None:
    """What a node has installed is used by no other machine."""
    publishing = {name for name in vars(EnvironmentPublishing) if not name.startswith("_")}
    assert publishing == {"take", "reuse", "store", "drop", "failed", "note_failure"}
    assert publishing.isdisjoint(REQUESTS)
    about = {request for request in get_args(AnyRequest) if "Environment" in request.__name__}
    assert about == {nodes.FindEnvironment, nodes.NoteEnvironment}


def test_a_message_of_another_release_is_read() -> None:
    later = msgspec.msgpack.encode({"op": "active", "later": 1})
    assert decode_request(later) == ListAttempts()
    key = AttemptKey("A", "R", 0, "1", 7)
    sent = msgspec.msgpack.decode(encode(StartAttempt(key)))
    sent["key"]["later"] = [1, 2]
    assert decode_request(msgspec.msgpack.encode(sent)) == StartAttempt(key)
    batch = AttemptBatch("R", "A", number=3)
    sent = msgspec.msgpack.decode(encode(CommitRows((batch,), 1)))
    assert sent["batches"][0].pop("number") == 3
    batch.number = 0
    assert decode_request(msgspec.msgpack.encode(sent)) == CommitRows((batch,), 1)
    order = replace(sample(AttemptOrder), is_last=True)
    [sent] = msgspec.msgpack.decode(encode([order]))
    assert sent.pop("is_last")
    answer = msgspec.msgpack.encode([sent | {"later": 1}])
    [read] = decode_answer(LeaseAttempts(sample(Capacity), idle=True), answer)
    assert read == replace(order, is_last=False)  # its node asks again


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x80",
        msgspec.msgpack.encode({"op": "no such"}),
        msgspec.msgpack.encode({"op": "start", "key": {"id": 1}}),
        msgspec.msgpack.encode({"op": "start"}),
        msgspec.msgpack.encode({"op": "active"}) + b"\0",
        b"\x91" * 100_000,
    ],
)
def test_other_bytes_are_refused(data: bytes) -> None:
    for decode in (decode_request, decode_notice):
        with pytest.raises(BadNodeMessage):
            decode(data)
    with pytest.raises(BadNodeMessage):
        decode_answer(LeaseAttempts(sample(Capacity), idle=True), data)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable(), Unavailable),
        (OutcomeUnknown(), OutcomeUnknown),
        (StaleLease("over"), StaleLease),
        (NotStorable("The database refuses it"), NotStorable),
        (CapReached(Reason.of(ReasonCode.TRAFFIC_CAP, traffic_bytes=5)), CapReached),
        (InsufficientBalance("no money"), InsufficientBalance),
        (InvalidRequest("must be 1", field="cpus", remedy="give less"), InvalidRequest),
        (NotFound("gone"), FykeError),
        (RunNotFound(), FykeError),
    ],
)
def test_an_error_arrives_as_the_nearest_one_that_nodes_know(
    error: FykeError, expected: type[FykeError]
) -> None:
    found = decode_error(encode_error(error))
    assert type(found) is expected
    assert (found.message, found.reason) == (error.message, error.reason)


def test_errors_that_cannot_be_read_are_errors() -> None:
    assert type(decode_error(b"")) is FykeError
    later = msgspec.msgpack.encode({"key": "later", "message": "It is late"})
    assert decode_error(later).message == "It is late"


def test_secrets_are_in_no_representation() -> None:
    secret = InjectedSecrets({"TOKEN": "hunter2"})
    answer = decode_answer(StartAttempt(AttemptKey("A", "R", 0, "1", 7)), encode(secret))
    assert answer.environment == {"TOKEN": "hunter2"} and "hunter2" not in repr(answer)


def test_the_protocol_is_small() -> None:
    hello = Hello((1, 1), "1.2.3", "01HF" * 6)
    assert len(encode(hello)) < 100
    batch = AttemptBatch("R" * 26, "A" * 26, [PushedRow(b"x" * 200)] * 100)
    assert len(encode(CommitRows((batch,), 1))) < 100 * 260 + 300
