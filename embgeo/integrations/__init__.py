"""Codecs in the tools that others measure with: one file per tool, imported by the user alone.

A file here may import `embgeo.pipelines.codec` and what lies below it. Nothing in embgeo imports this package, and a
file imports its tool when it is used or, if it must subclass a class of the tool, at its top.
"""
