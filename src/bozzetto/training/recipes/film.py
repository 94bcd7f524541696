"""Recipe: films of one picture under known motions, on the frozen few-step student of text-to-image.

Every film is made from its number and encoded when it is drawn, and never comes again. The network is asked at the
times that the student steps from when it draws in four steps, with noise of its own in each frame; only what is new in
it learns. The last stage learns with its weights as they are stored.
"""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bozzetto.models.autoencoder import AutoencoderConfig, Encoder
from bozzetto.models.clip import ClipConfig, TextTower
from bozzetto.models.film import Film, FilmConfig
from bozzetto.runtime import store
from bozzetto.runtime.text_to_image import LATENT_SHAPE, open_part
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data
from bozzetto.training.export import Graph, export_folder, load_part, read_final, sha256
from bozzetto.training.loop import TrainingSchedule, autocast, pick_device
from bozzetto.training.processes import ours
from bozzetto.training.recipe import Recipe
from bozzetto.training.stages import Run, Stage
from bozzetto.world.dataset import World
from bozzetto.world.films import FRAMES, MOTIONS, film_pictures, make_film, moved

BASE = "text_few_steps"
TIMES = (1.0, 0.75, 0.5, 0.25)  # from which the student steps; it aims two of them ahead
AHEAD = 0.5
# What the frozen autoencoder makes of an opacity (a mean of 48 pictures): it draws faint things too faint, so they are
# shown to it stronger, and what it draws is as the word says.
OPACITY = (0.0, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
DRAWN = (0.0, 0.006, 0.032, 0.09, 0.168, 0.246, 0.328, 0.471, 0.586, 0.698, 0.833, 0.974, 1.0)


@dataclass(frozen=True)
class Budget:
    fit: TrainingSchedule
    rounded: TrainingSchedule
    films: int = 100_000_000  # how many there are to draw from


_schedule = partial(TrainingSchedule, warmup=20, ema=0.99, muon=True, clip=1.0)
BUDGETS = {
    "smoke": Budget(
        _schedule(24, 4, 5e-3, warmup=4, ema=0.9),
        _schedule(3, 4, 1e-3, warmup=2, ema=0.9, rounding=True),
    ),
    "cpu": Budget(_schedule(5600, 8, 3e-3), _schedule(1600, 8, 1.2e-3, warmup=30, ema=0.985, rounding=True)),
    "gpu": Budget(_schedule(6000, 128, 3e-3, ema=0.999), _schedule(1000, 128, 5e-4, ema=0.998, rounding=True)),
}
EXPECTED = {
    "smoke": "the loss falls",
    "cpu": "nine motions of ten are right, and the thing stays the same",
    "gpu": "as right as true films",
}


def learn(world: World, budget: Budget, run: Run, start: Path | None) -> Film:
    """Train and return the averaged network. start: the weights folder with text_few_steps/ and the models that it
    needs (the package's own)."""
    device = pick_device()
    base, drawing = open_part(BASE, start), open_part("autoencoder/encoder", start)
    words = store.open_model("clip/text", start)
    encoder = load_part(Encoder(AutoencoderConfig(**drawing["config"])), drawing.path, device)
    tower = load_part(TextTower(ClipConfig(**words["config"])), words.path, device)
    tokenizer = Tokenizer.load(words.path / "vocabulary.txt")
    torch.manual_seed(run.seed)
    model = Film(FilmConfig(base["config"])).to(device)
    load_part(model.denoiser, base.path, device)
    rows, motions = film_pictures(world), list(MOTIONS)
    paths = {motion: path.copy() for motion, path in MOTIONS.items()}
    for path in paths.values():
        path[:, 4] = np.interp(path[:, 4], DRAWN, OPACITY)

    @torch.no_grad()
    def draw(rng: np.random.Generator, count: int) -> tuple[Tensor, ...]:
        """Latents [B,1+F,8,16,16] of pictures and their films, and what is said of them."""
        films = [make_film(world, rows, int(number)) for number in rng.integers(0, budget.films, count)]
        shown = np.stack(
            [[film.picture, *(moved(film.picture, pose) for pose in paths[film.motion])] for film in films]
        )
        with autocast(device):
            latents = encoder(data.premultiplied(shown.reshape(-1, *data.PICTURE), device)).float()
        tokens = data.shortest(tokenizer([film.words for film in films]), device)
        hidden, embedding, plain = tower(tokens)
        motion = torch.tensor([motions.index(film.motion) for film in films], device=device)
        said = hidden.float(), plain.float(), (tokens != 0).float(), embedding.float(), torch.zeros_like(motion)
        return (latents.unflatten(0, (count, -1)), motion, *said)

    def loss(model: Film, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        count = budget.fit.batch_size
        latents, motion, *said = draw(rng, count)
        t = torch.from_numpy(rng.choice(np.array(TIMES, np.float32), count)).to(device)
        noise = torch.randn(latents[:, 1:].shape, generator=generator, device=device)
        latents, motion, noise, t, *said = ours(latents, motion, noise, t, *said)
        return model.loss(latents[:, 1:], noise, t, *said, (t - AHEAD).clamp(min=0), latents[:, 0], motion)

    needs = {name: part.weights_sum() for name, part in ((BASE, base), ("autoencoder/encoder", drawing))}
    recipe = {"model": asdict(model.config), "needs": needs}
    run.advance(Stage("fit", model, loss, budget.fit, recipe))
    return run.train(Stage("rounded", model, loss, budget.rounded, recipe))


def export(run: Path, to: Path) -> None:
    """Needs the student that it was trained with to lie in the same weights folder, whose weights it shares."""
    model, config = read_final(run, Film, FilmConfig)
    sizes = model.denoiser.config
    inputs = {
        "x": torch.zeros(2, FRAMES, *LATENT_SHAPE),
        "t": torch.ones(2),
        "hidden": torch.zeros(2, 24, sizes.hidden_size),
        "words": torch.zeros(2, 24, sizes.hidden_size),
        "mask": torch.ones(2, 24),
        "embedding": torch.zeros(2, sizes.embedding_size),
        "style": torch.zeros(2, dtype=torch.long),
        "until": torch.zeros(2),
        "picture": torch.zeros(2, *LATENT_SHAPE),
        "motion": torch.zeros(2, dtype=torch.long),
    }
    needs = {part: sha256(to / part / "model.safetensors") for part in (BASE, "clip/text", "autoencoder/decoder")}
    about = {
        "config": asdict(config),
        "motions": list(MOTIONS),
        "needs": needs,
        "defaults": {"num_inference_steps": len(TIMES)},
    }
    graph = Graph(model, inputs, ["clean"], shared={"denoiser.": BASE})
    export_folder(to, "film", graph, about)


RECIPE = Recipe("film", learn, export, BUDGETS, EXPECTED)
