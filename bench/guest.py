"""QEMU guests with Debian's packaged kernels, for verifiers that are not the running kernel's: fetched with apt, booted
under TCG from an initramfs of busybox, epass and the objects; what epass says comes back through a second serial port.

Every answer is cached under its kernel, its object's content and the sources that decide how a program is loaded, so
that a run that was interrupted, or is repeated, asks only what is new. Used by bench/qemu and bench/selftests."""
import concurrent.futures
import hashlib
import json
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = ROOT / "build/guest"

# How one job may end.
DONE, TIMEOUT, CRASHED = "done", "timeout", "crashed"
# Programs of one object that are asked about together.
PART = 6
# Jobs of one boot; what an interrupted run had from a boot is not lost.
BATCH = 200
# Seconds until a guest must have started.
START_LIMIT = 600


class Missing(Exception):
    """Something that this machine lacks; the text says what and how to get it."""


class NotStarted(Missing):
    """A guest that did not come up."""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def need(program, package):
    found = shutil.which(program)
    if not found:
        raise Missing(f"{program} is missing: apt-get install {package}")
    return found


def command(*words, **options):
    result = subprocess.run([str(w) for w in words], capture_output=True, text=True, **options)
    if result.returncode:
        raise Missing(f"`{' '.join(map(str, words))}` failed: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


def version_key(name):
    return [int(n) for n in re.findall(r"\d+", name)]


# ---- packages ------------------------------------------------------------------------------------------------------


def newer_apt():
    """Options for apt with indexes of its own, of suites newer than this machine's; its configuration stays as it is."""
    home = CACHE / "apt"
    sources = home / "sources.list"
    options = [word for option in (f"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=-", f"Dir::State::lists={home}/lists",
                                   f"Dir::Cache={home}/cache", "Acquire::Check-Valid-Until=false", "APT::Sandbox::User=root",
                                   "Acquire::Languages=none") for word in ("-o", option)]
    if not sources.exists():
        say("fetching the package lists of trixie-backports")
        for folder in ("lists/partial", "cache/archives/partial"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        part = home / "sources.part"
        part.write_text(f"deb {key} http://deb.debian.org/debian trixie-backports main\n")
        part.rename(sources)
        try:
            command("apt-get", *options, "update", "-qq")
        except Missing:
            sources.unlink()
            raise
    return options


def fetch(package, folder, options=()):
    """The .deb of `package` in `folder`, downloaded unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    have = sorted(folder.glob(f"{package}_*.deb"), key=lambda p: version_key(p.name))
    if have:
        return have[-1]
    need("apt-get", "apt")
    say(f"fetching {package}")
    command("apt-get", "-o", "APT::Sandbox::User=root", *options, "download", package, cwd=folder)
    have = sorted(folder.glob(f"{package}_*.deb"), key=lambda p: version_key(p.name))
    if not have:
        raise Missing(f"apt-get download {package} left no package in {folder}")
    return have[-1]


def kernel_package(series):
    """The newest cloud image of a series such as `6.12` that is cached, or else that apt knows, and apt's options for it."""
    pattern = re.compile(rf"linux-image-{re.escape(series)}\.[0-9][^_]*-cloud-amd64$")
    cached = {p.name.split("_")[0] for p in (CACHE / "debs").glob("linux-image-*.deb")}
    names = [n for n in cached if pattern.match(n)]
    options = []
    for suites in ((), newer_apt):
        if names:
            break
        need("apt-cache", "apt")
        options = suites() if suites else []
        names = [n for n in command("apt-cache", *options, "pkgnames", "linux-image-").split() if pattern.match(n)]
        # Old versions vanish from the mirrors but linger among the names.
        names = [n for n in names if "Filename:" in command("apt-cache", *options, "show", "--no-all-versions", n)]
    if not names:
        raise Missing(f"apt knows no kernel {series}: run apt-get update; on Debian 12, 6.12 is in bookworm-security and "
                      "bookworm-backports")
    return max(names, key=version_key), options


def unpack_kernel(bzimage):
    """The ELF kernel within a bzImage: it boots sooner than one that decompresses itself in an emulator."""
    data = bzimage.read_bytes()
    offset, size = struct.unpack_from("<II", data, 0x248)
    begin = ((data[0x1F1] or 4) + 1) * 512 + offset
    payload = data[begin : begin + size - 4]  # the last four bytes are the size when unpacked
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run([need("zstd", "zstd"), "-dcq"], input=payload, capture_output=True, check=True).stdout
    if payload.startswith(b"\xfd7zXZ"):
        return lzma.decompress(payload)
    tools = {b"\x02\x21\x4c\x18": ("lz4", "-dcq"), b"\x1f\x8b": ("gzip", "-dc")}
    for magic, (tool, flags) in tools.items():
        if payload.startswith(magic):
            # lz4's legacy frames have no end mark: the tool complains after it has written everything.
            return subprocess.run([need(tool, tool), flags], input=payload, capture_output=True).stdout
    raise Missing(f"{bzimage}: compressed in a way that is not known here")


def elf_section(image, name):
    at, = struct.unpack_from("<Q", image, 0x28)
    size, count, names = struct.unpack_from("<HHH", image, 0x3A)
    header = lambda n: struct.unpack_from("<IIQQQQ", image, at + n * size)
    table = header(names)[4]
    for n in range(count):
        begin, offset, length = header(n)[0], header(n)[4], header(n)[5]
        if image[table + begin : image.index(b"\0", table + begin)] == name.encode():
            return image[offset : offset + length]
    return None


# ---- the guest -----------------------------------------------------------------------------------------------------


class Archive:
    """An initramfs (cpio, newc), the same bytes for the same content."""

    def __init__(self):
        self.parts, self.number, self.folders = [], 0, set()

    def add(self, name, mode, data=b""):
        self.number += 1
        fields = (self.number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        self.parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]

    def folder(self, name):
        for parent in [*reversed(pathlib.PurePath(name).parents), name]:
            if str(parent) not in (".", "") and str(parent) not in self.folders:
                self.folders.add(str(parent))
                self.add(str(parent), 0o040755)

    def file(self, name, data, mode=0o100755):
        if "/" in name:
            self.folder(os.path.dirname(name))
        self.add(name, mode, data)

    def bytes(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)


INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf; mount -t tracefs t /sys/kernel/tracing; mount -t cgroup2 c /sys/fs/cgroup
ip link set lo up
# libbpf reads this for almost every program; sysfs gives a page at a time.
cp /sys/kernel/btf/vmlinux /btf && mount --bind /btf /sys/kernel/btf/vmlinux
while read m; do insmod /modules/$m; done < /modules/order
stty -F /dev/ttyS1 raw -opost -echo
echo "@ready $(uname -r)" > /dev/ttyS1
while read id rest; do
  echo "@begin $id" > /dev/ttyS1
  timeout -s KILL LIMIT /epass verify $rest --json --allow-not-judged > /out 2> /err
  echo "$?" > /status
  { cat /out; echo "@end $id $(cat /status) $(head -c 300 /err | head -1)"; } > /dev/ttyS1
done < /jobs
echo "@over" > /dev/ttyS1
poweroff -f
"""


def libraries(binary):
    """name in the guest -> path here, of all that `binary` is linked to."""
    out = {}
    for line in command("ldd", binary).splitlines():
        if "not found" in line:
            raise Missing(f"{binary}: {line.strip()}")
        found = re.search(r"(/\S+) \(0x", line)
        if found:
            path = found.group(1)
            out["lib64/ld-linux-x86-64.so.2" if "/ld-linux" in path else "lib/" + line.split()[0]] = pathlib.Path(path)
    return out


def loader_identity(libbpf):
    """What decides how a program is loaded; answers given under another identity do not count."""
    digest = hashlib.sha256()
    for source in sorted(ROOT.glob("src/kernel/*")):
        digest.update(source.read_bytes())
    digest.update(pathlib.Path(libbpf).read_bytes())
    return digest.digest()


class Kernel:
    """One packaged kernel, ready to boot."""

    def __init__(self, series, modules=()):
        self.qemu = need("qemu-system-x86_64", "qemu-system-x86")
        self.busybox = pathlib.Path(need("busybox", "busybox-static"))
        if "not a dynamic" not in subprocess.run(["ldd", self.busybox], capture_output=True, text=True).stderr:
            raise Missing(f"{self.busybox} is not static: apt-get install busybox-static")
        need("dpkg-deb", "dpkg")
        package, apt = kernel_package(series)
        deb = fetch(package, CACHE / "debs", apt)
        self.release = package.removeprefix("linux-image-")
        self.name = deb.name.split("_")[1]
        self.home = CACHE / "kernels" / f"{self.release}_{self.name}"
        if not (self.home / "vmlinux").exists():
            say(f"unpacking {deb.name}")
            self.home.mkdir(parents=True, exist_ok=True)
            # Debian merged /usr: newer packages have their modules under usr/lib.
            command("sh", "-c", f'dpkg-deb --fsys-tarfile "{deb}" | tar -x -C "{self.home}"')
            image = unpack_kernel(self.home / f"boot/vmlinuz-{self.release}")
            if (btf := elf_section(image, ".BTF")) is not None:
                (self.home / "btf").write_bytes(btf)
            (self.home / "vmlinux.part").write_bytes(image)
            (self.home / "vmlinux.part").rename(self.home / "vmlinux")
        self.modules = self.find_modules(modules)

    def find_modules(self, wanted):
        """name -> content, of the wanted modules behind those that they need; what this kernel has not is left out."""
        have = {p.name.split(".ko")[0].replace("-", "_"): p for p in self.home.glob("**/*.ko*")}
        order = {}

        def visit(name):
            name = name.replace("-", "_")
            if name not in have or name in order:
                return
            module = have[name].read_bytes()
            if have[name].suffix == ".xz":
                module = lzma.decompress(module)
            for note in elf_section(module, ".modinfo").split(b"\0"):
                if note.startswith(b"depends="):
                    for other in note[8:].decode().split(","):
                        visit(other)
            order[name] = module

        for name in wanted:
            visit(name)
        return order


def prog_arguments(names):
    return tuple(word for name in names for word in ("--prog", name))


class Guest:
    """Asks a kernel for verdicts. A job is an object's path with further arguments of `epass verify`."""

    def __init__(self, kernel, epass, libbpf=None, limit=600, memory=1536, batch_bytes=200 << 20, guests=1):
        self.kernel, self.epass, self.limit, self.memory, self.batch_bytes = kernel, str(epass), limit, memory, batch_bytes
        self.libraries = libraries(self.epass)
        if libbpf:
            self.libraries["lib/libbpf.so.1"] = pathlib.Path(libbpf)
        self.identity = loader_identity(self.libraries["lib/libbpf.so.1"])
        self.identity += " ".join(kernel.modules).encode()
        self.answers = CACHE / "answers" / kernel.home.name
        self.guests = guests

    def key(self, path, arguments=()):
        digest = hashlib.sha256(self.identity)
        digest.update("\0".join(arguments).encode() + b"\0" + pathlib.Path(path).read_bytes())
        return digest.hexdigest()

    def cached(self, key):
        path = self.answers / key[:2] / key
        return json.loads(path.read_text()) if path.exists() else None

    def keep(self, key, answer):
        if answer["end"] == TIMEOUT:
            return answer  # of a busy machine, perhaps: the next run asks again
        path = self.answers / key[:2] / key
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(answer))
        part.rename(path)
        return answer

    def verify(self, objects, wanted=None):
        """[(path, names of its programs)] -> one answer per object. An emulated verifier is slow, so objects with many
        programs are asked about in parts: the time limit is one of parts. `wanted`: one set of names per object, if the
        others need no answer."""
        jobs, owner = [], []
        for n, (path, programs) in enumerate(objects):
            names = sorted(set(programs))
            for part in [names[k : k + PART] for k in range(0, len(names), PART)] or [[]]:
                arguments = prog_arguments(part) if len(names) > PART else ()
                if wanted is not None:
                    some = [name for name in part if name in wanted[n]]
                    if not some:
                        continue
                    if len(some) < len(part) and self.cached(self.key(path, arguments)) is None:
                        arguments = prog_arguments(some)
                jobs.append((path, arguments))
                owner.append(n)
        answers = [{"end": DONE, "rows": [], "error": ""} for _ in objects]
        for n, part in zip(owner, self.ask(jobs)):
            answers[n]["rows"] += part["rows"]
            if part["end"] != DONE or not answers[n]["error"]:
                answers[n]["error"] = part["error"]
            if part["end"] != DONE:
                answers[n]["end"] = part["end"]
        return answers

    def ask(self, jobs):
        """One {"end", "rows", "error"} per job, in order. Equal questions are asked once."""
        keys = [self.key(path, arguments) for path, arguments in jobs]
        answers = {key: self.cached(key) for key in set(keys)}
        todo = {key: job for key, job in zip(keys, jobs) if answers[key] is None}
        if todo:
            say(f"Linux {self.kernel.release}: {len(jobs)} questions, {len(todo)} of them new")
        shares = [dict(list(todo.items())[n :: self.guests]) for n in range(self.guests)]
        with concurrent.futures.ThreadPoolExecutor(self.guests) as pool:
            for share in [pool.submit(self.answer, n, share) for n, share in enumerate(shares)]:
                answers.update(share.result())
        return [answers[key] for key in keys]

    def answer(self, number, todo):
        """Boots guests until all is answered."""
        answers = {}
        while todo:
            batch, sizes = {}, {}
            for key, job in todo.items():
                sizes[job[0]] = os.path.getsize(job[0])
                if len(batch) == BATCH or (batch and sum(sizes.values()) > self.batch_bytes):
                    break
                batch[key] = job
            # On a machine that is busy an emulated start may fail: its timers are late.
            for attempt in (1, 2, 3):
                try:
                    done = self.boot(number, batch)
                    break
                except NotStarted as why:
                    say(f"  {why}")
                    if attempt == 3:
                        raise
            answers.update(done)
            todo = {key: job for key, job in todo.items() if key not in done}
        return answers

    def initramfs(self, batch):
        archive = Archive()
        for name in ("bin", "dev", "proc", "sys", "tmp"):
            archive.folder(name)
        archive.file("init", INIT.replace("LIMIT", str(self.limit)).encode())
        archive.file("bin/busybox", self.kernel.busybox.read_bytes())
        # libbpf reads CONFIG_ values of `extern __kconfig` here.
        config = self.kernel.home / f"boot/config-{self.kernel.release}"
        if config.exists():
            archive.file(f"boot/{config.name}", config.read_bytes(), 0o100644)
        archive.file("epass", pathlib.Path(self.epass).read_bytes())
        for name, path in sorted(self.libraries.items()):
            archive.file(name, path.read_bytes())
        archive.file("modules/order", "".join(name + "\n" for name in self.kernel.modules).encode())
        for name, module in self.kernel.modules.items():
            archive.file(f"modules/{name}", module)
        lines, packed = [], {}
        for n, (path, arguments) in enumerate(batch.values()):
            if path not in packed:
                packed[path] = f"o/{n}.o"
                archive.file(packed[path], pathlib.Path(path).read_bytes(), 0o100644)
            lines.append(" ".join([str(n), "/" + packed[path], *arguments]))
        archive.file("jobs", ("\n".join(lines) + "\n").encode())
        return archive.bytes()

    def boot(self, number, batch):
        """Runs a guest until the batch is answered, or it died; returns answers by key."""
        home = CACHE / "boot" / f"{os.getpid()}.{number}"
        home.mkdir(parents=True, exist_ok=True)
        initrd, console, port = home / "initrd", home / "console", home / "port"
        initrd.write_bytes(self.initramfs(batch))
        port.write_bytes(b"")
        memory = self.memory + 2 * (initrd.stat().st_size >> 20)
        machine = [self.kernel.qemu, "-accel", "tcg,tb-size=256", "-cpu", "max", "-smp", "1", "-m", f"{memory}M",
                   "-nodefaults", "-no-reboot", "-display", "none",
                   "-kernel", self.kernel.home / "vmlinux", "-initrd", initrd,
                   "-append", "console=ttyS0 quiet panic=-1 oops=panic nokaslr mitigations=off audit=0 nowatchdog no_timer_check",
                   "-serial", f"file:{console}", "-serial", f"file:{port}"]
        process = subprocess.Popen([str(w) for w in machine], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE)
        keys, answered = list(batch), {}
        buffer, current, rows, ready, over, silent = b"", None, [], False, False, False
        heard = begin = shown = time.monotonic()
        try:
            with open(port, "rb") as stream:
                while not over:
                    chunk, alive = stream.read(), process.poll() is None
                    now = time.monotonic()
                    if chunk:
                        heard = now
                    elif not alive:
                        break
                    elif now - heard > (self.limit * 2 if ready else START_LIMIT):
                        silent = True
                        process.kill()
                    else:
                        time.sleep(0.05)
                    *lines, buffer = (buffer + chunk).split(b"\n")
                    for line in (raw.decode(errors="replace").strip("\r") for raw in lines):
                        if line.startswith("@ready"):
                            ready = True
                            if line.split()[1] != self.kernel.release:
                                raise Missing(f"the guest runs {line}, not {self.kernel.release}")
                        elif line.startswith("@begin"):
                            current, rows = int(line.split()[1]), []
                        elif line.startswith("@end"):
                            _, _, status, *error = line.split(" ", 3)
                            end = TIMEOUT if status == "137" else DONE
                            answer = {"end": end, "rows": rows, "error": " ".join(error)}
                            answered[keys[current]] = self.keep(keys[current], answer)
                            current = None
                        elif line.startswith("@over"):
                            over = True
                        elif line.startswith("{"):
                            rows.append(json.loads(line))
                    if now - shown > 20 and ready:
                        shown = now
                        say(f"  {len(answered)}/{len(batch)} in {now - begin:.0f} s")
        finally:
            if process.poll() is None:
                process.kill() if not over else None
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        complaint = process.stderr.read().decode(errors="replace").strip()
        if not over and (process.returncode < 0 or "terminating on signal" in complaint) and not silent:
            raise Missing("the emulator was ended from outside; run again to go on")
        if not ready:
            tail = console.read_bytes().decode(errors="replace").splitlines()[-5:] if console.exists() else []
            raise NotStarted("the guest did not start: " + " | ".join([complaint, *tail]))
        if current is not None:
            tail = console.read_bytes().decode(errors="replace").splitlines() if console.exists() else []
            why = [line for line in tail if "BUG" in line or "Oops" in line or "panic" in line or "RIP" in line][:3]
            answer = {"end": TIMEOUT if silent else CRASHED, "rows": rows, "error": " | ".join(why) or "the guest died"}
            answered[keys[current]] = self.keep(keys[current], answer)
        elif not over and not answered:
            raise Missing(f"the guest of {self.kernel.release} ended without an answer; see {console}")
        else:
            shutil.rmtree(home)
        return answered


# ---- verdicts of epass's output against those of its input ---------------------------------------------------------


def names(rows):
    """Programs among the rows of `epass opt`."""
    return [row["program"] for row in rows if row["kind"] == "program"]


def by_program(answer):
    return {(row["section"], row["program"]): row for row in answer["rows"]}


def compile_object(epass, path, target, level):
    """Rows of `epass opt`, and its first complaint if it refuses the file. Both stay, with the output, for the next run."""
    digest = hashlib.sha256(pathlib.Path(epass).read_bytes() + pathlib.Path(path).read_bytes() + level.encode()).hexdigest()
    target, notes = pathlib.Path(target), pathlib.Path(f"{target}.json")
    if notes.exists() and (known := json.loads(notes.read_text()))["of"] == digest:
        return known["rows"], known["refused"]
    target.unlink(missing_ok=True)
    words = [str(epass), "opt", str(path), "-o", str(target), level, "--json"]
    result = subprocess.run(words, capture_output=True, text=True)
    rows, refused = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")], None
    if result.returncode or not target.exists():
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        refused = lines[0] if lines else f"exit status {result.returncode}"
    part = pathlib.Path(f"{notes}.part")
    part.write_text(json.dumps({"of": digest, "rows": rows, "refused": refused}))
    part.rename(notes)
    return rows, refused


class Comparison:
    """Before and after of one level on one kernel."""

    def __init__(self):
        self.both, self.lost, self.gained, self.no_answer = [], [], [], []

    def add(self, name, before, after):
        old, new = by_program(before), by_program(after)
        for key, row in old.items():
            now = new.get(key)
            if row["accepted"] is not True:
                if now and now["accepted"] is True:
                    self.gained.append((name, key[1]))
            elif now is None and after["end"] == TIMEOUT:
                self.no_answer.append((name, key[1], "time is up"))
            elif now is None:
                why = after["error"] if after["end"] == DONE else f"{after['end']}: {after['error']}"
                self.lost.append((name, key[1], why or "no such program in the output"))
            elif now["accepted"] is not True:
                self.lost.append((name, key[1], now["reason"]))
            else:
                self.both.append((name, key[1], row, now))


def work_ratio(item):
    """By how much the verifier works more on the output; an item of `Comparison.both`."""
    _, _, old, new = item
    return new["insn_processed"] / old["insn_processed"] if old["insn_processed"] and new["insn_processed"] else 1


def build_epass():
    """The release binary, built if it is not there."""
    epass = ROOT / "build/release/epass"
    if not epass.exists():
        say("building the release preset")
        for words in (["cmake", "--preset", "release", "-DBUILD_TESTING=OFF"], ["cmake", "--build", "--preset", "release"]):
            subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return epass
