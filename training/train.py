"""Train nano: one step at t = 1000 from the noise, on random degradations of photographs.

    python -m training.data DIR                     # once: fetch the photographs
    python -m training.train DIR --steps 20000      # stop it at any time; the same command resumes
    python -m training.train DIR --export           # write the averaged weights into seedvr2/nano

The learning rate stays level and falls to zero over the last part of the steps, so a run can be lengthened or
ended early by resuming it with another number of steps. `log.csv` in DIR/run says how it goes, and
`training.plot` draws it.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader

from seedvr2.nano import DIT_FILE
from seedvr2.nano.initialise import FREE, make_dit, save
from seedvr2.nano.pca import stored_basis
from seedvr2.network.dit import DiT
from training.decoder import PatchDecoder
from training.forward import Encoder, patches, predict
from training.samples import Samples, Setting
from training.validation import Case, gains, make_cases

WARMUP_STEPS = 50
DECAY_SHARE = 0.3
JOINING_STEPS = 200  # over which the transformer's rates rise once the decoder has learned alone
AVERAGE_DECAY = 0.998
FITTING_BATCHES = 100
FLOOR = (2 * 0.8 / 255) ** 2  # of squared errors: what is within a level is good enough
REPORT_STEPS = 1000
FAINT_VARIANCE = 0.001  # of condition latents: components fainter than this stay faint
CHECKPOINT_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates: of the matrices of the blocks (Muon), of everything else and of the decoder (AdamW)."""

    matrices: float = 1.5e-3
    others: float = 7e-4
    decoder: float = 8e-4


