"""A training handed to Ray Train, whose workers are its processes (processes.py): of the cluster that $RAY_ADDRESS
names, or of this machine.

Ray calls the training in a thread of each worker, where no signal arrives. So Ctrl-C here leaves a file beside the run,
for which the loop looks after every step; then it saves and ends as ever. A worker that dies is replaced, and all begin
again from what was last saved. All machines must see the run's folder at the same place.
"""

import logging
import math
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bozzetto.errors import BozzettoError, InvalidInput, whole_number
from bozzetto.progress import bar
from bozzetto.spread import quiet_ray
from bozzetto.training import processes, runs
from bozzetto.training.loop import Interrupted, TrainingStopped

STOP, KEPT = "stop", "ray"  # in the folder of the run: the file, and what Ray writes
DEATHS = 3  # of workers, before it is given up


def train(work: Callable[[], object], out: Path, workers: int | None = None) -> None:
    """Call work() in so many workers at once; by default one for each GPU, or for each machine where there is none.

    work: picklable; it is to train in the folder `out`. Raises what it raises in the process that leads,
    TrainingStopped where workers die again and again, and InvalidInput.
    """
    if workers is not None:
        whole_number("workers", workers, 1, 4096)
    os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
    with quiet_ray() as ray:
        from ray.train import FailureConfig, RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchTrainer

        logging.getLogger("ray.train").setLevel(logging.CRITICAL)
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = int(sum(has.get("GPU", 0) for has in machines))
        count = workers or gpus or len(machines)
        if gpus and count > gpus:
            raise InvalidInput("workers", f"is {count} on {gpus} GPUs: start no more than there are")
        cores = int(min(has.get("CPU", 1) for has in machines)) // math.ceil(count / len(machines))
        if not cores:
            raise InvalidInput("workers", f"is {count}, more than there are cores: start fewer")
        out.mkdir(parents=True, exist_ok=True)
        stop = out.absolute() / STOP
        stop.unlink(missing_ok=True)
        trainer = TorchTrainer(
            _worker,
            train_loop_config={"work": work, "folder": os.getcwd(), "stop": stop, "cores": cores},
            scaling_config=ScalingConfig(num_workers=count, use_gpu=gpus > 0, resources_per_worker={"CPU": cores}),
            run_config=RunConfig(
                name=KEPT, storage_path=str(out.absolute()), failure_config=FailureConfig(max_failures=DEATHS)
            ),
        )
        try:
            # In another thread: in this one, Ray would hear Ctrl-C itself, and end its workers at once.
            with ThreadPoolExecutor(1) as thread, _passed_on(stop):
                ended = thread.submit(trainer.fit)
                _watched(ended, out)
            result: Any = ended.result()  # its types are of an older Ray
        except TrainingFailedError as error:
            why = str(error).strip().splitlines()[-1]
            raise TrainingStopped(f"the workers of Ray ended ({why}): the same command goes on from {out}") from error
        finally:
            stop.unlink(missing_ok=True)
            shutil.rmtree(out / KEPT, ignore_errors=True)
    if result.return_value is not None:
        raise result.return_value


def _worker(told: dict) -> Any:
    """-> what went wrong, so that Ray does not take it for a death and try again."""
    import torch

    os.chdir(told["folder"])
    torch.set_num_threads(told["cores"])
    processes.stop_file = told["stop"]
    try:
        told["work"]()
    except (BozzettoError, TrainingStopped, Interrupted) as error:
        return error
    return None


@contextmanager
def _passed_on(stop: Path) -> Iterator[None]:
    """Inside, the first SIGINT or SIGTERM becomes a file that says which; the next one is as ever."""

    def hear(number: int, _frame: object) -> None:
        stop.write_text(signal.Signals(number).name, encoding="utf-8")
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        restore()


def _watched(ended: Future, out: Path) -> None:
    """Wait, and show how far the newest stage is."""
    with bar("training") as progress:
        while not wait_for([ended], timeout=1).done:
            if stages := runs.read(out):
                progress(stages[-1].step, stages[-1].steps or 0)
