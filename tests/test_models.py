"""The networks: shapes, starts, and the identities their docstrings promise."""

import math

import numpy as np
import pytest
import torch

from bozzetto.models.autoencoder import Autoencoder
from bozzetto.models.cells import SheetConv, WideAttention, gather, scatter
from bozzetto.models.clip import Clip, ClipConfig, sigmoid_loss
from bozzetto.models.denoiser import Denoiser, DenoiserConfig
from bozzetto.models.layers import Attention
from bozzetto.runtime.store import weights_folder
from bozzetto.runtime.text_to_image import LATENT_SHAPE
from bozzetto.runtime.tokenizer import Tokenizer
from bozzetto.training import data
from bozzetto.training.recipes.text_to_image import Aligned, Batch, centred, misplaced
from bozzetto.world.scenes import Placed, Scene


def test_attention_ignores_what_is_masked():
    torch.manual_seed(0)
    attention = Attention(32, 4, context=16)
    torch.nn.init.normal_(attention.out.weight)
    x, words = torch.randn(2, 5, 32), torch.randn(2, 6, 16)
    mask = torch.tensor([[1, 1, 1, 0, 0, 0]] * 2).float()
    other = words.clone()
    other[:, 3:] = 100.0
    torch.testing.assert_close(attention(x, words, mask), attention(x, other, mask))
    torch.testing.assert_close(attention(x, words, mask), attention(x, words[:, :3]))


def test_attention_agrees_with_torch():
    torch.manual_seed(0)
    attention = Attention(32, 4)
    torch.nn.init.normal_(attention.out.weight)
    x = torch.randn(2, 7, 32)
    q = torch.nn.functional.normalize(attention.to_q(x).unflatten(-1, (4, 8)).transpose(1, 2), dim=-1)
    k, v = (part.unflatten(-1, (4, 8)).transpose(1, 2) for part in attention.to_kv(x).chunk(2, -1))
    k = torch.nn.functional.normalize(k, dim=-1)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=10.0)
    torch.testing.assert_close(attention(x), attention.out(expected.transpose(1, 2).flatten(2)))


@pytest.mark.parametrize("heads", [1, 4])
def test_attention_without_cutting_heads_out_agrees_with_torch(heads):
    torch.manual_seed(0)
    attention = WideAttention(32, heads, context=16)
    torch.nn.init.normal_(attention.out.weight)
    torch.nn.init.normal_(attention.gain)
    x, words, mask = (
        torch.randn(2, 5, 32),
        torch.randn(2, 6, 16),
        torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]]),
    )
    q = torch.nn.functional.layer_norm(attention.to_q(x), [32]) * attention.gain
    k = torch.nn.functional.layer_norm(attention.to_k(words), [32])
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (q, k, attention.to_v(words)))
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, mask[:, None, None, :].bool())
    found = attention(x, words, ((mask - 1) * 1e4)[:, None, None, :])
    torch.testing.assert_close(found, attention.out(expected.transpose(1, 2).flatten(2)))


@pytest.mark.parametrize(
    ("batch", "channels", "to", "height", "width"), [(5, 6, 3, 8, 8), (3, 2, 7, 5, 3), (1, 1, 1, 1, 1)]
)
def test_a_convolution_learns_on_a_sheet_what_it_learns_on_pictures(batch, channels, to, height, width):
    torch.manual_seed(0)
    parts = [
        torch.randn(shape, dtype=torch.float64)
        for shape in ((batch, channels, height, width), (to, channels, 3, 3), (to,))
    ]
    wanted = torch.randn(batch, to, height, width, dtype=torch.float64)
    ours, theirs = ([part.clone().requires_grad_() for part in parts] for _ in range(2))
    SheetConv.apply(*ours).backward(wanted)
    torch.nn.functional.conv2d(*theirs, padding=1).backward(wanted)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_gathered_cells_are_scattered_back():
    x = torch.randn(2, 3, 6, 4)
    four = gather(x)
    assert four.shape == (2, 12, 3, 2)
    assert set(four[1, :, 2, 0].tolist()) == set(x[1, :, 4:6, :2].flatten().tolist())  # a cell is its four
    torch.testing.assert_close(scatter(four), x, rtol=0, atol=0)


