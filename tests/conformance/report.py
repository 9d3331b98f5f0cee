"""What a run looks like: a table, totals, or JSON."""
import json

from run import FAILED, PASSED, SKIPPED


def word(outcome, strict):
    """A failed `should` is a warning and a failed `may` a note; --strict makes both failures."""
    if outcome.result != FAILED or outcome.case.level == "must" or strict:
        return outcome.result
    return "warning" if outcome.case.level == "should" else "note"


def cut(text, width):
    return text if len(text) <= width else text[:width - 1] + "…"


class Table:
    """One line a case as it ends, and below it what was wrong."""

    WIDTHS = (10, 54, 30, 26)

    def __init__(self, strict):
        self.strict = strict
        self.line("message", "case", "expected", "got", "result")

    def line(self, *cells):
        *cells, last = cells
        padded = [cut(cell, width).ljust(width) for cell, width in zip(cells, self.WIDTHS)]
        print("  ".join([*padded, last]), flush=True)

    def add(self, outcome):
        case = outcome.case
        result = word(outcome, self.strict)
        if outcome.result == FAILED:
            result += f" ({case.level})"
        self.line(case.message, case.name, outcome.expected, outcome.got, result)
        for text in outcome.differences:
            print(f"    {text}")
        if outcome.result == FAILED:
            print(f"    {case.why} [{case.source}]")

    def end(self, outcomes):
        counts = totals(outcomes, self.strict)
        print(", ".join(f"{count} {name}" for name, count in counts.items()))


class Json:
    """All of it as one object, at the end."""

    def __init__(self, strict):
        self.strict = strict

    def add(self, outcome):
        pass

    def end(self, outcomes):
        cases = [{"message": o.case.message, "name": o.case.name, "protocol": o.case.protocol,
                  "level": o.case.level, "source": o.case.source, "result": word(o, self.strict),
                  "expected": o.expected, "got": o.got, "differences": o.differences}
                 for o in outcomes]
        print(json.dumps({"cases": cases, "totals": totals(outcomes, self.strict)}, indent=1))


def totals(outcomes, strict):
    counts = dict.fromkeys((PASSED, FAILED, "warning", "note", SKIPPED), 0)
    for outcome in outcomes:
        counts[word(outcome, strict)] += 1
    return {"passed": counts[PASSED], "failed": counts[FAILED], "warnings": counts["warning"],
            "notes": counts["note"], "skipped": counts[SKIPPED]}


def listing(cases):
    for case in cases:
        print(f"{case.name}  ({case.message}, {case.level})\n    {case.why}\n    {case.source}")
