"""Several stored runs side by side: what each part of a comparison holds; `pipelines.compare` puts them together."""
