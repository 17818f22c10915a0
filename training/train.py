"""Train nano: one step at t = 1000 from the noise, on random degradations of photographs.

    python -m training.data DIR     # once: fetch the photographs
    python -m training.train DIR    # stop it at any time; the same command resumes
    python -m training.train DIR --export           # write the averaged weights into seedvr2/nano

A new run goes on from the weights that ship, with the last phase only:

    python -m training.train DIR --start --begin motion
    python -m training.train DIR --begin motion --export --mean-with

Six phases, each with its own number of steps. The transformer first learns to tell a picture's faults (how much
smaller, how blurred, noisy and compressed) in latents of their own, the hints; the decoder then learns to restore
what it is told about; then both learn together, now and then on clips; then the decoder alone, for longest, since its
steps are cheap once the transformer rests; then both again, on larger crops; at last with clips in one step of five. A
network that must find out on its own what happened to a picture takes ten times as long. `log.csv` in DIR/run says how
it goes, and `training.plot` draws it.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader

from seedvr2.heap import keep_freed_blocks
from seedvr2.model import choose_dtype
from seedvr2.nano import DIT_FILE
from seedvr2.nano.initialise import FREE, HINT_SIGNALS, SEEN, STRENGTH, make_dit, save
from seedvr2.nano.pca import COMPONENTS, stored_basis
from seedvr2.network.dit import DiT
from training.decoder import PatchDecoder
from training.forward import Encoder, patches, predict
from training.muon import Muon
from training.phases import PHASES, Phase, phases_from, rate_at
from training.rehearsal import Lesson, rehearse
from training.samples import Example, Samples
from training.start import read
from training.validation import KINDS, Case, gains, make_cases

AVERAGE_DECAY = 0.998
FITTING_BATCHES = 100
FLOOR = (2 * 0.5 / 255) ** 2  # of squared errors: what is within half a level is good enough
REPORT_STEPS = 1_000
HINTS_WEIGHT = 0.2  # beside a loss in which a dB is 0.1
FAINT_VARIANCE = 0.004  # of condition latents: components fainter than this stay faint
CHECKPOINT_SECONDS = 180.0
MUON_RATE = 2.0  # beside AdamW's
DTYPE = choose_dtype("auto", torch.device("cpu"))  # what is multiplied in: bfloat16 where it is fast


class Trainee(nn.Module):
    """The transformer, its text embedding and the decoder, with the path of the condition picture held fixed.

    The path's weights are powers of two, which every quantised form keeps exactly; and a block that cannot see the
    noise gives the same picture for every seed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dit, text = make_dit()
        self.text = nn.Parameter(text)
        self.decoder = PatchDecoder(stored_basis(), DTYPE)
        self.dit.requires_grad_(True)
        for part in (self.dit.emb_in, self.dit.vid_out_norm, self.dit.vid_out_ada):
            part.requires_grad_(False)
        outputs = torch.tensor(HINT_SIGNALS)
        self._only(self.dit.vid_in.proj.weight, (FREE,))
        self._only(self.dit.vid_in.proj.bias, (FREE,))
        self._only(self.dit.vid_out.proj.weight, (outputs, FREE))
        self._only(self.dit.vid_out.proj.bias, (outputs,))
        for name, parameter in self.dit.named_parameters():
            if name.endswith(("attn_scale", "mlp_scale")):
                self._only(parameter, (SEEN,))
            elif name.endswith(("attn_gate", "mlp_gate")):
                self._only(parameter, (parameter != 0,))

    @staticmethod
    def _only(parameter: nn.Parameter | None, where: tuple[slice | Tensor, ...]) -> None:
        assert parameter is not None
        mask = torch.zeros_like(parameter)
        mask[where] = 1.0
        parameter.register_hook(lambda grad: grad * mask)  # type: ignore[no-untyped-call]

    def matrices(self) -> list[nn.Parameter]:
        """What Muon trains of the transformer: the square-ish matrices inside the blocks."""
        return [p for name, p in self.dit.named_parameters() if name.startswith("blocks.") and p.ndim == 2]


def loss_of(restored: Tensor, target: Tensor) -> Tensor:
    """The mean over clips of the logarithm of their squared error: a picture counts by its gain in dB.

    Otherwise the few richest in texture would teach everything, and what is smooth and clean would be spoiled.
    """
    error = (restored - target).square().flatten(1).mean(1)
    return (error + FLOOR).log10().mean()


def yield_to_others(_worker: int) -> None:
    """Make the process of a worker run in what time others leave."""
    os.nice(15)


