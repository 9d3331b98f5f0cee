"""Programs of an installation whose children can be taken over: beside each front and portal runs a process
with the same channel to the vault, which shuts it down when the test says so."""
import os
import shutil
import sys

import server as installation

CHANNEL = 4  # js/process.h
WAYS = ("SHUT_RDWR", "SHUT_WR", "SHUT_RD")

# Started in place of the child; it becomes the child, and what it forks is the intruder.
STAND_IN = """#!{python} -IS
import os, socket, sys, time

orders, real, name = {orders!r}, {real!r}, {name!r}


def wanted(of):
    try:
        with open(os.path.join(orders, of)) as order:
            return order.read()
    except OSError:
        return None


def shut(way):
    socket.socket(fileno=os.dup({channel})).shutdown(getattr(socket, way))


def intrude(child):
    os.closerange(5, 200)
    os.close(3)
    while os.getppid() == child:
        way = wanted(f"of-{{child}}")
        if way:
            shut(way)
            break
        time.sleep(0.02)
    os._exit(0)


if "--check-files" not in sys.argv:
    at_once = wanted(f"each-{{name}}")
    if at_once:
        shut(at_once)
    child = os.getpid()
    if os.fork() == 0:
        intrude(child)
os.execv(real, sys.argv)
"""


def install(folder):
    """Programs of the build, arranged as in a build tree, into an empty folder; all servers that are
    started from now on are made of them. What is running can be told apart by its own process id."""
    build = installation.BUILD
    folder.chmod(0o755)
    for name in ("js", "cli", "orders"):
        (folder / name).mkdir()
    shutil.copy2(build / "js/keywardd", folder / "js/keywardd")  # it looks where it lies itself
    (folder / "js/keyward-vault").symlink_to(build / "js/keyward-vault")
    (folder / "cli/keyward").symlink_to(build / "cli/keyward")
    for name in ("front", "portal"):
        path = folder / f"js/keyward-{name}"
        path.write_text(STAND_IN.format(
            python=sys.executable, orders=str(folder / "orders"), name=name, channel=CHANNEL,
            real=str(build / f"js/keyward-{name}")))
        path.chmod(0o755)
    installation.BUILD = folder
    return folder / "orders"


def order(orders, name, way):
    """Whole or not there."""
    draft = orders / "draft"
    draft.write_text(way)
    os.rename(draft, orders / name)
