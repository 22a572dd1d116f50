"""Lists what Python has on Linux, not on macOS, by module, as typeshed tells (`mypy --platform darwin`)."""

NAMES = {
    "os": frozenset(
        {
            "pidfd_open",
            "pipe2",
            "memfd_create",
            "eventfd",
            "posix_fadvise",
            "POSIX_FADV_DONTNEED",
            "fdatasync",
        }
        | {"waitid", "waitid_result", "P_PIDFD", "O_PATH", "O_TMPFILE", "posix_fallocate", "getresuid"}
        | {
            "getrandom",
            "copy_file_range",
            "splice",
            "sched_getaffinity",
            "sched_setaffinity",
            "setns",
            "unshare",
        }
        | {"getxattr", "setxattr", "listxattr", "removexattr", "setresuid"}
    ),
    "select": frozenset({"epoll", "EPOLLIN"}),
    "signal": frozenset(
        {"pidfd_send_signal", "SIGRTMIN", "SIGRTMAX", "sigtimedwait", "sigwaitinfo", "SIGPOLL"}
    ),
    "resource": frozenset({"prlimit", "RUSAGE_THREAD"}),
    "socket": frozenset({"SOCK_SEQPACKET", "MSG_CMSG_CLOEXEC", "SOCK_CLOEXEC", "SO_PEERCRED"}),
    "fcntl": frozenset({"F_NOTIFY", "DN_MODIFY", "F_SETSIG", "F_ADD_SEALS", "F_SETPIPE_SZ"}),
}
