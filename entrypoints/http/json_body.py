"""Reading the body of a request: one strict JSON object (RFC 8259), or a refusal."""

import json
from datetime import UTC, datetime
from typing import Any, NoReturn

import falcon

from ..guarding.refusals import (
    BodyIncomplete,
    BodyInvalid,
    BodyTooLarge,
    ContentEncodingUnsupported,
    LengthRequired,
    MediaTypeUnsupported,
    MemberInvalid,
    MemberMissing,
)
from ..strict_json import without_duplicates

MAX_BODY_BYTES = 16 * 1024
MAX_DEPTH = 8


def read_object(req: falcon.Request) -> dict[str, Any]:
    """The JSON object in the body of *req*. Raises one of the refusals about bodies.

    Without a body, the object has no members, and the refusal is about a missing member.
    """
    if _has_no_body(req):
        return {}
    _check_media_type(req)
    text = _read(req)
    try:
        # A byte order mark is ignored (RFC 8259, 8.1).
        found = json.loads(
            text.decode("utf-8-sig"), object_pairs_hook=without_duplicates, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        raise BodyInvalid from None
    if not isinstance(found, dict):
        raise BodyInvalid
    _check_value(found, MAX_DEPTH)
    return found


def text_member(body: dict[str, Any], name: str) -> str:
    """A member that must be there and must be a string. Raises MemberMissing, MemberInvalid."""
    if name not in body:
        raise MemberMissing(name)
    value = body[name]
    if not isinstance(value, str):
        raise MemberInvalid(name)
    return value


def optional_text_member(body: dict[str, Any], name: str) -> str | None:
    """A member that is a string, or null or absent. Raises MemberInvalid."""
    return None if body.get(name) is None else text_member(body, name)


def optional_int_member(body: dict[str, Any], name: str) -> int | None:
    """A member that is an integer, or null or absent. Raises MemberInvalid."""
    value = body.get(name)
    # In Python, true is an int; in JSON it is not.
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise MemberInvalid(name)
    return value


def int_member(body: dict[str, Any], name: str) -> int:
    """A member that must be there and must be an integer. Raises MemberMissing, MemberInvalid."""
    if name not in body:
        raise MemberMissing(name)
    value = optional_int_member(body, name)
    if value is None:
        raise MemberInvalid(name)
    return value


def optional_bool_member(body: dict[str, Any], name: str) -> bool:
    """A member that is true or false; null or absent counts as false. Raises MemberInvalid."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise MemberInvalid(name)
    return value is True


def optional_object_member(body: dict[str, Any], name: str) -> dict[str, Any] | None:
    """A member that is an object, or null or absent. Raises MemberInvalid."""
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise MemberInvalid(name)
    return value


def optional_moment_member(body: dict[str, Any], name: str) -> datetime | None:
    """A member that is a time with its offset (RFC 3339), or null or absent; aware UTC. Raises MemberInvalid."""
    text = optional_text_member(body, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else _refuse_moment(name)
    except (ValueError, OverflowError):
        raise MemberInvalid(name) from None


def _refuse_moment(name: str) -> NoReturn:
    raise MemberInvalid(name)


def _has_no_body(req: falcon.Request) -> bool:
    """By the head (RFC 9112, 6.3): neither a length nor a coding, or a length of zero."""
    return req.get_header("Transfer-Encoding") is None and req.content_length in {None, 0}


def _check_media_type(req: falcon.Request) -> None:
    if (req.get_header("Content-Encoding") or "identity").lower() != "identity":
        raise ContentEncodingUnsupported
    media_type, _, parameters = (req.content_type or "").lower().partition(";")
    charset = parameters.replace(" ", "").replace('"', "")
    if media_type.strip() != "application/json" or charset not in {"", "charset=utf-8", "charset=utf8"}:
        raise MediaTypeUnsupported


def _read(req: falcon.Request) -> bytes:
    # Chunks are read only if the server says that it detects a broken end. With a Content-Length as well, the request
    # is ambiguous, and trailers could say anything (RFC 9112, 6.3).
    if req.get_header("Transfer-Encoding") is not None:
        return _read_chunked(req)
    length = req.content_length
    if length is None:
        raise LengthRequired
    if length > MAX_BODY_BYTES:
        raise BodyTooLarge
    try:
        # The raw stream of WSGI, since bounded_stream hides how much really arrived.
        text: bytes = req.env["wsgi.input"].read(length)
    except OSError:
        raise BodyIncomplete from None
    if len(text) < length:
        raise BodyIncomplete
    return text


def _read_chunked(req: falcon.Request) -> bytes:
    is_plain = (req.get_header("Transfer-Encoding") or "").lower() == "chunked"
    has_more = "CONTENT_LENGTH" in req.env or req.get_header("Trailer") is not None
    if not is_plain or has_more or not req.env.get("wsgi.input_terminated"):
        raise LengthRequired
    try:
        text: bytes = req.env["wsgi.input"].read(MAX_BODY_BYTES + 1)
    except OSError:
        raise BodyIncomplete from None
    if len(text) > MAX_BODY_BYTES:
        raise BodyTooLarge
    return text


def _refuse_constant(_name: str) -> None:
    raise BodyInvalid


def _check_value(value: object, depth: int) -> None:
    """Raises BodyInvalid for what JSON can express but we cannot keep: NUL, lone surrogates, 1e999, deep nesting."""
    if isinstance(value, str):
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in value):
            raise BodyInvalid
    elif isinstance(value, float):
        if value in (float("inf"), float("-inf")):
            raise BodyInvalid
    elif isinstance(value, dict | list):
        if depth == 0:
            raise BodyInvalid
        for part in value:
            _check_value(part, depth - 1)
        if isinstance(value, dict):
            for part in value.values():
                _check_value(part, depth - 1)