def test_the_autoencoder_starts_as_principal_components(shapes):
    """And up by the linear filter of 3 x 3 cells that redraws the patch best, with noise of a tenth on the latents:
    numpy finds it from pictures and, for the noise, one example of each number alone."""
    pixels = data.premultiplied(shapes.images)
    model = Autoencoder()
    model.start_from_principal_components(pixels)
    with torch.no_grad():
        latents, redrawn = model.encoder(pixels), model.decoder(model.encoder(pixels))
    patches = torch.nn.functional.unfold(pixels, 4, stride=4).transpose(1, 2).flatten(0, 1).double()
    centred = (patches - patches.mean(0)).numpy()
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    codes = centred @ components[:8].T
    found = latents.flatten(2).transpose(1, 2).flatten(0, 1).numpy()
    same = np.abs(np.corrcoef(codes.T, found.T)[:8, 8:])
    np.testing.assert_allclose(same[np.argmax(same, 0)], np.eye(8), atol=1e-3)  # but for the order of equal ones
    # A transposed convolution's bias is one number a channel, so what is to be drawn is the rest over the mean colour.
    padded = np.pad(latents.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    around = np.stack([padded[:, :, i : i + 16, j : j + 16] for i in range(3) for j in range(3)], -1)
    around = around.transpose(0, 2, 3, 1, 4).reshape(-1, 72).astype(np.float64)
    colour = pixels.mean((0, 2, 3)).repeat_interleave(16).double().numpy()
    rest = patches.numpy() - colour
    noise = 0.1 * len(around) ** 0.5 * np.eye(72)
    best = around @ np.linalg.lstsq(np.concatenate([around, noise]), np.concatenate([rest, 0 * noise[:, :64]]))[0]
    error = (redrawn - pixels).square().mean().item()
    assert error == pytest.approx(np.square(best - rest).mean(), rel=1e-3) and error > 1e-4


def test_standardised_latents_have_unit_variance(shapes):
    pixels = data.premultiplied(shapes.images)
    model = Autoencoder()
    model.start_from_principal_components(pixels)
    before = model.decoder(model.encoder(pixels))
    model.standardise(pixels)
    latents = model.encoder(pixels)
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(8), atol=1e-3, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(8), atol=1e-3, rtol=0)
    torch.testing.assert_close(model.decoder(latents), before, atol=1e-4, rtol=1e-4)


def test_the_sigmoid_loss_is_the_papers():
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]])
    z = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    expected = -torch.log(torch.sigmoid(z * logits)).sum() / 2  # SigLIP, eq. 1
    torch.testing.assert_close(sigmoid_loss(logits, (z + 1) / 2), expected)


def test_clip_embeddings_are_unit_and_padding_does_not_matter():
    torch.manual_seed(0)
    model = Clip(ClipConfig(100)).eval()
    tokens = torch.tensor([[1, 5, 9, 0, 0, 0, 0, 0]])
    hidden, embedding, words = model.text(tokens)
    assert hidden.shape == words.shape == (1, 8, 192) and embedding.norm().item() == pytest.approx(1)
    torch.testing.assert_close(model.encode_text(tokens[:, :3]), embedding)
    image, patches = model.image(torch.randn(2, 3, 64, 64))
    assert patches.shape == (2, 16, 256)
    torch.testing.assert_close(image.norm(dim=1), torch.ones(2))
    assert model.logits(image, embedding).shape == (2, 1)


def conditions(count: int, words: int = 6):
    torch.manual_seed(1)
    embedding = torch.nn.functional.normalize(torch.randn(count, 256), dim=-1)
    hidden, plain = torch.randn(2, count, words, 192)
    return hidden, plain, torch.ones(count, words), embedding, torch.arange(count) % 9


