"""Requests that come as a form with files. They stay in memory: nothing of a request is written."""

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from bozzetto.server import wire
from bozzetto.server.guard import MAX_BODY
from bozzetto.server.wire import Refused

FILES = ("image", "mask")
MAX_FIELDS = 40
MAX_FIELD = 100_000  # bytes
Form = TypeVar("Form", bound=BaseModel)


async def read(request: Request, kind: type[Form]) -> Form:
    """The form as a checked request of this kind."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise Refused("The body must be a form of the type multipart/form-data.")
    parser = MultiPartParser(
        request.headers, request.stream(), max_files=4, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD
    )
    parser.spool_max_size = MAX_BODY + 1
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        said = error.message if isinstance(error, MultiPartException) else "it cannot be read"
        raise Refused(f"The form is broken: {said.rstrip('.')}.") from None
    found: dict[str, Any] = {}
    for name, value in form.multi_items():
        name = name.removesuffix("[]")
        if name in found:
            raise Refused(f"{name}: is there twice. Send one.", name)
        if isinstance(value, UploadFile) != (name in FILES):
            raise Refused(f"{name}: must be {'a file' if name in FILES else 'text, and no file'}.", name)
        found[name] = await value.read() if isinstance(value, UploadFile) else value
    try:
        return kind.model_validate(found, strict=False)  # numbers come as text
    except ValidationError as error:
        raise wire.refused(error.errors(), list(kind.model_fields)) from None


def described(kind: type[BaseModel]) -> dict[str, Any]:
    """For the OpenAPI document."""
    schema = kind.model_json_schema()
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
