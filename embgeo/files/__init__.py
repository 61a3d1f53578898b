"""Bytes on disk: writing whole or not at all, digests, safetensors headers, JSON text. Knows nothing of embeddings."""
