"""Bundles: a compiled program in one piece, and what is none."""

import io
import json
import zipfile

import pytest
from finsy.proto import p4i
from google.protobuf import text_format
from rig import Rig

from dataplane.compiler.bundle import decode, read
from meclab.errors import InputError


@pytest.fixture
def bundle():
    return Rig().bundle()


def test_a_bundle_comes_back_as_it_was_and_is_the_same_bytes_each_time(bundle):
    assert decode(bundle.encode()) == bundle
    assert bundle.encode() == Rig().bundle().encode()


def test_a_folder_has_every_part_and_is_read_as_the_bundle(bundle, tmp_path):
    names = {path.name.removeprefix("handmade") for path in bundle.write(tmp_path / "out")}
    assert names == {".p4info.txt", ".p4info.bin", ".layout.json", ".entries.bin", ".c", ".o", ".bundle"}
    assert text_format.Parse((tmp_path / "out/handmade.p4info.txt").read_text(), p4i.P4Info()) == bundle.p4info
    assert read(tmp_path / "out") == bundle == read(tmp_path / "out/handmade.bundle")


def test_a_folder_without_a_bundle_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"found 0 files \*\.bundle; expected one"):
        read(tmp_path)


def archive(bundle, **changes):
    files = {
        name: changes.get(name.removeprefix("handmade.").replace(".", "_"), data)
        for name, data in bundle.files().items()
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, data in files.items():
            if data is not None:
                made.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"o": None}, r"found no handmade\.o in the bundle"),
        ({"layout_json": b"{"}, "found a bundle that cannot be read"),
        ({"layout_json": b"[]"}, "found other members; expected actions"),
        ({"p4info_bin": b"\xff\xff"}, "found a bundle that cannot be read"),
        ({"c": b"\xff"}, "found a bundle that cannot be read"),
    ],
)
def test_a_bundle_with_a_broken_part_is_refused(bundle, changes, message):
    with pytest.raises(InputError, match=message):
        decode(archive(bundle, **changes))


def test_a_layout_with_another_type_in_it_is_refused(bundle):
    layout = json.loads(bundle.files()["handmade.layout.json"])
    layout["tables"][0]["size"] = "many"
    with pytest.raises(InputError, match="'many' is no <class 'int'>"):
        decode(archive(bundle, layout_json=json.dumps(layout).encode()))


def test_an_archive_that_unpacks_to_more_than_any_program_is_refused_unread(bundle):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made, made.open("x.o", "w") as file:
        for _ in range(65):
            file.write(bytes(1 << 20))
    with pytest.raises(InputError, match="found more than 64 MiB"):
        decode(buffer.getvalue())
