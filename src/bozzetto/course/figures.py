"""What each figure needs beside its page and its scripts: the models that it runs, and the files of data/ that it reads
(patterns of their names). tests/figures/conftest.py leads every figure through all its states and holds it to this."""

DRAWING = ("clip/text", "text_to_image", "autoencoder/decoder")
CLIP = ("clip/text", "clip/order", "clip/image")
VAE = tuple(f"vae/{kind}{part}" for kind in ("", "plain_", "map_", "plain_map_") for part in ("encoder", "decoder"))
FILMING = ("clip/text", "text_few_steps", "film")
OTHER_KINDS = ("writer/next_word", "sound", *FILMING)
PICTURES = ("gallery.json", "gallery.avif")

NEEDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sorter-maker": (
        ("clip/image", "text_to_image", "memoriser", "autoencoder/decoder", *OTHER_KINDS),
        (*PICTURES, "labels.*", "ideas.json", "training*", "memoriser.json"),
    ),
    "step-the-game": (("gan_round", "gan/generator"), ()),
    "describe-redraw": ((*VAE, "vae/sampler"), (*PICTURES, "vae-map.*", "training*")),
    "spot-the-noise": (("diffusion",), (*PICTURES, "noise-levels.json", "average.png")),
    "speed-dial": (("diffusion", "few_steps", "writer/unmask"), ("dial.json",)),
    "read-the-picture": (("vlm",), (*PICTURES, "papers.*", "emoji.tsv")),
    "match-score": ((*CLIP, "diffusion"), ("gallery.*", "map.*", "emoji.tsv")),
    "words-steer": (
        (*DRAWING, "text_few_steps", "enlarger", "clip/order", "clip/image"),
        ("labels.*", "weak-spots.json", "ladder.json", "ladder/*", "emoji.tsv"),
    ),
    "same-blocks": (
        (*DRAWING, "autoencoder/encoder", "clip/order", "clip/image", "vlm", *OTHER_KINDS),
        ("gallery.*", "emoji.tsv"),
    ),
}
