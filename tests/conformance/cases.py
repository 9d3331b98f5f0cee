"""The cases: JSON files with templates, read, multiplied by their variants, and checked."""
import fnmatch
import json
import pathlib

from checks import CHECKS
from match import Matcher
from values import Builder

HERE = pathlib.Path(__file__).resolve().parent
LEVELS = ("must", "should", "may")
CASE_MEMBERS = {"name", "source", "why", "level", "protocols", "device", "as", "needs", "fresh",
                "each", "keep_alive", "steps"}
STEP_MEMBERS = {"as", "credential", "method", "path", "headers", "body", "raw", "raw_hex",
                "repeat", "chunked", "at_once", "expect"}
VALUES, MATCHERS = (Builder, "make_"), (Matcher, "match_")
EXPECT_MEMBERS = {"status", "result", "body", "headers", "empty", "checks", "any_of"}


class Wrong(Exception):
    """A file of cases that is not as the README says."""


def merged(base, over):
    """Objects are merged member by member; matchers and everything else replace."""
    both = isinstance(base, dict) and isinstance(over, dict)
    if not both or any(name.startswith("$") for name in (*base, *over)):
        return over
    result = dict(base)
    for name, value in over.items():
        result[name] = merged(base[name], value) if name in base else value
    return result


def based(value, templates):
    """Replace every object with "$base" by the template of that name, changed by the rest."""
    if isinstance(value, list):
        return [based(item, templates) for item in value]
    if not isinstance(value, dict):
        return value
    value = dict(value)
    name = value.pop("$base", None)
    value = {key: based(item, templates) for key, item in value.items()}
    if name is None:
        return value
    if name not in templates:
        raise Wrong(f"there is no template {name}")
    return merged(based(templates[name], templates), value)


def filled(value, variables):
    """Put in the values of {"$var": name}, and of {name} in texts."""
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    if isinstance(value, dict):
        if set(value) == {"$var"}:
            return variables[value["$var"]]
        return {filled(key, variables) if "{" in key else key: filled(item, variables)
                for key, item in value.items()}
    if isinstance(value, str):
        for name, text in variables.items():
            if isinstance(text, str):
                value = value.replace("{" + name + "}", text)
    return value


class Case:
    def __init__(self, message, name, protocol, data):
        self.message, self.name, self.protocol = message, name, protocol
        self.level, self.source, self.why = data["level"], data["source"], data["why"]
        self.device = data.get("device")
        self.peer = data.get("as", "home")
        self.needs = data.get("needs", [])
        self.fresh = data.get("fresh", False)
        self.keep_alive = data.get("keep_alive", False)
        self.steps = data["steps"]


def check_members(what, found, known):
    unknown = set(found) - known
    if unknown:
        raise Wrong(f"{what}: unknown member {', '.join(sorted(unknown))}")


def check_words(name, value, owners):
    """Every "$word" is one that is known."""
    if isinstance(value, list):
        for item in value:
            check_words(name, item, owners)
    if isinstance(value, dict):
        for word, item in value.items():
            known = word == "$var" or any(hasattr(owner, prefix + word[1:])
                                          for owner, prefix in owners)
            if word.startswith("$") and not known:
                raise Wrong(f"{name}: there is no {word}")
            check_words(name, item, owners)


def check_expect(name, expect):
    check_members(name, expect, EXPECT_MEMBERS)
    check_members(name, expect.get("checks", {}), set(CHECKS))
    check_words(name, expect, (MATCHERS, VALUES))
    for item in expect.get("any_of", []):
        check_expect(name, item)
    if not expect:
        raise Wrong(f"{name}: a step that expects nothing cannot fail")


def check_case(name, data):
    check_members(name, data, CASE_MEMBERS)
    for member in ("name", "source", "why", "level", "steps"):
        if not data.get(member):
            raise Wrong(f"{name}: {member} is missing")
    if data["level"] not in LEVELS:
        raise Wrong(f"{name}: level is one of {' '.join(LEVELS)}")
    for step in data["steps"]:
        expect = step.get("expect", {})
        check_members(name, step, STEP_MEMBERS)
        check_words(name, [step.get("body"), step.get("at_once"), data.get("each")], (VALUES,))
        check_expect(name, expect)
        if "any_of" in expect and set(expect) - {"any_of"} and "at_once" not in step:
            raise Wrong(f"{name}: beside any_of nothing is looked at")


def expanded(stem, message, data, default_protocols):
    variants = data.get("each", {"": {}})
    protocols = data.get("protocols", default_protocols)
    for suffix, variables in variants.items():
        for protocol in protocols:
            name = f"{stem}/{data['name']}" + (f"/{suffix}" if suffix else "")
            name += f"@{protocol}" if len(protocols) > 1 else ""
            yield Case(message, name, protocol, filled(data, variables))


def load(folder=None):
    """Every case of every file, in the order of the files' names."""
    folder = pathlib.Path(folder) if folder else HERE / "cases"
    templates = json.loads((HERE / "templates.json").read_text())
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text())
            for data in content["cases"]:
                data = based(data, templates)
                check_case(f"{path.name}: {data.get('name')}", data)
                found += expanded(path.stem, content["message"], data, content["protocols"])
        except (ValueError, KeyError) as error:
            raise Wrong(f"{path.name}: {error}") from error
    names = [case.name for case in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Wrong(f"more than one case is named {', '.join(sorted(twice))}")
    return found


def chosen(cases, glob=None, message=None, protocol=None):
    for case in cases:
        if glob and not fnmatch.fnmatchcase(case.name, glob):
            continue
        if message and case.message.lower() != message.lower():
            continue
        if protocol and case.protocol != protocol:
            continue
        yield case
