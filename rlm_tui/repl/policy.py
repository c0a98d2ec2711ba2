"""What a run's workers may read, write and use, decided by the host; and the sandbox that goes around them."""

from __future__ import annotations

import mimetypes
import os
import platform
import shutil
import site
import subprocess
import sys
import sysconfig
import zoneinfo
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rlm_tui.repl.results import Conditions

SITE_BYTES = 2 << 30
"""Added to the memory limit with site packages: numeric libraries reserve far more than they use."""
TASKS = 256
"""Processes and threads that all workers of a run together may add to those of the user."""
SANDBOX_BYTES = 1 << 30
"""Size of the file system that the homes of a sandbox are on. It is memory."""
HOMES, MAIL = "homes", "mail"
LIBRARIES = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib", "/lib", "/lib32", "/lib64")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
CONFIGURATION = ("/etc/ld.so.cache", "/etc/localtime", "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf")
"""What the standard library itself opens, and fails on when it is there and refused."""
PROCESSORS = "/sys/devices/system/cpu"
RESOLVER = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf", "/etc/services"),
    *("/etc/protocols", "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/pki/tls/certs", "/etc/pki/ca-trust"),
    *("/etc/ca-certificates", "/usr/share/ca-certificates"),
)
THREAD_POOLS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS"),
    "VECLIB_MAXIMUM_THREADS",
)
USUAL = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
ENOUGH_S = 20.0
"""How long a trial of the sandbox may take."""


class ConfinementError(OSError):
    """The confinement that was asked for cannot be had; the text says why."""


def policy(conditions: Conditions, base: Path) -> dict[str, Any]:
    """Return what a worker has to know to shut itself in; it survives JSON unchanged.

    Args:
        conditions: What the run's workers live under.
        base: The folder that holds the folders of all of them.

    Returns:
        mode: As `Conditions.confine`.
        read, write: Absolute paths without symbolic links: what may be read, and where (`base`) may be written.
        site_allowed, site: Whether installed packages may be imported, and the folders they are in.
        network: Whether blocks may connect.
        memory: Bytes of address space while a block runs.
        tasks: How many processes and threads this user may have then; None where they cannot be counted.
        landlock, seccomp: The most that is used of what the kernel offers: a version, None for its own; True.
        root: Device and inode of the host's `/`, which a sandbox does not have.
    """
    packages = _packages() if conditions.site else []
    root = Path("/").stat()
    return {
        "mode": conditions.confine,
        "read": _existing(_readable(conditions)),
        "write": [os.path.realpath(base)],
        "site_allowed": conditions.site,
        "site": packages,
        "network": conditions.network,
        "memory": conditions.memory_bytes + (SITE_BYTES if conditions.site else 0),
        "tasks": _tasks(),
        "landlock": None,
        "seccomp": True,
        "root": [root.st_dev, root.st_ino],
    }


def _readable(conditions: Conditions) -> list[str | os.PathLike[str]]:
    # Never the prefix itself: it may be somebody's home.
    prefixes = {os.path.realpath(sys.base_prefix), os.path.realpath(sys.base_exec_prefix)}
    libraries = [f"{prefix}/{name}" for prefix in prefixes for name in ("lib", "lib64", "share/zoneinfo", "ssl")]
    own = [sys.executable, sysconfig.get_path("stdlib"), *libraries]
    shared = [*LIBRARIES, *zoneinfo.TZPATH, *DEVICES, *CONFIGURATION, *mimetypes.knownfiles, PROCESSORS]
    return own + shared + list(RESOLVER if conditions.network else ())


def _existing(paths: Iterable[str | os.PathLike[str]]) -> list[str]:
    real = {os.path.realpath(path): None for path in paths if Path(path).exists()}
    return [path for path in real if not any(str(parent) in real for parent in Path(path).parents)]


def _packages() -> list[str]:
    folders = [*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return list({os.path.realpath(folder): None for folder in folders if Path(folder).is_dir()})


def _tasks() -> int | None:
    """Count this user's processes and threads, and add what a run may start."""
    count = 0
    try:
        with os.scandir("/proc") as entries:
            for entry in entries:
                if entry.name.isdigit():
                    count += _threads(entry)
    except OSError:
        return None
    return count + TASKS if count else None


def _threads(entry: os.DirEntry[str]) -> int:
    try:
        # A folder has a link for itself, one for its name and one from each folder in it.
        return Path(entry.path, "task").stat().st_nlink - 2 if entry.stat().st_uid == os.getuid() else 0
    except OSError:
        # It has ended meanwhile.
        return 0


def extra_environment(conditions: Conditions) -> dict[str, str]:
    """Return what is added to a worker's environment: with site packages, one thread for each numeric pool."""
    return dict.fromkeys(THREAD_POOLS, "1") if conditions.site else {}


def bwrap(conditions: Conditions, command: list[str], base: Path, environment: dict[str, str]) -> list[str]:
    """Return the command line that runs a command in a bubblewrap sandbox.

    Inside, the worker's own program, the interpreter and the system's libraries are there to be read, and of the
    host's other files only `base`, at its own path and read-only: what the host writes to `base`/mail is seen at once.
    Over `base`/homes lies a file system of limited size that is empty at first and gone with the sandbox, so it is the
    sandboxed process that makes a worker's home there, not the host; `base`/homes itself is made by this function.

    Descriptors are inherited. The command finds itself in its own session, as process 2 whose parent is process 1.

    Args:
        conditions: For the network.
        command: The interpreter by its real path, and its arguments.
        base: The folder that holds the folders of all the run's workers.
        environment: The whole environment of the command.

    Raises:
        OSError: If `base`/homes cannot be made.
    """
    base = Path(os.path.realpath(base))
    homes = base / HOMES
    homes.mkdir(mode=0o700, exist_ok=True)
    own = [str(Path(__file__).resolve().parent), *_readable(conditions), *(_packages() if conditions.site else [])]
    arguments = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    arguments += ["--share-net"] if conditions.network else []
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    arguments += _system()
    for path in _existing(own):
        if not path.startswith(("/usr/", "/dev/")):
            arguments += ["--ro-bind", path, path]
    arguments += ["--dev", "/dev", "--ro-bind", str(base), str(base)]
    arguments += ["--perms", "0700", "--size", str(SANDBOX_BYTES), "--tmpfs", str(homes)]
    # What bubblewrap makes to hang all this on can be written to, and has no size.
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(homes)]
    return [*arguments, "--", *command]


def _system() -> list[str]:
    arguments: list[str] = []
    for path in map(Path, USUAL):
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    return arguments


def bwrap_refusal() -> str | None:
    """Return why bubblewrap cannot be had here, in one sentence for a person; None when it can. Takes some 20 ms."""
    if sys.platform != "linux":
        return "bubblewrap exists on Linux only."
    if platform.machine() not in ("x86_64", "aarch64"):
        return f"a bubblewrap sandbox needs seccomp as well, and there is no table for {platform.machine()}."
    found, nothing = shutil.which("bwrap"), shutil.which("true")
    if found is None or nothing is None:
        return "bubblewrap is not installed: there is no `bwrap` on the PATH."
    trial = [found, "--unshare-all", "--die-with-parent", "--new-session", *_system(), "--dev", "/dev", "--", nothing]
    try:
        done = subprocess.run(trial, capture_output=True, timeout=ENOUGH_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"bubblewrap could not be tried: {type(error).__name__}."
    if done.returncode == 0:
        return None
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    words = "".join(c if c.isprintable() else "?" for c in (said[-1] if said else f"exit code {done.returncode}"))
    return f"bubblewrap is installed but may not be used here: {words[:200]}."
