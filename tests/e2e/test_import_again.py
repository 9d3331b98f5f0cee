"""`keyward device import` broken off in the middle and done again; long files in little memory."""
import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time

from commands import HEAD, JOIN_EUI, NWK_KEY, ask, dev_eui, fails, row, seal, table, write
from lorawan import Device
from server import SLOW, executable, run_tests, Server

ROWS = 12000


def write_rows(server, count, name="devices.csv", extra=()):
    path = server.folder / name
    with open(path, "w", encoding="ascii") as file:
        file.write(HEAD + "\n")
        for number in range(count):
            file.write(row(number) + "\n")
        file.writelines(line + "\n" for line in extra)
    path.chmod(0o600)
    return path


def stored(server):
    return server.json("status")["store"]["devices"]


def start_import(server, path, **more):
    return subprocess.Popen(
        [executable("keyward"), "-c", str(server.conf), "device", "import", str(path), "--net-id",
         "000013"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, **more)


def open_files(process, folder):
    """Modes of the files of a folder that a process has open, those without a name included."""
    modes = []
    with contextlib.suppress(OSError):
        for link in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
            if os.readlink(link).startswith(f"{folder}/"):
                modes.append(link.stat().st_mode & 0o777)
    return modes


def when_some_are_in(server, process, folder=None):
    """Wait until the import has begun to load, or is done. Modes of the files that it had open in a folder."""
    deadline = time.monotonic() + 60 * SLOW
    modes = []
    while process.poll() is None and stored(server) == 0:
        modes += open_files(process, folder) if folder is not None else []
        assert time.monotonic() < deadline, "the import does not get on"
    return modes + (open_files(process, folder) if folder is not None else [])


def wait_for_answers(server):
    """The process that was killed is started again by keywardd."""
    deadline = time.monotonic() + 30 * SLOW
    while server.cli("device", "list", "--json", check=False).returncode != 0:
        assert time.monotonic() < deadline, server.new_log()
        time.sleep(0.05)


def goes_on(server, path):
    """The same command again: what is missing is added, what is there is left."""
    before = stored(server)
    said = server.cli("device", "import", path, "--net-id", "000013")
    words = "device" if ROWS - before == 1 else "devices"
    there = f", {before} already there" if before > 0 else ""
    assert said == f"{ROWS - before} {words} added{there}\n", (before, said)
    assert stored(server) == ROWS
    assert server.cli("device", "import", path, "--net-id", "000013") == \
        f"0 devices added, {ROWS} already there\n"


def joins(server, *numbers):
    token = server.add_ns("ours", "--net-id", "000013")
    for number in numbers:
        key = bytes.fromhex(row(number).split(",")[3])
        device = Device(dev_eui(number), JOIN_EUI, "1.0.3", key)
        assert ask(server, token, device) == "Success", number


def test_after_the_command_line_was_killed():
    with Server() as server:
        path = write_rows(server, ROWS)
        temporary = server.folder / "temporary"
        temporary.mkdir()
        process = start_import(server, path, env={**os.environ, "TMPDIR": str(temporary)})
        modes = when_some_are_in(server, process, temporary)
        process.kill()
        process.communicate()
        assert list(temporary.iterdir()) == [], "a temporary file was left"
        assert set(modes) == {0o600} or (not modes and stored(server) == ROWS), modes
        goes_on(server, path)
        joins(server, 0, ROWS // 2, ROWS - 1)


def minds_ctrl_c(process):
    """Wait until a command has begun to load and catches SIGINT, or has ended."""
    deadline = time.monotonic() + 60 * SLOW
    while process.poll() is None:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            caught = int(re.search(r"SigCgt:\s+([0-9a-f]+)", file.read()).group(1), 16)
        if caught & 1 << (signal.SIGINT - 1):
            return
        assert time.monotonic() < deadline, "the import does not get on"
        time.sleep(0.001)


def interrupted(server, make):
    """Import a file of make() and press Ctrl-C while it is loaded; gives the file. On a busy machine a load
    may be over before the signal is there, so there are a few attempts, each with another file."""
    for attempt in range(8):
        path, before, total = make(attempt)
        process = start_import(server, path)
        minds_ctrl_c(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60 * SLOW)
        if process.returncode == 0:
            assert out.startswith(f"{total - before} devices added"), (out, err)
            continue
        assert (process.returncode, out) == (1, ""), (process.returncode, out, err)
        match = re.search(r"stopped when (\d+) of (\d+) devices were in; the same command "
                          r"again goes on from there", err)
        assert match, err
        assert int(match.group(1)) < int(match.group(2)) == total, err
        return path, total, int(match.group(1))
    raise AssertionError("Ctrl-C does not end a load")


def test_after_ctrl_c():
    with Server() as server:
        def make(attempt):
            name, first = f"{attempt}.csv", attempt * ROWS
            lines = [HEAD, *(row(first + number) for number in range(ROWS))]
            server.cli("device", "import", "-", text="\n".join(lines[:1501]) + "\n")
            path = server.folder / name
            path.write_text("\n".join(lines) + "\n")
            path.chmod(0o600)
            make.others = attempt * ROWS
            return path, 1500, ROWS

        path, total, there = interrupted(server, make)
        assert stored(server) - make.others == there
        assert server.cli("device", "import", path, "--net-id", "000013") == \
            f"{total - there} devices added, {there} already there\n"


def test_sealed_after_ctrl_c():
    parts, rows = 16, 400
    with Server() as server:
        def make(attempt):
            first = attempt * parts * rows
            make.others = first
            pem = [seal(server, table(*(row(first + part * rows + i) for i in range(rows))),
                        form="PEM") for part in range(parts)]
            return write(server, f"{attempt}.pem", b"".join(pem)), 0, parts * rows

        path, total, there = interrupted(server, make)
        assert stored(server) - make.others == there
        assert server.cli("device", "import", path, "--net-id", "000013") == \
            f"{total - there} devices added, {there} already there\n"


def test_after_vault_and_portal_were_killed():
    for victim in ("vault", "portal"):
        with Server() as server:
            path = write_rows(server, ROWS)
            process = start_import(server, path)
            when_some_are_in(server, process)
            os.kill(server.children()[victim], signal.SIGKILL)
            out, err = process.communicate(timeout=150 * SLOW)
            if process.returncode == 1:
                assert "the same command again goes on from there" in err, (victim, err)
            else:
                # Asked again on a new connection, what was in already is told as such.
                match = re.fullmatch(r"(\d+) devices added(?:, (\d+) already there)?\n", out)
                assert process.returncode == 0 and match, (victim, out, err)
                assert sum(int(part or 0) for part in match.groups()) == ROWS, (victim, out)
            wait_for_answers(server)
            goes_on(server, path)


def test_a_part_that_is_there():
    """Known row by row, by all that the row says, and never by its place."""
    with Server() as server:
        server.cli("device", "import", write_rows(server, 1500, "part.csv"))
        path = write_rows(server, 4000)
        # The last line has another key: it is told, and nothing is loaded.
        bad = write_rows(server, 4000, "bad.csv")
        lines = bad.read_text().splitlines()
        lines[1400] = row(1399, app_key=NWK_KEY.hex())
        lines.append(row(700, version="1.0.4"))
        bad.write_text("\n".join(lines) + "\n")
        said = fails(server, "device", "import", bad, words=[
            f"{bad}:1401: device {dev_eui(1399)} is there already with another JoinEUI, version "
            "or key: remove it first", "nothing was added"])
        assert f"{bad}:4002: column dev_eui: {dev_eui(700)} is on line 702 already" in said, said
        assert stored(server) == 1500
        # The row before the bad one and the one behind it are refused with it, in a dry run, too.
        few = write(server, "few.csv", table(row(5000), row(1399, app_key=NWK_KEY.hex()),
                                             row(5001)).encode())
        few.chmod(0o600)
        for more in ([], ["--dry-run"]):
            done = server.cli("--json", "device", "import", few, *more, check=False)
            counts = json.loads(done.stdout)
            assert done.returncode == 1, done
            assert (counts["rows"], counts["added"], counts["refused"]) == (3, 0, 1), counts
        assert server.cli("device", "import", path, "--dry-run") == \
            "2500 devices could be added, 1500 already there\n"
        assert server.cli("device", "import", path) == \
            "2500 devices added, 1500 already there\n"
        # Sealed by somebody else, several envelopes, from a pipe: the same.
        pem = b"".join(seal(server, table(*[row(first + i) for i in range(300)]), form="PEM")
                       for first in (3700, 4000, 4300))
        done = subprocess.run([executable("keyward"), "-c", str(server.conf), "device", "import",
                               "-"], input=pem, capture_output=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout == b"600 devices added, 300 already there\n", done.stdout
        assert stored(server) == 4600


def no_larger_files():
    """As a disk that is full: what goes beyond 64 KiB of a file cannot be written."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))


def test_no_room_for_what_is_sealed():
    with Server() as server:
        path = write_rows(server, 2500)
        for more in ({"env": {**os.environ, "TMPDIR": "/nowhere"}},
                     {"preexec_fn": no_larger_files}):
            process = start_import(server, path, **more)
            out, err = process.communicate(timeout=60 * SLOW)
            assert process.returncode == 1 and out == "" and "set TMPDIR" in err, (out, err)
            assert stored(server) == 0


def resident(pid):
    """Memory of a process that is not of a file, in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"RssAnon:\s+(\d+)", file.read()).group(1))


def import_and_measure(server, path):
    """Peak of the command line, in KiB."""
    process = start_import(server, path)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    out, err = process.communicate()
    assert process.returncode == 0, (out, err)
    return usage.ru_maxrss


def test_memory_does_not_grow_with_the_file():
    if SLOW > 1:
        return  # AddressSanitizer keeps what is given back
    with Server() as server:
        first = import_and_measure(server, write_rows(server, 5000))
        children = server.children()
        before = {name: resident(children[name]) for name in ("vault", "portal")}
        second = import_and_measure(server, write_rows(server, 60000))
        assert second < first + 6 * 1024, (first, second)
        for name, was in before.items():
            assert resident(children[name]) < was + 2 * 1024, (name, was)
        assert stored(server) == 60000


def test_bar_on_a_terminal():
    with Server() as server:
        path = write_rows(server, ROWS)
        terminal, theirs = os.openpty()
        vault = server.children()["vault"]
        os.kill(vault, signal.SIGSTOP)  # so that it lasts for longer than it takes a bar to begin
        process = subprocess.Popen(
            [executable("keyward"), "-c", str(server.conf), "device", "import", str(path),
             "--net-id", "000013"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=theirs)
        os.close(theirs)
        time.sleep(1.5)
        os.kill(vault, signal.SIGCONT)
        drawn = b""
        while True:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            drawn += part
        os.close(terminal)
        out, _ = process.communicate(timeout=60 * SLOW)
        assert process.returncode == 0 and out == b"%d devices added\n" % ROWS, (out, drawn)
        lines = list(filter(None, re.split(rb"\r(?:\x1b\[K)?", drawn)))
        assert lines, drawn
        for line in lines:
            assert re.fullmatch(rb"(checking|loading) \[#*\.*\] +\d+ %  \d+ rows, \d+/s, "
                                rb"\d+:\d\d left", line), line


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
