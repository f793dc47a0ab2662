"""What not every Airflow that we run on has."""

from __future__ import annotations

from airflow.triggers.base import BaseTrigger

TRIGGERER_CALLS_ON_KILL = hasattr(BaseTrigger, "on_kill")
"""Since 3.3. Before, a trigger hears of its end by ``cleanup`` alone, whatever the reason."""
