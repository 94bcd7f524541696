"""What a server around diffusers comes to when it is written as its examples are: a pipeline in an endpoint, and one
picture after the other. Networks of as many weights as ours, for the same latents, with random weights; 20 steps of
DPM-Solver++ with guidance, each a batch of two; a decoder; a PNG. Words cost it nothing.

    python benchmarks/peer.py       # serves at a free port, and says where
"""

import torch
import uvicorn
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel

from bozzetto.runtime.session import cores
from bozzetto.server.run import bind
from serving import as_uri

STEPS, GUIDANCE = 20, 5.0
app = FastAPI()


class Asked(BaseModel):
    prompt: str
    seed: int


def made() -> tuple[UNet2DConditionModel, AutoencoderKL]:
    denoiser = UNet2DConditionModel(
        sample_size=8,
        in_channels=16,
        out_channels=16,
        block_out_channels=(96, 160),
        layers_per_block=1,
        cross_attention_dim=192,
        attention_head_dim=32,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
    )
    autoencoder = AutoencoderKL(
        in_channels=4,
        out_channels=4,
        latent_channels=16,
        block_out_channels=(32, 64, 112, 136),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
    )
    return denoiser.eval(), autoencoder.eval()


denoiser, autoencoder = made()
words = torch.zeros(2, 32, 192)


@app.get("/ready")
async def ready() -> str:
    return "ready"


@app.get("/weights")
async def weights() -> dict[str, int]:
    decoder = (*autoencoder.decoder.parameters(), *autoencoder.post_quant_conv.parameters())
    return {
        "denoiser": sum(each.numel() for each in denoiser.parameters()),
        "decoder": sum(each.numel() for each in decoder),
    }


@app.post("/v1/images/generations")
async def generate(asked: Asked) -> dict[str, list[dict[str, str]]]:
    with torch.inference_mode():
        scheduler = DPMSolverMultistepScheduler()
        scheduler.set_timesteps(STEPS)
        latents = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(asked.seed))
        for step in scheduler.timesteps:
            without, towards = denoiser(torch.cat([latents, latents]), step, words).sample.chunk(2)
            latents = scheduler.step(without + GUIDANCE * (towards - without), step, latents).prev_sample
        pixels = autoencoder.decode(latents).sample[0].clamp(-1, 1)
    array = ((pixels + 1) * 127.5).byte().permute(1, 2, 0).numpy()
    return {"data": [{"b64_json": as_uri(Image.fromarray(array)).partition(",")[2]}]}


if __name__ == "__main__":
    torch.set_num_threads(cores())
    with bind("127.0.0.1", 0, None) as listener:
        print(f"Diffusers serves at http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