class Trainee(nn.Module):
    """The transformer, its text embedding and the decoder, with the path of the condition picture held fixed.

    The path's weights are powers of two, which every quantised form keeps exactly; and a block that cannot see the
    noise gives the same picture for every seed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dit, text = make_dit()
        self.text = nn.Parameter(text)
        self.decoder = PatchDecoder(stored_basis())
        self.dit.requires_grad_(True)
        for part in (self.dit.emb_in, self.dit.vid_out_norm, self.dit.vid_out_ada):
            part.requires_grad_(False)
        self._only(self.dit.vid_in.proj.weight, (FREE,))
        self._only(self.dit.vid_in.proj.bias, (FREE,))
        self._only(self.dit.vid_out.proj.weight, (slice(None), FREE))
        for name, parameter in self.dit.named_parameters():
            if name.endswith(("attn_scale", "mlp_scale")):
                self._only(parameter, (FREE,))

    @staticmethod
    def _only(parameter: nn.Parameter | None, where: tuple[slice, ...]) -> None:
        assert parameter is not None
        mask = torch.zeros_like(parameter)
        mask[where] = 1.0
        parameter.register_hook(lambda grad: grad * mask)  # type: ignore[no-untyped-call]

    def matrices(self) -> list[nn.Parameter]:
        """What Muon trains: the square-ish matrices inside the blocks."""
        return [p for name, p in self.dit.named_parameters() if name.startswith("blocks.") and p.ndim == 2]

    def others(self) -> list[nn.Parameter]:
        """What AdamW trains."""
        held = {id(p) for p in (*self.matrices(), *self.decoder.parameters())}
        return [p for p in self.parameters() if p.requires_grad and id(p) not in held]


def loss_of(restored: Tensor, target: Tensor) -> Tensor:
    """The mean over clips of the logarithm of their squared error: a picture counts by its gain in dB.

    Otherwise the few richest in texture would teach everything, and what is smooth and clean would be spoiled.
    """
    error = (restored - target).square().flatten(1).mean(1)
    return (error + FLOOR).log10().mean()


def rate_at(step: int, steps: int) -> float:
    """Factor of the learning rate: a short warm-up, level, then linearly down to zero."""
    decay = max(1, int(steps * DECAY_SHARE))
    return min(1.0, (step + 1) / WARMUP_STEPS, max(0.0, (steps - step) / decay))


@torch.no_grad()
def whiten(dit: DiT, conditions: list[Tensor]) -> None:
    """Show the blocks each patch of the condition decorrelated, at unit variance.

    Otherwise the mean brightness of neighbouring latents, all but equal, hides the texture that is to be restored.
    """
    _, ph, pw = dit.config.patch
    tokens = torch.cat([patches(x, ph, pw).flatten(0, -2) for x in conditions]).double()
    values, vectors = torch.linalg.eigh(tokens.T @ tokens / len(tokens))
    matrix = vectors @ ((values + FAINT_VARIANCE) ** -0.5)[:, None].mul(vectors.T)
    weight = dit.vid_in.proj.weight
    weight[FREE] = 0.0
    free = weight[FREE][: len(matrix)].view(len(matrix), ph * pw, -1)
    latents = dit.config.latent_channels
    free[..., latents : 2 * latents] = matrix.float().view(len(matrix), ph * pw, latents)


class Run:
    """A training run in a folder: networks, optimisers, the running average, the log."""

    def __init__(self, folder: Path, rates: Rates, setting: Setting, *, decoder_steps: int = 0, seed: int = 0) -> None:
        self.data, self.folder = folder, folder / "run"
        self.decoder_steps = decoder_steps
        self.folder.mkdir(exist_ok=True)
        torch.manual_seed(seed)
        self.seed, self.setting, self.rates = seed, setting, rates
        self.step, self.seconds = 0, 0.0
        self.trainee, self.average = Trainee(), Trainee().requires_grad_(False)
        self.encoder = Encoder(stored_basis())
        self.optimisers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                self.trainee.matrices(), lr=rates.matrices, weight_decay=0.02, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(
                [{"params": self.trainee.others()}, {"params": list(self.trainee.decoder.parameters())}],
                lr=rates.others,
                betas=(0.9, 0.98),
                weight_decay=0.0,
            ),
        ]
        self.checkpoint = self.folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self._load()
        else:
            self._fit()

    def train(self, steps: int) -> None:
        """Go on to that step."""
        cases = make_cases(self.data)
        # The step is part of the seed: a resumed run sees new examples.
        samples = Samples(self.data, self.setting, self.seed * 1_000_003 + self.step)
        batches = iter(DataLoader(samples, batch_size=None, num_workers=1, prefetch_factor=4))
        saved, losses = time.monotonic(), []
        while self.step < steps:
            started = time.monotonic()
            resized, target = next(batches)
            loss = self.one_step(resized, target, rate_at(self.step, steps))
            # Steps differ more in how hard their examples are than in how well they go.
            losses.append(10 * (loss_of(resized, target).item() - loss))
            self.seconds += time.monotonic() - started
            if self.step % REPORT_STEPS == 0 or self.step == steps:
                self._report(sum(losses) / len(losses), self._gains(cases))
                losses.clear()
            if time.monotonic() - saved > CHECKPOINT_SECONDS or self.step == steps:
                self._save()
                saved = time.monotonic()

    def one_step(self, resized: Tensor, target: Tensor, factor: float) -> float:
        """One step of the optimisers at `factor` times their rates; gives the loss."""
        condition = self.encoder(resized)
        latents = condition if self.step < self.decoder_steps else self._predict(condition)
        restored = self.trainee.decoder(latents)
        loss = loss_of(restored, target)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.trainee.parameters(), 1.0)
        joining = min(1.0, max(0, self.step - self.decoder_steps) / JOINING_STEPS)
        self.optimisers[0].param_groups[0]["lr"] = self.rates.matrices * factor * joining
        others, decoder = self.optimisers[1].param_groups
        others["lr"], decoder["lr"] = self.rates.others * factor * joining, self.rates.decoder * factor
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad()
        self.step += 1
        self._update_average()
        return loss.item()

    def _predict(self, condition: Tensor) -> Tensor:
        noise = torch.randn_like(condition)
        with sdpa_kernel(SDPBackend.MATH):  # on a CPU the fused kernel's backward pass is slower for small windows
            return predict(self.trainee.dit, self.trainee.text, noise, condition)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.trainee.parameters()), 1 - decay)

    def _fit(self) -> None:
        """Start from inputs that are white."""
        samples = Samples(self.data, self.setting, self.seed + 1)
        conditions = [self.encoder(resized) for resized, _ in islice(samples, FITTING_BATCHES)]
        whiten(self.trainee.dit, conditions)
        self.average.load_state_dict(self.trainee.state_dict())

    def _gains(self, cases: list[Case]) -> dict[str, tuple[float, float]]:
        return gains(self.average.dit, self.average.text, self.encoder, self.average.decoder, cases)

    def _report(self, loss: float, found: dict[str, tuple[float, float]]) -> None:
        row: dict[str, Any] = {"step": self.step, "seconds": round(self.seconds), "loss": round(loss, 4)}
        for kind, (gain, share) in found.items():
            row |= {f"{kind} dB": round(gain, 3), f"{kind} better": round(share, 3)}
        log = self.folder / "log.csv"
        new = not log.exists()
        with log.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)

    def _save(self) -> None:
        state = {
            "trainee": self.trainee.state_dict(),
            "average": self.average.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "seconds": self.seconds,
        }
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.checkpoint)

    def _load(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True)
        self.trainee.load_state_dict(state["trainee"])
        self.average.load_state_dict(state["average"])
        for optimiser, stored in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        self.step, self.seconds = state["step"], state["seconds"]

    def export(self, folder: Path) -> None:
        """Write the averaged weights as the product loads them."""
        save(folder, self.average.dit, self.average.text, self.average.decoder.vae(stored_basis()))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where training.data put the photographs")
    parser.add_argument("--steps", type=int, default=20_000, help="the step to train to (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of the training process")
    parser.add_argument(
        "--decoder-steps",
        type=int,
        default=8_000,
        help="so many steps first train the decoder alone, while the transformer hands through (default: %(default)s)",
    )
    parser.add_argument("--matrix-rate", type=float, default=Rates().matrices)
    parser.add_argument("--other-rate", type=float, default=Rates().others)
    parser.add_argument(
        "--export", type=Path, nargs="?", const=DIT_FILE.parent, help="only write the averaged weights here"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rates = Rates(arguments.matrix_rate, arguments.other_rate)
    run = Run(arguments.folder, rates, Setting(), decoder_steps=arguments.decoder_steps)
    if arguments.export:
        run.export(arguments.export)
    else:
        run.train(arguments.steps)


if __name__ == "__main__":
    main()
