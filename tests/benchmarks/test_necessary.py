"""The counts of necessary arithmetic, against plain networks that do no more: their results are the engine's own.

Each network is written here in its leanest exact form, run under torch's counter of operations, and compared with the
engine, so a count that is too low could not give the right numbers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.necessary import clip_flop, decode_flop, encode_flop, transformer_flop
from seedvr2.network import rope
from seedvr2.network.conditioning import timestep_frequencies
from seedvr2.network.config import DiTConfig, VAEConfig
from seedvr2.network.fused import rotate
from seedvr2.network.windows import partition
from tests.seedvr2.network.networks import SMALL_DIT, SMALL_VAE, random_dit, random_vae

PIXEL_DIT = replace(
    SMALL_DIT, shared=(False, False, False), gated_mlp=False, output_norm=False, last_text=True,
    rope="pixel", rope_frequencies=rope.frequency_count("pixel", 32),
)  # fmt: skip
DEEP_VAE = VAEConfig(
    widths=(8, 8, 16, 16), resnets=2, latent_channels=4, kernel=3, down_kernels=(1, 3, 3), up_factors=(2, 2, 1),
    groups=4,
)  # fmt: skip
FLAT_VAE = replace(SMALL_VAE, kernel=1, down_kernels=(1, 1), up_factors=(1, 1), attention=False, groups=1)

Phase = tuple[int, int, int]


class PlainVAE:
    """The VAE over a whole clip (T, C, H, W), one frame of it apart from the others."""

    def __init__(self, config: VAEConfig, weights: dict[str, Tensor]) -> None:
        self.config = config
        self.w = weights

    def encode(self, x: Tensor) -> Tensor:
        config = self.config
        x = self.conv("encoder.conv_in", x)
        for level in range(len(config.widths)):
            name = f"encoder.down_blocks.{level}"
            for index in range(config.resnets):
                x = self.resnet(f"{name}.resnets.{index}", x)
            if level < len(config.down_kernels):
                time_stride = 2 if config.down_kernels[level] == 3 else 1
                x = self.conv(f"{name}.downsamplers.0.conv", F.pad(x, (0, 1, 0, 1)), stride=(time_stride, 2), padding=0)
        x = self.norm("encoder.conv_norm_out", self.middle("encoder.mid_block", x))
        return self.conv("encoder.conv_out", F.silu(x), outputs=config.latent_channels)

    def decode(self, x: Tensor) -> Tensor:
        config = self.config
        x = self.middle("decoder.mid_block", self.conv("decoder.conv_in", x))
        for level in range(len(config.widths)):
            name = f"decoder.up_blocks.{level}"
            for index in range(config.resnets + 1):
                x = self.resnet(f"{name}.resnets.{index}", x)
            if level < len(config.up_factors):
                x = self.upsample(f"{name}.upsamplers.0", x, config.up_factors[level])
        return self.conv("decoder.conv_out", F.silu(self.norm("decoder.conv_norm_out", x)))

    def conv(
        self, name: str, x: Tensor, *, stride: tuple[int, int] = (1, 1), padding: int = 1, outputs: int | None = None
    ) -> Tensor:
        weight, bias = self.w[f"{name}.weight"][:outputs], self.w[f"{name}.bias"][:outputs]
        first = F.conv2d(x[:1], weight.sum(2), bias, stride[1], padding)
        if len(x) == 1:
            return first
        front = x[:1].expand(max(weight.shape[2] - 1 - stride[0], 0), -1, -1, -1)
        # The outputs behind the first begin `stride` frames later.
        rest = torch.cat((front, x[max(stride[0] - weight.shape[2] + 1, 0) :])).transpose(0, 1)[None]
        later = F.conv3d(rest, weight, bias, (stride[0], stride[1], stride[1]), (0, padding, padding))
        return torch.cat((first, later[0].transpose(0, 1)))

    def norm(self, name: str, x: Tensor) -> Tensor:
        return F.group_norm(x, self.config.groups, self.w[f"{name}.weight"], self.w[f"{name}.bias"], 1e-6)

    def resnet(self, name: str, x: Tensor) -> Tensor:
        hidden = self.conv(f"{name}.conv1", F.silu(self.norm(f"{name}.norm1", x)))
        hidden = self.conv(f"{name}.conv2", F.silu(self.norm(f"{name}.norm2", hidden)))
        if f"{name}.conv_shortcut.weight" in self.w:
            shortcut = f"{name}.conv_shortcut"
            x = F.conv2d(x, self.w[f"{shortcut}.weight"][:, :, 0], self.w[f"{shortcut}.bias"])
        return x + hidden

    def middle(self, name: str, x: Tensor) -> Tensor:
        x = self.resnet(f"{name}.resnets.0", x)
        if self.config.attention:
            name_of = f"{name}.attentions.0"
            pixels = self.norm(f"{name_of}.group_norm", x).flatten(2).transpose(1, 2)
            q, k, v = (self.linear(f"{name_of}.to_{part}", pixels) for part in "qkv")
            answer = (q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(-1) @ v
            x = x + self.linear(f"{name_of}.to_out.0", answer).transpose(1, 2).reshape(x.shape)
        return self.resnet(f"{name}.resnets.1", x)

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def upsample(self, name: str, x: Tensor, factor: int) -> Tensor:
        """Each phase of the doubled clip by one small kernel over the clip as it is, made of the two layers before.

        What the spread's bias adds is the same for all clips; it is zero here.
        """
        bias, taps = self.w[f"{name}.conv.bias"], self.w[f"{name}.conv.weight"].shape[2]
        reach = 2 if factor == 2 and taps == 3 else taps
        out = x.new_empty(factor * (len(x) - 1) + 1, x.shape[1], 2 * x.shape[2], 2 * x.shape[3])
        for row, column in product(range(2), range(2)):
            padded = F.pad(x, (1 - column, column, 1 - row, row))
            place = (slice(row, None, 2), slice(column, None, 2))
            first = merged(self.w, name, factor, (0, row, column), reach, frame=0)
            out[:1, :, *place] = F.conv2d(padded[:1], first.sum(2), bias)
            # What the kernels reach from the second frame on.
            clip = padded[1:] if reach == 1 else torch.cat((padded[:1].expand(reach - 2, -1, -1, -1), padded))
            for phase in range(factor):
                if len(x) > 1:
                    kernel = merged(self.w, name, factor, (phase, row, column), reach, frame=1)
                    second = F.conv3d(clip[:reach].transpose(0, 1)[None], kernel, bias)
                    out[1 + phase, :, *place] = second[0, :, 0]
                if len(x) > 2:
                    kernel = merged(self.w, name, factor, (phase, row, column), reach, frame=2)
                    later = F.conv3d(clip[1:].transpose(0, 1)[None], kernel, bias)
                    out[1 + factor + phase :: factor, :, *place] = later[0].transpose(0, 1)
        return out


def merged(weights: dict[str, Tensor], name: str, factor: int, phase: Phase, reach: int, *, frame: int) -> Tensor:
    """The kernel (C, C, reach, 2, 2) of a phase (time, row, column), for the clip's frame 0, 1, or 2 and later."""
    weight = weights[f"{name}.conv.weight"]
    channels, taps = weight.shape[1], weight.shape[2]
    spread = weights[f"{name}.upscale_conv.weight"].view(2, 2, factor, channels, channels)
    kernel = weight.new_zeros(channels, channels, reach, 2, 2)
    for dt, dy, dx in product(range(taps), range(3), range(3)):
        back, part = divmod(phase[0] + dt - (taps - 1), factor)
        # The second half of the first frame was dropped: its place is taken by the first half.
        part = 0 if frame + back <= 0 else part
        (y, row), (x, column) = divmod(phase[1] + dy - 1, 2), divmod(phase[2] + dx - 1, 2)
        # Not by a product of matrices: making the kernel is not part of what is counted.
        product_of_both = (weight[:, :, None, dt, dy, dx] * spread[row, column, part]).sum(1)
        kernel[:, :, back + reach - 1, y + 1 - phase[1], x + 1 - phase[2]] += product_of_both
    return kernel


