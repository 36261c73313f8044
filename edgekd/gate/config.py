"""``edgekd.gate.yaml``: what a team's gates judge. Read safely; every slip is told with its line."""

from __future__ import annotations

from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from edgekd.data.sources import ASSET_PREFIX
from edgekd.devices import load_profiles
from edgekd.errors import ConfigError, unknown_name
from edgekd.gate.grammar import parse_rule
from edgekd.gate.margin import DEFAULT_MARGIN, parse_margin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

CONFIG_FILE = "edgekd.gate.yaml"
EXAMPLE = "targets: {pi4: {candidate: runs/new/bundles/pi4/bag-int8, require: ['p95<20ms']}}"
_PLACE = tuple[str | int, ...]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TargetConfig(_Part):
    """What is judged for one target."""

    candidate: str | None = Field(default=None, min_length=1)
    """Bundle folder, packed bundle or result file."""
    baseline: str | None = Field(default=None, min_length=1)
    """The same, or a record of ``benchmarks/baselines``; the newest one there if not given."""
    require: list[str] = Field(default_factory=list)
    """Rules: what must hold."""
    budgets: Literal["profile", "none"] = "profile"
    """Whether the budgets of the target's profile must hold too, where no rule is about the same metric."""

    @field_validator("require", mode="before")
    @classmethod
    def _one_rule_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value


class GateConfig(_Part):
    """The whole file; paths are relative to it."""

    data: str | None = Field(default=None, min_length=1)
    """Labelled texts; the test split of the bundle's run if not given."""
    text_column: str | None = None
    """Recognised if not given."""
    label_column: str | None = None
    """Recognised if not given."""
    devices: str | None = Field(default=None, min_length=1)
    """Your own profiles: a YAML file or a folder."""
    max_seconds: float = Field(default=60.0, ge=1)
    """Time limit of the latency measurement of a target."""
    margin: float = DEFAULT_MARGIN
    """Part by which a change of latency must be beyond its limit to fail, for instance 0.5%."""
    report_only: bool = False
    """Exit code 0 whatever the verdict."""
    targets: dict[str, TargetConfig] = Field(default_factory=dict)
    """By name or alias of a profile."""

    @field_validator("margin", mode="before")
    @classmethod
    def _a_margin_is_a_part(cls, value: Any) -> Any:
        try:
            return parse_margin(value)
        except ConfigError as error:
            raise PydanticCustomError("margin", "{why}", {"why": f"{error.message} {error.hint}"}) from error

    @field_validator("targets", mode="before")
    @classmethod
    def _a_bare_target_is_an_empty_one(cls, value: Any) -> Any:
        return {name: {} if one is None else one for name, one in value.items()} if isinstance(value, dict) else value


class GateFile:
    """A configuration file that was read and checked.

    Args:
        path: of the file.
        config: what it says.
        profiles: name of the profile of each target, in the order of the file.
    """

    def __init__(self, path: Path, config: GateConfig, profiles: dict[str, str]) -> None:
        self.path = path
        self.config = config
        self.profiles = profiles

    def at(self, path: str) -> Path:
        """Return a path of the file as one of the working folder."""
        return self.path.parent / path

    @property
    def data(self) -> str | None:
        """The source of the texts."""
        data = self.config.data
        return data if data is None or data.startswith(ASSET_PREFIX) else str(self.at(data))

    @property
    def devices(self) -> Path | None:
        """The user's own profiles."""
        return self.at(self.config.devices) if self.config.devices else None

    def target_of(self, profile: str) -> TargetConfig | None:
        """Return what the file says about a profile."""
        return next((self.config.targets[key] for key, name in self.profiles.items() if name == profile), None)


def find_config(given: Path | None) -> GateFile | None:
    """Read the file that was named, else ``edgekd.gate.yaml`` of the working folder; None when there is none.

    Raises:
        ConfigError: when the named one does not exist, or one is wrong.
    """
    path = given or Path(CONFIG_FILE)
    if given is None and not path.is_file():
        return None
    return read_config(path)


