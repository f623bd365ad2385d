#!/usr/bin/env python3
"""Writes an OCI image archive from files, with no engine and no root. Standard library only.

  oci_image.py -o igor.tar -t localhost/igor:1 --program target/release/igor:/usr/local/bin/igor --cmd igor

A --program brings the shared libraries that it is linked to. The same inputs give the same bytes: sorted entries, owner 0:0, one
timestamp (SOURCE_DATE_EPOCH, else 0). The archive loads with `ctr images import`, `docker load`, `podman load`,
`kind load image-archive` and `skopeo copy oci-archive:`.
"""
import argparse
import gzip
import hashlib
import io
import json
import os
import re
import stat
import subprocess
import sys
import tarfile
import time

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
USERS = {
    "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
}


def entry(name, mode, kind=tarfile.REGTYPE, size=0, link=""):
    info = tarfile.TarInfo(name.strip("/"))
    info.mode, info.type, info.size, info.linkname, info.mtime = mode, kind, size, link, EPOCH
    return info


class Tree:
    """What lies in the image, by path."""

    def __init__(self):
        self.files = {}

    def folder(self, path, mode=0o755):
        parts = path.strip("/").split("/")
        for i in range(1, len(parts) + 1):
            below = "/".join(parts[:i])
            if below and below not in self.files:
                self.files[below] = (entry(below, mode if i == len(parts) else 0o755, tarfile.DIRTYPE), None)

    def text(self, path, text):
        self.folder(os.path.dirname(path))
        self.files[path] = (entry(path, 0o644, size=len(text)), text.encode())

    def add(self, source, target, follow=False):
        """A file or a whole folder; a link stays one unless told to follow it."""
        target = target.strip("/")
        if os.path.isdir(source) and not os.path.islink(source):
            self.folder(target)
            for name in os.listdir(source):
                self.add(os.path.join(source, name), f"{target}/{name}")
            return
        if os.path.dirname(target):
            self.folder(os.path.dirname(target))
        if os.path.islink(source) and not follow:
            self.files[target] = (entry(target, 0o777, tarfile.SYMTYPE, link=os.readlink(source)), None)
            return
        with open(source, "rb") as file:
            data = file.read()
        mode = 0o755 if os.stat(source).st_mode & stat.S_IXUSR else 0o644
        self.files[target] = (entry(target, mode, size=len(data)), data)

    def libraries(self, program):
        """The shared libraries of a program, where its loader looks for them, and their licences where Debian keeps them."""
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
        if listed.returncode and "not a dynamic executable" not in listed.stdout + listed.stderr:
            sys.exit(f"ldd {program}: {listed.stderr.strip()}")
        for library in re.findall(r"(/\S+) \(0x", listed.stdout):
            # What a program finds by its own place comes with its folder.
            if "/../" not in library:
                self.add(library, library, follow=True)
        for package in ("libc6", "libgcc-s1"):
            licence = f"/usr/share/doc/{package}/copyright"
            if listed.stdout.strip() and os.path.exists(licence):
                self.add(licence, licence, follow=True)

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name in sorted(self.files):
                info, data = self.files[name]
                tar.addfile(info, io.BytesIO(data) if data is not None else None)
        return out.getvalue()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("-t", "--tag", required=True, help="name:tag")
    parser.add_argument("--add", action="append", default=[], metavar="SOURCE:TARGET", help="a file or a folder")
    parser.add_argument("--program", action="append", default=[], metavar="SOURCE:TARGET", help="a file, with its shared libraries")
    parser.add_argument("--libraries-of", action="append", default=[], metavar="FILE", help="only the libraries")
    parser.add_argument("--entrypoint", action="append", default=[])
    parser.add_argument("--cmd", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--plain", action="store_true", help="do not compress: sooner made, for tests")
    parser.add_argument("--path", default="/usr/local/bin:/usr/bin:/bin")
    machine = os.uname().machine
    parser.add_argument("--arch", default={"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine))
    return parser.parse_args()


def tree_of(told):
    tree = Tree()
    for path, text in USERS.items():
        tree.text(path, text)
    tree.folder("tmp", 0o1777)
    for pair in told.add:
        source, target = pair.split(":")
        tree.add(source, target, follow=True)
    for pair in told.program:
        source, target = pair.split(":")
        tree.add(source, target, follow=True)
        tree.libraries(source)
    for program in told.libraries_of:
        tree.libraries(program)
    return tree


def config_of(told):
    config = {"User": "65532:65532", "WorkingDir": "/", "Env": ["PATH=" + told.path] + told.env}
    if told.entrypoint:
        config["Entrypoint"] = told.entrypoint
    if told.cmd:
        config["Cmd"] = told.cmd
    if told.label:
        config["Labels"] = dict(label.split("=", 1) for label in told.label)
    return config


def packed(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def image(told, layer):
    """The files of an OCI layout, and the manifest's digest."""
    blobs = {}

    def blob(data, media):
        digest = hashlib.sha256(data).hexdigest()
        blobs["blobs/sha256/" + digest] = data
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))
    kind = "application/vnd.oci.image."
    config = blob(packed({
        "architecture": told.arch, "os": "linux", "created": when, "config": config_of(told),
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created": when, "created_by": "oci_image.py"}],
    }), kind + "config.v1+json")
    layers = [blob(layer, kind + "layer.v1.tar") if told.plain else blob(gzip.compress(layer, 6, mtime=0), kind + "layer.v1.tar+gzip")]
    manifest = blob(packed({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": config, "layers": layers}),
                    kind + "manifest.v1+json")
    named = {**manifest, "platform": {"architecture": told.arch, "os": "linux"}, "annotations": {
        "io.containerd.image.name": told.tag, "org.opencontainers.image.ref.name": told.tag.rsplit(":", 1)[-1]}}
    path = lambda described: "blobs/sha256/" + described["digest"].split(":")[1]
    index = {"schemaVersion": 2, "mediaType": kind + "index.v1+json", "manifests": [named]}
    docker = [{"Config": path(config), "RepoTags": [told.tag], "Layers": [path(layers[0])]}]
    files = {"oci-layout": packed({"imageLayoutVersion": "1.0.0"}), "index.json": packed(index), "manifest.json": packed(docker)}
    return {**files, **blobs}, manifest["digest"]


def main():
    told = arguments()
    files, digest = image(told, tree_of(told).tar())
    with tarfile.open(told.output + ".part", mode="w", format=tarfile.GNU_FORMAT) as tar:
        for folder in ("blobs", "blobs/sha256"):
            tar.addfile(entry(folder, 0o755, tarfile.DIRTYPE))
        for name in sorted(files):
            tar.addfile(entry(name, 0o644, size=len(files[name])), io.BytesIO(files[name]))
    os.replace(told.output + ".part", told.output)
    print(f"{told.tag} {digest} {os.path.getsize(told.output) / 1e6:.1f} MB in {told.output}")


if __name__ == "__main__":
    sys.exit(main())
