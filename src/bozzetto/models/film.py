"""Films: the frozen text-to-image student, with attention over the frames that starts at zero.

A picture is drawn first, then eight noisy frames of it are denoised together. What stays frozen sees each frame alone.
Between its blocks stand new ones (Guo et al. 2023, AnimateDiff, https://arxiv.org/abs/2307.04725, section 4.2), whose
last layers begin at zero, so that at first nothing is changed. There are two kinds of attention over time:

    each cell of each frame looks at the cells of the picture (Khachatryan et al. 2023, Text2Video-Zero,
    https://arxiv.org/abs/2303.13439, eq. 10). Where it looks is decided by the motion alone: a cell is told, as waves,
    which place of the thing is here, by the poses of world/films.py, and it learns what to look at from there;
    at 4 x 4, all cells of all frames look at each other.

Frames: float [B,8,8,16,16], latents. Picture: [B,8,16,16]. Motion: int64 [B], the number in MOTIONS. All else is as in
denoiser.py; F is the number of frames, S that of what is seen in the picture, P that of what a cell is told.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bozzetto.models.cells import WideAttention, cells_norm, gather, scatter
from bozzetto.models.denoiser import FOLD, Denoiser, DenoiserConfig
from bozzetto.models.flow import blind_guess, noisy, velocity_loss
from bozzetto.models.layers import zero_init
from bozzetto.world.films import FRAMES, MOTIONS, STAYS

SIDE = 16  # cells of a latent
WAVES = 5  # of each direction, the shortest as long as two cells
WAVED = 4 * WAVES
TOLD = WAVED + 10
OUTSIDE = 1.25  # how far from the middle is far enough, 1 being the picture's edge


@dataclass(frozen=True)
class FilmConfig:
    denoiser: dict[str, Any]  # sizes of the frozen one
    heads: int = 2  # of the look at the picture
    hidden: int = 256  # between two layers


def places(poses: Tensor, side: int) -> Tensor:
    """Which place of the thing is in the middle of each cell: poses [...,5] -> [...,side^2,2], 1 the picture's edge."""
    middle = (torch.arange(side, device=poses.device) + 0.5) * 2 / side - 1
    cells = torch.stack([middle.repeat(side), middle.repeat_interleave(side)], -1)
    x, y = (cells - poses[..., None, :2] / 32).unbind(-1)
    angle = torch.deg2rad(poses[..., 3:4])
    cos, sin = angle.cos() / poses[..., 2:3], angle.sin() / poses[..., 2:3]
    return torch.stack([cos * x + sin * y, cos * y - sin * x], -1).clamp(-OUTSIDE, OUTSIDE)


def waves(place: Tensor) -> Tensor:
    """[...,2] -> [...,20]: sines and cosines."""
    angle = place[..., None] * (torch.pi / 2 * 2.0 ** torch.arange(WAVES, device=place.device))
    return torch.cat([angle.sin(), angle.cos()], -1).flatten(-2)


def told(poses: Tensor, t: Tensor, side: int) -> Tensor:
    """What each cell knows of its frame: poses [B,F,5] and t [B] -> [B F,side^2,P]."""
    place = places(poses, side)
    inside = ((1 - place.abs().amax(-1, keepdim=True)) * 8).clamp(-1, 1)
    turn, scale, opacity = torch.deg2rad(poses[..., 3:4]), poses[..., 2:3], poses[..., 4:]
    time = t[:, None, None].expand(*poses.shape[:2], 1)
    frame = [scale.log(), turn.sin(), turn.cos(), (2 * turn).sin(), (2 * turn).cos(), opacity, time]
    whole = torch.cat(frame, -1)[..., None, :].expand(*place.shape[:-1], -1)
    return torch.cat([waves(place), place, inside, whole], -1).flatten(0, 1)


class Look(nn.Module):
    """What each cell of a frame sees in the picture: picture [B,8,16,16], poses [B,F,5] -> [B F,64,S]. Beside the
    picture's cells there is a nothing to look at, for what is outside of it; what fades is seen between it and that."""

    here: Tensor

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k = (nn.Linear(WAVED, heads * WAVED, bias=False) for _ in range(2))
        for weight in self.to_k.weight.data.split(WAVED):
            nn.init.orthogonal_(weight)
        self.to_q.weight.data.copy_(1.5 * self.to_k.weight)  # the same place is what is looked at first
        self.nothing = nn.Parameter(torch.full((heads, 1, 1), 4.0))
        self.empty = nn.Parameter(torch.zeros(channels))
        still = torch.from_numpy(MOTIONS[STAYS][0])
        self.register_buffer("here", waves(places(still, SIDE)), persistent=False)

    def share(self, poses: Tensor) -> Tensor:
        """How much each cell looks at each one of the picture and at nothing: [B,F,H,256,257]."""
        q = self.to_q(waves(places(poses, SIDE))).unflatten(-1, (self.heads, -1)).transpose(2, 3)
        k = self.to_k(self.here).unflatten(-1, (self.heads, -1)).permute(1, 2, 0)
        logits = q @ k
        return torch.cat([logits, self.nothing.expand(*logits.shape[:-1], 1).to(logits.dtype)], -1).softmax(-1)

    def forward(self, picture: Tensor, poses: Tensor) -> Tensor:
        share = self.share(poses)
        cells = torch.cat([picture.flatten(2).transpose(1, 2), self.empty.expand(len(picture), 1, -1)], 1)
        seen = share @ cells[:, None, None].to(share.dtype)  # [B,F,H,256,8]
        opacity, empty = poses[..., 4, None, None, None].to(seen.dtype), self.empty.to(seen.dtype)
        seen = empty + opacity * (seen - empty)
        seen = seen.transpose(3, 4).flatten(2, 3).flatten(0, 1).unflatten(-1, (SIDE, SIDE))
        return F.pixel_unshuffle(seen, FOLD).flatten(2).transpose(1, 2)


