"""Faults, as programs: ``python -m tests.faults`` runs all of them, ``python -m tests.faults.NAME`` one."""
