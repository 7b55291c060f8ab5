"""What a file is by its first bytes, whatever its name says: for messages about files that cannot be read."""

from __future__ import annotations

from pathlib import Path

HEAD_BYTES = 512

A_VIDEO = "a video: take a picture out of it"
"""What `what_it_is` says of videos."""

VIDEO_SUFFIXES = (
    ".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts", ".m2ts",
)  # fmt: skip
"""Endings of videos, in small letters."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"8BPS", "a Photoshop file: save the image as PNG"),
    (b"\xff\x0a", "a JPEG XL image: convert it to JPEG or PNG"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image: convert it to JPEG or PNG"),
    (b"%PDF", "a PDF document: save the image as PNG"),
    (b"PK\x03\x04", "a zip archive (as .npz files are)"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"\xfd7zXZ", "an xz archive: unpack it first"),
    (b"BZh", "a bzip2 archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"\x93NUMPY", "a single numpy array (.npy)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself: run git lfs pull"),
    (b"<?xml", "an XML file"),
    (b"MATLAB", "a MATLAB file"),
    (b"Kaydara FBX", "an FBX file"),
    (b"\x1a\x45\xdf\xa3", A_VIDEO),  # Matroska, WebM
    (b"FLV\x01", A_VIDEO),
    (b"\0\0\x01\xba", A_VIDEO),  # MPEG
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", A_VIDEO),  # Windows Media
)
_BRANDS = {
    "HEIC photo, which is not read: convert it to JPEG or PNG": (
        "heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1",
    ),
    "AVIF image": ("avif", "avis"),
    "raw photo of a camera, which is not read: develop it to JPEG or PNG": ("crx ",),
    "sound file": ("M4A ", "M4B ", "M4P "),
}  # fmt: skip
"""Major brands of ISO media files (``ftyp`` boxes): ISO/IEC 23008-12, and Canon's CR3."""


def what_it_is(path: Path) -> str:
    """Says what a file is by its first bytes, with what to do about it where that is plain.

    Args:
        path: File.

    Returns:
        A phrase such as ``"a web page (HTML), …"``; empty if the content is not recognised or cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return ""
    if not head:
        return "empty (0 bytes): copy or download it again"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page (HTML), not the file itself: a download without a login leaves one"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP image"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return A_VIDEO
    if head[4:8] == b"ftyp":
        brand = head[8:12].decode("latin-1")
        known = next((name for name, brands in _BRANDS.items() if brand in brands), None)
        return f"a{'n' if known == 'AVIF image' else ''} {known}" if known else A_VIDEO
    if head[4:8] in (b"moov", b"mdat", b"wide"):  # QuickTime without a ``ftyp`` box
        return A_VIDEO
    if head[:1] == head[188:189] == head[376:377] == b"G" or head[4:5] == head[196:197] == head[388:389] == b"G":
        return A_VIDEO  # packets of an MPEG transport stream, also with time codes (AVCHD)
    found = next((name for signature, name in _SIGNATURES if head.startswith(signature)), "")
    if not found and not any(head):
        return "only zero bytes: copy or download it again"
    return found


def and_what_it_is(path: Path) -> str:
    """`what_it_is` as the end of a message: ``"; it is a PNG image"``, or nothing."""
    found = what_it_is(path)
    return f"; it is {found}" if found else ""
