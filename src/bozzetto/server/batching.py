"""The engine: pictures of any prompts, steps, guidance and samplers share batches of the networks.

Each picture is drawn in a thread of its own by the same code that draws it alone (runtime/text_to_image.py), with one
thing changed: a thread that asks a network is held until every other thread asks too, or has nothing to draw. Then all
their rows go through the network at once. So pictures join and leave between two steps, and samplers know nothing
of it.

The same seed is the same picture, bit for bit, alone or in company. Whether a row is rounded alike in a batch of every
size is up to the kernels of the processor at hand, so it is tried and not believed: the first batch of each size is
computed one request at a time as well, and where a bit differs, that network is never asked in a batch of that size.
"""

import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL.Image import Image, fromarray

from bozzetto import pictures
from bozzetto.errors import BozzettoError, InputWarning, InvalidInput, real_number, whole_number
from bozzetto.runtime import layers as layered
from bozzetto.runtime import requests, store, text_to_image
from bozzetto.runtime.layers import Plan
from bozzetto.runtime.session import Network
from bozzetto.runtime.text_to_image import Walk
from bozzetto.server.defaults import PLACES, WAITING

MAX_PARTIAL = 3


class Busy(BozzettoError):
    """The queue is full; try again after so many seconds."""

    def __init__(self, waiting: int, retry_after: int):
        super().__init__(f"{waiting} pictures are waiting already: try again in {retry_after} seconds")
        self.retry_after = retry_after


class Overdue(BozzettoError):
    """A picture was not ready within its time."""


class Closed(BozzettoError):
    """The engine takes no more requests."""


class Drawing(Future[Image]):
    """One picture on its way: `result()` waits for it; `cancel()` gives its place free, at the latest at its next step.

    seed: which picture of its prompt.
    """

    def __init__(self, seed: int, until: float):
        super().__init__()
        self.seed, self._until, self._left = seed, until, False

    def cancel(self) -> bool:
        self._left = True
        return super().cancel()

    def go_on(self) -> None:
        """Raises what ends the drawing of a picture that nobody waits for."""
        if self._left:
            raise CancelledError
        if time.monotonic() > self._until:
            raise Overdue("this took longer than it was given: ask for fewer steps or pictures, or give it more time")


@dataclass(frozen=True)
class Order:
    """The pictures of one request, in the order of their seeds.

    notes: what of the words is not read or does nothing. num_inference_steps: of each picture, and of all its layers.
    """

    pictures: list[Drawing]
    notes: list[InputWarning]
    num_inference_steps: int

    def results(self) -> list[Image]:
        """Waits for all of them. Raises Overdue, CancelledError, or what went wrong in drawing."""
        return [drawing.result() for drawing in self.pictures]

    def cancel(self) -> None:
        for drawing in self.pictures:
            drawing.cancel()


ENDS = {Image: "drawn", CancelledError: "left", Overdue: "overdue"}

Partial = Callable[[int, int, Image], None]
"""on_partial(picture_index, partial_index, clean estimate), all from 0. The thread that draws calls it, and all others
wait for that, so it must return at once."""


@dataclass(eq=False)
class _Asked:
    """One question to a network: its inputs, each [rows,...], and the outputs to come."""

    network: Network
    inputs: dict[str, np.ndarray]
    outputs: Future[dict[str, np.ndarray]] = field(default_factory=Future)

    @property
    def rows(self) -> int:
        return len(next(iter(self.inputs.values())))

    def alone(self) -> dict[str, np.ndarray]:
        return self.network(**self.inputs)


