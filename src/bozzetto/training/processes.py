"""One training by many processes, of one machine or several: data parallel, through torch.distributed.

torchrun, or another launcher that speaks its environment variables, starts the processes and says who is who. All of
them hold the same weights and draw the same batch from the same (seed, step), so a seed means the same batches for any
number of processes. Each computes on its own rows of the batch (`ours`), and the loop averages the gradients
(`averaged`), which for a loss that is a mean over the rows is the gradient of the whole batch. Where a loss knows more
than its own row, as a contrast of all pictures with all sentences does, the rows that it compares are `gathered`. A
loss that does neither is computed whole by every process: no quicker, and right.

Only the process that `leads` writes files and speaks. Alone, a process has nobody to wait for, and nothing here costs
anything.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from bozzetto.errors import BozzettoError, InvalidInput

T = TypeVar("T")
stop_file: Path | None = None  # what who started this process makes, where no signal reaches it (on_ray.py)
FEWEST = 4  # rows of a batch for each process, and their number is a multiple of it: recipes halve and mix batches


class ProcessLost(BozzettoError):
    """Another process of this training is gone."""


@contextmanager
def joined() -> Iterator[None]:
    """Inside, the processes that were started together know each other; each has its own GPU where there are some."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or dist.is_initialized():
        yield
        return
    cuda = torch.cuda.is_available()
    if cuda:
        here, there = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
        if here > there:
            raise InvalidInput("nproc-per-node", f"is {here} on a machine of {there} GPUs: start no more than it has")
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    try:
        dist.init_process_group("nccl" if cuda else "gloo")
    except (RuntimeError, ValueError) as error:
        why = str(error).strip().splitlines()[0]
        raise ProcessLost(f"the processes of this training do not find each other: {why}") from error
    try:
        yield
    finally:
        dist.destroy_process_group()


def part() -> tuple[int, int]:
    """Which of how many: this process is the k-th, from 0, of n."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def leads() -> bool:
    return part()[0] == 0


def told_to_stop() -> str:
    """The name of the signal that who started this process was sent, or nothing."""
    return stop_file.read_text(encoding="utf-8") if stop_file and stop_file.exists() else ""


def ours(*batch: Any) -> tuple:
    """The rows of tensors, arrays or lists that this process is to compute: of n processes every n-th."""
    number, count = part()
    return batch if count == 1 else tuple(rows[number::count] for rows in batch)


class _Gathered(torch.autograd.Function):
    """All processes go on with the same rows to the same loss, so each has the whole gradient already and takes that of
    its own rows, times their number, since gradients are averaged in the end."""

    @staticmethod
    def forward(context: Any, rows: Tensor, total: int) -> Tensor:
        count = part()[1]
        padded = rows.new_zeros(-(-total // count), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(count)]
        with _heard():
            dist.all_gather(parts, padded)
        return torch.stack(parts, 1).flatten(0, 1)[:total]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        number, count = part()
        return gradients[0][number::count] * count, None


def gathered(rows: Tensor, total: int | None = None) -> Tensor:
    """The rows of all processes in the order of the whole batch, from those that each has made of `ours`.

    total: how many there are, if not all have equally many.
    """
    count = part()[1]
    return rows if count == 1 else cast(Tensor, _Gathered.apply(rows, count * len(rows) if total is None else total))


def split(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """function(rows), which has a row for each of them, by all processes together."""
    return gathered(function(*ours(rows)), len(rows))


def mean(values: Tensor) -> Tensor:
    """The mean of a batch's values, 0 if there are none, where processes have more of them and less: what they return
    has it as its mean."""
    number, count = torch.tensor(len(values), device=values.device), part()[1]
    if count > 1:
        with _heard():
            dist.all_reduce(number)
    return values.sum() * count / number.clamp(min=1)


def averaged(gradients: list[Tensor], numbers: Tensor) -> Tensor:
    """Put the mean over all processes into each gradient; -> that of the numbers [N]. All goes in one message."""
    count = part()[1]
    if count == 1:
        return numbers
    message = torch.cat([*(gradient.reshape(-1) for gradient in gradients), numbers])
    with _heard():
        dist.all_reduce(message)
    message /= count
    *means, numbers = message.split([*(gradient.numel() for gradient in gradients), len(numbers)])
    for gradient, found in zip(gradients, means, strict=True):
        gradient.copy_(found.view(gradient.shape))
    return numbers


def from_leader(make: Callable[[], T]) -> T:
    """What make() gives the process that leads, or raises there, for all."""
    if part()[1] == 1:
        return make()
    told: list[Any] = [None]
    if leads():
        try:
            told[0] = make()
        except BozzettoError as error:
            told[0] = error
    with _heard():
        dist.broadcast_object_list(told)
    if isinstance(told[0], BozzettoError):
        raise told[0]
    return cast(T, told[0])


def equalised(tensors: list[Tensor]) -> None:
    """Give all processes the leader's numbers: other processors may have rounded theirs otherwise."""
    for tensor in tensors if part()[1] > 1 else []:
        message = tensor.detach().clone(memory_format=torch.contiguous_format)
        with _heard():
            dist.broadcast(message, 0)
        tensor.detach().copy_(message)


def agree(about: dict[str, Any]) -> None:
    """Raise InvalidInput unless this, of one command, says the same to all processes."""
    everyone: list[Any] = [about] * part()[1]
    if len(everyone) > 1:
        with _heard():
            dist.all_gather_object(everyone, about)
    for number, other in enumerate(everyone):
        name = next((name for name in {**everyone[0], **other} if other.get(name) != everyone[0].get(name)), None)
        if name:
            why = f"and process {number} differ in {name}: {everyone[0].get(name)} and {other.get(name)}"
            raise InvalidInput("process 0", f"{why}; give all one command, the same data and one shared folder")


def check_batch(size: int) -> None:
    """Raise InvalidInput unless several processes can share a batch of this size."""
    count = part()[1]
    if size % (FEWEST * count):
        fits = [n for n in range(1, count) if n == 1 or not size % (FEWEST * n)]
        why = f"cannot share batches of {size} pictures, by {FEWEST} or a multiple: start"
        raise InvalidInput(f"{count} processes", f"{why} {' or '.join(map(str, fits))}")


def wait() -> None:
    """Until all processes are here."""
    if part()[1] > 1:
        with _heard():
            dist.barrier()


@contextmanager
def _heard() -> Iterator[None]:
    """What is said of a broken connection, in one line."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessLost("another process of this training is gone") from error