@torch.no_grad()
def whiten(dit: DiT, conditions: list[Tensor]) -> None:
    """Show the blocks each patch of the condition decorrelated, at unit variance.

    Otherwise the mean brightness of neighbouring latents, all but equal, hides the texture that is to be restored.
    """
    _, ph, pw = dit.config.patch
    tokens = torch.cat([patches(x[..., :COMPONENTS], ph, pw).flatten(0, -2) for x in conditions]).double()
    values, vectors = torch.linalg.eigh(tokens.T @ tokens / len(tokens))
    matrix = STRENGTH * vectors @ ((values + FAINT_VARIANCE) ** -0.5)[:, None].mul(vectors.T)
    weight = dit.vid_in.proj.weight
    weight[FREE] = 0.0
    free = weight[FREE][: len(matrix)].view(len(matrix), ph * pw, -1)
    latents = dit.config.latent_channels
    free[..., latents : latents + COMPONENTS] = matrix.float().view(len(matrix), ph * pw, COMPONENTS)


class Learner:
    """The optimisers of one network: Muon for its matrices, AdamW for the rest."""

    def __init__(self, parameters: list[nn.Parameter], matrices: list[nn.Parameter]) -> None:
        held = {id(matrix) for matrix in matrices}
        others = [parameter for parameter in parameters if id(parameter) not in held]
        self._parameters = parameters
        self._muon = Muon(matrices, DTYPE)
        self._adam = torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0)
        self.optimisers = (self._muon, self._adam)

    def step(self, rate: float) -> None:
        """One step at a rate of AdamW's along the gradients so far, which are then forgotten."""
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for optimiser, factor in zip(self.optimisers, (MUON_RATE, 1.0), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = factor * rate
            optimiser.step()
            optimiser.zero_grad()


class Run:
    """A training run in a folder: networks, optimisers, the running average, the log."""

    def __init__(
        self, folder: Path, phases: tuple[Phase, ...] = PHASES, *, seed: int = 0, start: Path | None = None
    ) -> None:
        """Resume what the folder has; else begin with the exported weights in `start`, or anew."""
        self.data, self.folder, self.phases, self.seed = folder, folder / "run", phases, seed
        self.folder.mkdir(exist_ok=True)
        torch.manual_seed(seed)
        self.phase, self.step, self.seconds = 0, 0, 0.0
        self.trainee, self.average = Trainee(), Trainee().requires_grad_(False)
        self.encoder = Encoder(stored_basis())
        transformer = [p for p in (*self.trainee.dit.parameters(), self.trainee.text) if p.requires_grad]
        self.transformer = Learner(transformer, self.trainee.matrices())
        decoder = self.trainee.decoder
        self.decoder = Learner(list(decoder.parameters()), decoder.matrices())
        self.checkpoint = self.folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self._load()
            return
        if start:
            read(start, self.trainee.dit, self.trainee.text, decoder)
        else:
            self._fit()
        self.average.load_state_dict(self.trainee.state_dict())

    def train(self) -> None:
        """Go on to the end of the last phase."""
        cases = make_cases(self.data)
        while self.phase < len(self.phases):
            phase = self.phases[self.phase]
            if self.step < phase.steps:
                self._train_phase(phase, cases)
            self.phase, self.step = self.phase + 1, 0
            self._save()

    def _train_phase(self, phase: Phase, cases: list[Case]) -> None:
        # The step is part of the seed: a resumed run sees new examples.
        samples = Samples(self.data, phase.setting, (self.seed * 1_003 + self.phase) * 1_000_003 + self.step)
        # A core taken from the training holds up its other threads as well: examples are made in the gaps.
        loader = DataLoader(samples, batch_size=None, num_workers=1, prefetch_factor=8, worker_init_fn=yield_to_others)
        lessons: Iterator[Lesson] = map(Lesson, loader)
        if phase.times > 1:
            lessons = rehearse(iter(loader), self._tell, phase.times, self.step)
        saved, scores = time.monotonic(), []
        while self.step < phase.steps:
            started = time.monotonic()
            example, told = next(lessons)
            scores.append(self.one_step(example, phase, told))
            self.seconds += time.monotonic() - started
            if self.step % REPORT_STEPS == 0 or self.step == phase.steps:
                self._report(phase.name, sum(scores) / len(scores), self._gains(cases) if phase.decoder else {})
                scores.clear()
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                self._save()
                saved = time.monotonic()

    def one_step(self, example: Example, phase: Phase, told: Tensor | None = None) -> float:
        """One step of the optimisers.

        Args:
            example: what to learn from. phase: what learns, and at which rate.
            told: the hints (N, T, h, w, 5), where the transformer has given them already.

        Returns:
            The gain in dB, or the squared error of the hints while only they learn.
        """
        self.step += 1
        transformer = phase.transformer if self.step % phase.transformer_every == 0 else None
        condition = self._encode(example.resized)
        if told is None:
            with torch.set_grad_enabled(transformer is not None):
                latents = self._predict(condition)
        else:
            noise = torch.randn_like(condition)
            latents = noise - (noise - condition).bfloat16().float()  # as a step of the sampler rounds
            latents[..., COMPONENTS:] = told
        hints_loss = (latents[..., COMPONENTS:] - example.hints[:, None, None, None]).square().mean()
        if phase.decoder:
            loss = loss_of(self.trainee.decoder(latents), example.original)
            # Steps differ more in how hard their examples are than in how well they go.
            score = 10 * (loss_of(example.resized, example.original).item() - loss.item())
            loss = loss + HINTS_WEIGHT * hints_loss
        else:
            loss, score = hints_loss, hints_loss.item()
        loss.backward()  # type: ignore[no-untyped-call]
        if phase.decoder:
            self.decoder.step(rate_at(self.step, phase.steps, phase.decoder))
        if transformer:
            self.transformer.step(rate_at(self.step, phase.steps, transformer))
        self._update_average()
        return score

    def _encode(self, clips: Tensor) -> Tensor:
        """As one half of the machines do it, or the other."""
        return self.encoder(clips, torch.bfloat16 if torch.rand(()) < 0.5 else torch.float32)

    @torch.no_grad()
    def _tell(self, clips: Tensor) -> Tensor:
        return self._predict(self._encode(clips))[..., COMPONENTS:]

    def _predict(self, condition: Tensor) -> Tensor:
        noise = torch.randn_like(condition)
        with sdpa_kernel(SDPBackend.MATH):  # on a CPU the fused kernel's backward pass is slower for small windows
            return predict(self.trainee.dit, self.trainee.text, noise, condition, DTYPE)

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.trainee.parameters()), 1 - decay)

    def _fit(self) -> None:
        """Start from inputs that are white."""
        samples = Samples(self.data, self.phases[0].setting, self.seed + 1)
        conditions = [self.encoder(example.resized) for example in islice(samples, FITTING_BATCHES)]
        whiten(self.trainee.dit, conditions)

    def _gains(self, cases: list[Case]) -> dict[str, tuple[float, float]]:
        return gains(self.average.dit, self.average.text, self.encoder, self.average.decoder, cases)

    def _report(self, phase: str, score: float, found: dict[str, tuple[float, float]]) -> None:
        row: dict[str, Any] = {"phase": phase, "step": self.step, "seconds": round(self.seconds)}
        row["score"] = round(score, 4)
        for kind in KINDS:
            values = (round(value, 3) for value in found[kind]) if found else ("", "")
            row |= zip((f"{kind} dB", f"{kind} better"), values, strict=True)
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
            "optimisers": [optimiser.state_dict() for optimiser in self._optimisers()],
            "phase": self.phase,
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
        for optimiser, stored in zip(self._optimisers(), state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        self.phase, self.step, self.seconds = state["phase"], state["step"], state["seconds"]

    def _optimisers(self) -> tuple[torch.optim.Optimizer, ...]:
        return (*self.transformer.optimisers, *self.decoder.optimisers)

    @torch.no_grad()
    def export(self, folder: Path, mean_with: Path | None = None) -> None:
        """Write the averaged weights as the product loads them, or their mean with those exported in `mean_with`."""
        weights = self.average
        if mean_with:
            weights = Trainee().requires_grad_(False)
            read(mean_with, weights.dit, weights.text, weights.decoder)
            torch._foreach_lerp_(list(weights.parameters()), list(self.average.parameters()), 0.5)
        save(folder, weights.dit, weights.text, weights.decoder.vae(stored_basis()))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where training.data put the photographs")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of the training process")
    for phase in PHASES:
        parser.add_argument(
            f"--{phase.name}-steps", type=int, default=phase.steps, help="steps of that phase (default: %(default)s)"
        )
    names = [phase.name for phase in PHASES]
    parser.add_argument("--begin", choices=names, default=names[0], help="leave out the phases before this one")
    parser.add_argument(
        "--export", type=Path, nargs="?", const=DIT_FILE.parent, help="only write the averaged weights here"
    )
    parser.add_argument(
        "--mean-with",
        type=Path,
        nargs="?",
        const=DIT_FILE.parent,
        help="export the mean with the weights exported here (default: those that ship)",
    )
    parser.add_argument(
        "--start",
        type=Path,
        nargs="?",
        const=DIT_FILE.parent,
        help="a new run goes on from the weights exported here (default: those that ship) and not from scratch",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_blocks()
    phases = phases_from(arguments.begin, {name: getattr(arguments, f"{name}_steps") for name in names})
    run = Run(arguments.folder, phases, start=arguments.start)
    if arguments.export:
        run.export(arguments.export, arguments.mean_with)
    else:
        run.train()


if __name__ == "__main__":
    main()
