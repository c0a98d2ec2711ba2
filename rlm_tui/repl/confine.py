"""Shuts a worker in, by the kernel's own means and without any package. Runs in the worker, on Linux, once at birth.

Landlock decides which files may be opened, seccomp which calls may be made. Neither needs a privilege, and neither can
be taken back: a process can only ever be narrowed further. What both leave open (processor time, `stat` of a path that
is known, kernel bugs) is told in the README.
"""

from __future__ import annotations

import os
import stat
import sys
from _struct import pack, unpack

from rlm_tui.repl.libc import Library, Memory, Size, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

Reached = tuple[str, str, list[str]]
"""How far a worker is shut in: the level ("process", "partial", "confined" or "bwrap"); the same for a person
("confined (landlock 7, seccomp)"); what is missing for the level that was asked for and what is open then, a sentence
each."""


def enclose(policy: dict[str, Any]) -> Reached:
    """Shut the calling process in: what it and all it ever forks may not do.

    It must have no second thread yet, since the kernel means the calling thread and what comes from it.

    Args:
        policy: As `policy.policy` makes it.

    Raises:
        OSError: If a sandbox was asked for and this is not one, or if the kernel refuses half-way what it offers.
    """
    if policy["mode"] == "off":
        return _in_words(policy, 0, False, [])
    if sys.platform != "linux":
        return _in_words(policy, 0, False, ["Landlock and seccomp exist on Linux only."])
    if policy["mode"] == "bwrap" and _identity("/") == policy["root"]:
        raise PermissionError("the sandbox is not there: this process sees the whole machine's files")
    libc = Library()
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    notices = _drop_capabilities(libc)
    abi = _landlock_abi(libc, policy)
    if abi:
        ruleset = _ruleset(libc, abi, policy)
        for path in policy["write"]:
            _grant(libc, ruleset, path, _every_right(abi) & ~NEVER)
        _restrict(libc, ruleset)
    calls = _calls(policy)
    filtered = bool(calls) and Filter(calls, _rules(calls, policy["network"])).put_in_force(libc)
    if policy["mode"] == "bwrap" and not filtered:
        raise PermissionError("a sandbox without seccomp is less than was asked for")
    return _in_words(policy, abi, filtered, notices)


class Narrower:
    """Shuts one worker in further, in its own session: of all the run's folders only its own two are left to it.

    From here on it can signal and slow down only itself and what it forks, and all that stays in its process group.
    """

    def __init__(self, policy: dict[str, Any]) -> None:
        """Do all that is the same for every worker, so that a fork is left with little.

        Args:
            policy: The one the process was enclosed with.
        """
        off = policy["mode"] == "off"
        self._policy = policy
        self._libc = libc = Library()
        self._abi = 0 if off else _landlock_abi(libc, policy)
        self._ruleset = -1
        self._calls = calls = {} if off else _calls(policy)
        self._rules = b""
        if calls and libc.prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == 2:
            rules = b"".join(_on(calls[name], _ret(EPERM)) for name in ("setsid", "setpgid"))
            rules += b"".join(_only_if(calls[name], (0, ALL_BITS, 0)) for name in TOUCHING_OTHERS)
            self._rules = rules + _only_if(calls["setpriority"], (0, ALL_BITS, 0), (1, ALL_BITS, 0))
        self._filter = Filter(calls, self._rules) if self._rules else None

    def prepare(self) -> None:
        """Have a ruleset for the next worker, with what it may read as all others. Each can be used once.

        Raises:
            OSError: If the kernel refuses what it granted to `enclose`.
        """
        if self._ruleset >= 0:
            os.close(self._ruleset)
            self._ruleset = -1
        if self._abi:
            self._ruleset = _ruleset(self._libc, self._abi, self._policy)

    def __call__(self, home: str, mail: str) -> None:
        """Shut the calling process in.

        Args:
            home: Its scratch directory, which it may write.
            mail: The folder of what is sent to it, which it may read.

        Raises:
            OSError: If the kernel refuses what it granted to `enclose`.
        """
        if self._abi:
            if self._ruleset < 0:
                self.prepare()
            _grant(self._libc, self._ruleset, mail, READ)
            _grant(self._libc, self._ruleset, home, _every_right(self._abi) & ~NEVER)
            _restrict(self._libc, self._ruleset)
            self._ruleset = -1
        if self._filter is None:
            return
        if self._abi < SCOPES:
            self._filter = Filter(self._calls, self._rules + b"".join(_signal_rules(self._calls, os.getpid())))
        if not self._filter.put_in_force(self._libc):
            raise PermissionError("a second seccomp filter was refused")