def test_the_order_tower_begins_as_a_copy_and_moves_the_embedding_alone():
    torch.manual_seed(0)
    model = Clip(ClipConfig(vocabulary_size=20, order_layers=3)).eval()
    model.order.start_from(model.text)
    tokens = torch.tensor([[1, 7, 8, 9, 0, 0], [1, 9, 8, 7, 0, 0]])
    hidden, summary, _ = model.text(tokens)
    torch.testing.assert_close(model.encode_text(tokens), summary)
    with torch.no_grad():
        model.order.position.mul_(-3)
        for layer in model.order.layers:
            layer.mlp[2].weight.normal_()
    moved = model.encode_text(tokens)
    torch.testing.assert_close(model.text(tokens)[:2], (hidden, summary), rtol=0, atol=0)
    assert (moved * summary).sum(1).max() < 0.99
    torch.testing.assert_close(model.encode_text(tokens[:, :4]), moved)  # padding changes nothing


def test_an_untrained_denoiser_gives_the_best_linear_guess():
    model = Denoiser()
    x, t = torch.randn(3, *LATENT_SHAPE), torch.tensor([0.0, 0.5, 1.0])
    clean = model(x, t, *conditions(3))
    # For unit-variance data and noise the posterior mean is x (1-t) / ((1-t)^2 + t^2).
    torch.testing.assert_close(clean[0], x[0])
    torch.testing.assert_close(clean[1], x[1])
    torch.testing.assert_close(clean[2], torch.zeros(LATENT_SHAPE))


def test_the_denoisers_loss_is_the_velocity_loss():
    model = Denoiser()
    latents, noise, t = torch.randn(4, *LATENT_SHAPE), torch.randn(4, *LATENT_SHAPE), torch.tensor([0.1, 0.4, 0.7, 1.0])
    given = conditions(4)
    time = t[:, None, None, None]
    x_t = (1 - time) * latents + time * noise
    velocity = (x_t - model(x_t, t, *given)) / time
    expected = (velocity - (noise - latents)).square().mean()
    torch.testing.assert_close(model.loss(latents, noise, t, *given)["loss"], expected)


def test_alignment_asks_for_what_clip_sees_and_for_nothing_of_its_mean():
    model = Aligned(Denoiser(), 24)
    latents, noise, t = torch.randn(2, *LATENT_SHAPE), torch.randn(2, *LATENT_SHAPE), torch.tensor([0.3, 0.8])
    given, cells, nowhere = conditions(2), [], torch.zeros(2, 64, dtype=torch.uint8)
    model.project.register_forward_hook(lambda _module, _given, out: cells.append(out))
    alone = model.denoiser.loss(latents, noise, t, *given)["loss"]

    def asked(seen):
        batch = Batch(latents, given, seen, nowhere, torch.zeros(2, 24, dtype=torch.uint8))
        return model.loss(batch, noise, t, see=0.5, find=0.1)

    asked(torch.ones(2, 24, 8, 8))
    for sign, away in ((1, 0.0), (-1, 2.0)):
        values = asked(centred(sign * cells[0] + torch.randn(2, 24, 1, 1)))
        assert values["away"].item() == pytest.approx(away, abs=1e-4) and values["misplaced"] == 0
        torch.testing.assert_close(values["loss"], alone + 0.5 * values["away"])


def test_a_cell_is_to_look_at_the_words_for_what_it_shows():
    shares = torch.rand(2, 4, 3, 16).softmax(-1)
    shows, names = torch.tensor([[0, 1, 2, 2], [1, 0, 0, 2]]), torch.zeros(2, 24, dtype=torch.long)
    names[0, [2, 3, 6]] = torch.tensor([1, 1, 2])  # the second scene has lost its words
    expected = -torch.stack([shares[0, 1, 0, 2:4].sum(), shares[0, 2, 0, 6], shares[0, 3, 0, 6]]).log().mean()
    torch.testing.assert_close(misplaced(shares, shows, names), expected)
    assert misplaced(shares, shows, 0 * names) == 0