class Insert(nn.Module):
    """What the cells of the frames make of what they see in the picture: x [B F,C,8,8], seen [B F,64,S] and told
    [B F,64,P] -> what is added to them, [B F,D,8,8]."""

    def __init__(self, channels: int, seen: int, hidden: int, to: int):
        super().__init__()
        self.copy = zero_init(nn.Linear(seen, to))
        self.up, self.down = nn.Linear(channels + seen + TOLD, hidden), zero_init(nn.Linear(hidden, to))

    def forward(self, x: Tensor, seen: Tensor, told: Tensor) -> Tensor:
        cells = x.permute(0, 2, 3, 1).flatten(1, 2)
        known = torch.cat([F.layer_norm(cells, cells.shape[-1:]), seen, told.to(cells.dtype)], -1)
        added = self.copy(seen) + self.down(F.hardswish(self.up(known)))
        return added.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class OverFrames(nn.Module):
    """All cells of all frames of a film look at each other: x [B F,C,H,W], told [B F,H W,P] -> as x."""

    def __init__(self, channels: int):
        super().__init__()
        self.place = nn.Linear(TOLD, channels)
        self.attention = WideAttention(channels, 1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        y = x.permute(0, 2, 3, 1).flatten(1, 2)
        size = y.shape[-1:]
        film = (F.layer_norm(y, size) + self.place(told)).reshape(-1, FRAMES * y.shape[1], y.shape[2])
        y = y + self.attention(film).reshape(y.shape)
        return y.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class Film(nn.Module):
    poses: Tensor

    def __init__(self, config: FilmConfig):
        super().__init__()
        self.config = config
        self.denoiser = Denoiser(DenoiserConfig(**config.denoiser)).requires_grad_(False)
        (w8, w4), channels = self.denoiser.config.widths, self.denoiser.config.latent_channels
        paths = torch.stack([torch.from_numpy(path) for path in MOTIONS.values()])
        self.register_buffer("poses", paths, persistent=False)
        self.look = Look(channels, config.heads)
        seen = config.heads * channels * FOLD**2
        self.insert = nn.ModuleList(Insert(w8, seen, config.hidden, w8) for _ in range(3))
        self.leave = Insert(w8, seen, config.hidden, channels * FOLD**2)
        self.over = OverFrames(w4)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        hidden: Tensor,
        words: Tensor,
        mask: Tensor,
        embedding: Tensor,
        style: Tensor,
        until: Tensor,
        picture: Tensor,
        motion: Tensor,
    ) -> Tensor:
        """-> the clean frames. What is said is of each film, and so is the time t and that of the next step, until."""
        net = self.denoiser

        def each(part: Tensor) -> Tensor:
            return part.repeat_interleave(FRAMES, 0)

        poses = self.poses[motion]
        seen, told8, told4 = self.look(picture, poses), told(poses, t, 8), told(poses, t, 4)
        condition = each(net.condition(t, embedding, style, until))
        y = net.enter(F.pixel_unshuffle(x.flatten(0, 1), FOLD).contiguous(memory_format=torch.channels_last))
        context, bias = net.context(hidden, words, mask)
        context, bias = each(context.to(y.dtype)), each(bias)
        for block, look, insert in zip(net.down, net.look_down, self.insert[:2], strict=True):
            y = look(block(y + insert(y, seen, told8), condition), context, bias)
        skip = y
        y = net.look_middle(net.middle[0](net.shrink(gather(y)), condition), context, bias)
        y = self.over(y, told4)
        for block in net.middle[1:]:
            y = block(y, condition)
        y = net.merge(torch.cat([scatter(net.grow(y)), skip], 1))
        y = y + self.insert[2](y, seen, told8)
        for block, look in zip(net.up, net.look_up, strict=False):
            y = look(block(y, condition), context, bias)
        for block in net.up[len(net.look_up) :]:
            y = block(y, condition)
        y = net.leave(F.silu(cells_norm(y))).float() + self.leave(y, seen, told8)
        return blind_guess(x, t) + F.pixel_shuffle(y, FOLD).unflatten(0, (-1, FRAMES))

    def loss(self, frames: Tensor, noise: Tensor, t: Tensor, *condition: Tensor) -> dict[str, Tensor]:
        """Velocity loss of the clean frames [B,8,8,16,16]; noise like them; t [B]; condition as in forward."""
        return velocity_loss(self(noisy(frames, noise, t), t, *condition), frames, t)
