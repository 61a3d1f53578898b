"""What is to be deployed, where, and how the target holds it: a request, parsed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType

from embgeo.compression.choosing.native import Plan
from embgeo.compression.codecs.spec import Spec, parse
from embgeo.errors import InputError
from embgeo.files.addresses import without_key
from embgeo.files.digest import Digest
from embgeo.requests import DeployRequest
from embgeo.results import CompressResult
from embgeo.run import DEPLOYMENTS, Run, find_run
from embgeo.targets import Target, find_target

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
SLUG = 30  # characters of the dataset's name in that of a collection; PostgreSQL takes 63 in all


@dataclass(frozen=True)
class Asked:
    """A parsed request.

    Attributes
    ----------
    place : where the store is, with its password; a path is absolute.
    plan : how the target holds `spec`.
    """

    request: DeployRequest
    run: Run
    target: Target
    spec: Spec
    plan: Plan
    name: str
    place: str

    @classmethod
    def of(cls, request: DeployRequest) -> Asked:
        """Parse the request; whatever can be refused before anything is read or contacted is refused here."""
        named, _, place = request.target.partition("=")
        target = find_target(named)
        if not target.engine or target.plan is None:
            raise InputError(f"nothing can be loaded into {named}; `embgeo targets` lists the stores")
        if request.append and request.replace:
            raise InputError("--append and --replace exclude each other; give one of them")
        run = request.run if isinstance(request.run, Run) else find_run(request.run, request.out)
        if run.command != "compress":
            raise InputError(f"{run.folder} must be a run of `embgeo compress`; it is one of {run.command}")
        found = CompressResult.from_json(run.result)
        text = request.spec or _picked(found, named)
        spec = parse(text)
        plan = target.plan(spec, int(run.result["dataset"]["dimension"]), str(run.result["similarity"]))
        if not isinstance(plan, Plan):
            near = f" The nearest that it holds: --spec {plan.nearest}" if plan.nearest else ""
            raise InputError(f"{named} cannot hold {text}: {plan.reason}.{near}")
        name = request.name or _collection(found, text)
        if not NAME.fullmatch(name):
            raise InputError(f"--name must be up to 63 letters, digits, _ - and ., the first no . or -; got {name!r}")
        folder = run.folder / DEPLOYMENTS / f"{named}-{name}"
        if place and "://" not in place:
            if "@" in place or "password=" in place:
                raise InputError(f"{named}= takes a URL (scheme://…) or a path; what was given is neither")
            place = str(Path(place).expanduser().absolute())
        if not place and not target.place:
            raise InputError(f"{named} needs a server; name it as {named}=URL")
        return cls(request, run, target, spec, plan, name, place or str((folder / target.place).absolute()))

    @property
    def folder(self) -> Path:
        return self.run.folder / DEPLOYMENTS / f"{self.target.name}-{self.name}"

    @property
    def shown_place(self) -> str:
        """Where the store is, without its password; within the kit, from the kit's folder."""
        if "://" in self.place:
            return without_key(self.place)
        path = Path(self.place)
        home = self.folder.absolute()
        return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)

    @cached_property
    def engine(self) -> ModuleType:
        return import_module(self.target.engine)


def _picked(found: CompressResult, target: str) -> str:
    """The spec that --target picked for that store, otherwise the recommended one."""
    picks = [] if found.deploy is None else found.deploy.picks or []
    mine = [pick.spec for pick in picks if pick.spec and any(one.target == target for one in pick.targets)]
    return mine[0] if mine else found.recommendation.spec


def _collection(found: CompressResult, text: str) -> str:
    """A name that is legal in every store, and another for another run or spec."""
    dataset = found.dataset.name or found.model.name or "documents"
    slug = "".join(c if c.isascii() and c.isalnum() else "_" for c in dataset.lower()).strip("_")[-SLUG:]
    return f"{slug or 'documents'}_{Digest(str(found.identity), text).hex()[:8]}".lstrip("0123456789_")
