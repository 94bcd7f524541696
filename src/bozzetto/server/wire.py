"""What goes over the wire: requests in OpenAI's words, each field honoured or refused, and errors in OpenAI's shape.

A field that is null is as one that is left out. A field that is not listed here is refused by its name; so nothing is
ever ignored.
"""

import base64
import io
from pathlib import Path
from typing import Annotated, Any, Literal

from PIL.Image import Image
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails

from bozzetto import pictures
from bozzetto.errors import InputWarning, InvalidInput
from bozzetto.runtime.enlarger import at_size

MAX_IMAGES = 10  # of one request
MAX_STEPS = 100
MAX_PIXELS = 16 * 10**6  # of a picture that comes in
MAX_USER = 100
MAX_INPUTS = 128  # of one request for embeddings
SIZES = ("auto", "64x64", "128x128", "256x256", "512x512", "1024x1024")
DRAWN_AT = "64x64"

Size = Literal["auto", "64x64", "128x128", "256x256", "512x512", "1024x1024"]
Format = Literal["png", "webp", "jpeg"]
Background = Literal["auto", "transparent", "opaque"]
Quality = Literal["auto", "low", "medium", "high"]


class Refused(Exception):
    """An answer in OpenAI's shape of an error. param: the field that is wrong."""

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


# ---------------------------------------------------------------- requests