def test_a_scene_says_where_its_things_are_and_which_words_name_them():
    tokenizer = Tokenizer.load(weights_folder() / "clip/text/vocabulary.txt")
    box = (0, "1f600", "noto", None)
    things = (Placed(*box[:2], "cat", *box[2:], 0, 0, 16), Placed(*box[:2], "sea turtle", *box[2:], 32, 40, 24))
    scene = Scene("two", "two cats and a sea turtle", things, None, ("cat", "sea turtle"), 2, None, None, 0)
    shows, names = data.places(scene, tokenizer)
    wanted = np.zeros((8, 8))
    wanted[:2, :2], wanted[5:8, 4:7] = 1, 2
    assert (shows.reshape(8, 8) == wanted).all()
    said = ["[start]", *tokenizer.tokenize(scene.sentence)]
    named = {number: [word for word, name in zip(said, names, strict=False) if name == number] for number in (1, 2)}
    assert "".join(named[1]).replace("##", "") in ("cat", "cats") and named[2] == tokenizer.tokenize("sea turtle")


def test_the_denoiser_hears_every_condition():
    torch.manual_seed(0)
    model = Denoiser(DenoiserConfig(widths=(32, 32)))
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    x, t = torch.randn(2, *LATENT_SHAPE), torch.full((2,), 0.5)
    hidden, words, mask, embedding, style = conditions(2)
    base = model(x, t, hidden, words, mask, embedding, style)
    shorter = mask.clone()
    shorter[:, 3:] = 0
    for changed in (
        (t + 0.2, hidden, words, mask, embedding, style),
        (t, hidden * 2, words, mask, embedding, style),
        (t, hidden.flip(1), words.flip(1), mask, embedding, style),  # the same words in another order
        (t, hidden, words.flip(1), mask, embedding, style),
        (t, hidden, words, shorter, embedding, style),
        (t, hidden, words, mask, -embedding, style),
        (t, hidden, words, mask, embedding, style + 1),
    ):
        assert (model(x, *changed) - base).abs().max() > 1e-4
    hidden[:, 3:], words[:, 3:] = 100.0, -100.0
    masked = model(x, t, hidden, words, shorter, embedding, style)
    torch.testing.assert_close(masked, model(x, t, hidden[:, :3], words[:, :3], shorter[:, :3], embedding, style))


def test_premultiplied_over_white_is_the_picture(shapes):
    from bozzetto.world.emoji import on_white

    pixels = data.premultiplied(shapes.images[:8])
    rgb = data.over(pixels, torch.ones(8, 3, 1, 1))
    np.testing.assert_allclose((rgb.permute(0, 2, 3, 1).numpy() + 1) / 2, on_white(shapes.images[:8]), atol=1e-5)


def test_turning_hue_keeps_grey_and_three_thirds_is_a_rotation_of_channels():
    rgb = torch.rand(2, 3, 4, 4)
    grey = rgb.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(data.turn_hue(grey, torch.tensor([0.3, 2.0])), grey)
    third = torch.full((2,), 2 * math.pi / 3)
    turned = data.turn_hue(rgb, third)
    assert torch.allclose(turned, rgb.roll(1, 1), atol=1e-5) or torch.allclose(turned, rgb.roll(-1, 1), atol=1e-5)


def test_augmented_pictures_stay_pictures(shapes):
    pixels = data.premultiplied(shapes.images[:32])
    out = data.augment(pixels, np.random.default_rng(0))
    assert out.shape == (32, 3, 64, 64) and out.min() >= -1.001 and out.max() <= 1.001
    assert (out - data.augment(pixels, np.random.default_rng(1))).abs().max() > 0.1


def test_a_collage_shrinks_four_pictures(shapes):
    pixels = data.premultiplied(shapes.images[:12])
    out = data.collage(pixels, np.random.default_rng(0), 0.5)
    assert out.shape == pixels.shape
    torch.testing.assert_close(out[6:], pixels[6:])
    assert (out[:6] - pixels[:6]).abs().amax((1, 2, 3)).min() > 0.1
