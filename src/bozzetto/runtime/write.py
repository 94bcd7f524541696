"""Tiny stories, written by one of two small decoders on numpy arrays: word after word, or out of blanks.

`next_word` reads what was written, with a cache, and says the next token. `unmask` begins with blanks after the prompt
and fills some of them in at every step, as diffusion takes noise away: of those in a window from the first blank on
(see models/writer.py) the ones that it is surest of (Nie et al. 2025, LLaDA, https://arxiv.org/abs/2502.09992,
low-confidence remasking), but an END only where all words before it stand, or ENDs would win and leave no story; the
first that comes there ends it. Both draw a token from its chances by a uniform number of the counter-based generator,
so that a seed is a story: stream k is that of the k-th word or step, counting from 0, and in a step its numbers are for
the places after START.

A draft is int64 [T] tokens, START first, MASK where nothing stands yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bozzetto.diffusion import noise
from bozzetto.errors import InvalidInput, one_of, real_number, whole_number
from bozzetto.runtime.reading import readable
from bozzetto.runtime.requests import check_prompt, check_words, warn
from bozzetto.runtime.session import Network, open_network
from bozzetto.runtime.store import once, open_model
from bozzetto.runtime.tokenizer import Tokenizer, join_pieces

METHODS = ("next_word", "unmask")
END, START, UNKNOWN, MASK = 0, 1, 2, 3
MAX_PROMPT = 40  # tokens that are read, START among them
MAX_TEMPERATURE = 2.0
BLANK = "_"
LEAN = 0.4  # how much sooner a blank is filled in than the one after it: a place more to the left is worth e^0.4 times
GRADES = 1000  # of sureness: finer ones would depend on how a machine rounds


@dataclass(frozen=True)
class Writer:
    """temperature: the usual one. names: words that are written large."""

    method: str
    tokenizer: Tokenizer
    read: Network
    config: dict[str, Any]
    names: frozenset[str]
    temperature: float

    @property
    def length(self) -> int:
        return int(self.config["context_length"])

    @cached_property
    def pieces(self) -> np.ndarray:
        """Which tokens go on with a word: bool [V]."""
        return np.array([word.startswith("##") for word in self.tokenizer.vocabulary])

    def begin(self, logits: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Logits [T,V] without the pieces that go on with a word where `first` [T]: what was given isn't changed."""
        return np.where(first[:, None] & self.pieces, -np.inf, logits)


@once
def load(weights: Path, method: str = METHODS[0]) -> Writer:
    """One of METHODS. Raises WeightsError, and InvalidInput for another method."""
    one_of("method", method, METHODS)
    model = open_model(f"writer/{method}", weights)
    tokenizer = Tokenizer.load(model.path / "vocabulary.txt", MAX_PROMPT)
    usual = float(model["defaults"]["temperature"])
    return Writer(method, tokenizer, open_network(model), model["config"], frozenset(model["names"]), usual)


def prepare(
    writer: Writer,
    prompt: str = "",
    seed: int = 0,
    temperature: float | None = None,
    max_words: int | None = None,
    num_inference_steps: int | None = None,
) -> Iterator[np.ndarray]:
    """The drafts of a story that begins with the prompt, the first of them before anything is written.

    Raises InvalidInput for a bad argument, at once; an InputWarning says which words were not read.
    """
    check_prompt("prompt", prompt, may_be_empty=True)
    if prompt.strip():
        warn(check_words("prompt", prompt, writer.tokenizer))
    whole_number("seed", seed, 0, noise.MAX_SEED)
    if temperature is None:
        temperature = writer.temperature
    real_number("temperature", temperature, 0, MAX_TEMPERATURE)
    tokens = [token for token in writer.tokenizer.encode(readable(prompt)) if token != UNKNOWN][:MAX_PROMPT]
    room = writer.length - len(tokens)
    other = {"next_word": ("num_inference_steps", num_inference_steps), "unmask": ("max_words", max_words)}[
        writer.method
    ]
    if other[1] is not None:
        raise InvalidInput(other[0], f"does nothing where the method is {writer.method}: leave it out")
    if writer.method == "unmask":
        steps = (
            room if num_inference_steps is None else whole_number("num_inference_steps", num_inference_steps, 1, 1000)
        )
        return unmask(writer, tokens, seed, temperature, min(steps, room))
    words = room if max_words is None else whole_number("max_words", max_words, 1, 1000)
    return next_word(writer, tokens, seed, temperature, min(words, room))