def read_config(path: Path) -> GateFile:
    """Read and check a file.

    Raises:
        ConfigError: naming the file, the line and the key of every slip.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise ConfigError(f"The configuration '{path}' does not exist.", hint=f"Write one: {EXAMPLE}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"'{path}' is not UTF-8 text: {error}.") from error
    try:
        raw = yaml.safe_load(text)
        lines = _lines(yaml.compose(text, Loader=yaml.SafeLoader), path)
    except yaml.YAMLError as error:
        raise _no_yaml(path, error) from error
    if not isinstance(raw, dict):
        what = "is empty" if raw is None else f"is a {type(raw).__name__}"
        raise ConfigError(f"'{path}' must be a mapping with 'targets', but it {what}.", hint=f"Example: {EXAMPLE}")
    if "targets" in raw and not raw["targets"]:
        raise ConfigError(f"{path}:{lines['targets',]}: targets is empty; name a target.", hint=f"Example: {EXAMPLE}")
    try:
        config = GateConfig.model_validate(raw)
    except ValidationError as error:
        slips = "\n  ".join(_slip(path, lines, details) for details in error.errors())
        raise ConfigError(f"'{path}' is not a valid gate configuration:\n  {slips}") from error
    return GateFile(path, config, _check(path, config, lines))


def _no_yaml(path: Path, error: yaml.YAMLError) -> ConfigError:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return ConfigError(f"{path}:{error.problem_mark.line + 1}: this is not valid YAML: {error.problem}.")
    return ConfigError(f"'{path}' is not valid YAML: {error}.")


def _check(path: Path, config: GateConfig, lines: dict[_PLACE, int]) -> dict[str, str]:
    """Check targets and rules; return the profile of each target."""
    profiles: dict[str, str] = {}
    names = _names(path.parent / config.devices if config.devices else None) if config.targets else {}
    for name, target in config.targets.items():
        with _located(path, lines, ("targets", name)):
            if name not in names:
                raise unknown_name("target", name, names, hint="See 'edgekd devices list'.")
        profile = names[name]
        same = [other for other, known in profiles.items() if known == profile]
        if same:
            line = lines["targets", name]
            raise ConfigError(f"{path}:{line}: targets.{name} and targets.{same[0]} are the same target, {profile}.")
        profiles[name] = profile
        for number, rule in enumerate(target.require):
            with _located(path, lines, ("targets", name, "require", number)):
                parse_rule(rule)
    return profiles


def _names(devices: Path | None) -> dict[str, str]:
    """Return the name of each profile by its names and aliases."""
    profiles = load_profiles(devices).values()
    return {alias: profile.name for profile in profiles for alias in (profile.name, *profile.aliases)}


@contextmanager
def _located(path: Path, lines: dict[_PLACE, int], place: _PLACE) -> Iterator[None]:
    """Say where in the file an error comes from."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{_where(path, lines, place)}: {error.message}", hint=error.hint) from error


def _where(path: Path, lines: dict[_PLACE, int], place: _PLACE) -> str:
    """Return file, line and dotted key; the line of the nearest key that has one."""
    found = next((lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in lines), 1)
    return f"{path}:{found}: {'.'.join(map(str, place))}"


def _lines(node: yaml.Node | None, path: Path) -> dict[_PLACE, int]:
    """Return the line of every key and list item, from 1; a key that is there twice is an error."""
    return dict(_walk(node, path, (), set()))


def _walk(node: yaml.Node | None, path: Path, place: _PLACE, done: set[int]) -> Iterator[tuple[_PLACE, int]]:
    if id(node) in done:  # an alias, perhaps of what it is in
        return
    done.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in seen:
                raise ConfigError(f"{path}:{line}: '{name}' is there already in line {seen[name]}.")
            seen[name] = line
            yield (*place, name), line
            yield from _walk(value, path, (*place, name), done)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield (*place, number), item.start_mark.line + 1
            yield from _walk(item, path, (*place, number), done)


def _slip(path: Path, lines: dict[_PLACE, int], details: ErrorDetails) -> str:
    place = tuple(details["loc"])
    where = _where(path, lines, place)
    if details["type"] == "extra_forbidden":
        known = sorted((TargetConfig if place[0] == "targets" else GateConfig).model_fields)
        near = get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        guess = f" Did you mean '{near[0]}'?" if near else ""
        return f"{where}: unknown key. Allowed here: {', '.join(known)}.{guess}"
    given = details.get("input")
    shown = f" (given: {given!r})" if isinstance(given, (str, int, float, bool, type(None))) else ""
    return f"{where}: {details['msg']}{shown}"