class Engine:
    """Draws for many at once, at the rate of batches. Its methods may be called from several threads.

        with Engine() as engine:
            order = engine.generate("a happy robot", seed=7, n=4)
            pictures = order.results()  # those of bozzetto.generate, bit for bit

    weights: a folder, by default the one that bozzetto uses. places: how many pictures are drawn at once. waiting: how
    many more may wait for a place; a request beyond that is Busy. (One that finds nobody waiting is taken, however many
    pictures it has.) adapter: a file of `bozzetto adapt text-to-image`; the student then draws nothing.
    Raises WeightsError, and InvalidInput for an adapter that is none of these weights.
    """

    def __init__(
        self,
        weights: Path | None = None,
        *,
        places: int = PLACES,
        waiting: int = WAITING,
        adapter: Path | None = None,
    ):
        self.places = whole_number("places", places, 1, 64)
        self.most_waiting = whole_number("waiting", waiting, 1)
        self.weights = weights = weights or store.weights_folder()
        self.adapter = text_to_image.load_adapter(weights, adapter)
        models = text_to_image.load(weights, self.adapter)
        self.models = replace(models, denoiser=self._shared(models.denoiser), decoder=self._shared(models.decoder))
        student, defaults = text_to_image.load_student(weights)
        self.student = self._shared(student), defaults
        self.encoder = text_to_image.load_encoder(weights)

        self._changed = threading.Condition()
        self._queue = deque[tuple[Drawing, Callable[[], Image]]]()
        self._asked = list[_Asked]()  # whose threads are held
        self._at_work = 0  # threads that draw and are not held
        self._drawing = set[Drawing]()
        self._closed = self._over = False
        self._alike = dict[tuple[Network, int], bool]()  # batches of this size are as rows alone
        self._pace = 0.5  # seconds between two pictures, of late
        self.counts = Counter[str]()
        self._places = [threading.Thread(target=self._draw_all, daemon=True) for _ in range(places)]
        self._answering = threading.Thread(target=self._answer_all, daemon=True)
        for thread in (*self._places, self._answering):
            thread.start()

    # ------------------------------------------------------------ what can be asked for

    def generate(
        self,
        prompt: str,
        *,
        seed: int = 0,
        n: int = 1,
        negative_prompt: str = "",
        guidance_scale: float | None = None,
        few_steps: bool = False,
        layers: bool | None = False,
        seconds: float | None = None,
        partial_images: int = 0,
        on_partial: Partial | None = None,
        **options: Any,
    ) -> Order:
        """Pictures of a prompt, as `bozzetto.generate` draws them; this does not wait for them.

        options: num_inference_steps, guidance_interval, style, sampler. seconds: the time that it may take.
        partial_images: 0 .. 3 clean estimates of each picture on its way, at even steps, for on_partial; of layers, of
        the things so far.
        Raises InvalidInput, Busy, or Closed.
        """
        seeds = requests.seeds(seed, n)
        plan, things, notes = layered.check(prompt, layers, negative_prompt, guidance_scale, self.models.tokenizer)
        asked = {"negative_prompt": negative_prompt, "guidance_scale": guidance_scale, **options}
        walks = [self.check(thing, few_steps, **asked) for thing in things]
        return self._order(walks, plan, seeds, notes, seconds, partial_images, on_partial)

    def check(self, prompt: str, few_steps: bool = False, **options: Any) -> Walk:
        """What `generate` refuses of its options, whatever the words. Raises InvalidInput."""
        if not isinstance(few_steps, bool):
            raise InvalidInput("few_steps", f"must be true or false, not {few_steps!r}")
        text_to_image.check_student(few_steps, self.adapter)
        return text_to_image.prepare(self.models, prompt, student=self.student if few_steps else None, **options)

    def edit(
        self,
        picture: pictures.Picture,
        prompt: str,
        *,
        mask: pictures.Picture | None = None,
        seed: int = 0,
        n: int = 1,
        negative_prompt: str = "",
        guidance_scale: float | None = None,
        seconds: float | None = None,
        partial_images: int = 0,
        on_partial: Partial | None = None,
        **options: Any,
    ) -> Order:
        """A picture drawn again, as by `bozzetto.edit`. options: strength, num_inference_steps, style, sampler."""
        seeds = requests.seeds(seed, n)
        notes = requests.check_drawing(prompt, negative_prompt, guidance_scale, self.models.tokenizer)
        opened = pictures.open_picture(picture)
        walk = text_to_image.prepare_edit(
            self.models,
            self.encoder,
            np.asarray(pictures.fit(opened)),
            None if mask is None else requests.painted(mask, opened.size),
            prompt,
            negative_prompt=negative_prompt,
            guidance_scale=guidance_scale,
            **options,
        )
        return self._order([walk], None, seeds, notes, seconds, partial_images, on_partial)

    def draw(self, wishes: Iterable[Mapping[str, Any]]) -> Iterator[Order]:
        """The orders of many wishes, each the arguments of `generate`, when they are done and in their order. No more
        than are drawn or wait next are taken from `wishes`, so there may be any number."""
        ahead = deque[Order]()
        for wish in wishes:
            ahead.append(self.generate(**wish))
            while sum(len(order.pictures) for order in ahead) >= 2 * self.places:
                yield self._done(ahead)
        while ahead:
            yield self._done(ahead)

    @staticmethod
    def _done(ahead: deque[Order]) -> Order:
        order = ahead.popleft()
        for drawing in order.pictures:
            drawing.exception()  # waits
        return order

    # ------------------------------------------------------------ the queue

    def _order(
        self,
        walks: list[Walk],
        plan: Plan | None,
        seeds: range,
        notes: list[InputWarning],
        seconds: float | None,
        partial_images: int,
        on_partial: Partial | None,
    ) -> Order:
        until = math.inf if seconds is None else time.monotonic() + real_number("seconds", seconds, 0, 86400)
        count = whole_number("partial_images", partial_images, 0, MAX_PARTIAL)
        steps = sum(walk.steps for walk in walks)
        shown = even_steps(count, steps) if on_partial else []
        drawings = [Drawing(seed, until) for seed in seeds]
        jobs = [
            (drawing, partial(self._picture, drawing, walks, plan, shown, partial(on_partial or _unheard, index)))
            for index, drawing in enumerate(drawings)
        ]
        with self._changed:
            if self._closed:
                raise Closed("the engine is closing and takes no more pictures")
            waiting = len(self._queue)
            if waiting and waiting + len(jobs) > self.most_waiting:
                self.counts["refused"] += len(jobs)
                raise Busy(waiting, math.ceil(self._pace * (waiting + len(self._drawing))) or 1)
            self._queue.extend(jobs)
            self._changed.notify_all()
        return Order(drawings, notes, steps)

    def _picture(
        self,
        drawing: Drawing,
        walks: list[Walk],
        plan: Plan | None,
        shown: list[int],
        on_partial: Callable[[int, Image], None],
    ) -> Image:
        """A walk for each thing of a plan, one after the other; without a plan there is one."""
        drawn, step = list[np.ndarray](), -1

        def so_far(picture: np.ndarray) -> Image:
            return fromarray(layered.together(plan, [*drawn, picture]) if plan else picture)

        def on_step(_: int, noisy: np.ndarray, clean: np.ndarray) -> None:
            nonlocal step
            step += 1
            drawing.go_on()
            if step in shown:
                on_partial(shown.index(step), so_far(text_to_image.decode(self.models, clean)[0]))

        drawing.go_on()
        *before, last = walks
        for walk in before:
            drawn.append(walk.draw(drawing.seed, on_step))
        picture = so_far(last.draw(drawing.seed, on_step))
        picture.info["seed"] = drawing.seed
        return picture

    def _draw_all(self) -> None:
        """What each thread of a place does: one picture after the other."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                drawing, job = self._queue.popleft()
                if not drawing.set_running_or_notify_cancel():
                    self.counts["left"] += 1
                    continue
                self._at_work += 1
                self._drawing.add(drawing)
            began = time.monotonic()
            outcome: Image | BaseException
            try:
                outcome = job()
            except BaseException as error:
                outcome = error
            with self._changed:
                self._at_work -= 1
                took = (time.monotonic() - began) / len(self._drawing)
                self._drawing.remove(drawing)
                if isinstance(outcome, Image):
                    self._pace += 0.1 * (took - self._pace)
                self.counts[ENDS.get(type(outcome), "failed")] += 1
                self._changed.notify_all()
            if isinstance(outcome, Image):
                drawing.set_result(outcome)
            else:
                drawing.set_exception(outcome)

    def close(self, finish: bool = True) -> None:
        """Take no more requests, finish what was accepted (or not: then it is cancelled), and end the threads."""
        with self._changed:
            self._closed = True
            left = [] if finish else [*self._drawing, *(drawing for drawing, _ in self._queue)]
            self._changed.notify_all()
        for drawing in left:
            drawing.cancel()
        for place in self._places:
            place.join()
        with self._changed:
            self._over = True
            self._changed.notify_all()
        self._answering.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *about: object) -> None:
        self.close(finish=kind is None)

    def state(self) -> dict[str, int]:
        """How many pictures wait and are being drawn, and what was counted since the start: pictures drawn, left,
        overdue, failed and refused; batches and rows that went through a network; batches that were taken apart."""
        with self._changed:
            names = ("drawn", "left", "overdue", "failed", "refused", "batches", "rows", "apart")
            told = {"waiting": len(self._queue), "drawing": len(self._drawing)}
            return told | {name: self.counts[name] for name in names}

    # ------------------------------------------------------------ the batches

    def _shared(self, network: Network) -> Network:
        """The network as a thread that draws asks it."""

        def ask(**inputs: np.ndarray) -> dict[str, np.ndarray]:
            asked = _Asked(network, inputs)
            with self._changed:
                self._asked.append(asked)
                self._at_work -= 1
                self._changed.notify_all()
            return asked.outputs.result()

        return ask

    def _answer_all(self) -> None:
        """What the thread of the networks does: one batch after the other."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: (self._asked and not self._at_work) or self._over)
                if self._over:
                    return
                batch = [asked for asked in self._asked if asked.network is self._asked[0].network]
                self._asked = [asked for asked in self._asked if asked not in batch]
                self._at_work += len(batch)
                self.counts["batches"] += 1
                self.counts["rows"] += sum(asked.rows for asked in batch)
            try:
                answers = self._answers(batch)
            except BaseException as error:
                for asked in batch:
                    asked.outputs.set_exception(error)
                continue
            for asked, outputs in zip(batch, answers, strict=True):
                asked.outputs.set_result(outputs)

    def _answers(self, batch: list[_Asked]) -> list[dict[str, np.ndarray]]:
        """The outputs for each of some questions to one network."""
        if len(batch) == 1:
            return [batch[0].alone()]
        ends = np.cumsum([asked.rows for asked in batch])
        kind = batch[0].network, int(ends[-1])
        if self._alike.get(kind) is False:
            self.counts["apart"] += 1
            return [asked.alone() for asked in batch]
        joined = {name: np.concatenate([asked.inputs[name] for asked in batch]) for name in batch[0].inputs}
        parts = {name: np.split(whole, ends[:-1]) for name, whole in batch[0].network(**joined).items()}
        answers = [dict(zip(parts, each, strict=True)) for each in zip(*parts.values(), strict=True)]
        if kind not in self._alike:
            alone = [asked.alone() for asked in batch]
            self._alike[kind] = all(map(same_bits, alone, answers))
            return alone
        return answers


def same_bits(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return all(one[name].tobytes() == other[name].tobytes() for name in one)


def even_steps(count: int, steps: int) -> list[int]:
    """The steps, from 0, after which to show something on the way: evenly apart, and none after the last."""
    return sorted({round(steps * part / (count + 1)) - 1 for part in range(1, count + 1)} - {-1, steps - 1})


def _unheard(index: int, number: int, image: Image) -> None:
    """Nobody asked for what is on the way."""
