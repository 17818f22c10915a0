"""Parity of what happens around the networks, and of the whole way from frames to frames."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch

import torch
from torch import Tensor

from seedvr2 import colour
from seedvr2.model import Model
from seedvr2.network import rope
from seedvr2.network.fused import rotate
from seedvr2.network.tiling import Tiling
from seedvr2.network.windows import partition, window_size
from seedvr2.pipeline.alpha import upscale_alpha
from seedvr2.pipeline.batching import effective_overlap, iter_batches
from seedvr2.pipeline.blending import reference_weights
from seedvr2.pipeline.finishing import StreamSettings
from seedvr2.pipeline.preprocess import normalise, pad_to, resize_in_two_steps
from seedvr2.pipeline.restore import BatchRestorer, RestoreSettings
from seedvr2.pipeline.sampler import noisy_condition, sample, shift_timestep, timesteps
from seedvr2.pipeline.sizes import plan_sizes
from seedvr2.pipeline.stream import restore_stream
from tests.parity.networks import TOLERANCE, fixture_dit, fixture_vae
from tests.parity.report import Check, Fixture, mean, same, worst


def windows_cases(fixture: Fixture) -> Iterator[Check]:
    for case in fixture.data["cases"]:
        grid, counts = tuple(case["token_size_thw"]), tuple(case["num_windows_setting"])
        name = f"{fixture.name} {grid} {counts}"
        yield same(f"{name} size", list(window_size(grid, counts)), case["window_size_thw"])
        for kind in ("regular", "shifted"):
            windows = partition(grid, counts, shifted=kind == "shifted")
            got = [[bound for axis in window for bound in (axis.start, axis.stop)] for window in windows]
            yield same(f"{name} {kind}", got, case[kind])


def sizes_cases(fixture: Fixture) -> Iterator[Check]:
    for row in fixture.data["rows"]:
        sizes = plan_sizes(*row["in_wh"], row["resolution"], row["max_resolution"])
        width, height = sizes.padded
        got = {
            "first_resize_wh": list(sizes.first),
            "resized_wh": list(sizes.resized),
            "padded_wh": list(sizes.padded),
            "output_wh": list(sizes.output),
            "latent_hw": [height // 8, width // 8],
            "token_hw": [height // 16, width // 16],
        }
        name = f"{fixture.name} {row['in_wh']} to {row['resolution']}, {row['max_resolution']}"
        yield same(name, {key: got[key] for key in got if key in row}, {key: row[key] for key in got if key in row})


def batching_cases(fixture: Fixture) -> Iterator[Check]:
    for case in fixture.data["cases"]:
        frames, prepend = case["frames"], case["prepend_frames"]
        size, overlap = case["batch_size"], case["temporal_overlap"]
        name = f"{fixture.name} {frames} frames by {size}, overlap {overlap}, prepend {prepend}"
        batches = list(iter_batches(range(frames), size, overlap, prepend, uniform=case["uniform_batch_size"]))
        wanted = case["batches"]
        got = [[batch.frames[index] for index in batch.padded] for batch in batches]
        yield same(f"{name} input", got, [batch["input_frames"] for batch in wanted])
        yield same(f"{name} kept", [len(batch.frames) for batch in batches], [batch["kept"] for batch in wanted])
        if "latent_frames" in wanted[0]:
            latents = [(len(batch.padded) - 1) // 4 + 1 for batch in batches]
            yield same(f"{name} latents", latents, [batch["latent_frames"] for batch in wanted])
        ranges = [[b.start + b.overlap, b.start + len(b.frames), b.index, len(b.frames)] for b in batches]
        yield same(f"{name} ranges", ranges, case["write_ranges"])
        yield same(f"{name} overlap", effective_overlap(size, overlap), case["effective_overlap"])
        yield _output_check(name, batches, case["output"], prepend)


def _output_check(name: str, batches: list, wanted: list, prepend: int) -> Check:
    mixed: dict[int, dict[tuple[int, int], float]] = {}
    for batch in batches:
        weights = reference_weights(batch.overlap).tolist()
        for index in range(len(batch.frames)):
            here = mixed.setdefault(batch.start + index, {})
            weight = weights[index] if index < batch.overlap else 0.0
            for key in here:
                here[key] *= weight
            here[(batch.index, index)] = 1 - weight
    error = 0.0
    for frame, entries in enumerate(wanted):
        got = {key: weight for key, weight in mixed[frame + prepend].items() if abs(weight) > 1e-6}
        target = {(batch, index): weight for batch, index, weight in entries}
        error = max([error, *(abs(got.get(key, 0) - target.get(key, 0)) for key in got.keys() | target.keys())])
    return Check(f"{name} output", error if len(mixed) == len(wanted) + prepend else float("nan"), 1e-6)


def blend_cases(fixture: Fixture) -> Iterator[Check]:
    for count, weights in fixture.data["w_prev"].items():
        yield worst(f"{fixture.name} {count}", reference_weights(int(count)), torch.tensor(weights), 1e-6)


def rope_cases(fixture: Fixture) -> Iterator[Check]:
    tensors = fixture.tensors()
    kinds = {"3b": "joint", "7b": "pixel"}
    frequencies = {}
    for arch, kind in kinds.items():
        key = f"freqs_{arch}_f32"
        frequencies[arch] = rope.base_frequencies(kind, len(tensors[key]))
        yield worst(f"{fixture.name} {key}", frequencies[arch], tensors[key], 1e-6)
        for dtype in ("float16", "bfloat16", "float8_e4m3fn"):
            short = dtype.replace("float8", "f8").replace("float", "f")
            if (rounded := f"freqs_{arch}_{short}_as_f32") in tensors:
                got = frequencies[arch].to(getattr(torch, dtype)).float()
                yield worst(f"{fixture.name} {rounded}", got, tensors[rounded], 0.0)
    for case in fixture.data["cases"]:
        arch, name = case["arch"], case["id"]
        kind, length = kinds[arch], case.get("text_len", 0)
        angles = rope.video_angles(kind, tuple(case["window_thw"]), length, frequencies[arch])
        tables = {"vid": angles}
        if f"{name}_txt_angles" in tensors:
            tables["txt"] = rope.text_angles(length, frequencies[arch])
        for part, table in tables.items():
            yield worst(
                f"{fixture.name} {name} {part}", table.repeat_interleave(2, -1), tensors[f"{name}_{part}_angles"], 1e-4
            )
        for query, part in (("q", "vid"), ("tq", "txt")):
            if (key := f"{name}_{query}") in tensors and part in tables:
                table = tables[part][: len(tensors[key])]
                yield worst(
                    f"{fixture.name} {key}",
                    rotate(tensors[key], rope.turns_of(table, tensors[key].shape[-1])),
                    tensors[f"{key}_rot"],
                    1e-4,
                )


def sampler_cases(fixture: Fixture) -> Iterator[Check]:
    case, tensors = fixture.data, fixture.tensors()
    for steps, wanted in case["timesteps"].items():
        yield worst(
            f"{fixture.name} timesteps {steps}", torch.tensor(timesteps(int(steps))), torch.tensor(wanted), 1e-5
        )
        if (key := f"x0_steps{steps}") in tensors:
            constant = tensors["model_pred"]
            got = sample(lambda x, _t, c=constant: 0.5 * x + c, tensors["x_T"], int(steps))
            yield worst(f"{fixture.name} {key}", got, tensors[key], 1e-5)
    if "x0_one_step_plain" in tensors:
        got = sample(lambda _x, _t: tensors["model_pred"], tensors["x_T"])
        yield worst(f"{fixture.name} one step", got, tensors["x0_one_step_plain"], 1e-5)
    for row in case["timestep_transform"]:
        for before, after in row["in_out"]:
            error = abs(shift_timestep(before, tuple(row["latent_thw"])) - after)
            yield Check(f"{fixture.name} shift {row['latent_thw']} {before}", error, 1e-3)
    for row in case.get("latent_noise", []):
        key = f"cond_latent_noise_{row['scale']}"
        got = noisy_condition(tensors["latent"], tensors["x_T"], tensors["aug_noise_second_draw"], row["scale"])
        yield worst(f"{fixture.name} {key}", got, tensors[key], 1e-5)


def preprocess_cases(fixture: Fixture) -> Iterator[Check]:
    tensors = fixture.tensors()
    for case in fixture.data["cases"]:
        frames, name = tensors[f"{case['name']}_in"], f"{fixture.name} {case['name']}"
        sizes = plan_sizes(frames.shape[2], frames.shape[1], case["resolution"], case["max_resolution"])
        got = normalise(pad_to(resize_in_two_steps(frames, sizes), sizes.padded)).transpose(0, 1)
        yield worst(name, got, tensors[f"{case['name']}_out"], 1e-5)


def alpha_cases(fixture: Fixture) -> Iterator[Check]:
    tensors = fixture.tensors()
    for case in fixture.data["cases"]:
        kind = case["kind"]
        got = upscale_alpha(tensors[f"{kind}_alpha_in"], tensors[f"{kind}_rgb_up"], reference=True)
        yield mean(f"{fixture.name} {kind}", got, tensors[f"{kind}_alpha_out"], 1e-3)


def color_cases(fixture: Fixture) -> Iterator[Check]:
    tensors = fixture.tensors()
    for method in tensors.keys() - {"content", "style"}:
        got = colour.correct(method, tensors["content"], tensors["style"])
        yield from color_checks(f"{fixture.name} {method}", method, got, tensors[method])


def color_checks(name: str, method: str, got: Tensor, wanted: Tensor) -> Iterator[Check]:
    """The tolerances of the colour methods; those that match by rank move single pixels far for tiny reasons."""
    if method in ("hsv", "wavelet_adaptive"):
        yield mean(f"{name} mean", got, wanted, 2e-3)
        far = ((got - wanted).abs() > 1e-3).double().mean().item() if got.shape == wanted.shape else float("nan")
        yield Check(f"{name} share of pixels off", far, 0.01)
    elif method == "lab":
        yield mean(f"{name} mean", got, wanted, 1e-4)
        yield worst(f"{name} worst", got, wanted, 2e-2)
    else:
        yield worst(f"{name} worst", got, wanted, TOLERANCE)


class _Recorder(BatchRestorer):
    """A restorer that keeps the latents of each batch."""

    def __init__(self, model: Model, settings: RestoreSettings) -> None:
        super().__init__(model, settings)
        self.latents: list[tuple[Tensor, Tensor]] = []

    def denoise(self, latent: Tensor, index: int) -> Tensor:
        restored = super().denoise(latent, index)
        self.latents.append((latent, restored))
        return restored


def e2e_cases(fixture: Fixture) -> Iterator[Check]:
    case, tensors = fixture.data, fixture.tensors()
    dit = fixture_dit(fixture, case["dit_weights"], case["dit_config"], case["window"])
    vae = fixture_vae(fixture, case["vae_weights"], case.get("vae_config", _vae_config(fixture, case)))
    model = Model("fixture", dit, vae, tensors["txt"], torch.device("cpu"), torch.float32)
    tiling = fixture_tiling(case.get("tiled"))
    restorer = _Recorder(
        model,
        RestoreSettings(
            seed=case["seed"],
            input_noise_scale=case["input_noise_scale"],
            latent_noise_scale=case["latent_noise_scale"],
            tiling=tiling,
            noise=lambda index, _shape: tensors[f"noise_b{index}"],
        ),
    )
    height, width = case["in_hw"]
    settings = StreamSettings(
        sizes=plan_sizes(width, height, case["resolution"], case["max_resolution"]),
        batch_size=case["batch_size"],
        overlap=case["temporal_overlap"],
        prepend=case["prepend_frames"],
        uniform=case["uniform_batch_size"],
        color_correction=case["color_correction"],
        reference=True,
    )
    coloured: list[Tensor] = []

    def spy(method: str, content: Tensor, style: Tensor) -> Tensor:
        coloured.append(content.clone())
        return correct(method, content, style)

    correct = colour.correct
    with patch("seedvr2.colour.correct", spy):
        frames = [
            image for _, image in restore_stream(tensors["frames_u8"].numpy(), lambda image: image, restorer, settings)
        ]
    for index, (latent, restored) in enumerate(restorer.latents):
        for key, got in ((f"latent_b{index}", latent), (f"x0_b{index}", restored)):
            if key in tensors:
                yield worst(f"{fixture.name} {key}", got, tensors[key], TOLERANCE)
    known = {f"{part}_b{index}" for part in ("noise", "latent", "x0") for index in range(len(restorer.latents))}
    known |= {"frames_u8", "txt", "final", "decoded_blended_last2"}
    yield same(f"{fixture.name} tensors understood", sorted(tensors.keys() - known), [])
    if "decoded_blended_last2" in tensors:
        got = torch.cat(coloured)[-2:].permute(0, 2, 3, 1)
        yield worst(f"{fixture.name} decoded", got, tensors["decoded_blended_last2"], TOLERANCE)
    yield from color_checks(f"{fixture.name} final", case["color_correction"], torch.stack(frames), tensors["final"])


def fixture_tiling(tiled: dict | None) -> Tiling | None:
    """The tiles of a case: the entries whose names speak of a size and of an overlap, in pixels."""
    if not tiled:
        return None
    found = [next(value for key, value in tiled.items() if word in key) for word in ("size", "overlap")]
    size, overlap = ((n, n) if isinstance(n, int) else (n[0], n[1]) for n in found)
    return Tiling(size, overlap)


def _vae_config(fixture: Fixture, case: dict) -> dict:
    import json

    path = fixture.resolve(case["vae_weights"]).with_suffix(".json")
    config: dict = json.loads(path.read_text())["config"]
    return config
