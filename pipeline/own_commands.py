"""The commands that have a module of their own, in the order of the help."""

from __future__ import annotations

from types import ModuleType

from pipeline import (
    doctor_command,
    duplicates_command,
    get_command,
    images_command,
    quarantine_command,
    query_command,
    verify_command,
)

# each has add_parser(commands) and run(args)
OWN_COMMANDS: dict[str, ModuleType] = {
    "get": get_command,
    "query": query_command,
    "doctor": doctor_command,
    "duplicates": duplicates_command,
    "verify": verify_command,
    "quarantine": quarantine_command,
    "images": images_command,
}
