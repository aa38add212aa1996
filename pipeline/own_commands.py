"""The commands that have a module of their own, in the order of the help."""

from __future__ import annotations

from types import ModuleType

from pipeline import (
    bench_store_command,
    compare_command,
    credentials_command,
    doctor_command,
    duplicates_command,
    explain_command,
    get_command,
    images_command,
    lab_command,
    land_command,
    mahout_command,
    plan_command,
    predict_command,
    quarantine_command,
    query_command,
    report_command,
    restart_command,
    scale_command,
    shell_command,
    spark_command,
    sqoop_command,
    ui_command,
    verify_command,
)

# each has add_parser(commands) and run(args)
OWN_COMMANDS: dict[str, ModuleType] = {
    "plan": plan_command,
    "predict": predict_command,
    "explain": explain_command,
    "report": report_command,
    "compare": compare_command,
    "get": get_command,
    "query": query_command,
    "doctor": doctor_command,
    "duplicates": duplicates_command,
    "verify": verify_command,
    "quarantine": quarantine_command,
    "images": images_command,
    "land": land_command,
    "sqoop": sqoop_command,
    "shell": shell_command,
    "ui": ui_command,
    "lab": lab_command,
    "bench-store": bench_store_command,
    "restart": restart_command,
    "scale": scale_command,
    "spark": spark_command,
    "mahout": mahout_command,
    "credentials": credentials_command,
}
