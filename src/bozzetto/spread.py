"""Work spread over processes by Ray: those of a cluster if $RAY_ADDRESS names one, else of this machine alone.

Ray Data gives each item to a worker, and once more to another if the worker dies, so a worker that is killed loses
nothing. What a worker does must depend on the item only; then who does it, and how often, changes nothing.
"""

import logging
import os
import pickle
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from bozzetto.errors import BozzettoError, InvalidInput, literal, require
from bozzetto.runtime.session import cores, use_cores

T = TypeVar("T")
R = TypeVar("R")
WORKER_CORES = 2  # of one worker: more make a picture little quicker, and two workers draw twice as many
MOST_PARTS = 4096  # of one run, each a task with its costs
STORE = 256 * 2**20  # bytes that Ray may hold of items and results on one machine

# Nobody is called. Ray reads these when it is first used, and its processes have them from ours.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# A machine that is busy is no broken one: its processes have a minute and more to start.
os.environ.setdefault("RAY_agent_register_timeout_ms", "100000")
os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")


def join(cpus: int | None = None, quiet: bool = False) -> bool:
    """Join the cluster that $RAY_ADDRESS names ("auto" is that of this machine). Without it, start Ray here, where only
    who has our secret, from this machine, can talk to it. False if this was done before. cpus: how many it has to give
    away, when it starts here. quiet: what its processes print is not shown.
    """
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        # Whatever the name of this switch, it binds Ray's own ports to the loopback address. They need a token as well,
        # which stays in memory.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    require("ray")
    import ray
    from ray._private import ray_constants

    if ray.is_initialized():
        return False
    about: dict[str, Any] = {"namespace": "serve", "configure_logging": False, "log_to_driver": not quiet}
    if address is None:
        ray_constants.ENABLE_RAY_CLUSTER = False  # the switch above, where Ray was imported before us
        about |= {"num_cpus": cpus or cores(), "include_dashboard": False, "object_store_memory": STORE}
    try:
        ray.init(address or "local", **about)
    except Exception as error:  # of no common kind
        raise InvalidInput("ray", literal(f"cannot be used: {str(error).strip().splitlines()[0]}")) from error
    return True


class _Worker:
    """What Ray Data makes one of in each process."""

    def __init__(self, open_worker: Callable[[], Callable[[Any], Any]], most: int):
        use_cores(most)
        try:
            self.work: Callable[[Any], Any] | None = open_worker()
        except BozzettoError as error:  # the same in every process: no reason to try again
            self.work, self.error = None, error

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        result = self.error if self.work is None else self.work(pickle.loads(row["item"]))
        return {"result": pickle.dumps(result)}


def spread(open_worker: Callable[[], Callable[[T], R]], items: Sequence[T]) -> Iterator[R]:
    """The results for the items, in their order. open_worker() is called once in each worker, and what it returns, with
    each item that the worker gets; both are sent there, so pickle must know them.
    """
    if not items:
        return
    with quiet_ray() as ray:
        yield from _spread(ray, open_worker, items)


@contextmanager
def quiet_ray() -> Iterator[Any]:
    """Ray, of which the terminal hears nothing; it is left at the end if it was joined here."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    logging.getLogger("ray").setLevel(logging.ERROR)
    ours = join(quiet=True)
    import ray.data
    from ray._private import worker

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # its import has given it a level
    spoken = worker.print_to_stdstream
    worker.print_to_stdstream = _say_nothing  # of deaths, it prints whatever is asked
    try:
        yield ray
    finally:
        worker.print_to_stdstream = spoken
        if ours:
            ray.shutdown()


def _say_nothing(*_: Any, **__: Any) -> None:
    pass


def _spread(ray: Any, open_worker: Callable, items: Sequence) -> Iterator:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_options.preserve_order = True
    machines = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    each = min(WORKER_CORES, max(machines))
    workers = min(len(items), max(1, sum(has // each for has in machines)))
    rows = [{"item": pickle.dumps(item)} for item in items]
    done = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_PARTS)).map(
        _Worker,
        fn_constructor_args=(open_worker, each),
        num_cpus=each,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
    )
    for row in done.iter_rows():
        result = pickle.loads(row["result"])
        if isinstance(result, BozzettoError):
            raise result
        yield result