class PlainDiT:
    """The transformer, window by window."""

    def __init__(self, config: DiTConfig, weights: dict[str, Tensor]) -> None:
        self.config = config
        self.w = weights
        frequencies = rope.base_frequencies(config.rope, config.rope_frequencies)
        self.table = rope.RopeTable(config.rope, frequencies, config.head_dim)

    def __call__(self, latent: Tensor, text: Tensor) -> Tensor:
        (_, ph, pw), channels = self.config.patch, latent.shape[-1]
        grid = (latent.shape[0], latent.shape[1] // ph, latent.shape[2] // pw)
        patches = latent.reshape(grid[0], grid[1], ph, grid[2], pw, channels).transpose(2, 3).reshape(*grid, -1)
        angles = 1000.0 * timestep_frequencies()
        emb = F.silu(self.linear("emb_in.proj_in", torch.cat((angles.sin(), angles.cos()))))
        emb = self.linear("emb_in.proj_out", F.silu(self.linear("emb_in.proj_hid", emb))).view(-1, 2, 3)
        video, text = self.linear("vid_in.proj", patches), self.linear("txt_in", text)
        for index in range(len(self.config.shared)):
            video, text = self.block(index, video, text, emb)
        if self.config.output_norm:
            video = F.rms_norm(video, video.shape[-1:], self.w["vid_out_norm.weight"], 1e-5)
            scale, shift = (
                emb[:, 0, i] + self.w[f"vid_out_ada.out_{part}"] for i, part in ((1, "scale"), (0, "shift"))
            )
            video = video * scale + shift
        out = self.linear("vid_out.proj", video).view(*grid, ph, pw, -1).transpose(2, 3)
        return out.reshape(*latent.shape[:3], -1)

    def block(self, index: int, video: Tensor, text: Tensor, emb: Tensor) -> tuple[Tensor, Tensor]:
        last = index == len(self.config.shared) - 1
        vid, txt = ("all", "all") if self.config.shared[index] else ("vid", "txt")
        hidden = self.modulate(index, vid, "attn", video, emb)
        if last and not self.config.last_text:
            words = F.rms_norm(text, text.shape[-1:], None, 1e-5)
        else:
            words = self.modulate(index, txt, "attn", text, emb)
        answer, text_answer = self.attention(index, hidden, words, (vid, txt), last)
        video = self.behind(index, vid, video, answer, emb)
        return video, text if last else self.behind(index, txt, text, text_answer, emb)

    def behind(self, index: int, stream: str, x: Tensor, answer: Tensor, emb: Tensor) -> Tensor:
        """What follows attention."""
        x = x + self.linear(f"blocks.{index}.attn.proj_out.{stream}", answer) * self.vector(
            index, stream, "attn", 2, emb
        )
        mlp = f"blocks.{index}.mlp.{stream}"
        hidden = self.modulate(index, stream, "mlp", x, emb)
        if self.config.gated_mlp:
            hidden = F.silu(self.linear(f"{mlp}.proj_in_gate", hidden)) * self.linear(f"{mlp}.proj_in", hidden)
        else:
            hidden = F.gelu(self.linear(f"{mlp}.proj_in", hidden), approximate="tanh")
        return x + self.linear(f"{mlp}.proj_out", hidden) * self.vector(index, stream, "mlp", 2, emb)

    def attention(
        self, index: int, video: Tensor, text: Tensor, streams: tuple[str, str], last: bool
    ) -> tuple[Tensor, Tensor]:
        """Of each window, with the text; the text's own answer is the mean of all windows'."""
        q, k, v = self.parts(index, streams[0], video, "qkv")
        text_parts = self.parts(index, streams[1], text, "kv" if last else "qkv")
        if (angles := self.table.text(len(text), text.device)) is not None:
            text_parts = [*(rotate(part, angles) for part in text_parts[:-1]), text_parts[-1]]
        tk, tv = text_parts[-2:]
        answer, text_answers = torch.empty_like(q), []
        for window in partition(tuple(video.shape[:3]), self.config.windows, shifted=index % 2 == 1):
            size = tuple(axis.stop - axis.start for axis in window)
            turns = self.table.video(size, len(text), text.device)
            wq, wk = (rotate(part[window].flatten(0, 2), turns) for part in (q, k))
            asked = [wq] if last else [wq, text_parts[0]]
            mixed = attend(torch.cat(asked), torch.cat((wk, tk)), torch.cat((v[window].flatten(0, 2), tv)))
            answer[window] = mixed[: len(wq)].view(*size, *mixed.shape[1:])
            text_answers.append(mixed[len(wq) :])
        return answer.flatten(3), torch.stack(text_answers).mean(0).flatten(1)

    def parts(self, index: int, stream: str, x: Tensor, wanted: str) -> list[Tensor]:
        """Queries, keys and values (..., heads, head_dim), or only the wanted ones."""
        name = f"blocks.{index}.attn"
        weight = self.w[f"{name}.proj_qkv.{stream}.weight"].chunk(3)
        made = {part: F.linear(x, weight["qkv".index(part)]).unflatten(-1, (self.config.heads, -1)) for part in wanted}
        for part in set(wanted) - {"v"}:
            scale = self.w[f"{name}.norm_{part}.{stream}.weight"]
            made[part] = F.rms_norm(made[part], scale.shape, scale, 1e-5)
        return [made[part] for part in wanted]

    def modulate(self, index: int, stream: str, layer: str, x: Tensor, emb: Tensor) -> Tensor:
        shift, scale = (self.vector(index, stream, layer, i, emb) for i in range(2))
        return F.rms_norm(x, x.shape[-1:], None, 1e-5) * scale + shift

    def vector(self, index: int, stream: str, layer: str, part: int, emb: Tensor) -> Tensor:
        learned = self.w[f"blocks.{index}.ada.{stream}.{layer}_{('shift', 'scale', 'gate')[part]}"]
        return emb[:, ("attn", "mlp").index(layer), part] + learned

    def linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.w[f"{name}.weight"], self.w.get(f"{name}.bias"))


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of (tokens, heads, head_dim) over the tokens."""
    q, k, v = (part.transpose(0, 1) for part in (q, k, v))
    return ((q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])).softmax(-1) @ v).transpose(0, 1)


@torch.no_grad()
@pytest.mark.parametrize("config", [SMALL_VAE, DEEP_VAE, FLAT_VAE], ids=["small", "deep", "flat"])
@pytest.mark.parametrize("latents", [1, 2, 4])
def test_the_vae(config: VAEConfig, latents: int) -> None:
    network = random_vae(config)
    weights = network.state_dict()
    for name, tensor in weights.items():
        if name.endswith("upscale_conv.bias"):
            tensor.zero_()
    plain, factor = PlainVAE(config, weights), config.spatial_factor
    frames, size = (latents - 1) * config.temporal_factor + 1, (4 * factor, 6 * factor)
    clip = torch.rand(frames, 3, *size) * 2 - 1

    with FlopCounterMode(display=False) as counter:
        mean = plain.encode(clip)
    assert counter.get_total_flops() == encode_flop(config, frames, size)
    torch.testing.assert_close(
        mean.permute(0, 2, 3, 1) * config.scale, network.encode(clip.transpose(0, 1)), rtol=1e-4, atol=1e-4
    )

    latent = torch.randn(latents, config.latent_channels, 4, 6)
    with FlopCounterMode(display=False) as counter:
        decoded = plain.decode(latent)
    assert counter.get_total_flops() == decode_flop(config, frames, size)
    wanted = network.decode(latent.permute(0, 2, 3, 1) * config.scale)
    torch.testing.assert_close(decoded.transpose(0, 1), wanted, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("config", [SMALL_DIT, PIXEL_DIT], ids=["joint", "pixel"])
@pytest.mark.parametrize("latent", [(1, 8, 12), (5, 6, 14)])
def test_the_transformer(config: DiTConfig, latent: tuple[int, int, int]) -> None:
    network = random_dit(config)
    clip, text = torch.randn(*latent, config.input_channels), torch.randn(7, config.text_channels)
    with FlopCounterMode(display=False) as counter:
        velocity = PlainDiT(config, network.state_dict())(clip, text)
    assert counter.get_total_flops() == transformer_flop(config, latent, 7)
    torch.testing.assert_close(velocity, network(clip, text), rtol=1e-3, atol=1e-3)


def test_a_clip_is_the_sum_of_its_batches() -> None:
    size, vae, dit = (16, 16), SMALL_VAE, SMALL_DIT

    def batch(frames: int) -> int:
        latents = (frames - 1) // vae.temporal_factor + 1
        return (
            encode_flop(vae, frames, size) + decode_flop(vae, frames, size) + transformer_flop(dit, (latents, 4, 4), 7)
        )

    assert clip_flop(vae, dit, 12, size, 7) == 2 * batch(5) + batch(3)
    assert clip_flop(vae, dit, 11, size, 7, overlap=2) == 3 * batch(5)
    assert clip_flop(vae, dit, 6, size, 7) == batch(5) + batch(1)
    assert clip_flop(vae, dit, 9, size, 7) == batch(5) + batch(5)