def _in_words(policy: dict[str, Any], abi: int, filtered: bool, notices: list[str]) -> Reached:
    asked = policy["mode"]
    if asked == "off":
        level, parts = "process", "confinement off"
    else:
        level = "bwrap" if asked == "bwrap" else ["process", "partial", "confined"][bool(abi) + filtered]
        have = [f"landlock {abi}"] * bool(abi) + ["seccomp"] * filtered
        parts = ", ".join(have + ["no Landlock"] * (not abi) + ["no seccomp"] * (not filtered))
        if filtered and 0 < abi < SCOPES:
            parts += "; signals by seccomp only"
        notices = notices + _notices(policy, abi, filtered)
    opened = " + site" * policy["site_allowed"] + " + network" * (policy["network"] and level != "process")
    return level, f"{level}{opened} ({parts})", notices


def _notices(policy: dict[str, Any], abi: int, filtered: bool) -> list[str]:
    notices: list[str] = []
    if not abi and policy["mode"] == "bwrap":
        notices.append("This kernel offers no Landlock: blocks of one node can reach the scratch files of another.")
    elif not abi:
        notices.append("This kernel offers no Landlock: a block can read and write every file that this user can.")
    elif abi < TRUNCATION:
        notices.append(
            f"Landlock {abi} does not guard truncation: a block can empty what it can read and you can write."
        )
    if not filtered:
        able = ["use UDP and unix sockets (docker, an ssh-agent)", "change the mode of files that this user owns"]
        able += ["connect by TCP"] * (abi < TCP and not policy["network"])
        able += ["signal this user's processes"] * (abi < SCOPES) + ["run programs"] * (not abi)
        why = "The kernel offers no seccomp" if _calls(policy) else f"There is no seccomp table for {_machine()}"
        notices.append(f"{why}: a block can {', '.join(able)}.")
    return notices


def _machine() -> str:
    return os.uname().machine


def _identity(path: str) -> list[int]:
    status = os.stat(path)  # noqa: PTH116 - pathlib costs 5 ms of every start
    return [status.st_dev, status.st_ino]


# Capabilities: a worker of root's is to be as weak as anybody's, or it could raise its own limits.

PR_GET_SECCOMP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 21, 22, 38
CAP_DAC_READ_SEARCH = 1 << 2
"""Kept where it is held: the interpreter may lie in a folder that only this reaches, and Landlock stands above it."""


def _drop_capabilities(libc: Library) -> list[str]:
    header = pack("=Ii", 0x20080522, 0)
    held = Memory(bytes(24))
    try:
        checked(libc.capget(header, held.handed))
        low = [word & CAP_DAC_READ_SEARCH for word in unpack("=6I", held.content)[:3]]
        kept = pack("=6I", *low, 0, 0, 0)
        if kept != held.content:
            checked(libc.capset(header, kept))
    except OSError:
        return ["The capabilities of the administrator could not be dropped: a block can raise its own limits."]
    return []


# Landlock, see landlock(7). The numbers are the ABI versions that brought a thing.

