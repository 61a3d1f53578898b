"""Text → vectors. Nothing heavy is imported until a text model is resolved: torch, transformers and mteb load then."""