class Strict(BaseModel):
    """What refuses every field that it does not have, and every value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Asked(Strict):
    """What requests of every kind have in common."""

    user: Annotated[str, Field(max_length=MAX_USER)] | None = Field(
        None, description="Who asks, in your words: it stands in the server's log beside this request."
    )


class ImagesAsked(Asked):
    """What all requests for pictures have in common."""

    model: str | None = None
    n: Annotated[int, Field(ge=1, le=MAX_IMAGES)] | None = None
    size: Size | None = Field(
        None, description="Drawn at 64x64, then at 128x128; a larger one has its pixels enlarged."
    )
    response_format: Literal["b64_json"] | None = Field(None, description="No picture is kept, so there is no URL.")
    background: Background | None = Field(
        None, description="auto: transparent where the format can be, and white in a jpeg."
    )
    output_format: Format | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = Field(
        None, description="The quality of a webp or jpeg, in percent."
    )
    seed: int | None = Field(None, description="One seed, one picture; those of n pictures follow it. Else by chance.")
    num_inference_steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] | None = None
    guidance_scale: Annotated[float, Field(ge=0, le=30)] | None = None
    negative_prompt: str | None = None
    style: str | None = Field(None, description="A style of drawing, see /v1/models.")
    sampler: str | None = None

    def check(self) -> None:
        """What fields say of each other."""
        if self.output_format == "jpeg" and self.background == "transparent":
            raise Refused("background: a jpeg cannot be transparent. Choose opaque, or png or webp.", "background")
        if self.output_compression is not None and (self.output_format or "png") == "png":
            why = "a png is always whole. Leave it out, or choose webp or jpeg as output_format."
            raise Refused(f"output_compression: {why}", "output_compression")

    def quality_told(self) -> str:
        return "high"

    def wish(self) -> dict[str, Any]:
        """The arguments that the engine takes, without those that are left out."""
        names = ("n", "seed", "num_inference_steps", "guidance_scale", "negative_prompt", "style", "sampler")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


class Streamed(ImagesAsked):
    """Those of which something can be seen on the way."""

    prompt: str
    quality: Quality | None = Field(
        None, description="high, which auto is: all steps. medium: half of them. low: the few-step student."
    )
    stream: bool | None = None
    partial_images: Annotated[int, Field(ge=0, le=3)] | None = Field(
        None, description="How many of the model's own clean estimates are sent, at even steps of the way."
    )

    def check(self) -> None:
        super().check()
        if self.partial_images and not self.stream:
            raise Refused("partial_images: goes with stream = true only.", "partial_images")
        if self.quality == "medium" and self.num_inference_steps is not None:
            why = "quality medium is half of the usual steps already. Leave one of the two out."
            raise Refused(f"num_inference_steps: {why}", "num_inference_steps")

    def quality_told(self) -> str:
        return "high" if self.quality in (None, "auto") else str(self.quality)


class Generation(Streamed):
    """POST /v1/images/generations"""

    layers: bool | None = Field(
        None, description="Draw each thing of the prompt alone and put it where the words say: two to five things."
    )

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "a happy robot", "seed": 7},
                {"prompt": "a red apple", "quality": "low", "n": 4, "output_format": "webp", "size": "256x256"},
                {"prompt": "a cat left of a dog", "layers": True},
                {"prompt": "a ghost", "stream": True, "partial_images": 3, "style": "noto", "guidance_scale": 4.0},
            ]
        }
    )


class FromPicture(ImagesAsked):
    """What edits and variations have in common."""

    image: bytes = Field(description="PNG, JPEG, WebP, GIF or BMP; one.", json_schema_extra={"format": "binary"})
    strength: Annotated[float, Field(ge=0, le=1)] | None = Field(
        None, description="How far the picture is turned into noise before it is drawn again: .6, and 1 with a mask."
    )

    def wish(self) -> dict[str, Any]:
        return super().wish() | ({} if self.strength is None else {"strength": self.strength})


class Edit(Streamed, FromPicture):
    """POST /v1/images/edits"""

    mask: bytes | None = Field(
        None,
        description="What is transparent in it is painted; if nothing is, what is white.",
        json_schema_extra={"format": "binary"},
    )

    def check(self) -> None:
        super().check()
        if self.quality == "low":
            raise Refused("quality: the few-step student that draws at low cannot edit. Leave it out.", "quality")


class Variation(FromPicture):
    """POST /v1/images/variations"""


class Embeddings(Asked):
    """POST /v1/embeddings"""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model": "clip", "input": ["a red apple", "a robot"]}]},
    )

    model: str
    input: str | Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)] = Field(
        description="Texts; or pictures, as data URIs: data:image/png;base64,..."
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class TextPart(Strict):
    type: Literal["text"]
    text: str


class Address(Strict):
    url: str
    detail: Literal["auto", "low"] | None = Field(None, description="Every picture is seen at 64x64.")


class PicturePart(Strict):
    type: Literal["image_url"]
    image_url: Address


class Message(Strict):
    role: Literal["user"] = Field(description="Every question is answered by itself: nothing comes before it.")
    content: list[Annotated[TextPart | PicturePart, Field(discriminator="type")]]


class StreamOptions(Strict):
    include_usage: bool | None = None


class Chat(Asked):
    """POST /v1/chat/completions"""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Literal[1] | None = None
    temperature: Annotated[float, Field(ge=0, le=0)] | None = Field(None, description="The likeliest word is said.")
    seed: int | None = Field(None, description="There is no chance in an answer: it is the same for every seed.")

    def question(self) -> tuple[str, str]:
        """What is asked, and the address of the picture it is asked about."""
        if self.stream_options and not self.stream:
            raise Refused("stream_options: goes with stream = true only.", "stream_options")
        parts = self.messages[0].content
        texts = [part.text for part in parts if isinstance(part, TextPart)]
        addresses = [part.image_url.url for part in parts if isinstance(part, PicturePart)]
        if len(texts) != 1 or len(addresses) != 1:
            raise Refused("messages: must be one with one text and one image_url in its content.", "messages")
        return texts[0], addresses[0]

    def most(self) -> int | None:
        """How many words may be said."""
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise Refused("max_tokens: is the old name of max_completion_tokens. Leave one out.", "max_tokens")
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


def check_model(name: str | None, model: str, *others: str | tuple[str, ...]) -> None:
    """The model that is asked for must be this one, or one of the others; a tuple has beginnings of names."""
    beginnings = tuple(begin for other in others if isinstance(other, tuple) for begin in other)
    names = [model, *(other for other in others if isinstance(other, str))]
    if name is None or name in names or (beginnings and name.startswith(beginnings)):
        return
    choices = ", ".join([*names, *(f"{begin}*" for begin in beginnings)])
    raise Refused(
        f"model: {name[:80]!r} is not here. Choose among: {choices}.", "model", status=404, code="model_not_found"
    )


# ---------------------------------------------------------------- what is wrong, in OpenAI's shape


def refused(errors: list[ErrorDetails] | list[dict[str, Any]], fields: list[str]) -> Refused:
    """What the first of pydantic's complaints means. fields: those that this request may have."""
    error: Any = errors[0]
    place = [part for part in error["loc"] if part != "body"]
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place if _is_field(part))
    param, kind = param.removeprefix("."), error["type"]
    if kind == "json_invalid":
        return Refused("The body is not JSON, or ends too early.")
    if not param:
        return Refused("The body must be a JSON object with content type application/json.")
    why = error["msg"][:1].lower() + error["msg"][1:]
    if kind == "missing":
        why = "is missing"
    elif kind == "extra_forbidden":
        why = f"is not known here, and nothing is ignored. There are: {', '.join(fields)}"
        return Refused(f"{param}: {why}.", param, code="unknown_parameter")
    elif kind == "literal_error":
        why = f"must be one of {error['ctx']['expected']}"
    return Refused(f"{param}: {why}.", param)