def next_word(writer: Writer, tokens: list[int], seed: int, temperature: float, most: int) -> Iterator[np.ndarray]:
    """At most so many tokens more, until one is END. The cache is longer by a token at each."""
    heads = int(writer.config["heads"])
    empty = np.zeros((1, writer.config["layers"], heads, 0, writer.config["width"] // heads), np.float32)
    keys, values, going_in = empty, empty, np.array([tokens])
    draft = np.array(tokens)
    yield draft
    for place in range(most):
        out = writer.read(tokens=going_in, keys=keys, values=values)
        keys, values = out["all_keys"], out["all_values"]
        logits = writer.begin(out["logits"][0, -1:], np.array([place == 0]))
        (token,) = choose(logits, temperature, uniform(seed, 1, place))
        if token == END:
            return
        draft, going_in = np.append(draft, token), np.array([[token]])
        yield draft


def unmask(writer: Writer, tokens: list[int], seed: int, temperature: float, steps: int) -> Iterator[np.ndarray]:
    """Blanks filled in so many steps at most, about as many in each."""
    blanks, window = writer.length - len(tokens), int(writer.config["window"])
    draft = np.array([*tokens, *[MASK] * blanks])
    yield draft
    for step in range(steps):
        places = np.flatnonzero(draft == MASK)
        if not len(places):
            return
        count = len(places) - blanks * (steps - 1 - step) // steps
        places = places[(places < places[0] + window) | (np.arange(len(places)) < count)]
        logits = writer.read(tokens=draft[None])["logits"][0, places - 1]  # at each place, of the next one
        logits = writer.begin(logits, places == len(tokens))
        chosen = choose(logits, temperature, uniform(seed, writer.length - 1, step)[places - 1])
        early = (chosen == END) & (places > places[0])
        lean = np.exp(-LEAN * (places - places[0]))
        sure = np.floor(GRADES * lean * chances(logits)[np.arange(len(places)), chosen]) - 2 * GRADES * early
        kept = np.argsort(-sure, kind="stable")[:count]
        draft = draft.copy()
        draft[places[kept]] = chosen[kept]
        over = int((draft == END).argmax())
        if draft[over] == END and MASK not in draft[:over]:
            draft[over:] = END
        yield draft


def uniform(seed: int, count: int, stream: int) -> np.ndarray:
    """float64 [count] in (0, 1]."""
    return (noise.words(seed, -(-count // 4), stream).reshape(-1)[:count] + 1.0) / 2**32


def chances(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Of each row of logits [T,V] the chances at this temperature. What is no text, START, MASK and a word that cannot
    be spelled, has none."""
    scores = logits.astype(np.float64)
    scores[:, [START, UNKNOWN, MASK]] = -np.inf
    powers = np.exp((scores - scores.max(1, keepdims=True)) / max(temperature, 1e-3))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def choose(logits: np.ndarray, temperature: float, draws: np.ndarray) -> np.ndarray:
    """A token of each row of logits [T,V] by its chance at this temperature; at 0 the likeliest."""
    each = chances(logits, temperature)
    sums = each.cumsum(1)
    return each.argmax(1) if temperature == 0 else (sums < draws[:, None] * sums[:, -1:]).sum(1)


def told(writer: Writer, draft: np.ndarray) -> str:
    """A draft as text: sentences and names begin large, blanks are BLANK, ENDs are left out."""
    known = [token for token in draft[1:].tolist() if token != END]
    pieces = [BLANK if token == MASK else writer.tokenizer.vocabulary[token] for token in known]
    text, begins = "", True
    for piece, said in zip(pieces, join_pieces(pieces), strict=True):
        bare = said.lstrip()
        if begins or piece in writer.names:
            said = said.replace(bare, bare[:1].upper() + bare[1:])
        text, begins = text + said, piece == "."
    return text
