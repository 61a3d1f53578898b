"""What a model's files say it is: one SHA-256 over weights, tokenizer and configuration."""

from __future__ import annotations

from pathlib import Path

from embgeo.files.digest import Digest, file_digest

SUFFIXES = frozenset({".safetensors", ".bin", ".pt", ".json", ".txt", ".model", ".py", ".npy", ".npz"})
OTHER_BACKENDS = frozenset({"onnx", "openvino"})


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 over relative names and contents of the files in `folder` that can change a vector.

    Weights, tokenizer, pooling and module configuration and shipped code count; model cards and exports for other
    backends do not. 90 MB take about 0.1 s.
    """
    digest = Digest()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix in SUFFIXES and not OTHER_BACKENDS & set(name.parts) and path.is_file():
            digest.add(f"{name.as_posix()}\n{file_digest(path)}\n")
    return digest.hex()
