#!/usr/bin/python3
"""What libtorrent, an independent implementation of BitTorrent v2, makes of some files: bittorrent.txt comes from here.

    torrent_roots.py                  prints the lines of bittorrent.txt
    torrent_roots.py FILE.torrent     reads a torrent and prints the same of it, whatever it is as a folder

Needs libtorrent's Python binding (Debian: python3-libtorrent).

    file SIZE ROOT INFO-HASH METAINFO  one file alone, called SIZE.bin; libtorrent makes no torrent of an empty one
    folder NAME INFO-HASH METAINFO     a folder with the entries that follow
    entry SIZE ATTRIBUTES ROOT PATH    a file of it

METAINFO is the SHA-256 of the whole torrent without its date, so that the piece layers are compared too. `-` stands for what there is not. Byte i of a file of n bytes is (31 i + ⌊i / 257⌋ + n) mod 256.
"""

import hashlib
import os
import sys
import tempfile

import libtorrent

PIECE_BYTES = 256 * 1024
KIB = 1024
MIB = 1024 * 1024
SIZES = [
    0, 1, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 1_000_003, 3 * MIB,
    5 * MIB + 12_345,
]
FOLDER = "flock"
ENTRIES = [
    ("a", 5, False), ("a.txt", 300_000, True), ("a-b/c", 16 * KIB, False), ("empty", 0, False),
    ("Über/Star 🐦.bin", 256 * KIB + 1, False), ("z/y/x/w", MIB, False), ("z/y/x-1", 256 * KIB, True),
]


def content(size):
    rows = [bytes((start + 31 * column) % 256 for column in range(257)) for start in range(256)]
    starts = ((31 * 257 * row + row + size) % 256 for row in range(size // 257 + 1))
    return b"".join(rows[start] for start in starts)[:size]


def write(path, size, executable=False):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content(size))
    os.chmod(path, 0o755 if executable else 0o644)


def torrent(path):
    """The metainfo of a file or a folder."""
    files = libtorrent.file_storage()
    libtorrent.add_files(files, path)
    creator = libtorrent.create_torrent(files, PIECE_BYTES, libtorrent.create_torrent.v2_only)
    libtorrent.set_piece_hashes(creator, os.path.dirname(path))
    return libtorrent.bdecode(libtorrent.bencode(creator.generate()))


def hashes(metainfo):
    """The info hash, and that of all but the date."""
    dateless = {key: value for key, value in metainfo.items() if key != b"creation date"}
    digest = hashlib.sha256(libtorrent.bencode(dateless)).hexdigest()
    return f"{libtorrent.torrent_info(metainfo).info_hashes().v2} {digest}"


def files_of(tree, names=()):
    """The files of a file tree: path, size, attributes, root."""
    for name, node in tree.items():
        if name == b"":
            root = node.get(b"pieces root", b"").hex() or "-"
            yield "/".join(names), node[b"length"], node.get(b"attr", b"").decode() or "-", root
        else:
            yield from files_of(node, (*names, name.decode()))


def print_entries(metainfo):
    for path, size, attributes, root in sorted(files_of(metainfo[b"info"][b"file tree"])):
        print("entry", size, attributes, root, path)


def print_vectors(directory):
    for size in SIZES:
        if size == 0:
            print("file 0 - - -")
            continue
        path = os.path.join(directory, f"{size}.bin")
        write(path, size)
        metainfo = torrent(path)
        [(_, _, _, root)] = files_of(metainfo[b"info"][b"file tree"])
        print("file", size, root, hashes(metainfo))
    for path, size, executable in ENTRIES:
        write(os.path.join(directory, FOLDER, path), size, executable)
    metainfo = torrent(os.path.join(directory, FOLDER))
    print("folder", FOLDER, hashes(metainfo))
    print_entries(metainfo)


def print_torrent(path):
    with open(path, "rb") as file:
        metainfo = libtorrent.bdecode(file.read())
    print("folder", metainfo[b"info"][b"name"].decode(), hashes(metainfo))
    print_entries(metainfo)


if len(sys.argv) > 1:
    print_torrent(sys.argv[1])
else:
    with tempfile.TemporaryDirectory() as scratch:
        print_vectors(scratch)
