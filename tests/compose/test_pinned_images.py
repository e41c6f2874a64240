"""Digests of images, as a real registry tells them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.integration.conftest import Server, program, started

pytestmark = [pytest.mark.integration, pytest.mark.full]

ROOT = Path(__file__).parents[2]
PLATFORM = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
PATIENCE_SECONDS = 60


class Registry(Server):
    """A registry of Docker's own, with what the tests put into it."""

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Return the command line."""
        config = self.folder / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: warn}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder / 'data'}}}}}\n"
            f"http: {{addr: '{self.address}'}}\n",
            encoding="utf-8",
        )
        return [program("docker-registry"), "serve", str(config)]

    def ready(self) -> bool:
        """Return whether it answers."""
        try:
            return httpx.get(f"http://{self.address}/v2/").is_success
        except httpx.TransportError:
            return False

    def push(self, name: str, tag: str) -> str:
        """Push an image of two platforms, whose content is its tag, and return its digest."""
        with httpx.Client(base_url=f"http://{self.address}/v2/{name}/") as client:
            listed = []
            for architecture in ("amd64", "arm64"):
                config = {
                    "architecture": architecture,
                    "os": "linux",
                    "author": tag,
                    "rootfs": {"type": "layers", "diff_ids": []},
                }
                body = json.dumps(config).encode()
                begun = client.post("blobs/uploads/")
                place = httpx.URL(begun.headers["Location"])
                done = client.put(place.copy_merge_params({"digest": _digest(body)}), content=body)
                assert done.status_code == httpx.codes.CREATED
                image = {"mediaType": CONFIG, "size": len(body), "digest": _digest(body)}
                manifest = {"config": image, "layers": []}
                entry = self._put(client, PLATFORM, manifest)
                listed.append({**entry, "platform": {"architecture": architecture, "os": "linux"}})
            return str(self._put(client, INDEX, {"manifests": listed}, tag)["digest"])

    @staticmethod
    def _put(
        client: httpx.Client, kind: str, content: Mapping[str, object], tag: str = ""
    ) -> dict[str, object]:
        """Push a manifest, under its digest if it has no tag, and return what a list says of it."""
        body = json.dumps({"schemaVersion": 2, "mediaType": kind, **content}).encode()
        place = f"manifests/{tag or _digest(body)}"
        done = client.put(place, content=body, headers={"Content-Type": kind})
        assert done.status_code == httpx.codes.CREATED, done.text
        return {"mediaType": kind, "size": len(body), "digest": _digest(body)}


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """Return a registry with nothing in it."""
    with ExitStack() as servers:
        yield started(Registry(tmp_path / "registry"), servers)


def test_images_are_pinned_to_what_a_registry_has(registry: Registry, tmp_path: Path) -> None:
    """Digests are of all platforms; a tag that moved is told, and a missing one changes nothing."""
    clone = tmp_path / "clone"
    (clone / "scripts").mkdir(parents=True)
    for name in ("pin-images", "lib.sh"):
        shutil.copy(ROOT / "scripts" / name, clone / "scripts" / name)
    images = {"ONE_IMAGE": ("own/one", "v1"), "TWO_IMAGE": ("two", "2.0")}
    lines = [f"{name}={registry.address}/{own}:{tag}" for name, (own, tag) in images.items()]
    (clone / ".env.example").write_text("\n".join(["SITE=demo", *lines, ""]), encoding="utf-8")
    insecure = tmp_path / ".config/containers/registries.conf"
    insecure.parent.mkdir(parents=True)
    insecure.write_text(
        f'[[registry]]\nlocation = "{registry.address}"\ninsecure = true\n', encoding="utf-8"
    )

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        # Only skopeo's configuration says that a registry speaks HTTP.
        return subprocess.run(
            [clone / "scripts/pin-images", *words],
            env={"PATH": _without_docker(tmp_path), "HOME": str(tmp_path)},
            capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        )  # fmt: skip

    missing = run()
    assert missing.returncode == 3
    assert f"{registry.address}/own/one:v1: no digest can be had: " in missing.stderr
    assert not (clone / ".env").exists()
    digests = [registry.push(own, tag) for own, tag in images.values()]
    assert run().returncode == 0
    pinned = [f"{line}@{digest}" for line, digest in zip(lines, digests, strict=True)]
    assert (clone / ".env").read_text(encoding="utf-8").splitlines() == pinned
    assert run("--check").returncode == 0
    moved = registry.push("two", "3.0")
    httpx.put(
        f"http://{registry.address}/v2/two/manifests/2.0",
        content=httpx.get(
            f"http://{registry.address}/v2/two/manifests/{moved}", headers={"Accept": INDEX}
        ).content,
        headers={"Content-Type": INDEX},
    ).raise_for_status()
    said = run("--check")
    assert said.returncode == 2
    assert f"moved since: {registry.address}/two:2.0@{moved}" in said.stderr


def _without_docker(folder: Path) -> str:
    """Return a PATH on which skopeo is and docker is not."""
    tools = folder / "tools"
    if not tools.exists():
        tools.mkdir()
        for place in os.environ["PATH"].split(os.pathsep):
            for tool in Path(place).glob("*"):
                link = tools / tool.name
                if tool.name != "docker" and not link.exists():
                    link.symlink_to(tool)
    return str(tools)
