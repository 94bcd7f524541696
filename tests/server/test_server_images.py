"""Pictures over OpenAI's API, asked for by OpenAI's own client."""

import pytest
from PIL import Image

import bozzetto
from serving import QUICK, as_png, shown

ROBOT = {"prompt": "a happy robot", "extra_body": {"seed": 7, **QUICK}}


def test_pictures_are_those_of_the_front_door(client):
    answer = client.images.generate(**ROBOT, n=2, user="a test")
    drawn = bozzetto.generate("a happy robot", seed=7, n=2, **QUICK)
    assert [shown(each.b64_json).tobytes() for each in answer.data] == [each.tobytes() for each in drawn]
    assert [each.seed for each in answer.data] == [7, 8]
    assert (answer.background, answer.output_format, answer.size, answer.quality) == (
        "transparent",
        "png",
        "64x64",
        "high",
    )
    assert answer.num_inference_steps == 2 and answer.notes == []


def test_a_picture_without_a_seed_can_be_drawn_again_by_the_one_it_came_with(client):
    first, other = (client.images.generate(prompt="a ghost", quality="low").data[0] for _ in range(2))
    again = client.images.generate(prompt="a ghost", quality="low", extra_body={"seed": first.seed}).data[0]
    assert first.b64_json == again.b64_json != other.b64_json


@pytest.mark.parametrize(
    ("options", "kind", "mode", "size"),
    [
        ({"output_format": "webp"}, "WEBP", "RGBA", 64),
        ({"output_format": "jpeg", "output_compression": 50, "size": "128x128"}, "JPEG", "RGB", 128),
        ({"background": "opaque", "size": "256x256"}, "PNG", "RGB", 256),
        ({"background": "transparent", "size": "auto", "model": "gpt-image-2"}, "PNG", "RGBA", 64),
    ],
)
def test_format_size_and_background_are_honoured(client, options, kind, mode, size):
    image = shown(client.images.generate(prompt="a ghost", quality="low", **options).data[0].b64_json)
    assert (image.format, image.mode, image.size) == (kind, mode, (size, size))


def test_the_students_and_what_else_can_be_chosen(client):
    low = client.images.generate(prompt="a dog", quality="low", extra_body={"seed": 3, "num_inference_steps": 2})
    drawn = bozzetto.generate("a dog", seed=3, few_steps=True, num_inference_steps=2)[0]
    assert shown(low.data[0].b64_json).tobytes() == drawn.tobytes() and low.quality == "low"
    chosen = {**QUICK, "guidance_scale": 2, "negative_prompt": "cat", "style": "noto", "sampler": "euler", "seed": 4}
    answer = client.images.generate(prompt="a dog", extra_body=chosen)
    assert shown(answer.data[0].b64_json).tobytes() == bozzetto.generate("a dog", **chosen)[0].tobytes()
    assert client.images.generate(prompt="a dog", quality="medium").num_inference_steps == 10


def test_several_things_are_drawn_in_layers(client):
    ask = {"seed": 3, "layers": True, "num_inference_steps": 2}
    prompt = "a sun above a blorf"
    answer = client.images.generate(prompt=prompt, quality="low", extra_body=ask)
    drawn = bozzetto.generate(prompt, few_steps=True, **ask)[0]
    assert shown(answer.data[0].b64_json).tobytes() == drawn.tobytes()
    assert answer.num_inference_steps == 4 and any("blorf" in note for note in answer.notes)


def test_what_was_not_read_is_said(client):
    answer = client.images.generate(prompt="a blorf яблоко", quality="low")
    assert any("cannot be read" in note for note in answer.notes)
    assert any("blorf" in note for note in answer.notes)


def test_pictures_are_seen_as_they_come_to_be(client):
    events = list(
        client.images.generate(
            prompt="a ghost", stream=True, partial_images=3, n=2, extra_body={"seed": 5, "num_inference_steps": 8}
        )
    )
    frames = {}

    def on_step(step, steps, index, noisy, clean):
        frames[index, step] = clean

    final = bozzetto.generate("a ghost", seed=5, n=2, num_inference_steps=8, callback_on_step_end=on_step)
    parts = [event for event in events if event.type == "image_generation.partial_image"]
    assert len(parts) == 6
    for event in parts:
        frame = frames[event.seed - 5, (1, 3, 5)[event.partial_image_index]]
        assert shown(event.b64_json).tobytes() == frame.tobytes()
    ends = {event.seed: event for event in events if event.type == "image_generation.completed"}
    assert [shown(ends[seed].b64_json).tobytes() for seed in (5, 6)] == [each.tobytes() for each in final]
    assert ends[5].usage.input_tokens == 3 and ends[5].size == "64x64"


def test_edits_and_variations(client, apple):
    mask = Image.new("RGBA", (64, 64), "black")
    mask.paste((0, 0, 0, 0), (0, 0, 64, 20))  # OpenAI's way: transparent where to paint
    white = Image.new("L", (64, 64))
    white.paste(255, (0, 0, 64, 20))
    options = {"seed": 9, "num_inference_steps": 2}
    picture = ("apple.png", as_png(apple))
    answer = client.images.edit(image=picture, mask=as_png(mask), prompt="a hat", extra_body=options)
    drawn = bozzetto.edit(apple, "a hat", mask=white, **options)[0]
    assert shown(answer.data[0].b64_json).tobytes() == drawn.tobytes() and answer.data[0].seed == 9
    answer = client.images.edit(image=[picture], prompt="a hat", n=2, extra_body={**options, "strength": 0.3})
    assert [shown(each.b64_json).tobytes() for each in answer.data] == [
        each.tobytes() for each in bozzetto.edit(apple, "a hat", strength=0.3, n=2, **options)
    ]
    kinds = [
        event.type
        for event in client.images.edit(
            image=picture, prompt="a hat", stream=True, partial_images=1, extra_body={"num_inference_steps": 4}
        )
    ]
    assert kinds == ["image_edit.partial_image", "image_edit.completed"]
    varied = client.images.create_variation(image=picture, n=2, extra_body={"num_inference_steps": 2})
    assert len(varied.data) == 2 and "apple" in varied.data[0].revised_prompt
