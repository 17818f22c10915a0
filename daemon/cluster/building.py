"""Makes the executor of a service whose `[cluster]` is on; starts nothing."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from daemon.cluster import messages as say
from daemon.cluster.addresses import address_of
from daemon.cluster.bench import PROCESSOR, engine_setup
from daemon.cluster.depot import depot_setup
from daemon.cluster.executor import ClusterExecutor
from daemon.cluster.gateway import COMMON, MAIN, Gateway, ray_environment
from daemon.cluster.head import command, member_environment, patience, secrets_folder, token_mode
from daemon.cluster.secrets import CA_KEY, check_secrets
from daemon.cluster.share import leave_mark
from daemon.engine.child_executor import ChildExecutor
from daemon.engine.gpu import cards
from daemon.engine.messages import DeviceReport
from daemon.errors import ConfigError
from daemon.settings.config import Config

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def make_executor(
    config: Config,
    models: Sequence[Path],
    on_device: Callable[[DeviceReport], None],
    main: str = MAIN,
) -> ClusterExecutor:
    """What runs the jobs on many places.

    Args:
        models: folders of this machine. on_device: told what this machine computes on. main: the gateway's module.

    Raises:
        ConfigError: Ray is not installed, or the settings name GPUs that are not there.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError(
            f'cluster.mode = "{config.cluster.mode}" needs Ray; install it with: pip install "seedvr2d[cluster]"'
        )
    visible = visible_gpus(config, os.environ)
    memory = config.paths.state / "gpu_memory.json"

    def child(device: str) -> ChildExecutor:
        return ChildExecutor(
            models,
            config.model.model_copy(update={"device": device}),
            config.logging,
            memory=memory,
            stall_s=config.jobs.stall_s,
            on_device=on_device if device != PROCESSOR or config.model.device == PROCESSOR else _untold,
        )

    setup = say.Setup(
        version=say.VERSION,
        mode=config.cluster.mode,
        address=config.cluster.address if config.cluster.mode in ("head", "join") else "",
        head=command(config.cluster, len(visible)) if config.cluster.mode == "head" else [],
        gpus=len(visible),
        folder="",
        engine=engine_setup(
            config.model.model_copy(update={"device": PROCESSOR}) if PROCESSOR in visible else config.model,
            [str(folder) for folder in models],
            str(memory),
            depot_setup(config.paths.state, config.cluster.cache_gb, config.jobs.min_free_mb),
        ),
        listed=str(secrets_folder(config.cluster, config.paths.state)) if config.cluster.mode == "head" else "",
        mark={},
        idle_s=config.model.idle_timeout_s,
        level=config.logging.level,
        form=config.logging.format,
        share=config.cluster.share,
    )
    environment = _environment(config, visible)

    def told() -> say.Setup:
        if config.cluster.mode == "local":
            return setup
        try:
            return replace(setup, mark=asdict(leave_mark(config.paths.outputs)))
        except OSError as error:
            # The disk of the results may come later than the service; the name of a temporary file tells nobody.
            raise OSError(error.errno, error.strerror, str(config.paths.outputs)) from error

    def gateway(hear: Callable[[Any], None]) -> Gateway:
        return Gateway(told, environment, hear, main)

    return ClusterExecutor(
        child(config.model.device),
        child(PROCESSOR),
        config.cluster,
        gateway,
        config.paths.state,
        stall_s=config.jobs.stall_s,
    )


def _environment(config: Config, visible: list[str]) -> dict[str, str]:
    # Ray counts places by this; those of the processor never look at it.
    names = [str(number) if name == PROCESSOR else name for number, name in enumerate(visible)]
    seen = {_VISIBLE: ",".join(names)}
    cluster = config.cluster
    if cluster.mode == "local":
        return {**ray_environment(), **seen}
    folder = secrets_folder(cluster, config.paths.state)
    if cluster.mode == "head":
        # Other machines reach it, whatever the address says.
        check_secrets(folder)
        address_of(config)
    if cluster.mode == "head" and (folder / CA_KEY).exists():
        # Of an extra, and slow to import.
        from daemon.cluster.renewal import renew

        renew(config, folder)
    secrets = member_environment(folder, cluster.address) or token_mode(os.environ)
    return {**COMMON, "RAY_ADDRESS": "", **secrets, **patience(cluster.lost_s), **seen}


def visible_gpus(config: Config, environment: Mapping[str, str]) -> list[str]:
    """The GPUs of this machine that work, as CUDA_VISIBLE_DEVICES names them; `cpu` for each place of the processor.

    Raises:
        ConfigError: one is named that is not there.
    """
    wanted = config.cluster.gpus.replace(" ", "")
    numbers = [] if wanted in ("all", "none") else [int(number) for number in wanted.split(",")]
    if wanted == "none":
        return []
    shown = environment.get(_VISIBLE)
    there = [card.uuid for card in cards()] if shown is None else [name for name in shown.split(",") if name.strip()]
    if config.model.device == PROCESSOR or (not there and not numbers):
        return [PROCESSOR] * (len(numbers) or 1)
    for number in numbers:
        if number >= len(there):
            has = f"has {len(there)} GPUs, counted from 0" if there else "has none that can be used"
            raise ConfigError(
                f'cluster.gpus names GPU {number}, and this machine {has}; correct it, or set model.device = "cpu" to '
                "have so many processes work on the processor."
            )
    return [there[number] for number in numbers] if numbers else there


def _untold(_report: DeviceReport) -> None:
    """What joins segments says nothing about the GPU."""