REFER, TRUNCATION, TCP, DEVICES, SCOPES = 2, 3, 4, 5, 6
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, MAKE_CHAR, MAKE_SOCK, MAKE_BLOCK = (1 << i for i in (0, 1, 2, 3, 6, 9, 11))
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
READ = READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
NEVER = EXECUTE | MAKE_CHAR | MAKE_SOCK | MAKE_BLOCK | IOCTL_DEV
DEVICES_TO_WRITE = ("/dev/null", "/dev/zero", "/dev/full")
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446


def _landlock_abi(libc: Library, policy: dict[str, Any]) -> int:
    abi = libc.syscall(CREATE_RULESET, None, Size(0), 1)
    most = policy["landlock"]
    return max(0, abi if most is None else min(abi, most))


def _every_right(abi: int) -> int:
    return (1 << (13 + (abi >= REFER) + (abi >= TRUNCATION) + (abi >= DEVICES))) - 1


def _ruleset(libc: Library, abi: int, policy: dict[str, Any]) -> int:
    """Return the descriptor of a new ruleset that grants what all may read."""
    files = _every_right(abi)
    network = 3 if abi >= TCP and not policy["network"] else 0
    attributes = pack("=QQQ", files, network, 3 if abi >= SCOPES else 0)
    size = 8 if abi < TCP else 16 if abi < SCOPES else 24
    ruleset = checked(libc.syscall(CREATE_RULESET, attributes[:size], Size(size), 0))
    try:
        for path in (*policy["read"], *policy["site"]):
            _grant(libc, ruleset, path, READ)
        for path in DEVICES_TO_WRITE:
            _grant(libc, ruleset, path, files & (READ | WRITE_FILE | TRUNCATE))
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def _restrict(libc: Library, ruleset: int) -> None:
    """Put a ruleset in force, and close it."""
    try:
        checked(libc.syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _grant(libc: Library, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        # What cannot be reached need not be granted.
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= OF_FILES
        checked(libc.syscall(ADD_RULE, ruleset, 1, pack("=Qi", rights, descriptor), 0))
    finally:
        os.close(descriptor)


# seccomp, see seccomp(2). A filter is a program of the classic BPF machine: it is run at each call and its first
# `return` decides. Only the low half of an argument is ever compared, which is all the kernel reads of these.

# fmt: off
CALLS = {
    "_sysctl": (156, None), "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bind": (49, 200),
    "bpf": (321, 280), "chmod": (90, None), "chown": (92, None), "chroot": (161, 51), "clock_adjtime": (305, 266),
    "clock_settime": (227, 112), "clone": (56, 220), "clone3": (435, 435), "connect": (42, 203),
    "create_module": (174, None), "delete_module": (176, 106), "execve": (59, 221), "execveat": (322, 281),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "fchmod": (91, 52), "fchmodat": (268, 53),
    "fchmodat2": (452, 452), "fchown": (93, 55), "fchownat": (260, 54), "fcntl": (72, 25),
    "file_setattr": (469, 469), "finit_module": (313, 273), "fremovexattr": (199, 16), "fsconfig": (431, 431),
    "fsetxattr": (190, 7), "fsmount": (432, 432), "fsopen": (430, 430), "fspick": (433, 433),
    "futimesat": (261, None), "get_kernel_syms": (177, None), "get_robust_list": (274, 100), "init_module": (175, 105),
    "inotify_init": (253, None), "inotify_init1": (294, 26), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "io_uring_setup": (425, 425), "ioctl": (16, 29), "ioperm": (173, None),
    "iopl": (172, None), "ioprio_set": (251, 30), "kcmp": (312, 272), "kexec_file_load": (320, 294),
    "kexec_load": (246, 104), "keyctl": (250, 219), "kill": (62, 129), "lchown": (94, None), "listen": (50, 201),
    "lookup_dcookie": (212, 18), "lremovexattr": (198, 15), "lsetxattr": (189, 6), "lsm_set_self_attr": (460, 460),
    "migrate_pages": (256, 238), "modify_ldt": (154, None), "mount": (165, 40), "mount_setattr": (442, 442),
    "move_mount": (429, 429), "move_pages": (279, 239), "mq_open": (240, 180), "mq_unlink": (241, 181),
    "msgctl": (71, 187), "msgget": (68, 186), "msgrcv": (70, 188), "msgsnd": (69, 189),
    "name_to_handle_at": (303, 264), "nfsservctl": (180, 42), "open_by_handle_at": (304, 265),
    "open_tree": (428, 428), "open_tree_attr": (467, 467), "perf_event_open": (298, 241), "personality": (135, 92),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "pivot_root": (155, 41), "prlimit64": (302, 261),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "ptrace": (101, 117), "query_module": (178, None), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "reboot": (169, 142), "removexattr": (197, 14), "removexattrat": (466, 466),
    "request_key": (249, 218), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "semctl": (66, 191), "semget": (64, 190), "semop": (65, 193),
    "semtimedop": (220, 192), "setdomainname": (171, 162), "sethostname": (170, 161), "setns": (308, 268),
    "setpgid": (109, 154), "setpriority": (141, 140), "setsid": (112, 157), "settimeofday": (164, 170),
    "setxattr": (188, 5), "setxattrat": (463, 463), "shmat": (30, 196), "shmctl": (31, 195), "shmget": (29, 194),
    "socket": (41, 198), "socketpair": (53, 199), "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116),
    "tgkill": (234, 131), "tkill": (200, 130), "truncate": (76, 45), "umount2": (166, 39), "unshare": (272, 97),
    "uselib": (134, None), "userfaultfd": (323, 282), "ustat": (136, None), "utime": (132, None),
    "utimensat": (280, 88), "utimes": (235, None), "vhangup": (153, 58), "vserver": (236, None),
}
"""Every call that a rule names: its number on x86_64 and on aarch64. Higher numbers than `NEWEST` are not there."""
# fmt: on
NEWEST = 469
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
X32 = 0x40000000
EPERM, ENOSYS = 1, 38
ALLOW, REFUSE, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, AND, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
ALL_BITS = 0xFFFFFFFF
NEW_NAMESPACES = 0x7E020000
CLONE_PARENT = 0x8000
"""Would make a copy the host's child, or the zygote's, instead of its maker's."""
QUIET = ("chmod", "fchmod", "fchmodat", "fchmodat2")
"""Landlock does not guard these, so they do nothing. They say that they did, as a FAT file system mounted `quiet` does:
`shutil.copy` ends with one, and a refusal would make it fail after the copy."""
TOUCHING_OTHERS = ("prlimit64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler")
"""Their first argument is a process, 0 for the caller's own; any other would be somebody else's. A zygote, which knows
its children by their limits, is still free to."""
BY_RULE = {*QUIET, "arch", "clone", "clone3", "ioctl", "socket", "socketpair", "utimensat"}
NETWORK = {"bind", "connect", "listen"}
TO_PROCESS = ("kill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tgkill")
OF_NARROW = {*TO_PROCESS, *TOUCHING_OTHERS, "fcntl", "pidfd_send_signal", "setpgid", "setpriority", "setsid", "tkill"}
TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902
F_SETOWN, F_SETSIG, F_SETOWN_EX = 8, 10, 15


def _calls(policy: dict[str, Any]) -> dict[str, int]:
    """Return each call's number here, and under "arch" the architecture's; nothing where there is no table."""
    if not policy["seccomp"] or _machine() not in ARCHITECTURES or sys.maxsize < 1 << 32:
        return {}
    column, architecture = ARCHITECTURES[_machine()]
    numbers = {name: numbers[column] for name, numbers in CALLS.items()}
    return {name: number for name, number in numbers.items() if number is not None} | {"arch": architecture}


def _rules(calls: dict[str, int], network: bool) -> bytes:
    refused = calls.keys() - BY_RULE - OF_NARROW - (NETWORK if network else set[str]())
    rules = [
        _only_if(calls["clone"], (0, NEW_NAMESPACES | CLONE_PARENT, 0)),
        # The C library falls back to clone, whose flags a filter can read.
        _on(calls["clone3"], _ret(ENOSYS)),
        _unless(calls["ioctl"], 1, TIOCSTI, TIOCLINUX),
        # A datagram pair could send to any unix socket by its path; asyncio needs a stream pair.
        _only_if(calls["socketpair"], (0, ALL_BITS, 1), (1, 0xF, 1)),
        # AF_INET is 2 and AF_INET6 is 10, the same but for one bit.
        _only_if(calls["socket"], (0, ALL_BITS ^ 8, 2)) if network else _on(calls["socket"], _ret(EPERM)),
        *(_on(calls[name], _ret(0)) for name in QUIET if name in calls),
        # Times as well, unless it is the present that is asked for: `Path.touch` makes a file when this is refused.
        _unless(calls["utimensat"], 2, 0, otherwise=_ret(0)),
        *(_on(calls[name], _ret(EPERM)) for name in sorted(refused)),
        _step(JUMP_AT_LEAST, NEWEST + 1, 0, 1) + _ret(ENOSYS),
    ]
    return b"".join(rules)


def _signal_rules(calls: dict[str, int], own: int) -> list[bytes]:
    """Return the rules that refuse signals to any process but `own`, for a kernel whose Landlock does not."""
    return [
        *(_only_if(calls[name], (0, ALL_BITS, own)) for name in TO_PROCESS),
        *(_on(calls[name], _ret(EPERM)) for name in ("tkill", "pidfd_send_signal")),
        # A descriptor can be told to send a signal of one's choice to a process of one's choice.
        _unless(calls["fcntl"], 1, F_SETOWN, F_SETSIG, F_SETOWN_EX),
        _unless(calls["ioctl"], 1, FIOSETOWN, SIOCSPGRP),
    ]


class Filter:
    """What decides about calls: these rules, and of what none is about all that is of this architecture."""

    def __init__(self, calls: dict[str, int], rules: bytes) -> None:
        program = _step(LOAD, 4) + _step(JUMP_EQUAL, calls["arch"], 1, 0) + _step(RETURN, KILL_PROCESS)
        program += _step(LOAD, 0) + _step(JUMP_AT_LEAST, X32, 0, 1) + _step(RETURN, KILL_PROCESS)
        program += rules + _step(RETURN, ALLOW)
        self._steps = Memory(program)
        self._whole = pack("@HP", len(program) // 8, self._steps.address)

    def put_in_force(self, libc: Library) -> bool:
        """Return whether the kernel has it."""
        return libc.prctl(PR_SET_SECCOMP, 2, self._whole, 0, 0) == 0


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return pack("=HBBI", code, if_true, if_false, value)


def _ret(error: int) -> bytes:
    return _step(RETURN, REFUSE | error)


def _argument(index: int) -> bytes:
    return _step(LOAD, 16 + 8 * index)


def _on(number: int, body: bytes) -> bytes:
    """Run `body`, which must end with a return, at one call."""
    return _step(JUMP_EQUAL, number, 0, len(body) // 8) + body


def _only_if(number: int, *wanted: tuple[int, int, int]) -> bytes:
    """Allow a call if each (argument, mask, value) holds: argument & mask == value. Otherwise refuse it."""
    body = b""
    for left, (index, mask, value) in zip(range(len(wanted) - 1, -1, -1), wanted, strict=True):
        body += _argument(index) + _step(AND, mask) + _step(JUMP_EQUAL, value, 0, 3 * left + 1)
    return _on(number, body + _step(RETURN, ALLOW) + _ret(EPERM))


def _unless(number: int, index: int, *values: int, otherwise: bytes = _step(RETURN, ALLOW)) -> bytes:
    """Refuse a call if the argument is one of the values."""
    body = _argument(index)
    for left, value in zip(range(len(values), 0, -1), values, strict=True):
        body += _step(JUMP_EQUAL, value, left, 0)
    return _on(number, body + otherwise + _ret(EPERM))
