"""Same blocks: every chain of jobs is computed, agrees with Python, can be used by everybody, and survives faults."""

import json

import numpy as np

import bozzetto
from bozzetto.runtime import store
from bozzetto.runtime import text_to_image as t2i

pytest_plugins = ["browser"]

NUMBER = 9

EDIT = """async (ask, [picture, mask, strength, options]) => {
  const bytes = new Uint8ClampedArray(picture);
  const start = await ask("startFrom", { picture: bytes, strength, ...(mask && { mask: new Uint8Array(mask) }) });
  const steps = [];
  const onStep = ({ noisy, clean }) => steps.push([[...noisy], [...clean]]);
  const drawn = await ask("generate", { prompt: "a house", seed: 3, start, ...options }, onStep);
  return JSON.stringify({ steps, picture: [...drawn.picture] });
}"""


def test_each_step_of_an_edit_agrees_with_python(worker):
    """From a picture of clear, half-clear and full pixels, as a whole and in part."""
    shown = np.array(bozzetto.generate("a house", seed=7, num_inference_steps=4)[0])
    shown[:8, :8] = (200, 40, 90, 128)
    mask = np.zeros((64, 64), bool)
    mask[3:30, 17:41] = True
    models, encoder = t2i.load(store.weights_folder()), t2i.load_encoder(store.weights_folder())
    names = ["clip/text", "text_to_image", "autoencoder/encoder", "autoencoder/decoder"]
    worker.evaluate("(ask, names) => ask('load', names)", names)
    for painted, strength, options in (
        (None, 0.6, {"sampler": "dpmpp_2m", "num_inference_steps": 10}),
        (None, 0.25, {"sampler": "ddpm", "num_inference_steps": 10, "guidance_scale": 1}),
        (mask, 1, {"sampler": "dpmpp_2m", "num_inference_steps": 5}),
        (mask, 0.7, {"sampler": "ddpm", "num_inference_steps": 4}),
    ):
        told = []
        start = t2i.start_from(encoder, shown, strength, painted)
        [picture] = t2i.draw(
            models, "a house", [3], start=start, callback=lambda *step, told=told: told.append(step), **options
        )
        pixels = None if painted is None else painted.ravel().astype(int).tolist()
        found = json.loads(worker.evaluate(EDIT, [shown.ravel().tolist(), pixels, strength, options]))
        found_steps, expected_steps = np.array(found["steps"]), np.array([step[3:] for step in told])
        assert len(found_steps) == len(expected_steps) >= 2
        assert abs(found_steps - expected_steps.reshape(found_steps.shape)).max() < 1e-3
        assert abs(np.array(found["picture"]) - picture.ravel().astype(int)).max() <= 2
