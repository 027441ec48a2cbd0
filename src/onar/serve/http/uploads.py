"""Read uploads: forms with files; for completing, also JSON with files in base64.

All is kept in memory, within the limits of requests: nothing is written, and no folder for temporary files is needed.
"""

from __future__ import annotations

import binascii
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from string import whitespace
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin
from urllib.parse import unquote_to_bytes

from anyio import CapacityLimiter, to_thread
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from onar.errors import OnarError, UsageError, printable
from onar.imaging.formats.endings import FORMATS
from onar.inference.holes import ALPHA
from onar.masks.margins import RULE, are_margins
from onar.serve.errors import ContentTypeError, MalformedError
from onar.settings.checks import Settings, field_help
from onar.settings.fill import (
    DilateOption,
    FeatherOption,
    FillOptions,
    FillSeedOption,
    MaskFileOptions,
    StrategyOption,
    TextureOption,
)

M = TypeVar("M", bound=BaseModel)

_FORM, _JSON = "multipart/form-data", "application/json"
_MAX_LIST = 1000
"""Maximum number of form parts of one name, for lists."""
_MAX_QUOTE = 100
"""Maximum characters of a client's text that a message quotes."""


def _usual_format(text: object) -> object:
    """The name of a format given by a file extension, such as jpg; other values unchanged."""
    if not isinstance(text, str):
        return text
    return FORMATS.get(f".{text.lower()}", text).lower()


Format = Annotated[Literal["same", "png", "jpeg", "tiff", "bmp", "webp"], BeforeValidator(_usual_format)]
"""File format of a result."""


def _check_margins(text: str) -> str:
    """Margins as they are; raises `ValueError` for what is none."""
    if not are_margins(text):
        raise ValueError(f"{RULE}, not {shorten(text)!r}")
    return text


MarginsText = Annotated[str, AfterValidator(_check_margins), WithJsonSchema({"type": "string", "examples": ["10%"]})]
"""Margins by which a photo is extended."""


WeightsName = Annotated[str, Field(description="A name among the choices of /api/model; by default the server's own.")]


def option(settings: type[Settings], name: str) -> Any:
    """A field with the default and the help of a setting; its type says the range."""
    return Field(getattr(settings, name), description=field_help(settings)[name])


class Filling(BaseModel):
    """The fields of `FillOptions`."""

    model_config = ConfigDict(extra="forbid")

    strategy: StrategyOption = option(FillOptions, "strategy")
    texture: TextureOption = option(FillOptions, "texture")
    feather: FeatherOption = option(FillOptions, "feather")
    seed: FillSeedOption = option(FillOptions, "seed")

    @property
    def fill(self) -> FillOptions:
        """The options as the dataclass."""
        return FillOptions(strategy=self.strategy, texture=self.texture, feather=self.feather, seed=self.seed)


class Options(Filling):
    """Options of completing a photo: the weights, those of filling, of the mask, and the format."""

    weights: WeightsName = ""
    invert_mask: bool = option(MaskFileOptions, "invert_mask")
    dilate: DilateOption = option(MaskFileOptions, "dilate")
    format: Format = Field(
        "same",
        description="Format of the answer; jpg and tif are accepted, too. JPEG is lossy; the others keep known pixels "
        "exactly.",
    )
    extend: MarginsText | None = Field(
        None,
        description="Margins by which the photo is extended, and which are filled: 40 pixels or 10% on all sides, or "
        "LEFT,TOP,RIGHT,BOTTOM.",
    )


class Upload(Options):
    """A photo with its mask, as bytes of files."""

    photo: bytes = Field(description="The photo file.")
    mask: bytes | Literal["alpha"] = Field(
        b"",
        description="The mask file, of the photo's size: white is the hole, black is kept. The word alpha for a photo "
        "in which the holes were erased: its transparency is the mask, and the answer is opaque. Not needed with "
        "extend.",
    )

    @property
    def has_mask(self) -> bool:
        """Whether a mask was sent."""
        return "mask" in self.model_fields_set

    @model_validator(mode="after")
    def _check_mask(self) -> Upload:
        if not self.has_mask and self.extend is None:
            raise PydanticCustomError("missing", "mask: Field required, or extend")
        return self


def _decode(text: object) -> object:
    """A file from base64, which may be broken into lines, or from a data: URL (RFC 2397), as browsers write them."""
    if not isinstance(text, str):
        return text
    if text[:5].lower() != "data:":
        return _from_base64(text)
    kind, comma, content = text.partition(",")
    if not comma:
        raise ValueError("not a data: URL, which has a comma before its content")
    plain = unquote_to_bytes(content)
    return _from_base64(plain.decode("latin-1")) if kind.rstrip().lower().endswith(";base64") else plain


def _from_base64(text: str) -> bytes:
    """Decode without copying the text, which may have tens of megabytes."""
    if any(space in text for space in whitespace):
        text = text.translate(dict.fromkeys(map(ord, whitespace)))
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise ValueError(f"not base64 ({error})") from error


def _decode_mask(text: object) -> object:
    return text if text == ALPHA else _decode(text)


