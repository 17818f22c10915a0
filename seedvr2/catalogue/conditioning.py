"""The text embedding that every model was trained with: the transformer is conditioned on one fixed prompt."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from seedvr2.catalogue.folder import find_text_embedding, how_to_get, pulling
from seedvr2.catalogue.places import ModelsDir
from seedvr2.catalogue.registry import TEXT
from seedvr2.checkpoint import Checkpoint, PackedTensor, open_checkpoint
from seedvr2.errors import CheckpointError, IncompleteModelError

POSITIVE = "positive_conditioning"
# Buffers that some transformer files carry beside their parameters.
CONDITIONINGS = (POSITIVE, "negative_conditioning")


def load_conditioning(checkpoint: Checkpoint, models_dir: ModelsDir) -> Tensor:
    """The text embedding (tokens, channels) for a transformer, as stored: from its own file, else from `models_dir`.

    Raises:
        IncompleteModelError: neither has it; the message says how to get it.
        CheckpointError: it does not fit the transformer.
    """
    if POSITIVE in checkpoint:
        return _fitting(checkpoint.tensor(POSITIVE), checkpoint, checkpoint.path, models_dir)
    path = find_text_embedding(models_dir)
    if path is None:
        raise IncompleteModelError(lacks_text(checkpoint.path.name, models_dir), TEXT, checkpoint.path.name)
    return _fitting(read_embedding(path), checkpoint, path, models_dir)


def lacks_text(name: str, models_dir: ModelsDir) -> str:
    """A sentence for someone whose model `name` cannot run for want of the text embedding."""
    return f"{name} needs a text embedding: {how_to_get(TEXT, models_dir)}"


def read_embedding(path: Path) -> Tensor:
    """The tensor in a file of the text embedding, `pos_emb.pt` or safetensors.

    Raises:
        CheckpointError: the file holds something else.
    """
    embedding = open_checkpoint(path)
    if len(embedding.shapes) != 1:
        raise CheckpointError(f"{path} holds {len(embedding.shapes)} tensors, not one text embedding; fetch it again.")
    value = embedding.tensor(next(iter(embedding.shapes)))
    return value.expand() if isinstance(value, PackedTensor) else value


def _fitting(value: Tensor | PackedTensor, checkpoint: Checkpoint, path: Path, models_dir: ModelsDir) -> Tensor:
    tensor = value.expand() if isinstance(value, PackedTensor) else value
    tensor = tensor.reshape(-1, tensor.shape[-1])
    channels = checkpoint.shapes.get("txt_in.weight", (0, tensor.shape[1]))[1]
    if tensor.shape[1] != channels:
        raise CheckpointError(
            f"The text embedding in {path} has {tensor.shape[1]} channels, {checkpoint.path.name} takes {channels}: "
            f"move it away and run `{pulling(TEXT, models_dir)}`."
        )
    return tensor
