"""The rules about who may import what, so that they cannot rot."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
EDGE = TESTS.parent / "edge"
LAB = TESTS / "lab"
PURE = (
    *(
        "domain.py",
        "card.py",
        "config.py",
        "effects.py",
        "experiment.py",
        "judge.py",
        "patterns.py",
        "taught.py",
        "tunes.py",
        "vision/still.py",
    ),
    *(
        f"{part}/{path.name}"
        for part in ("decide", "desk")
        for path in sorted((EDGE / part).glob("*.py"))
    ),
)
ALLOWED_IN_PURE = {"numpy", "edge.config", "edge.domain", "edge.experiment"}
# Each vendor has one home; nobody else may know it is there.
HOMES = {
    "picamera2": ("devices/",),
    "libcamera": ("devices/",),
    "gpiozero": ("devices/",),
    "lgpio": ("devices/",),
    "systemd": ("devices/",),
    "paho": ("mqtt/",),
    "amqtt": ("demo/",),
    "tflite_runtime": ("vision/tflite.py",),
    "ai_edge_litert": ("vision/tflite.py",),
    "sqlite3": ("history/", "hooks/"),
    "apprise": ("hooks/",),
    "starlette": ("page/",),
    "uvicorn": ("page/",),
    "h11": ("page/",),
    "tomlkit": ("page/",),
}


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "edge":
                names |= {f"edge.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("name", PURE)
def test_what_decides_imports_values_only(name):
    stdlib = sys.stdlib_module_names
    foreign = {
        module
        for module in imports(EDGE / name)
        if module.split(".")[0] not in stdlib
        and module not in ALLOWED_IN_PURE | {"edge", "edge.decide", "edge.desk"}
        and f"{module.removeprefix('edge.').replace('.', '/')}.py" not in PURE
        and module.split(".")[0] != "numpy"
    }
    assert not foreign


@pytest.mark.parametrize("name", PURE)
def test_what_decides_touches_no_clock_file_or_network(name):
    touching = {
        "time",
        "datetime",
        "os",
        "io",
        "pathlib",
        "socket",
        "random",
        "threading",
        "sqlite3",
    }
    assert not {module.split(".")[0] for module in imports(EDGE / name)} & touching


# What gathers something while it is made, or belongs to one thread; all else is a value.
CHANGING = {
    *("history/salvage.py Salvaged", "history/lookback.py Hour", "mqtt/client.py _Attempt"),
    *("mqtt/client.py _Spoken", "mqtt/delivery.py _Slot", "mqtt/delivery.py _Connection"),
    "page/login.py Kept",
}


def test_values_are_frozen_and_slotted():
    made = {
        f"{path.relative_to(EDGE)} {node.name}": ast.unparse(decorator)
        for path in sorted(EDGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if "dataclass" in ast.unparse(decorator)
    }
    assert not [name for name, how in made.items() if "slots=True" not in how]
    assert {name for name, how in made.items() if "frozen=True" not in how} == CHANGING


def test_every_vendor_is_imported_in_its_own_home_only():
    strays = [
        f"{path.relative_to(EDGE)} imports {module}"
        for path in sorted(EDGE.rglob("*.py"))
        for module in imports(path)
        for vendor, homes in HOMES.items()
        if module.split(".")[0] == vendor and not str(path.relative_to(EDGE)).startswith(homes)
    ]
    assert not strays


def test_the_laboratory_is_on_no_box_and_nothing_there_knows_it():
    strays = [
        f"{path.relative_to(EDGE)} imports {module}"
        for path in sorted(EDGE.rglob("*.py"))
        for module in imports(path)
        if module.split(".")[0] == "tests"
    ]
    assert not strays
    packages = configparser.ConfigParser()
    packages.read(TESTS.parent / "setup.cfg")
    assert "tests" not in packages["options"]["packages"]


def test_the_laboratory_takes_from_the_box_and_from_itself_only():
    """Tests take from it; it takes nothing from them."""
    strays = [
        f"{path.relative_to(LAB)} imports {module}"
        for path in sorted(LAB.rglob("*.py"))
        for module in imports(path)
        if module.split(".")[0] == "tests" and not (module + ".").startswith("tests.lab.")
    ]
    assert not strays


def test_help_is_shown_without_loading_what_runs_the_box():
    code = (
        "import sys\n"
        "from edge.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy','av','gpiozero','paho','tflite_runtime'} & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_page_and_the_box_know_each_other_by_the_link_alone():
    page = {module for path in (EDGE / "page").rglob("*.py") for module in imports(path)}
    touching = ("edge.devices", "edge.vision", "edge.mqtt", "edge.app", "edge.loop", "numpy", "av")
    assert not {module for module in page if module.startswith(touching)}
    strays = [
        str(path.relative_to(EDGE))
        for path in sorted(EDGE.rglob("*.py"))
        if not str(path.relative_to(EDGE)).startswith(
            ("page/", "commands/page.py", "commands/report.py")
        )
        for module in imports(path)
        if module.startswith("edge.page")
    ]
    assert not strays