def _is_field(part: str | int) -> bool:
    """And not the name of a type, by which pydantic says which of several did not fit."""
    return isinstance(part, int) or (not any(mark in part for mark in "[(-") and part not in ("str", "list"))


NAMES = {"few_steps": "quality = low", "picture": "image", "question": "messages", "text": "input"}


def spoken(about: InvalidInput | InputWarning) -> str:
    return about.text(lambda field: NAMES.get(field, field))


def refused_input(error: InvalidInput, param: str | None = None) -> Refused:
    param = param or NAMES.get(error.field, error.field)
    return Refused(f"{param}: {spoken(error).removeprefix(param).strip()}.", param)


# ---------------------------------------------------------------- pictures


class Look:
    """How a picture is sent: what of size, format and background was asked for, and what that means."""

    def __init__(self, asked: ImagesAsked, weights: Path):
        self.weights = weights
        self.format = asked.output_format or "png"
        self.size = DRAWN_AT if asked.size in (None, "auto") else str(asked.size)
        opaque = asked.background == "opaque" or (asked.background != "transparent" and self.format == "jpeg")
        self.background = "opaque" if opaque else "transparent"
        self.compression = 100 if asked.output_compression is None else asked.output_compression

    def told(self) -> dict[str, str]:
        return {"background": self.background, "output_format": self.format, "size": self.size}

    def datum(self, image: Image) -> dict[str, Any]:
        return {"b64_json": self.encode(image), "seed": image.info["seed"]}

    def encode(self, image: Image) -> str:
        """As base64."""
        image = at_size(self.weights, image, int(self.size.partition("x")[0]))
        if self.background == "opaque":
            image = pictures.over_white(image)
        out = io.BytesIO()
        options: dict[str, Any] = {} if self.format == "png" else {"quality": self.compression}
        if self.format == "webp" and self.compression == 100:
            options["lossless"] = True
        image.save(out, self.format, **options)
        return base64.b64encode(out.getvalue()).decode()


def from_data_uri(uri: str, param: str) -> bytes:
    """The bytes of a picture in a data URI. No other address is ever opened."""
    head, comma, data = uri.partition(",")
    if not head.startswith("data:image/") or not head.endswith(";base64") or not comma:
        why = "must be a data URI, data:image/png;base64,... No address is opened here."
        raise Refused(f"{param}: {why}", param)
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        raise Refused(f"{param}: what follows base64, is no base64.", param) from None


def opened(content: bytes, param: str) -> Image:
    """A picture that came in, RGBA, checked before it is decoded."""
    try:
        peeked = pictures.peek(content)
        if peeked.width * peeked.height > MAX_PIXELS:
            size, most = f"{peeked.width} x {peeked.height}", MAX_PIXELS // 10**6
            raise InvalidInput("picture", f"is {size}: {most} megapixels at most")
        return pictures.decode(peeked, content)
    except InvalidInput as error:
        raise refused_input(error, param) from None


def opened_mask(content: bytes) -> Image:
    """A mask as the engine takes it, white where to paint."""
    mask = opened(content, "mask")
    alpha = mask.getchannel("A")
    return mask if alpha.getextrema() == (255, 255) else alpha.point([255] * 128 + [0] * 128)


def said(notes: list[InputWarning], unknown: list[str]) -> list[str]:
    """What of the words was not read, or not whole."""
    pieces = [f"prompt has words outside the vocabulary, read in pieces: {', '.join(unknown)}"] if unknown else []
    return [spoken(note) for note in notes] + pieces
