"""Damages texts as people, editors and cards do, from a seed: the same seed, the same damage."""

from __future__ import annotations

import random
import re

WORDS = [
    b"true", b"True", b"yes", b"nan", b"inf", b"-1", b"0", b"1e308", b"9" * 30, b"0,5", b'""',
    b"''", b"[]", b"{}", b"[[", b"]]", b"=", b":", b"#", b"\n", b"\r", b"\t", b"\0", b"\x7f",
    b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", "\u201c".encode(), "\u00fc".encode(), b"\\", b"\\u0000",
    b"\\ud800", b"1979-05-27", b"07:32:00", b"22:00", b"0x" + b"f" * 40, b"~root/x", b"~nobody-x/y",
    b"/dev/null", b"/proc/self/mem", b"/" + b"x" * 300, b"rtsp://a:geheim99@b/c", b"../..", b"%s",
    b"'''", b'"""', b"a.b.c = 1\n", b"[camera]\n", b"[[seats]]\n", b"[mqtt", b"__class__ = 1\n",
]  # fmt: skip


def damaged(text: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """One to six blows: bytes, words, lines, halves, and pieces of other texts."""
    for _ in range(chance.randint(1, 6)):
        lines = text.split(b"\n")
        at = chance.randrange(len(text) + 1)
        match chance.randrange(11):
            case 0:
                text = text[:at] + bytes([chance.randrange(256)]) + text[at + 1 :]
            case 1:
                text = text[:at] + chance.choice(WORDS) + text[at:]
            case 2:
                text = text[:at] + text[at + chance.randint(1, 20) :]
            case 3:
                text = text[:at] if chance.random() < 0.3 else text
            case 4:
                del lines[chance.randrange(len(lines))]
                text = b"\n".join(lines)
            case 5:
                lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
                text = b"\n".join(lines)
            case 6:
                chance.shuffle(lines)
                text = b"\n".join(lines)
            case 7:
                # Another value: what most mistakes are.
                row = chance.randrange(len(lines))
                value = chance.choice(WORDS)
                lines[row] = re.sub(rb"=.*", lambda _, v=value: b"= " + v, lines[row])  # type: ignore[misc]
                text = b"\n".join(lines)
            case 8:
                row = chance.randrange(len(lines))
                lines[row] = lines[row].replace(b'"', b"").replace(b"'", b"")
                text = b"\n".join(lines)
            case 9:
                other = chance.choice(others)
                cut = chance.randrange(len(other) + 1)
                text = text[:at] + other[cut : cut + 40] + text[at:]
            case 10:
                codec = chance.choice(["utf-16", "utf-8-sig", "latin-1", "utf-32"])
                text = text.decode("utf-8", "replace").encode(codec, "replace")
    return text
