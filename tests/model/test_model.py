"""The model in docs/model: every function that it names is there, spin finds no error in it, and finds one
in it as soon as a rule is broken.

test_model.py NAME   names, holds, ends, broken: one part; large: more requests, minutes and 2 GB
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "docs/model/keyward.pml"
DEPTH = 10_000
MEMORY_MIB = 600

NO_FRONT = {"FRONT_CRASHES": 0, "FLIGHTS": 1, "WITHOUT_DEADLINE": ""}
# Each looks at one thing closely; all at once would be too many states.
RESTORE = {"REQUESTS": 3, "NONCES": 3, "FULL_DISKS": 0, **NO_FRONT}
FOLD = {"REQUESTS": 4, "NONCES": 2, "FULL_DISKS": 0, "RESTORES": 0, **NO_FRONT}
DISK = {"REQUESTS": 3, "NONCES": 3, "RESTORES": 0, **NO_FRONT}
# One device is enough to see who is answered.
PROCESSES = {"REQUESTS": 3, "NONCES": 2, "QUESTIONS": 2, "FULL_DISKS": 0, "RESTORES": 0}
HOLDS = {"restore": RESTORE, "fold": FOLD, "disk": DISK, "processes": PROCESSES}
LARGE = {
    "restore": {**RESTORE, "REQUESTS": 4, "NONCES": 2},
    "fold": {**FOLD, "VAULT_CRASHES": 2},
    "processes": {**PROCESSES, "QUESTIONS": 4},
    "two deaths": {**PROCESSES, "VAULT_CRASHES": 2},
}

WRONG, HANGS = "assertion violated", "invalid end state"
BROKEN = {
    "ANSWER": (DISK, WRONG),         # answers are sent before the commit
    "VOID": (DISK, WRONG),           # and they stand when the commit fails
    "UNDO": (DISK, WRONG),           # memory keeps what a failed commit took back
    "REPLAY": (FOLD, WRONG),         # the journal is not replayed at the start
    "MARK": (FOLD, WRONG),           # the mark of the fold is durable before the states
    "PASS": (FOLD, WRONG),           # the mark covers what came while the pass was under way
    "CHAIN": (RESTORE, WRONG),       # only the folded DevNonces are looked at
    "BATCH": (RESTORE, WRONG),       # a request of a batch does not see those before it
    "REPEAT": (RESTORE, WRONG),      # a repeated request uses a new nonce
    "MARGIN": (RESTORE, WRONG),      # restore does not advance the JoinNonces
    "APPLIED": (RESTORE, WRONG),     # restore leaves the backup's journal to be replayed over that
    "NUMBER": (PROCESSES, WRONG),    # an answer is taken for the one to the last question
    "HELLO": (FOLD, HANGS),          # a new vault's hello says nothing to the front
    "DEADLINE": (PROCESSES, HANGS),  # a front waits for ever
    "WATCHDOG": (PROCESSES, HANGS),  # a stuck vault is left alone
    "RESTART": (PROCESSES, HANGS),   # a dead vault is not started again
}


class Problem(Exception):
    pass


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(config, broken=None, cycles=False, memory=MEMORY_MIB):
    """Run spin; gives what pan says."""
    defines = [f"-D{name}={value}" if value != "" else f"-D{name}" for name, value in config.items()]
    if broken is not None:
        defines.append(f"-DBREAK_{broken}")
    with tempfile.TemporaryDirectory(prefix="keyward-model-") as folder:
        run("spin", *defines, "-a", str(MODEL), cwd=folder)
        kind = ["-DNP"] if cycles else ["-DSAFETY"]
        # Where there are few states to visit it is the compiler that takes time.
        optimise = "-O0" if broken is not None or cycles else "-O1"
        run("gcc", "-w", optimise, *kind, "-DCOLLAPSE", f"-DMEMLIM={memory}", "-o", "pan", "pan.c",
            cwd=folder)
        said = run("./pan", f"-m{DEPTH}", "-w20", *(["-l"] if cycles else []), cwd=folder)
    for word in ("max search depth too small", "Search not completed", "aborted"):
        if word in said and "errors: 0" in said:
            raise Problem(said)
    return said


def states(said):
    return int(re.search(r"(\d+) states, stored", said).group(1))


def holds(config, **how):
    said = check(config, **how)
    if not re.search(r"errors: 0\b", said):
        raise Problem(said)
    return f"{states(said)} states"


def breaks(name):
    config, wanted = BROKEN[name]
    said = check(config, broken=name)
    if re.search(r"errors: 0\b", said) or wanted not in said.split("Full statespace")[0]:
        raise Problem(f"expected: {wanted}\n{said}")
    return wanted


def is_defined(function, path):
    """A definition begins at the margin and is no prototype."""
    pattern = rf"(?m)^[a-z_(][^;={{}}]*?\b{function}\([^;{{}}]*\)\n?\s*{{"
    return re.search(pattern, path.read_text()) is not None


def names():
    """file function, function; file function ... behind each "C:" of a comment."""
    count = 0
    for said in re.findall(r"(?s)\bC: (.*?)\*/", MODEL.read_text()):
        for part in re.sub(r"\s*\n[\s*]*", " ", said).split(";"):
            path, _, functions = part.strip().partition(" ")
            for function in functions.split(","):
                function = function.strip()
                if not is_defined(function, ROOT / path):
                    raise Problem(f"the model names {function}() of {path}, which is not there")
                count += 1
    if count < 40:
        raise Problem(f"only {count} functions are named: is the model still read rightly?")
    return f"{count} functions"


def all_broken_are_tried():
    known = set(re.findall(r"\bBREAK_(\w+)", MODEL.read_text())) - {"x"}
    if known != set(BROKEN):
        raise Problem(f"not tried: {known ^ set(BROKEN)}")
    return f"{len(known)} rules"


def tests(part):
    if part == "names":
        yield "names", names
        yield "rules", all_broken_are_tried
    elif part == "holds":
        for name, config in HOLDS.items():
            yield f"holds {name}", lambda config=config: holds(config)
    elif part == "ends":
        # No cycle at all, and no end but with all answered: every run ends with all answered.
        for name, config in HOLDS.items():
            small = {**config, "REQUESTS": 2, "NONCES": 2}
            yield f"ends {name}", lambda small=small: holds(small, cycles=True)
    elif part == "broken":
        for name in BROKEN:
            yield f"broken {name}", lambda name=name: breaks(name)
    elif part == "large":
        for name, config in LARGE.items():
            yield f"large {name}", lambda config=config: holds(config, memory=2000)
    else:
        raise SystemExit(__doc__)


def main():
    failed = 0
    for part in sys.argv[1:] or ["names", "holds", "ends", "broken"]:
        for name, function in tests(part):
            start = time.monotonic()
            try:
                result = function()
            except Problem as problem:
                failed += 1
                print(f"[  FAILED  ] {name}\n{problem}")
            else:
                print(f"[       OK ] {name}: {result} ({time.monotonic() - start:.1f} s)")
            sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