class Base64Upload(Upload):
    """An upload as JSON, with its files in base64."""

    photo: Annotated[bytes, BeforeValidator(_decode)] = Field(description="The photo file in base64, or a data: URL.")
    mask: Annotated[bytes | Literal["alpha"], BeforeValidator(_decode_mask)] = Field(
        b"", description="The mask file in base64, or a data: URL, or the word alpha, as in a form."
    )


async def read_upload(request: Request, turn: CapacityLimiter) -> Upload:
    """Read the body of a request to complete a photo.

    `turn` limits parallel parsing of JSON, which takes a few times the body's size in memory.

    Raises:
        ContentTypeError: the body is neither form nor JSON.
        MalformedError: the body cannot be parsed.
        UsageError: a field is missing, unknown, given twice, or out of range.
    """
    if _kind(request) == _JSON:
        with explained():
            return await _read_json(request, turn)
    return await read_form(request, Upload, f"{_FORM} or {_JSON}")


async def read_form(request: Request, model: type[M], allowed: str = _FORM) -> M:
    """Read a request's form into a model, with files as `bytes`, repeatable fields as lists; raises as `read_upload`.

    `allowed` are content types, for the message about another one.
    """
    if _kind(request) != _FORM:
        raise ContentTypeError(f"send {allowed}, not {shorten(_kind(request)) or 'a body without a type'}")
    kinds = {name: field.annotation for name, field in model.model_fields.items()}
    lists = {name for name, kind in kinds.items() if get_origin(kind) is list}
    files = [name for name, kind in kinds.items() if bytes in (kind, *get_args(kind))]
    max_files = sum(_MAX_LIST if name in lists else 1 for name in files)
    max_fields = len(model.model_fields) + _MAX_LIST * len(lists)
    given = await _read_parts(request, max_files, max_fields)
    if repeated := next((name for name, values in given.items() if len(values) > 1 and name not in lists), None):
        raise UsageError(f"{shorten(repeated)}: given more than once")
    with explained():
        return model.model_validate({name: values if name in lists else values[0] for name, values in given.items()})


class _FormInMemory(MultiPartParser):
    spool_max_size = sys.maxsize


async def _read_parts(request: Request, max_files: int, max_fields: int) -> dict[str, list[bytes | str]]:
    """The parts of a form by name; raises `MalformedError`."""
    given: dict[str, list[bytes | str]] = {}
    try:
        async with aclosing(request.stream()) as stream:
            parser = _FormInMemory(request.headers, stream, max_files=max_files, max_fields=max_fields)
            form = await parser.parse()
    except (MultiPartException, FormParserError) as error:  # the second from Starlette before 1.7
        raise MalformedError(f"the form cannot be read: {error}") from error
    for name, value in form.multi_items():
        given.setdefault(name, []).append(await value.read() if isinstance(value, UploadFile) else value)
        if isinstance(value, UploadFile):
            await value.close()  # before the next is read, so that one file at a time is in memory twice
    return given


def _kind(request: Request) -> str:
    """The content type of a body."""
    return parse_options_header(request.headers.get("content-type"))[0].decode("latin-1")


async def _read_json(request: Request, turn: CapacityLimiter) -> Upload:
    body = bytearray()  # `request.body` would hold it twice
    async for part in request.stream():
        body += part
    return await to_thread.run_sync(_parse_json, body, limiter=turn)  # tens of megabytes take a while


def _parse_json(body: bytearray) -> Upload:
    try:
        return Base64Upload.model_validate_json(body)
    finally:
        body.clear()


@contextmanager
def explained() -> Iterator[None]:
    """Turn pydantic's errors into one line that names the field."""
    try:
        yield
    except ValidationError as error:
        raise _explain(error) from None  # the chain would hold the files


def _explain(error: ValidationError) -> OnarError:
    """The first problem, in one line."""
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if problem["type"] == "json_invalid":
        return MalformedError(problem["msg"])
    field = ".".join(str(part) for part in problem["loc"])
    return UsageError(f"{shorten(field)}: {problem['msg']}" if field else problem["msg"])


def shorten(text: str) -> str:
    """A client's text on one line, truncated for quoting in a message.

    >>> shorten("dilat")
    'dilat'
    """
    return printable(text if len(text) <= _MAX_QUOTE else f"{text[:_MAX_QUOTE]}…")


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of a form."""
    return {"required": True, "content": {_FORM: {"schema": _fields(model)}}}


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a model in JSON Schema: first the files, of which required ones come first, then the options."""
    schema = model.model_json_schema()
    required = schema.get("required", [])

    def order(field: tuple[str, Any]) -> tuple[bool, bool]:
        return field[0] not in required, "'binary'" not in str(field[1])

    schema["properties"] = dict(sorted(schema["properties"].items(), key=order))
    return schema


def upload_schema() -> dict[str, Any]:
    """The OpenAPI description of a photo to complete."""
    json = _fields(Base64Upload)
    for content in (json["properties"]["photo"], json["properties"]["mask"]["anyOf"][0]):
        content["format"] = "byte"
    # Not said to be required, for openapi-python-client 0.29 writes broken code for a required body of two types.
    return {"content": {**body_schema(Upload)["content"], _JSON: {"schema": json}}}
