"""The models as `GET /api/models` lists them: those on disk, the embedded one, and the whole catalogue on request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seedvr2.catalogue import CATALOGUE
from seedvr2.catalogue.folder import InstalledModel, UnreadableFile, size_of
from seedvr2.catalogue.registry import BY_NAME
from seedvr2.nano import DIT_FILE, NAME, VAE_FILE

MIB = 1 << 20
DESCRIPTION = {
    "en": "Embedded small model - needs no download, runs anywhere",
    "zh-CN": "内置小模型 - 无需下载，随处可用",
    "zh-TW": "內建小模型 - 無需下載，隨處可用",
    "ja": "内蔵の小型モデル - ダウンロード不要、どこでも動作",
}
OWN_FILE = {"en": "your own file", "zh-CN": "自有文件", "zh-TW": "自有檔案", "ja": "自分のファイル"}


def describe_models(
    installed: Iterable[InstalledModel], everything: bool, unreadable: Iterable[UnreadableFile] = ()
) -> list[dict[str, Any]]:
    """What is here, also what of it cannot be read, and the embedded model; `everything`: also what can be fetched."""
    listed = [_installed(model) for model in installed] + [_unreadable(file) for file in unreadable]
    names = {model["name"] for model in listed}
    if everything:
        listed += [
            {**entry.as_dict(), "available": False, "downloadable": True, "sha256_ok": None, "bytes": entry.bytes}
            for entry in CATALOGUE
            if entry.kind == "dit" and entry.name not in names
        ]
    return [*listed, _embedded()]


def _installed(model: InstalledModel) -> dict[str, Any]:
    facts = {"available": True, "downloadable": False, "sha256_ok": model.sha256_ok, "bytes": model.bytes}
    if model.entry is not None:
        return {**model.entry.as_dict(), **facts}
    about = {language: f"{model.params} {model.precision}, {own}" for language, own in OWN_FILE.items()}
    return {
        "name": model.name,
        "params": model.params,
        "precision": model.precision,
        "size": model.size,
        "vram": "",
        "variant": "",
        "desc": about,
        "own": True,
        **facts,
    }


def _unreadable(file: UnreadableFile) -> dict[str, Any]:
    """Listed, so that whoever put it there learns why it cannot be chosen: `error` says it."""
    entry = BY_NAME.get(file.name)
    known = entry.as_dict() if entry is not None else {"name": file.name, "params": "", "precision": "", "vram": ""}
    return {
        "size": size_of(file.bytes),
        "variant": "",
        "desc": {"en": file.why},
        **known,
        "available": False,
        "downloadable": entry is not None and entry.kind == "dit",
        "sha256_ok": None,
        "bytes": file.bytes,
        "error": file.why,
    }


def _embedded() -> dict[str, Any]:
    size = sum(file.stat().st_size for file in (DIT_FILE, VAE_FILE) if file.exists())
    return {
        "name": NAME,
        "params": "nano",
        "precision": "FP16",
        "size": f"{size // MIB}MB",
        "vram": "~1GB",
        "variant": "",
        "desc": DESCRIPTION,
        "available": True,
        "downloadable": False,
        "sha256_ok": None,
        "bytes": size,
    }
