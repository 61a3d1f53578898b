"""Bytes on disk: atomic writes, digests, safetensors headers, JSON text. Independent of embeddings."""
