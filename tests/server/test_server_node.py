"""OpenAI's client for Node, unmodified, gets what the front door gives."""

import json
import subprocess
from pathlib import Path

import numpy as np

import bozzetto
from serving import as_png, shown


def test_the_client_for_node(address, apple, tmp_path):
    picture = tmp_path / "apple.png"
    picture.write_bytes(as_png(apple))
    command = ["node", Path(__file__).with_name("client.mjs"), address, picture]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert {"text-to-image", "clip", "vlm"} <= set(told["models"])

    robot = bozzetto.generate("a happy robot", seed=7, num_inference_steps=4)[0].tobytes()
    assert shown(told["generated"]["b64_json"]).tobytes() == robot and told["generated"]["seed"] == 7
    *partial, last = told["streamed"]
    assert [each["type"] for each in partial] == ["image_generation.partial_image"] * 2
    assert len({shown(each["b64_json"]).tobytes() for each in (*partial, last)}) == 3
    assert last["type"] == "image_generation.completed" and shown(last["b64_json"]).tobytes() == robot

    hat = bozzetto.edit(apple, "a hat", seed=9, num_inference_steps=4)[0].tobytes()
    assert shown(told["edited"]["b64_json"]).tobytes() == hat
    assert [each["type"] for each in told["editStreamed"]] == ["image_edit.partial_image", "image_edit.completed"]
    assert shown(told["editStreamed"][-1]["b64_json"]).tobytes() == hat

    np.testing.assert_allclose(told["byDefault"], told["floats"], atol=1e-6)
    wanted = [bozzetto.encode_text("a red apple"), bozzetto.encode_image(apple)]
    np.testing.assert_allclose(told["floats"], wanted, atol=1e-6)

    answer = "".join(word.text for word in bozzetto.ask(apple, "what color is the apple?"))
    assert told["answer"] == told["answerStreamed"] == answer
    assert told["refused"] == {"status": 400, "param": "colour", "isBadRequest": True}
